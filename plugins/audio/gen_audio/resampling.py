"""Resampling by soxr, which needs no torch, and by torchaudio where training and measuring keep to it."""

from __future__ import annotations

import math
from importlib.metadata import version

import numpy as np
import soxr
import torch
from torch import Tensor
from torch.nn import functional

from gen.errors import PluginError

_NEWEST = (2, 11)
"""Version of torchaudio from which on it works with every later torch."""


def resampled(samples: Tensor, rate: int, target: int) -> Tensor:
    """Samples (..., L) at another rate, (..., ceil(L·target/rate)), band-limited.

    Args:
        samples: On any device; the result is of the same type and on the same device.
        rate, target: Samples per second, before and after; any two, also without a common divisor.
    """
    if rate == target or not samples.numel():
        return samples
    length = samples.shape[-1]
    wanted = -(-length * target // rate)
    # soxr rounds the length: a little silence behind the end gives the last sample in every case.
    rows = functional.pad(samples.detach().reshape(-1, length), (0, math.ceil(rate / target) + 1))
    kind = torch.float64 if samples.dtype == torch.float64 else torch.float32
    found = soxr.resample(rows.mT.to("cpu", kind).contiguous().numpy(), rate, target)
    cut = np.ascontiguousarray(found[:wanted].T)
    return torch.from_numpy(cut).to(samples).reshape(*samples.shape[:-1], wanted)


def resampled_as_in_training(samples: Tensor, rate: int, target: int) -> Tensor:
    """As ``resampled``, by torchaudio: the data and the figures of the shipped models came about so.

    Raises:
        PluginError: torchaudio is not installed, or its compiled part does not fit the torch that is.
    """
    try:
        from torchaudio import functional as audio
    except (ImportError, OSError, RuntimeError) as error:
        raise PluginError(*_mismatch()) from error
    found: Tensor = audio.resample(samples, rate, target)
    return found


def _mismatch() -> tuple[str, str]:
    """That torchaudio is not installed or does not fit torch, and the command that mends it."""
    try:
        there = f"torchaudio {version('torchaudio')}"
    except ModuleNotFoundError:
        there = "torchaudio"
    major, minor = (int(part) for part in torch.__version__.split(".")[:2])
    fitting = ".".join(map(str, min((major, minor), _NEWEST)))
    cuda = torch.version.cuda
    build = f"cu{cuda.replace('.', '')}" if cuda else "cpu"
    return (
        f"training and measuring speech need torchaudio, but {there} cannot be loaded beside "
        f"torch {torch.__version__}",
        f'pip install --force-reinstall --no-deps "torchaudio=={fitting}.*" '
        f"--index-url https://download.pytorch.org/whl/{build}",
    )
