"""A noise level: the one number (or one per item) that separates x0 from x_t."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

import torch
from torch import Tensor

from gen.diffusion.elementary import Real, log


@dataclass(frozen=True)
class Level(Generic[Real]):
    """x_t = alpha * x0 + sigma * eps at time t.

    ``Level[float]`` is one level for a whole batch (sampling); ``Level[Tensor]`` holds one per item, float64
    tensors of shape (B,) (training).

    Args:
        t: Time in [0, 1]; 0 is data, 1 is noise.
        alpha: Factor of the data, >= 0.
        sigma: Factor of the noise, >= 0; not both are 0.
    """

    t: Real
    alpha: Real
    sigma: Real

    @property
    def log_snr(self) -> Real:
        """lambda = log(alpha / sigma): half the log of the signal-to-noise ratio, infinite at the ends."""
        return log(self.alpha) - log(self.sigma)


DATA = Level(0.0, 1.0, 0.0)
"""Clean data, where sigma = 0: in every process, what time 0 of a grid stands for."""


def stack(levels: Sequence[Level[float]], device: torch.device | None = None) -> Level[Tensor]:
    """The levels of several items as one of tensors (B,), float64.

    Args:
        levels: One per item.
        device: Of the tensors; by default the CPU.
    """
    rows = [(level.t, level.alpha, level.sigma) for level in levels]
    return Level(*torch.tensor(rows, dtype=torch.float64, device=device).reshape(-1, 3).unbind(1))


def broadcast(value: Real, x: Tensor) -> Real:
    """A coefficient ready to multiply ``x``.

    Args:
        value: A float, returned as it is, or a tensor (B,) with one coefficient per item.
        x: Tensor (B, ...).

    Returns:
        The float, or the coefficients as (B, 1, ..., 1) on the device of ``x``, in its dtype but at least in
        float32: 16 bits would round them by up to 0.4 %.
    """
    if isinstance(value, Tensor):
        return value.to(x.device, _wide(x)).reshape(-1, *(1,) * (x.ndim - 1))
    return value


def combine(a: Real, x: Tensor, b: Real, y: Tensor) -> Tensor:
    """a x + b y, computed at least in float32 and rounded once to the dtype of ``x``.

    Args:
        a: Coefficient of x, one or one per item.
        x: Tensor (B, ...).
        b: Coefficient of y.
        y: Tensor of the same shape.
    """
    wide = _wide(x)
    return (broadcast(a, x) * x.to(wide) + broadcast(b, x) * y.to(wide)).to(x.dtype)


def _wide(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)
