"""Elementary functions of a Python float or of a float64 tensor, with the same type out as in.

Sampling has one noise level at a time, in Python floats: they cost nothing, and a step compiles as one graph.
Training has one level per item, in a tensor (B,). These functions let every formula be written once.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

Real = TypeVar("Real", float, Tensor)


def exp(x: Real) -> Real:
    """e to the x."""
    return x.exp() if isinstance(x, Tensor) else math.exp(x)


def expm1(x: Real) -> Real:
    """exp(x) - 1, accurate near x = 0."""
    return x.expm1() if isinstance(x, Tensor) else math.expm1(x)


def log(x: Real) -> Real:
    """Natural logarithm for x >= 0, with log(0) = -inf."""
    if isinstance(x, Tensor):
        return x.log()
    return math.log(x) if x > 0 else -math.inf


def sqrt(x: Real) -> Real:
    """Square root for x >= 0."""
    return x.sqrt() if isinstance(x, Tensor) else math.sqrt(x)


def sin(x: Real) -> Real:
    """Sine of x in radians."""
    return x.sin() if isinstance(x, Tensor) else math.sin(x)


def cos(x: Real) -> Real:
    """Cosine of x in radians."""
    return x.cos() if isinstance(x, Tensor) else math.cos(x)


def asinh(x: Real) -> Real:
    """Inverse of sinh."""
    return x.asinh() if isinstance(x, Tensor) else math.asinh(x)


def softplus(x: Real) -> Real:
    """log(1 + e**x) without overflow, for x up to infinity."""
    if isinstance(x, Tensor):
        return torch.logaddexp(x, torch.zeros_like(x))
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def angle_of(log_snr: Real) -> Real:
    """phi in [0, pi/2] with tan(phi) = sigma/alpha = exp(-log_snr); both infinities are allowed."""
    if isinstance(log_snr, Tensor):
        return torch.atan2((-log_snr.clamp(min=0)).exp(), log_snr.clamp(max=0).exp())
    return math.atan2(math.exp(-max(log_snr, 0.0)), math.exp(min(log_snr, 0.0)))


def clip(x: Real, low: float, high: float) -> Real:
    """x limited to [low, high]."""
    return x.clamp(low, high) if isinstance(x, Tensor) else min(max(x, low), high)


def where_positive(positive: Real, then: Real, otherwise: Real) -> Real:
    """``then`` where ``positive`` > 0, else ``otherwise``."""
    if isinstance(positive, Tensor):
        return torch.where(positive > 0, then, otherwise)
    return then if positive > 0 else otherwise


def interpolate(x: Real, xs: Sequence[float], ys: Sequence[float]) -> tuple[Real, Real]:
    """Value and slope at x of the straight lines through (xs, ys); xs ascending, x limited to their range."""
    if isinstance(x, Tensor):
        knots, values = x.new_tensor(xs), x.new_tensor(ys)
        right = torch.searchsorted(knots, x.contiguous(), right=True).clamp(1, len(xs) - 1)
        slope = (values[right] - values[right - 1]) / (knots[right] - knots[right - 1])
        return values[right - 1] + (x.clamp(xs[0], xs[-1]) - knots[right - 1]) * slope, slope
    i = min(max(bisect.bisect_right(xs, x), 1), len(xs) - 1)
    gradient = (ys[i] - ys[i - 1]) / (xs[i] - xs[i - 1])
    return ys[i - 1] + (min(max(x, xs[0]), xs[-1]) - xs[i - 1]) * gradient, gradient
