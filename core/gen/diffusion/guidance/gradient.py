"""Guidance by a gradient: of what a classifier says about x, or of a loss on the predicted x0.

By Bayes' rule and Tweedie's formula E[x0 | x, y] = E[x0 | x] + sigma**2 / alpha grad_x log p(y | x). At pure
noise (alpha = 0) x says nothing about y, and there is no guidance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Memory, Prediction
from gen.diffusion.guidance.base import Ask, Guidance, Scale, check_scale, scale_at, unguided
from gen.diffusion.level import Level
from gen.diffusion.real import Real, where

Judge: TypeAlias = Callable[[Tensor, Level[float], Conditioning], Tensor]
"""(tensor (B, ...), level, conditioning) -> one number for each item (B,), differentiable in the tensor."""


@dataclass(frozen=True)
class ClassifierGuidance(Guidance):
    """x0 + scale sigma**2 / alpha grad_x log p(y | x) (Dhariwal & Nichol 2021, arXiv 2105.05233, alg. 2).

    Args:
        log_probability: (x (B, ...), level, conditioning) -> log p(y | x) (B,), of a classifier that knows
            noisy states.
        scale: >= 0, or a schedule over the levels; 1 samples from p(x0 | y), 0 is no guidance.
        interval: (low, high) in log_snr, outside of which there is no guidance.

    Raises:
        ValueError: A value is out of range, or (when asked) the shape of the log-probabilities is not (B,).
    """

    log_probability: Judge
    scale: Scale = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scale(self.scale)

    def predict(
        self,
        ask: Ask,
        x: Tensor,
        level: Level[float],
        conditioning: Conditioning,
        memory: Memory,  # noqa: ARG002
    ) -> Prediction:
        prediction = unguided(ask, x, level, conditioning)
        scale = scale_at(self.scale, level)
        gain = _gain(level)
        if scale == 0 or not torch.as_tensor(gain).any():
            return prediction
        differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            point = x if x.requires_grad else x.detach().requires_grad_()
            judged = self.log_probability(point, level, conditioning)
            gradient = _gradient(judged, point, create_graph=differentiable)
        return replace(prediction, x0=prediction.x0 + scale * gain * gradient)


@dataclass(frozen=True)
class LossGuidance(Guidance):
    """x0 - scale sigma**2 / alpha grad_x loss(x0(x)): any differentiable wish.

    Universal guidance (Bansal et al. 2023, arXiv 2302.07121, eq. 6) and diffusion posterior sampling (Chung
    et al. 2023, arXiv 2209.14687, eq. 16), with the step size in the loss. Where exp(-loss) is p(y | x) up
    to a factor, scale 1 gives E[x0 | x, y]. The gradient goes through the denoiser, all guidance that is
    chained before this included. Where gradients are on, the result can be differentiated itself.

    Args:
        loss: (x0 (B, ...), level, conditioning) -> (B,). A Euclidean norm in place of its square normalises
            the gradient.
        scale: >= 0, or a schedule over the levels; 0 is no guidance.
        interval: (low, high) in log_snr, outside of which there is no guidance.

    Raises:
        ValueError: A value is out of range, or (when asked) the shape of the losses is not (B,).
    """

    loss: Judge
    scale: Scale = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scale(self.scale)

    def predict(
        self,
        ask: Ask,
        x: Tensor,
        level: Level[float],
        conditioning: Conditioning,
        memory: Memory,  # noqa: ARG002
    ) -> Prediction:
        scale = scale_at(self.scale, level)
        gain = _gain(level)
        if scale == 0 or not torch.as_tensor(gain).any():
            return unguided(ask, x, level, conditioning)
        differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            point = x if x.requires_grad else x.detach().requires_grad_()
            prediction = unguided(ask, point, level, conditioning)
            losses = self.loss(prediction.x0, level, conditioning)
            gradient = _gradient(losses, point, create_graph=differentiable)
        if not differentiable:
            prediction = prediction.map(Tensor.detach)
        return replace(prediction, x0=prediction.x0 - scale * gain * gradient)


def _gain(level: Level[Real]) -> Real:
    """sigma**2 / alpha, and 0 where there is no signal."""
    divisor = where(level.alpha, level.alpha, level.sigma)
    return where(level.alpha, level.sigma**2 / divisor, level.alpha)


def _gradient(judged: Tensor, point: Tensor, *, create_graph: bool) -> Tensor:
    if judged.shape != point.shape[:1]:
        raise ValueError(
            f"there must be one number for each item, ({point.shape[0]},), not {tuple(judged.shape)}"
        )
    # Items do not see each other: the gradient of the sum holds the gradient of each.
    return torch.autograd.grad(judged.sum(), point, create_graph=create_graph)[0]
