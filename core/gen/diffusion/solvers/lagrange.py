"""Weights of multistep methods: integrals of the polynomial through earlier predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence


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


def weights(nodes: Sequence[float], moments: Sequence[float]) -> list[float]:
    """The weights w with sum of w_i nodes_i**k = moments_k, so that sum of w_i f(nodes_i) integrates the
    polynomial through (nodes_i, f(nodes_i)).

    A dual Vandermonde system, by Björck & Pereyra 1970 (Math. Comp. 24, 893-903).

    Args:
        nodes: n distinct numbers, in any order.
        moments: n numbers: the integrals of u**0 .. u**(n - 1) against the kernel.
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
