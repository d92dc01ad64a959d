"""Predictions kept within the range of the data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Memory, Prediction
from gen.diffusion.items import per_item
from gen.diffusion.level import Level


@dataclass(frozen=True, eq=False)
class _Bounded:
    denoiser: Denoiser
    bound: Callable[[Tensor], Tensor]

    def __call__(
        self, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
    ) -> Prediction:
        prediction = self.denoiser(x, level, conditioning, memory)
        return replace(prediction, x0=self.bound(prediction.x0))


def clipped(denoiser: Denoiser, low: float = -1.0, high: float = 1.0) -> Denoiser:
    """``denoiser`` with every element of x0 between ``low`` and ``high``.

    Raises:
        ValueError: Not low < high.
    """
    if not low < high:
        raise ValueError(f"clipping needs low < high, not {low}, {high}")
    return _Bounded(denoiser, partial(torch.clamp, min=low, max=high))


def thresholded(
    denoiser: Denoiser, quantile: float = 0.995, bound: float = 1.0, cap: float = math.inf
) -> Denoiser:
    """``denoiser`` with dynamic thresholding (Saharia et al. 2022, arXiv 2205.11487, sec. 2.3).

    x0 of each item is clipped to [-s, s] and scaled back to [-bound, bound], where s is the smallest number
    of at least ``bound`` that the share ``quantile`` of its elements does not exceed in magnitude, but at
    most ``cap``.

    Args:
        denoiser: What predicts the data.
        quantile: A share in (0, 1].
        bound: The largest magnitude of the data, > 0.
        cap: The largest s, >= bound; DeepFloyd IF has 1.5.

    Raises:
        ValueError: A value is out of range.
    """
    if not 0 < quantile <= 1:
        raise ValueError(f"quantile must lie in (0, 1], not {quantile}")
    if not 0 < bound < math.inf:
        raise ValueError(f"bound must be a finite number above 0, not {bound}")

    if not cap >= bound:
        raise ValueError(f"cap must be at least bound, {bound}, not {cap}")

    def rank(item: Tensor) -> Tensor:
        # Not torch.quantile, which refuses more than 2**24 elements.
        return item.flatten().abs().kthvalue(math.ceil(quantile * item.numel())).values

    def threshold(x0: Tensor) -> Tensor:
        largest = per_item(rank, x0).clamp(min=bound, max=cap)
        return x0.clamp(-largest, largest) * (bound / largest)

    return _Bounded(denoiser, threshold)
