"""Denoisers of tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from gen.diffusion.categorical.process import CategoricalProcess
from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Memory, Prediction
from gen.diffusion.level import Level

TokenNetwork: TypeAlias = Callable[[Tensor, Tensor, Conditioning], Tensor]
IMPOSSIBLE = -1e4
"""A logit whose probability is 0 in float64, and which is finite, as the loop wants it."""


@dataclass(frozen=True, eq=False)
class TokenDenoiser:
    """Prediction.x0 holds the logits (B, ..., K) of each token of the data.

    Logits and not probabilities, since guidance is linear in them: l_null + s (l_cond - l_null) is
    p_cond**s p_null**(1 - s) up to its sum, the classifier-free guidance of tokens (Nisonoff et al. 2024,
    arXiv 2406.01572; Schiff et al. 2024, arXiv 2412.10193), so ``guided`` serves both. They must be
    finite: ``IMPOSSIBLE`` serves as minus infinity.

    Args:
        network: (tokens (B, ...) int64, c_noise (B,) float32, conditioning) -> logits (B, ..., K). c_noise is
            the share of noise sigma in [0, 1], which is the same for every schedule.
        process: Whose tokens they are.

    Raises:
        ValueError: The network returned another shape.
    """

    network: TokenNetwork
    process: CategoricalProcess

    def __call__(
        self,
        x: Tensor,
        level: Level[float],
        conditioning: Conditioning,
        memory: Memory,  # noqa: ARG002
    ) -> Prediction:
        told = torch.full((x.shape[0],), level.sigma, dtype=torch.float32, device=x.device)
        logits = self.network(x, told, conditioning.plain)
        if logits.shape != (*x.shape, self.process.tokens):
            raise ValueError(
                f"the network must return {(*x.shape, self.process.tokens)}, not {tuple(logits.shape)}"
            )
        return Prediction(logits.float() if logits.dtype.itemsize < 4 else logits)


def given(denoiser: Denoiser, tokens: Tensor, known: Tensor) -> Denoiser:
    """``denoiser``, sure of the tokens that are known: at t = 0 they stand there, whatever the process.

    A run on masks can also start with them in place; this keeps them through uniform noise, and through the
    ``renoise_steps`` of a grid, which noise them like all others.

    Args:
        denoiser: Of tokens.
        tokens: The data, int64 (B, ...), read where it is known.
        known: bool (B, ...).
    """

    def denoise(x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory) -> Prediction:
        logits = denoiser(x, level, conditioning, memory).x0
        # An index past the tokens, such as a mask where nothing is known, is nowhere equal.
        is_it = tokens.to(x)[..., None] == torch.arange(logits.shape[-1], device=x.device)
        sure = torch.where(is_it, 0.0, IMPOSSIBLE).to(logits)
        return Prediction(torch.where(known.to(x.device)[..., None], sure, logits))

    return denoise
