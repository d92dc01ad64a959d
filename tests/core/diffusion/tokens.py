"""Three dependent tokens with a known joint distribution and its exact denoiser, for the tests."""

from __future__ import annotations

import torch
from torch import Tensor

from gen.diffusion import Conditioning, Denoiser, Level, Memory, Prediction
from gen.diffusion.categorical import IMPOSSIBLE, CategoricalProcess, Masked, Uniform

K, L = 3, 3
MASK = K
SEQUENCES = torch.cartesian_prod(*[torch.arange(K)] * L)
TABLE = torch.rand(K**L, generator=torch.Generator().manual_seed(5), dtype=torch.float64) ** 6 + 1e-3
TABLE /= TABLE.sum()
"""p(x0) for each of the sequences."""

PROCESSES: list[CategoricalProcess] = [Masked(K, MASK), Uniform(K)]


def law(process: CategoricalProcess, level: Level[float]) -> Tensor:
    """q(x_t | x_0 or x_s) by definition, (from, to): alpha times the identity plus sigma times the noise."""
    if isinstance(process, Masked):
        noise = torch.zeros(K + 1, K + 1, dtype=torch.float64)
        noise[:, K] = 1
    else:
        noise = torch.full((K, K), 1 / K, dtype=torch.float64)
    return level.alpha * torch.eye(len(noise), dtype=torch.float64) + level.sigma * noise


def logits_of(process: CategoricalProcess, x: Tensor, level: Level[float]) -> Tensor:
    """log p(x0 of each token | all of x_t), (B, L, K), by Bayes' rule over the 27 sequences."""
    # With masks it is the same at every level, also in the limit of pure noise, where Bayes' rule says 0 / 0.
    one = law(process, process.level(0.5) if isinstance(process, Masked) else level)
    weights = TABLE * one[SEQUENCES[None], x[:, None]].prod(-1)  # (B, 27)
    each = torch.stack([weights @ (token == SEQUENCES).double() for token in range(K)], -1)
    return (each / each.sum(-1, keepdim=True)).log().clamp(min=IMPOSSIBLE)


def exact(process: CategoricalProcess) -> Denoiser:
    """The denoiser that a perfect network would be."""

    def denoise(x: Tensor, level: Level[float], _: Conditioning, memory: Memory) -> Prediction:
        return Prediction(logits_of(process, x, level))

    return denoise
