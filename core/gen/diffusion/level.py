"""Noise levels, and the forward process as a Markov chain between any two of them.

The transitions follow from the levels alone, so they hold for every process whose log_snr falls.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeAlias

import torch
from torch import Tensor

from gen.diffusion.elementary import Real, clip, log, sqrt, where_positive


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

    def within(self: Level[float], interval: Interval) -> bool:
        """Whether the level lies in the interval."""
        return interval == EVERYWHERE or interval[0] <= self.log_snr <= interval[1]


Interval: TypeAlias = tuple[float, float]
"""(low, high) in log_snr, both included."""
EVERYWHERE: Interval = (-math.inf, math.inf)


def check_interval(interval: Interval) -> None:
    """Raises ValueError where low is above high."""
    if not interval[0] <= interval[1]:
        raise ValueError(f"interval must be (low, high) in log_snr, not {interval}")


DATA = Level(0.0, 1.0, 0.0)
"""Clean data, sigma = 0: the level of time 0 of a grid, in every process."""


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


ROUNDING = 1e-9
"""How far the ratio of two levels may lie above 1 and still count as 1."""


class Transition(NamedTuple, Generic[Real]):
    """q(x_far | x_near) = N(scale x_near, std**2 I)."""

    scale: Real
    std: Real


class Posterior(NamedTuple, Generic[Real]):
    """q(x_s | x_t, x0) = N(of_x x_t + of_x0 x0, std**2 I)."""

    of_x: Real
    of_x0: Real
    std: Real


class Renoised(NamedTuple):
    """A state with noise added: x = mean + std z where it is Gaussian; else std is 0 and z None."""

    x: Tensor
    std: float | Tensor
    z: Tensor | None


def transition(near: Level[Real], far: Level[Real]) -> Transition[Real]:
    """How noise is added to go from one level to another (Kingma et al. 2021, 2107.00630, appendix A.1).

        scale = alpha_far / alpha_near,  std**2 = sigma_far**2 - scale**2 sigma_near**2

    Finite at both ends: from clean data the whole sigma_far is added; to alpha_far = 0 nothing is kept; and
    from alpha_near = 0 the chain only rescales.

    Args:
        near: The level nearer to the data.
        far: The level nearer to the noise, or the same.

    Raises:
        ValueError: ``far`` has less noise than ``near``.
    """
    scale, ratio = _scale_and_ratio(near, far)
    return Transition(scale, far.sigma * sqrt((1 - ratio) * (1 + ratio)))


def posterior(t: Level[Real], s: Level[Real]) -> Posterior[Real]:
    """The law of x_s given x_t and the data (Ho et al. 2020, 2006.11239, eq. 6 and 7).

    With (scale, std) the transition from s to t:

        of_x = scale sigma_s**2 / sigma_t**2,  of_x0 = alpha_s std**2 / sigma_t**2,
        std_posterior = std sigma_s / sigma_t

    Args:
        t: The level of the state that is known.
        s: A level with less noise, or the same.

    Raises:
        ValueError: ``s`` has more noise than ``t``.
    """
    _, ratio = _scale_and_ratio(s, t)
    added = (1 - ratio) * (1 + ratio)
    return Posterior(ratio * s.sigma / _divisor(t.sigma), s.alpha * added, s.sigma * sqrt(added))


def _scale_and_ratio(near: Level[Real], far: Level[Real]) -> tuple[Real, Real]:
    """alpha_far / alpha_near, and the share of sigma_far that is noise from ``near``, in [0, 1]."""
    excess = near.sigma * far.alpha - far.sigma * near.alpha * (1 + ROUNDING)
    if (excess > 0).any() if isinstance(excess, Tensor) else excess > 0:
        raise ValueError("a chain leads from less noise to more: swap the two levels")
    # Where near has no signal, neither has far: the limit of levels of one log_snr.
    rescaled = far.sigma / _divisor(near.sigma)
    scale = where_positive(near.alpha, far.alpha / _divisor(near.alpha), rescaled)
    return scale, clip(scale * near.sigma / _divisor(far.sigma), 0.0, 1.0)


def _divisor(value: Real) -> Real:
    """``value``, or 1 where it is 0: for quotients whose numerator is then 0 too, or that are not used."""
    return where_positive(value, value, value * 0 + 1)
