"""Parts of multistep methods: earlier predictions, the polynomial through them, correctors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import NamedTuple, TypeAlias

from torch import Tensor

from gen.diffusion.level import Level
from gen.diffusion.solvers.base import State, log_snr

Time: TypeAlias = Callable[[Level[float]], float]
"""The variable of a polynomial, as a function of the level."""

SHORT = 15
"""Runs of fewer steps lower the order at their end where ``lower_order_final`` is set, as in diffusers."""

NEARLY_NOISE = Level(1.0, 0.001, 1.0)


class Past(NamedTuple):
    """A prediction made at an earlier level: x0 or eps, whichever its solver works in."""

    level: Level[float]
    value: Tensor


def history(past: Sequence[Past], t: Level[float], s: Level[float], time: Time = log_snr) -> list[Past]:
    """The earlier predictions that a polynomial for the step from t to s can pass through, newest first.

    They are those that lead to t in the direction of s; the first other one, from before a renoising, and all
    before it are left out. A step of size 0 or infinity has none. A prediction from pure noise at an infinite
    time counts as one from alpha / sigma = 1 / 1000, where x0 is almost the same.
    """
    last, step = time(t), time(s) - time(t)
    found: list[Past] = []
    if step == 0 or not math.isfinite(step):
        return found
    for level, value in past:
        earlier = level if math.isfinite(time(level)) else NEARLY_NOISE
        if not 0 < (last - time(earlier)) / step < math.inf:
            break
        found.append(Past(earlier, value))
        last = time(earlier)
    return found


def nodes(past: Sequence[Past], t: Level[float], s: Level[float], time: Time = log_snr) -> list[float]:
    """The times of ``history`` as fractions of the step: t is 0, s is 1, earlier ones are below 0."""
    start, step = time(t), time(s) - time(t)
    return [(time(p.level) - start) / step for p in history(past, t, s, time)]


def steps_left(tail: Sequence[Level[float]], s: Level[float]) -> float:
    """The number of steps that remain with the one to s; infinite where s is not in ``tail``, a run's end."""
    return len(tail) - tail.index(s) if s in tail else math.inf


def moments(rate: float, count: int) -> list[float]:
    """Integrals over u in [0, 1] of e**(-rate (1 - u)) u**k for k = 0 .. count - 1, at any finite rate."""
    if abs(rate) > 1:
        result = [-math.expm1(-rate) / rate]
        for k in range(1, count):
            result.append((1 - k * result[-1]) / rate)
        return result
    # The same recursion downwards, which is the stable direction here, from the series of the last one.
    term = last = 1 / count
    for j in range(1, 16):
        term *= -rate / (count + j)
        last += term
    result = [last]
    for k in range(count - 1, 0, -1):
        result.append((1 - rate * result[-1]) / k)
    return result[::-1]


def lagrange(nodes: Sequence[float], moments: Sequence[float]) -> list[float]:
    """Weights w with sum of w_i nodes_i**k = moments_k: the integrals of the Lagrange polynomials.

    A dual Vandermonde system, by Björck & Pereyra 1970 (Math. Comp. 24, 893-903).

    Args:
        nodes: n distinct numbers, in any order.
        moments: n numbers, the integrals of u**0 .. u**(n - 1) against the kernel.
    """
    w, n = list(moments), len(nodes)
    for k in range(n - 1):
        for i in range(n - 1, k, -1):
            w[i] -= nodes[k] * w[i - 1]
    for k in range(n - 2, -1, -1):
        for i in range(k + 1, n):
            w[i] /= nodes[i] - nodes[i - k - 1]
        for i in range(k, n - 1):
            w[i] -= w[i + 1]
    return w


class Predicted(NamedTuple):
    """The step before, as its corrector needs it: where it ended, and its weights of the predictions.

    Items that are not ``stable``, (B, 1, ...), went there by Euler, with the sum of the weights on the newest
    prediction; None where all are.
    """

    level: Level[float]
    weights: Sequence[float]
    stable: Tensor | None = None


def split(state: State) -> tuple[Predicted | None, tuple[Past, ...]]:
    """The step before, where it can be corrected, and the earlier predictions, newest first."""
    return (state[0], state[1:]) if state and isinstance(state[0], Predicted) else (None, state)


def corrections(corrected: Sequence[float], last: Predicted) -> list[float]:
    """Weights of the corrector minus those of the predictor, which has none of the newest prediction."""
    newest, *earlier = corrected
    return [newest, *(now - then for now, then in zip_longest(earlier, last.weights, fillvalue=0.0))]


def combined(
    known: Sequence[Past], weights: Sequence[float], changes: Sequence[float], scale: float
) -> list[tuple[float, Tensor]]:
    """The terms of a step scale x + sum of weights, from x + sum of ``changes``, the corrected state."""
    pairs = zip_longest(weights, changes, fillvalue=0.0)
    return [(w + scale * c, p.value) for p, (w, c) in zip(known, pairs, strict=False)]
