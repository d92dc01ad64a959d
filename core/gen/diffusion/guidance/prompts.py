"""Several prompts at once, each with its weight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Memory, Prediction
from gen.diffusion.guidance.base import Ask, Guidance, Scale, scale_at
from gen.diffusion.level import Level


@dataclass(frozen=True)
class WeightedPrompts(Guidance):
    """x0_null + sum of w_i (x0_i - x0_null) (Liu et al. 2022, arXiv 2206.01714, eq. 11, in x0).

    A negative weight is a prompt to avoid; a weight with a schedule fades a prompt in or out. One weight is
    classifier-free guidance of that scale. What has the factor 0 is not evaluated: neither such a prompt,
    nor the null where the weights sum to 1.

    Args:
        weights: That of the conditioning itself, then of its ``others``.
        interval: (low, high) in log_snr, outside of which only the conditioning itself counts.

    Raises:
        ValueError: No weights, one is not finite, or (when asked) there are not as many as prompts, or no
            null is there that is needed.
    """

    weights: tuple[Scale, ...]

    def __init__(
        self, weights: Sequence[Scale], *, interval: tuple[float, float] = (-math.inf, math.inf)
    ) -> None:
        object.__setattr__(self, "weights", tuple(weights))
        object.__setattr__(self, "interval", interval)
        super().__post_init__()
        numbers = [weight for weight in self.weights if not callable(weight)]
        if not self.weights or not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"weights must be finite numbers, at least one, not {self.weights}")

    def predict(
        self,
        ask: Ask,
        x: Tensor,
        level: Level[float],
        conditioning: Conditioning,
        memory: Memory,  # noqa: ARG002
    ) -> Prediction:
        prompts = (conditioning, *conditioning.others)
        if len(prompts) != len(self.weights):
            raise ValueError(
                f"there must be one weight for each prompt: {len(self.weights)} for {len(prompts)}"
            )
        names = [f"prompt {number}" for number in range(1, len(prompts) + 1)]
        factors = {name: scale_at(weight, level) for name, weight in zip(names, self.weights, strict=True)}
        branches = {
            name: prompt.plain for name, prompt in zip(names, prompts, strict=True) if factors[name] != 0
        }
        factors["null"] = 1 - math.fsum(factors.values())
        if factors["null"] != 0:
            if conditioning.null is None:
                raise ValueError("weights that do not sum to 1 need a conditioning with a null")
            branches["null"] = conditioning.null.plain
        answers = ask(x, level, branches)
        first, *rest = branches
        x0 = answers[first].x0 * factors[first]
        for name in rest:
            x0 = x0 + answers[name].x0 * factors[name]
        return replace(answers[first], x0=x0)
