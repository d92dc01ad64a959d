"""Predictions between those of two prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gen.diffusion import Conditioning, Denoiser, Prediction
from gen.diffusion.denoiser import Memory
from gen.diffusion.level import Level


def between_prompts(denoiser: Denoiser, shares: Sequence[float]) -> Denoiser:
    """``denoiser`` with predictions between those of the prompt and of the last of the other prompts.

    A mixture of predictions (1 - t) a + t b is that of the density p_a**(1 - t) p_b**t, normalised (Liu et
    al. 2022, arXiv 2206.01714, sec. 3): at t = 0 that of the prompt, at t = 1 that of the other.

    Args:
        denoiser: Guided; its conditioning has the other prompt as the last of ``others``.
        shares: t of each row.
    """

    def denoise(x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory) -> Prediction:
        *others, last = conditioning.others
        here = replace(conditioning, others=tuple(others))
        first = denoiser(x, level, here, memory.child("from"))
        second = denoiser(x, level, last, memory.child("to"))
        share = torch.tensor(shares, device=x.device, dtype=x.dtype).reshape(-1, *(1,) * (x.ndim - 1))

        def mixed(one: Tensor | None, other: Tensor | None) -> Tensor | None:
            return None if one is None or other is None else (1 - share) * one + share * other

        x0 = mixed(first.x0, second.x0)
        assert x0 is not None
        return Prediction(
            x0, mixed(first.eps, second.eps), mixed(first.variance, second.variance), first.c_skip
        )

    return denoise
