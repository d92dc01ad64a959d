"""The training objective of diffusion: corrupt, predict, compare."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen.diffusion import Conditioning, Parameterization, Process


@dataclass(frozen=True)
class LogitNormalTimes:
    """Times t = sigmoid(z), z ~ N(mean, std²) (Esser et al. 2024, eq. 19), one per stratum of the batch.

    Args:
        mean: Above 0 for more noise. Latents of many numbers betray what they are early, so that text matters
            at high noise only.
        std: Spread.
    """

    mean: float = 0.0
    std: float = 1.0

    def __call__(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw ``count`` times in (0, 1), float64."""
        offsets = torch.rand(count, generator=generator, dtype=torch.float64)
        quantiles = (torch.randperm(count, generator=generator) + offsets) / count
        return torch.sigmoid(self.mean + self.std * torch.special.ndtri(quantiles.clamp(1e-6, 1 - 1e-6)))


@dataclass(frozen=True)
class DiffusionLoss:
    """Mean squared error between the network's output and what it should say.

    Args:
        process: The forward process.
        parameterization: What the network predicts.
        times: Distribution of the times.
    """

    process: Process
    parameterization: Parameterization
    times: LogitNormalTimes = LogitNormalTimes()

    def __call__(
        self, network: nn.Module, x0: Tensor, conditioning: Conditioning, generator: torch.Generator
    ) -> Tensor:
        """The loss of one batch.

        Args:
            network: (c_in·x, c_noise, conditioning) -> F.
            x0: (B, ...) float32.
            conditioning: Of the same batch.
            generator: On the CPU.

        Returns:
            Scalar.
        """
        eps = torch.randn(x0.shape, generator=generator).to(x0)
        level = self.process.level(self.times(len(x0), generator).to(x0.device))
        c_in, _, _, c_noise = self.parameterization.coefficients(level)
        x = self.process.diffuse(x0, eps, level)
        scale = c_in.to(x).reshape(-1, *(1,) * (x.ndim - 1))
        predicted = network(x * scale, c_noise.float(), conditioning)
        target = self.parameterization.target(x0, eps, level)
        return nn.functional.mse_loss(predicted.float(), target)
