"""Everything in the process that changes what torch and numpy compute: as in a fresh process during a run.

A caller may have set another default dtype or device, fewer threads, faster and coarser kernels, or its own
random numbers, and a plugin's code may set them as well. A run neither depends on them nor leaves a trace.
"""

from __future__ import annotations

import os
import random
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np
import torch


class _Setting(NamedTuple):
    """A setting of the whole process: how it is read and written, and its value in a fresh process."""

    read: Callable[[], Any]
    write: Callable[[Any], object]
    fresh: Any


def _attribute(owner: object, name: str, fresh: object) -> _Setting:
    return _Setting(lambda: getattr(owner, name), lambda value: setattr(owner, name, value), fresh)


_CUDA, _CUDNN, _MKLDNN = torch.backends.cuda, torch.backends.cudnn, torch.backends.mkldnn
# torch has had a precision of every kind of kernel since 2.9. Where those are set, its older functions raise.
_PRECISIONS = tuple(
    _attribute(owner, "fp32_precision", fresh)
    for owner, fresh in (
        (torch.backends, "none"),
        (getattr(_CUDA, "matmul", None), "none"),
        (getattr(_CUDNN, "conv", None), "tf32"),
        (getattr(_CUDNN, "rnn", None), "tf32"),
        (getattr(_MKLDNN, "matmul", None), "none"),
        (getattr(_MKLDNN, "conv", None), "none"),
        (getattr(_MKLDNN, "rnn", None), "none"),
    )
    if hasattr(owner, "fp32_precision")
)
_SETTINGS = (
    _Setting(torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    _Setting(torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode, 0),
    _Setting(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"),
    *_PRECISIONS,
    _attribute(_MKLDNN, "enabled", True),
    _attribute(_MKLDNN, "deterministic", False),
    _attribute(_CUDNN, "enabled", True),
    _attribute(_CUDNN, "benchmark", False),
    _attribute(_CUDNN, "deterministic", False),
    _attribute(_CUDNN, "allow_tf32", True),
    _attribute(_CUDA.matmul, "allow_fp16_reduced_precision_reduction", True),
    _attribute(_CUDA.matmul, "allow_bf16_reduced_precision_reduction", True),
    _Setting(_CUDA.flash_sdp_enabled, _CUDA.enable_flash_sdp, True),
    _Setting(_CUDA.mem_efficient_sdp_enabled, _CUDA.enable_mem_efficient_sdp, True),
    _Setting(_CUDA.math_sdp_enabled, _CUDA.enable_math_sdp, True),
    _Setting(_CUDA.cudnn_sdp_enabled, _CUDA.enable_cudnn_sdp, True),
)
_AUTOCAST_DEVICES = ("cpu", "cuda", "mps")

_lock = threading.Lock()
_runs: set[object] = set()
_process = ExitStack()


@contextmanager
def fresh_process_state(*, seed: int, threads: int | None = None) -> Iterator[None]:
    """The process as a fresh one has it, then again as it was, whatever the block has changed.

    Gradients are on, autocast is off, torch's defaults are float32 on the CPU, kernels have their usual
    precision. Settings of the whole process are set by the first of several threads that are inside, and put
    back by the last.

    Args:
        seed: Of the global random numbers of torch, numpy and Python, from 0 to 2**63 - 1. Code that draws
            from them, which none should, then draws the same in every run.
        threads: Threads of torch's kernels on the CPU, at least 1; None leaves them as they are. Sums are
            rounded differently with another number.
    """
    run = object()
    with _lock:
        if not _runs:
            _process.enter_context(_settings())
        _runs.add(run)
    try:
        with _thread():
            _seed(seed)
            if threads is not None:
                _set_threads(threads)
            yield
    finally:
        with _lock:
            _runs.discard(run)
            if not _runs:
                _process.close()


@contextmanager
def _settings() -> Iterator[None]:
    """What all threads share."""
    with ExitStack() as stack:
        # Restored in the reverse order: the parts of a precision come after the whole.
        before = [(setting, value) for setting in _SETTINGS if (value := _value(setting)) is not None]
        stack.callback(_set_threads, torch.get_num_threads())
        stack.callback(_write, before)
        with suppress(FileNotFoundError):
            stack.callback(os.chdir, os.getcwd())
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())
        stack.callback(torch.set_rng_state, torch.get_rng_state())
        if torch.cuda.is_initialized():
            stack.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
        stack.enter_context(warnings.catch_warnings())
        _write([(setting, setting.fresh) for setting, _ in before])
        yield


@contextmanager
def _thread() -> Iterator[None]:
    """What every thread has for itself."""
    device = _default_device()
    autocast = [(name, torch.is_autocast_enabled(name)) for name in _AUTOCAST_DEVICES]
    try:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
            if device.type != "cpu":
                stack.enter_context(torch.device("cpu"))
            for name, enabled in autocast:
                if enabled:
                    torch.set_autocast_enabled(name, False)
            yield
    finally:
        for name, enabled in autocast:
            if torch.is_autocast_enabled(name) != enabled:
                torch.set_autocast_enabled(name, enabled)
        if _default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)


def _default_device() -> torch.device:
    # torch.get_default_device of 2.8 fails after set_default_device(None).
    return torch.empty(0).device


def _set_threads(threads: int) -> None:
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


def _value(setting: _Setting) -> Any:
    """The value of a setting; None where torch raises, since newer settings overrule it."""
    try:
        return setting.read()
    except RuntimeError:
        return None


def _write(values: list[tuple[_Setting, Any]]) -> None:
    """Write what differs, so that a process that nobody has touched stays untouched."""
    for setting, value in values:
        if _value(setting) != value:
            setting.write(value)
