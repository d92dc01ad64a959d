"""Noise levels, their arithmetic, and the forward process as a Markov chain between any two of them.

Sampling has one noise level at a time, in Python floats: they cost nothing, and a step compiles as one graph.
Training has one level per item, in a float64 tensor (B,). Only this file distinguishes the two: its
functions of a float or tensor return the same type, and every formula of the core is written once for both.

The transitions follow from the levels alone, so they hold for every process whose log_snr falls.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import torch
from torch import Tensor

Real = TypeVar("Real", float, Tensor)


class Function(Protocol):
    """A function of one number, or of each number of a tensor."""

    def __call__(self, x: Real, /) -> Real: ...


def _function(of_float: Callable[[float], float], of_tensor: Callable[[Tensor], Tensor]) -> Function:
    def function(x: Real, /) -> Real:
        return of_tensor(x) if isinstance(x, Tensor) else of_float(x)

    return function


exp = _function(math.exp, torch.exp)
expm1 = _function(math.expm1, torch.expm1)
log = _function(lambda x: math.log(x) if x > 0 else -math.inf, torch.log)
sqrt = _function(math.sqrt, torch.sqrt)
sin = _function(math.sin, torch.sin)
cos = _function(math.cos, torch.cos)
asinh = _function(math.asinh, torch.asinh)
softplus = _function(  # log(1 + e**x) without overflow, for x up to infinity
    lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))), lambda x: torch.logaddexp(x, torch.zeros_like(x))
)
angle_of = _function(  # atan(sigma / alpha) = atan(exp(-log_snr)) in [0, pi/2], for every log_snr
    lambda x: math.atan2(math.exp(-max(x, 0.0)), math.exp(min(x, 0.0))),
    lambda x: torch.atan2((-x.clamp(min=0)).exp(), x.clamp(max=0).exp()),
)


def clip(x: Real, low: float, high: float) -> Real:
    """x limited to [low, high]."""
    return x.clamp(low, high) if isinstance(x, Tensor) else min(max(x, low), high)


def where_positive(positive: Real, then: Real, otherwise: Real) -> Real:
    """``then`` where ``positive`` > 0, else ``otherwise``."""
    if isinstance(positive, Tensor):
        return torch.where(positive > 0, then, otherwise)
    return then if positive > 0 else otherwise


def divisor(value: Real) -> Real:
    """``value``, or 1 where it is 0: for quotients whose numerator is then 0 too, or that are not used."""
    return where_positive(value, value, value * 0 + 1)


def interpolate(x: Real, xs: Sequence[float], ys: Sequence[float]) -> Real:
    """The straight lines through (xs, ys) at x; xs ascending, x limited to their range."""
    if isinstance(x, Tensor):
        knots, values = x.new_tensor(xs), x.new_tensor(ys)
        right = torch.searchsorted(knots, x.detach().contiguous(), right=True).clamp(1, len(xs) - 1)
        slope = (values[right] - values[right - 1]) / (knots[right] - knots[right - 1])
        return values[right - 1] + (x.clamp(xs[0], xs[-1]) - knots[right - 1]) * slope
    i = min(max(bisect.bisect_right(xs, x), 1), len(xs) - 1)
    gradient = (ys[i] - ys[i - 1]) / (xs[i] - xs[i - 1])
    return ys[i - 1] + (min(max(x, xs[0]), xs[-1]) - xs[i - 1]) * gradient


def derivative(function: Callable[[Tensor], Tensor], t: Real) -> Real:
    """d function / d t for times t in [0, 1], by automatic differentiation.

    Within 1e-12 of the ends, where sigma may have an infinite slope, it is that at a distance of 1e-12.
    """
    with torch.inference_mode(False), torch.enable_grad():
        point = torch.as_tensor(t, dtype=torch.float64).detach().clamp(1e-12, 1 - 1e-12).requires_grad_()
        (slope,) = torch.autograd.grad(function(point).sum(), point)
    return slope if isinstance(t, Tensor) else slope.item()


def per_item(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """A number for each item, ready to multiply a state.

    Args:
        function: Takes one item of each tensor, returns a scalar.
        tensors: (B, ...), all of the same number of dimensions.

    Returns:
        (B, 1, ..., 1).
    """
    numbers = [function(*items) for items in zip(*tensors, strict=True)]
    joined = torch.stack(numbers) if numbers else tensors[0].new_empty(0)
    return column(joined, tensors[0])


def column(values: Tensor, x: Tensor) -> Tensor:
    """Numbers (B,), one for each item of x (B, ...), as (B, 1, ..., 1)."""
    return values.reshape(-1, *(1,) * (x.ndim - 1))


def flat(x: Tensor) -> Tensor:
    """The items of x (B, ...) as rows (B, N); N is 1 for x (B,)."""
    return x.unsqueeze(-1).flatten(1)


def as_real(x: Tensor) -> Tensor:
    """x (B, ...) itself, or of complex numbers real and imaginary parts, (B, ..., 2)."""
    return torch.view_as_real(x.resolve_conj()) if x.is_complex() else x


def repeated(x: Tensor, count: int) -> Tensor:
    """The batch x (B, ...) ``count`` times, (count B, ...)."""
    return x.repeat(count, *(1,) * (x.ndim - 1))


def inner_product(a: Tensor, b: Tensor) -> Tensor:
    """<a, b> of each item in float64, (B, 1, ..., 1); of complex numbers the real part."""
    return per_item(lambda one, other: (as_real(one).double() * as_real(other).double()).sum(), a, b)


def norm(a: Tensor) -> Tensor:
    """The Euclidean norm of each item in float64, (B, 1, ..., 1)."""
    return inner_product(a, a).sqrt()


class Level(NamedTuple, Generic[Real]):
    """x_t = alpha * x0 + sigma * eps at time t.

    ``Level[float]`` is one level for a whole batch (sampling); ``Level[Tensor]`` holds one per item, float64
    tensors of shape (B,) (training).

    Args:
        t: Time in [0, 1]; 0 is data, 1 is noise.
        alpha: Factor of the data, >= 0.
        sigma: Factor of the noise, >= 0; not both are 0.
        target: Where the step from this level ends, for the networks of flow maps; None for others.
    """

    t: Real
    alpha: Real
    sigma: Real
    target: Level[Real] | None = None

    @property
    def log_snr(self) -> Real:
        """lambda = log(alpha / sigma): half the log of the signal-to-noise ratio, infinite at the ends."""
        return log(self.alpha) - log(self.sigma)


Interval: TypeAlias = tuple[float, float]
"""(low, high) in log_snr, both included."""
EVERYWHERE: Interval = (-math.inf, math.inf)


def within(level: Level[float], interval: Interval) -> bool:
    """Whether the level lies in the interval."""
    return interval == EVERYWHERE or interval[0] <= level.log_snr <= interval[1]


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
    t, alpha, sigma = torch.tensor(rows, dtype=torch.float64, device=device).reshape(-1, 3).unbind(1)
    return Level(t, alpha, sigma)


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
        return column(value.to(x.device, _wide(x)), x)
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
    return Posterior(ratio * s.sigma / divisor(t.sigma), s.alpha * added, s.sigma * sqrt(added))


def _scale_and_ratio(near: Level[Real], far: Level[Real]) -> tuple[Real, Real]:
    """alpha_far / alpha_near, and the share of sigma_far that is noise from ``near``, in [0, 1]."""
    excess = near.sigma * far.alpha - far.sigma * near.alpha * (1 + ROUNDING)
    if (excess > 0).any() if isinstance(excess, Tensor) else excess > 0:
        raise ValueError("a chain leads from less noise to more: swap the two levels")
    # Where near has no signal, neither has far: the limit of levels of one log_snr.
    rescaled = far.sigma / divisor(near.sigma)
    scale = where_positive(near.alpha, far.alpha / divisor(near.alpha), rescaled)
    return scale, clip(scale * near.sigma / divisor(far.sigma), 0.0, 1.0)
