"""Parts of a model that are in memory only while they are used."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from torch import nn

from gen.hardware.memory import give_back, total_memory

Part = TypeVar("Part")


class Resident(Generic[Part]):
    """A part of a model, loaded by the first ``with`` block that needs it and freed after the last::

        encoder = Resident(load_text_encoder)
        with encoder as network:
            embeddings = network(tokens)

    Blocks may be nested and entered by several threads; they share the part. Nothing may refer to it outside.

    Args:
        load: Loads it, fast enough to do so again: from a file that is mapped, for instance.
        keep: Whether it stays in memory after its first use: where all parts of a model fit at once.
    """

    def __init__(self, load: Callable[[], Part], *, keep: bool = False) -> None:
        self._load, self._keep = load, keep
        self._lock = threading.Lock()
        self._loaded: list[Part] = []
        self._users = 0

    @property
    def loaded(self) -> bool:
        """Whether it is in memory."""
        return bool(self._loaded)

    def __enter__(self) -> Part:
        with self._lock:
            if not self._loaded:
                self._loaded.append(self._load())
            self._users += 1
            return self._loaded[0]

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and not self._keep:
                self._free()

    def free(self) -> None:
        """Free a part that was kept, unless it is in use."""
        with self._lock:
            if not self._users:
                self._free()

    def _free(self) -> None:
        if self._loaded:
            self._loaded.clear()
            give_back()


SHARE = 0.6
"""The part of the machine's memory that the weights of a model may take; what they compute has the rest."""


class Residents:
    """Networks of one model that are in memory together as far as they fit, else one after another.

    Args:
        limit: Bytes that they may take together; None is ``SHARE`` of the machine's memory.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._parts: list[tuple[weakref.ref[Resident[nn.Module]], int]] = []

    def network(self, load: Callable[[], nn.Module], size: int, device: str = "cpu") -> nn.Module:
        """A network that stands for one that is loaded now, and again when it is used after it had to go.

        Args:
            load: Loads it, fast enough to do so again.
            size: Bytes that it takes.
            device: Where it is, as torch spells it.

        Raises:
            gen.errors.GenError: Whatever ``load`` raises.
        """
        resident = Resident(lambda: self._with_room(load, size, device), keep=True)
        self._parts.append((weakref.ref(resident), size))
        with resident:
            pass
        return cast(nn.Module, ResidentNetwork(resident))

    @property
    def loaded(self) -> int:
        """How many networks are in memory."""
        return len(self._held())

    def _with_room(self, load: Callable[[], nn.Module], size: int, device: str) -> nn.Module:
        """A network, after others have gone as far as it needs room, those that were added first before."""
        total = total_memory(device) if self._limit is None else None
        limit = self._limit if total is None else int(SHARE * total)
        while limit is not None and (held := self._held()):
            if size + sum(other for _, other in held) <= limit:
                break
            for resident, _ in held:
                resident.free()
                if not resident.loaded:
                    break
            else:
                break
        return load()

    def _held(self) -> list[tuple[Resident[nn.Module], int]]:
        """Those in memory, with their sizes; those that nothing refers to any more are forgotten."""
        there = [(part, size) for found, size in self._parts if (part := found()) is not None]
        self._parts = [(weakref.ref(part), size) for part, size in there]
        return [(part, size) for part, size in there if part.loaded]


class ResidentNetwork:
    """In place of a network that may have left memory: calls and attributes are those of the network itself.

    Args:
        resident: The network.
    """

    def __init__(self, resident: Resident[nn.Module]) -> None:
        self._resident = resident

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self._resident as network:
            return network(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        with self._resident as network:
            return getattr(network, name)
