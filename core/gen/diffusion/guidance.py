"""Guidance: several predictions combined into one that follows the conditioning more closely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gen.diffusion.conditioning import Conditioning, concatenate
from gen.diffusion.denoiser import Denoiser, Prediction
from gen.diffusion.level import Level


class Guidance(Protocol):
    """Says which conditionings to ask about and what to make of the answers."""

    def branches(self, conditioning: Conditioning, level: Level[float]) -> tuple[Conditioning, ...]:
        """At least one conditioning; one where guidance is off, so that nothing is evaluated in vain."""

    def combine(self, x: Tensor, level: Level[float], predictions: Sequence[Prediction]) -> Prediction:
        """One prediction out of those for the branches, in their order."""


@dataclass(frozen=True)
class ClassifierFree:
    """x0 = x0_null + scale (x0_cond - x0_null) (Ho & Salimans 2022, arXiv 2207.12598, eq. 6, in x0).

    Args:
        scale: >= 0; 1 is no guidance (the null is not evaluated), 0 is the null alone.
        rescale: phi in [0, 1] of Lin et al. 2023 (arXiv 2305.08891, eq. 15 and 16): how far the standard
            deviation of each item goes back to that of the unguided prediction.
        interval: (low, high) in log_snr, outside of which there is no guidance and the null is not evaluated
            (Kynkäänniemi et al. 2024, arXiv 2404.07724); by default everywhere.

    Raises:
        ValueError: A value is out of range.
    """

    scale: float
    rescale: float = 0.0
    interval: tuple[float, float] = (-math.inf, math.inf)

    def __post_init__(self) -> None:
        if not 0 <= self.scale < math.inf:
            raise ValueError(f"guidance must be a finite number of at least 0, not {self.scale}")
        if not 0 <= self.rescale <= 1:
            raise ValueError(f"rescale must lie in [0, 1], not {self.rescale}")
        if not self.interval[0] <= self.interval[1]:
            raise ValueError(f"interval must be (low, high) in log_snr, not {self.interval}")

    def branches(self, conditioning: Conditioning, level: Level[float]) -> tuple[Conditioning, ...]:
        """(conditioning, null), or the conditioning alone where guidance is off.

        Raises:
            ValueError: Guidance is on and the conditioning has no null.
        """
        if self.scale == 1 or not self.interval[0] <= level.log_snr <= self.interval[1]:
            return (conditioning.contrasting(None),)
        if conditioning.null is None:
            raise ValueError("guidance needs a conditioning with a null to contrast with, or scale 1")
        return conditioning.contrasting(None), conditioning.null.contrasting(None)

    def combine(
        self,
        x: Tensor,
        level: Level[float],  # noqa: ARG002
        predictions: Sequence[Prediction],
    ) -> Prediction:
        """The guided prediction; the only one where guidance is off."""
        if len(predictions) == 1:
            return predictions[0]
        conditional, null = (prediction.x0 for prediction in predictions)
        guided = torch.lerp(null, conditional, self.scale)
        if self.rescale > 0:
            # Item by item: a reduction over the batch may round differently with the batch's size.
            ratios = [a.std() / b.std() for a, b in zip(conditional, guided, strict=True)]
            factors = torch.stack(ratios).mul_(self.rescale).add_(1 - self.rescale)
            guided = guided * factors.reshape(-1, *(1,) * (x.ndim - 1))
        return Prediction(guided)


def guided(denoiser: Denoiser, guidance: Guidance) -> Denoiser:
    """``denoiser`` under ``guidance``: the branches are evaluated in one call, as one batch."""

    def denoise(x: Tensor, level: Level[float], conditioning: Conditioning) -> Prediction:
        branches = guidance.branches(conditioning, level)
        if len(branches) == 1:
            return guidance.combine(x, level, (denoiser(x, level, branches[0]),))
        joint = denoiser(x.repeat(len(branches), *(1,) * (x.ndim - 1)), level, concatenate(branches))
        parts = joint.x0.chunk(len(branches))
        return guidance.combine(x, level, [Prediction(part) for part in parts])

    return denoise
