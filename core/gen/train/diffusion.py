"""The training objectives of diffusion: corrupt, predict, compare."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gen.diffusion import (
    Conditioning,
    LogitNormalTimes,
    Parameterization,
    Process,
    TimeGrid,
    Times,
    Weighting,
)
from gen.diffusion.level import broadcast, stack
from gen.diffusion.likelihood import step_divergence


@dataclass(frozen=True)
class DiffusionLoss:
    """Mean squared error between the network's output and what it should say.

    Args:
        process: The forward process.
        parameterization: What the network predicts.
        times: Distribution of the times.
        weighting: How much the error of a level counts; None where errors of the output count alike.
    """

    process: Process
    parameterization: Parameterization
    times: Times = field(default_factory=LogitNormalTimes)
    weighting: Weighting | None = None

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
        predicted = network((x * broadcast(c_in, x)).to(x.dtype), c_noise.float(), conditioning)
        target = self.parameterization.target(x0, eps, level)
        if self.weighting is None:
            return nn.functional.mse_loss(predicted.float(), target)
        weight = self.weighting.of_output(self.parameterization, level)
        return (broadcast(weight, x) * (predicted.float() - target) ** 2).mean()


@dataclass(frozen=True)
class LearnedVarianceLoss:
    """L_simple + share x L_vlb, for a network that also says the variance of a step.

    Nichol & Dhariwal 2021 (arXiv 2102.09672), eq. 15 and 16. The bound, in bits per number, teaches the
    variance alone: the predicted mean is held fixed in it.

    Args:
        process: The forward process.
        parameterization: What the first half of the network's channels predicts; the second half is v in
            [-1, 1], from the smallest to the largest log variance.
        grid: The steps of the chain, falling to t = 0; trained alike.
        share: Of the bound.
        bits: Of the data; None for continuous data.
    """

    process: Process
    parameterization: Parameterization
    grid: TimeGrid = field(default_factory=lambda: TimeGrid.uniform(1000))
    share: float = 0.001
    bits: int | None = 8

    def __call__(
        self, network: nn.Module, x0: Tensor, conditioning: Conditioning, generator: torch.Generator
    ) -> Tensor:
        """The loss of one batch.

        Args:
            network: (c_in·x, c_noise, conditioning) -> (B, 2C, ...).
            x0: (B, C, ...) float32; for ``bits`` within [-1, 1].
            conditioning: Of the same batch.
            generator: On the CPU.

        Returns:
            Scalar.
        """
        eps = torch.randn(x0.shape, generator=generator).to(x0)
        steps = torch.randint(self.grid.steps, (len(x0),), generator=generator).tolist()
        levels = self.grid.levels(self.process)
        level, there = (stack([levels[step + end] for step in steps], x0.device) for end in (0, 1))
        c_in, _, _, c_noise = self.parameterization.coefficients(level)
        x = self.process.diffuse(x0, eps, level)
        output, v = (
            network((x * broadcast(c_in, x)).to(x.dtype), c_noise.float(), conditioning)
            .float()
            .chunk(2, dim=1)
        )
        simple = nn.functional.mse_loss(output, self.parameterization.target(x0, eps, level))
        predicted = self.parameterization.to_x0(output.detach(), x, level)
        bound = step_divergence(x0, predicted, (v + 1) / 2, level, there, bits=self.bits).mean()
        return simple + self.share * self.grid.steps / math.log(2) * bound.float()
