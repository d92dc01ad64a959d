"""The likelihood of data under a denoiser, by the change of variables along its probability flow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Memory, Prediction
from gen.diffusion.grid import TimeGrid
from gen.diffusion.level import Level
from gen.diffusion.noise import NoiseSource
from gen.diffusion.process import Process
from gen.diffusion.sampling import sample
from gen.diffusion.solvers.base import Solver


@dataclass(frozen=True, eq=False)
class Likelihood:
    """log p(x0) of each item.

    Args:
        nats: (B,), natural logarithm of the density per item.
        dimensions: Number of elements of an item.
        latent: The state (B, ...) that the flow leads to, at the grid's first level with signal.
        nfe: Evaluations of the denoiser; those of its derivative are as many times the probes.
    """

    nats: Tensor
    dimensions: int
    latent: Tensor
    nfe: int

    @property
    def bits_per_dimension(self) -> Tensor:
        """-log2 p(x0) / dimensions, (B,). For bytes scaled to [-1, 1), add log2(256 / 2) = 7."""
        return -self.nats / (self.dimensions * math.log(2))


def log_likelihood(
    denoiser: Denoiser,
    process: Process,
    grid: TimeGrid,
    solver: Solver,
    x0: Tensor,
    *,
    noise: NoiseSource | None = None,
    probes: int | None = None,
    conditioning: Conditioning | None = None,
) -> Likelihood:
    """log p(x0) by any deterministic solver (Song et al. 2021, arXiv 2011.13456, eq. 39).

    With y = x / alpha and lambda = log_snr the flow is dy / d lambda = x0(y, lambda) - y, hence

        log p(y_near) = log p(y_far) + int from lambda_far to lambda_near of (d - div_y x0) d lambda

    The integral is one more element L of each item's state: a state alpha L whose "data" is predicted as
    L - (d - div x0) moves by dL / d lambda = -(d - div x0), so the solver integrates it with its own order.

    Args:
        denoiser: Predicts the data; each item's prediction must depend on that item alone.
        process: Gives the levels of the grid.
        grid: The falling grid of ``sample``, of which the levels with both signal and noise count. x0 is
            taken to stand at the last of them, so p is that of data with noise of sigma / alpha; at the first
            of them the state is taken for pure noise, N(0, alpha**2 + sigma**2).
        solver: One that draws no noise.
        x0: Data (B, ...). In float64 the error is that of the solver alone.
        noise: One seed per item, for the probes.
        probes: None for the exact divergence, one derivative per element of an item; else the number of
            random signs that estimate it (Hutchinson 1990; Grathwohl et al. 2019, 1810.01367, eq. 7): without
            bias, and with the same signs at every level.
        conditioning: Of the denoiser.

    Raises:
        ValueError: The arguments do not fit each other.
        FloatingPointError: The denoiser returned NaN or infinity.
    """
    if not grid.falling or grid.renoise_steps:
        raise ValueError("a likelihood needs a grid that falls from noise to data without renoising")
    if (probes is None) != (noise is None) or (probes is not None and probes < 1):
        raise ValueError("give both noise and at least one probe, or neither for the exact divergence")
    inner = [level for level in grid.levels(process) if level.alpha > 0 and level.sigma > 0]
    if len(inner) < 2:
        raise ValueError("a likelihood needs a grid with at least two levels of both signal and noise")
    shape = x0.shape[1:]
    directions: tuple[Tensor, ...] | None = None
    if noise is not None and probes is not None:
        directions = tuple(noise.normal(shape, "probe", i).sign().to(x0) for i in range(probes))
    start = torch.cat([(x0 * inner[-1].alpha).flatten(1), x0.new_zeros(x0.shape[0], 1)], 1)
    end = sample(
        _Augmented(denoiser, shape, directions),
        process,
        TimeGrid(tuple(level.t for level in inner[::-1])),
        solver,
        noise=noise or NoiseSource([0] * x0.shape[0]),
        x=start,
        conditioning=conditioning,
    )
    latent, integral = end.x[:, :-1], end.x[:, -1] / inner[0].alpha
    dimensions = latent.shape[1]
    scale = process.prior_scale(inner[0])
    normal = -(latent / scale).square().sum(1) / 2 - dimensions * math.log(scale * math.sqrt(2 * math.pi))
    # The density is that of y = x / alpha at either end.
    nats = normal + dimensions * math.log(inner[0].alpha) + integral
    return Likelihood(nats, dimensions, latent.unflatten(1, shape), end.nfe)


@dataclass(frozen=True, eq=False)
class _Augmented:
    """The denoiser of (x, alpha L), flat: (B, elements + 1)."""

    denoiser: Denoiser
    shape: torch.Size
    directions: tuple[Tensor, ...] | None

    def __call__(
        self, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
    ) -> Prediction:
        dimensions = x.shape[1] - 1
        with torch.enable_grad():
            state = x[:, :-1].unflatten(1, self.shape).detach().requires_grad_()
            x0 = self.denoiser(state, level, conditioning, memory).x0
            divergence = level.alpha * _divergence(x0, state, self.directions)
        total = x[:, -1] / level.alpha + divergence - dimensions
        return Prediction(torch.cat([x0.detach().flatten(1), total[:, None]], 1))


def _divergence(output: Tensor, at: Tensor, directions: tuple[Tensor, ...] | None) -> Tensor:
    """The trace of d output / d at of each item, (B,), or its mean estimate over ``directions``."""
    if directions is not None:
        estimates = [(_product(output, at, v) * v).flatten(1).sum(1) for v in directions]
        return torch.stack(estimates).mean(0)
    trace = output.new_zeros(output.shape[0])
    for i in range(output.shape[1:].numel()):
        row = torch.zeros_like(output).flatten(1)
        row[:, i] = 1
        trace += _product(output, at, row.view_as(output)).flatten(1)[:, i]
    return trace


def _product(output: Tensor, at: Tensor, vector: Tensor) -> Tensor:
    """vector^T (d output / d at), item by item."""
    (gradient,) = torch.autograd.grad(output, at, vector, retain_graph=True)
    return gradient
