"""Elementary functions of a Python float or of a float64 tensor, with the same type out as in.

Sampling has one noise level at a time, in Python floats: they cost nothing, and a step compiles as one graph.
Training has one level per item, in a tensor (B,). Only this file distinguishes the two; every formula of the
core is written once for both.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

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
