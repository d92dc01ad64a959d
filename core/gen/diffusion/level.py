"""A noise level: the one number (or one per item) that separates x0 from x_t."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from torch import Tensor

from gen.diffusion.real import Real, log


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


def broadcast(value: Real, x: Tensor) -> Real:
    """A coefficient ready to multiply ``x``.

    Args:
        value: A float, returned as it is, or a tensor (B,) with one coefficient per item.
        x: Tensor (B, ...).

    Returns:
        The float, or the coefficients as (B, 1, ..., 1) with the dtype and on the device of ``x``.
    """
    if isinstance(value, Tensor):
        return value.to(x).reshape(-1, *(1,) * (x.ndim - 1))
    return value
