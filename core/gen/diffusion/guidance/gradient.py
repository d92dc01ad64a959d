"""Guidance by the gradient of a classifier's log-probability of x, or of a loss of the predicted x0.

    E[x0 | x, y] = E[x0 | x] + sigma**2 / alpha grad_x log p(y | x)

by Bayes' rule and Tweedie's formula. At pure noise (alpha = 0) x is independent of y, and there is no
guidance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Prediction
from gen.diffusion.guidance.base import Evaluation, Guidance, Scale, check_scale
from gen.diffusion.level import Level

Objective: TypeAlias = Callable[[Tensor, Level[float], Conditioning], Tensor]
"""(tensor (B, ...), level, conditioning) -> one number for each item (B,), differentiable in the tensor."""


@dataclass(frozen=True)
class ClassifierGuidance(Guidance):
    """x0 + scale sigma**2 / alpha grad_x log p(y | x) (Dhariwal & Nichol 2021, arXiv 2105.05233, alg. 2).

    Args:
        log_probability: (x (B, ...), level, conditioning) -> log p(y | x) (B,), of a classifier of noisy
            states.
        scale: A ``Scale``; 1 samples from p(x0 | y), 0 is no guidance.

    Raises:
        ValueError: A value is out of range, or (when evaluated) the log-probabilities are not (B,).
    """

    log_probability: Objective
    scale: Scale = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scale(self.scale)

    def predict(self, at: Evaluation) -> Prediction:
        prediction, factor = at.conditional(), _tweedie(at, self.scale)
        if factor is None:
            return prediction
        differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            point = at.x if at.x.requires_grad else at.x.detach().requires_grad_()
            values = self.log_probability(point, at.level, at.conditioning)
            gradient = _gradient(values, point, create_graph=differentiable)
        return prediction.with_x0(prediction.x0 + factor * gradient)


@dataclass(frozen=True)
class LossGuidance(Guidance):
    """x0 - scale sigma**2 / alpha grad_x loss(x0(x)).

    Universal guidance (Bansal et al. 2023, arXiv 2302.07121, eq. 6) and diffusion posterior sampling (Chung
    et al. 2023, arXiv 2209.14687, eq. 16), with the step size in the loss. Where exp(-loss) is p(y | x) up
    to a factor, scale 1 gives E[x0 | x, y]. The gradient goes through the denoiser and every earlier guidance
    of a chain. Where gradients are on, the result can be differentiated.

    Args:
        loss: (x0 (B, ...), level, conditioning) -> (B,). A Euclidean norm in place of its square normalises
            the gradient.
        scale: A ``Scale``; 0 is no guidance.

    Raises:
        ValueError: A value is out of range, or (when evaluated) the losses are not (B,).
    """

    loss: Objective
    scale: Scale = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scale(self.scale)

    def predict(self, at: Evaluation) -> Prediction:
        factor = _tweedie(at, self.scale)
        if factor is None:
            return at.conditional()
        differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            point = at.x if at.x.requires_grad else at.x.detach().requires_grad_()
            prediction = replace(at, x=point).conditional()
            losses = self.loss(prediction.x0, at.level, at.conditioning)
            gradient = _gradient(losses, point, create_graph=differentiable)
        if not differentiable:
            prediction = prediction.map(Tensor.detach)
        return prediction.with_x0(prediction.x0 - factor * gradient)


def _tweedie(at: Evaluation, scale: Scale) -> float | Tensor | None:
    """scale sigma**2 / alpha; None where there is no guidance."""
    number, level = at.number(scale), at.level
    if level.alpha == 0 or level.sigma == 0 or not torch.as_tensor(number).any():
        return None
    return number * (level.sigma**2 / level.alpha)


def _gradient(values: Tensor, point: Tensor, *, create_graph: bool) -> Tensor:
    if values.shape != point.shape[:1]:
        raise ValueError(
            f"there must be one number for each item, ({point.shape[0]},), not {tuple(values.shape)}"
        )
    # Items are independent: the gradient of the sum holds the gradient of each.
    return torch.autograd.grad(values.sum(), point, create_graph=create_graph)[0]
