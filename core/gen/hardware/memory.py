"""Memory: what the machine has, what a call needs beside the weights, how many items fit at once."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Result = TypeVar("Result")

SHARE = 0.8
"""The part of the machine's memory that a run may use."""

SCRATCH = 1.15
"""How much more than its tensors a call needs: kernels have room of their own."""

_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def total_memory(device: str = "cpu") -> int | None:
    """Bytes that a device has, on the CPU at most what the process's container may use; None if unknown.

    Not what is free at the moment: decisions that follow from it are the same in every run.
    """
    if device.startswith("cuda"):
        return torch.cuda.get_device_properties(device).total_memory
    limits = []
    for path in _CGROUPS:
        try:
            limits.append(int(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min((limit for limit in limits if limit > 0), default=None)


def items_at_once(peak: int, held: int, total: int | None) -> int:
    """How many items of a batch fit at once, at least 1.

    Args:
        peak: Bytes of tensors that one item needs at most at a time (``with_peak``).
        held: Bytes that are taken in any case: weights.
        total: Bytes of the machine (``total_memory``); None where that is unknown.
    """
    if total is None:
        return sys.maxsize
    return max(1, int((SHARE * total - held) / max(1, SCRATCH * peak)))


def fits(peak: int, held: int, total: int | None) -> bool:
    """Whether one item fits; arguments as of ``items_at_once``."""
    return total is None or held + SCRATCH * peak <= SHARE * total


def held_bytes(module: torch.nn.Module) -> int:
    """Bytes of a module's parameters and buffers."""
    tensors = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def with_peak(call: Callable[[], Result]) -> tuple[Result, int]:
    """What a call returns, and the most bytes of tensors made in it that were alive at a time.

    It counts what torch's operators return, not the room that they use inside. Each operator takes some
    microseconds longer.
    """
    with _Peak() as peak:
        return call(), peak.most


class _Peak(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = self.most = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        inputs = {_storage_key(value) for value in tree_leaves((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            key = _storage_key(value)
            if key is not None and key not in self._seen and key not in inputs:
                storage = value.untyped_storage()
                self._seen.add(key)
                self.alive += storage.nbytes()
                weakref.finalize(storage, self._freed, key, storage.nbytes())
        self.most = max(self.most, self.alive)
        return result

    def _freed(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.alive -= size


def _storage_key(value: object) -> int | None:
    """Where a tensor's memory is; None for what has none, as reordered weights."""
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided:
        return None
    return value.untyped_storage()._cdata


class Freed:
    """Gives memory back to the system as it is freed: glibc keeps holes, in which larger tensors do not fit.

    Used as a context, it gives back what is left over at the end.
    """

    def __init__(self) -> None:
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.size >= 2**20:
            trim()

    def add(self, size: int) -> None:
        """Note that ``size`` bytes were freed; each 32 MiB are given back."""
        self.size += size
        if self.size >= 2**25:
            trim()
            self.size = 0


def give_back() -> None:
    """Free what nothing refers to, and give freed memory back to the system."""
    gc.collect()
    trim()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def trim() -> None:
    """Give freed memory back to the system, where the C library would keep it."""
    if (function := _malloc_trim()) is not None:
        function(0)


@cache
def _malloc_trim() -> Callable[[int], object] | None:
    """glibc's; None elsewhere."""
    try:
        function: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return function
