"""The forward process as a Markov chain: from one noise level to a higher one, and back when x0 is known.

Both follow from the levels alone, so they hold for every process whose log_snr falls, between any two times.
"""

from __future__ import annotations

from typing import Generic, NamedTuple

from torch import Tensor

from gen.diffusion.elementary import Real, clip, sqrt, where_positive
from gen.diffusion.level import Level

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
