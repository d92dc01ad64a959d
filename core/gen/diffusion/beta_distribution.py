"""Quantiles of the beta distribution, which torch and the standard library lack."""

from __future__ import annotations

import math


def beta_quantile(share: float, a: float, b: float) -> float:
    """The x in [0, 1] below which Beta(a, b) has this share of its mass, by bisection.

    Args:
        share: In [0, 1].
        a: > 0.
        b: > 0.

    Raises:
        ValueError: An argument is outside.
    """
    if not 0 <= share <= 1 or not 0 < a < math.inf or not 0 < b < math.inf:
        raise ValueError(f"a quantile needs a share in [0, 1] and a, b above 0, not {share}, {a}, {b}")
    if share in (0.0, 1.0):
        return share
    half = _lower_mass(0.5, a, b)
    # From the nearer end, where the series converges and small x keep their digits.
    return _lower_quantile(share, a, b) if share <= half else 1 - _lower_quantile(1 - share, b, a)


def _lower_quantile(share: float, a: float, b: float) -> float:
    low, high = 0.0, 0.5
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if _lower_mass(middle, a, b) < share else (low, middle)
    return high


def _lower_mass(x: float, a: float, b: float) -> float:
    """I_x(a, b) for x <= 1/2: x**a (1 - x)**b / (a B(a, b)) sum (a + b)_n / (a + 1)_n x**n (DLMF 8.17.8)."""
    total, term, n = 0.0, 1.0, 0
    while term > total * 1e-17:
        n += 1
        total, term = total + term, term * (a + b + n - 1) / (a + n) * x
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta) / a * total
