"""Several prompts at once, each with its weight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Memory, Prediction
from gen.diffusion.guidance.base import Evaluate, Guidance, Scale, check_scale, scale_at
from gen.diffusion.level import Level


@dataclass(frozen=True)
class WeightedPrompts(Guidance):
    """uncond + sum of w_i (cond_i - uncond) (Liu et al. 2022, arXiv 2206.01714, eq. 11, in x0).

    A negative weight is a prompt to avoid; a weight with a schedule fades a prompt in or out. One weight is
    classifier-free guidance of that scale. Prompts of weight 0 are not evaluated, nor is uncond where the
    weights are numbers of sum 1.

    Args:
        weights: A ``Scale`` for the conditioning itself, then for each of its ``others``.
        interval: (low, high) in log_snr, outside of which only the conditioning itself counts.

    Raises:
        ValueError: No weights, one is not finite; or (when evaluated) there are not as many as prompts, or
            uncond is needed and missing.
    """

    weights: tuple[Scale, ...]

    def __init__(
        self, weights: Sequence[Scale], *, interval: tuple[float, float] = (-math.inf, math.inf)
    ) -> None:
        object.__setattr__(self, "weights", tuple(weights))
        object.__setattr__(self, "interval", interval)
        super().__post_init__()
        if not self.weights:
            raise ValueError("there must be at least one weight")
        for weight in self.weights:
            check_scale(weight)

    def predict(
        self,
        evaluate: Evaluate,
        x: Tensor,
        level: Level[float],
        conditioning: Conditioning,
        memory: Memory,  # noqa: ARG002
    ) -> Prediction:
        """See ``Guidance``."""
        prompts = (conditioning, *conditioning.others)
        if len(prompts) != len(self.weights):
            raise ValueError(
                f"there must be one weight for each prompt: {len(self.weights)} for {len(prompts)}"
            )
        names = [f"prompt {number}" for number in range(1, len(prompts) + 1)]
        factors = {name: scale_at(weight, level, x) for name, weight in zip(names, self.weights, strict=True)}
        batch = {name: prompt.cond for name, prompt in zip(names, prompts, strict=True)}
        numbers = [factor for factor in factors.values() if not isinstance(factor, Tensor)]
        factors["uncond"] = 1 - (
            math.fsum(numbers) + sum(factor for factor in factors.values() if isinstance(factor, Tensor))
        )
        if _counts(factors["uncond"]):
            if conditioning.uncond is None:
                raise ValueError("weights that do not sum to 1 need a conditioning with uncond")
            batch["uncond"] = conditioning.uncond.cond
        batch = {name: prompt for name, prompt in batch.items() if _counts(factors[name])}
        found = evaluate(x, level, batch)
        first, *rest = batch
        x0 = found[first].x0 * factors[first]
        for name in rest:
            x0 = x0 + found[name].x0 * factors[name]
        return replace(found[first], x0=x0)


def _counts(factor: float | Tensor) -> bool:
    """Whether a prompt of this weight is evaluated; a tensor's numbers are not read."""
    return isinstance(factor, Tensor) or factor != 0
