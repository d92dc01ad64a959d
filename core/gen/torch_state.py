"""Torch's settings of the process and of a thread: noted and put back, or as in a fresh process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

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


def values() -> dict[str, object]:
    """Torch's settings by name."""
    return {
        "torch's default dtype": torch.get_default_dtype(),
        "torch's default device": _default_device(),
        "torch's threads": torch.get_num_threads(),
        "torch's deterministic mode": torch.get_deterministic_debug_mode(),
        "torch's gradients": torch.is_grad_enabled(),
        "torch's random numbers": torch.get_rng_state().tolist(),
    }


def kept_settings() -> Callable[[], None]:
    """Note torch's settings that all threads share; the result puts them back."""
    # Restored in the reverse order: the parts of a precision come after the whole.
    before = [(setting, value) for setting in _SETTINGS if (value := _value(setting)) is not None]
    threads, numbers = torch.get_num_threads(), torch.get_rng_state()
    on_cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None

    def put_back() -> None:
        if on_cuda is not None:
            torch.cuda.set_rng_state_all(on_cuda)
        torch.set_rng_state(numbers)
        _write(before)
        set_threads(threads)

    return put_back


def write_fresh_settings() -> None:
    """Set what all threads share as a fresh process has it, but for threads and random numbers."""
    _write([(setting, setting.fresh) for setting in _SETTINGS if _value(setting) is not None])


def kept_modes() -> Callable[[], None]:
    """Note what this thread has for itself: gradients, autocast, default device; the result puts it back."""
    gradients, device = torch.is_grad_enabled(), _default_device()
    autocast = [(name, torch.is_autocast_enabled(name)) for name in _AUTOCAST_DEVICES]

    def put_back() -> None:
        if torch.is_grad_enabled() != gradients:
            torch.set_grad_enabled(gradients)
        for name, enabled in autocast:
            if torch.is_autocast_enabled(name) != enabled:
                torch.set_autocast_enabled(name, enabled)
        if _default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)

    return put_back


@contextmanager
def fresh_modes() -> Iterator[None]:
    """What a thread has for itself as a fresh one has it."""
    put_back = kept_modes()
    try:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            if _default_device().type != "cpu":
                stack.enter_context(torch.device("cpu"))
            for name in _AUTOCAST_DEVICES:
                if torch.is_autocast_enabled(name):
                    torch.set_autocast_enabled(name, False)
            yield
    finally:
        put_back()


def _default_device() -> torch.device:
    # torch.get_default_device of 2.8 fails after set_default_device(None).
    return torch.empty(0).device


def set_threads(threads: int) -> None:
    """Set the number of threads of the kernels on the CPU, where it differs."""
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)


def seed_all(seed: int) -> None:
    """Seed the global random numbers, of each device that is in use."""
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
