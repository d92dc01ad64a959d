"""The likelihood of data: of the probability flow, and the variational bound of the chain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gen.diffusion.arguments import check_choice, check_real
from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Memory, Prediction
from gen.diffusion.grid import TimeGrid, check_falls
from gen.diffusion.level import (
    Level,
    Real,
    broadcast,
    flat,
    log,
    posterior,
    stack,
    transition,
    where_positive,
)
from gen.diffusion.noise import NoiseSource
from gen.diffusion.process import Process
from gen.diffusion.sampling import sample
from gen.diffusion.solvers.base import Solver
from gen.diffusion.solvers.first_order import Variance


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
    def bits_per_dim(self) -> Tensor:
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

    The integral L is one more element of each item's state, alpha L. Its predicted data L - (d - div x0)
    gives dL / d lambda = -(d - div x0), so that the solver integrates L with its own order.

    Args (the others as in ``sample``):
        denoiser: Each item's prediction must depend on that item alone.
        grid: The falling grid of ``sample``; only its levels with both signal and noise are used. x0 is the
            state at the last of them, so that p is the density of data with noise of sigma / alpha. The state
            at the first of them counts as pure noise, N(0, alpha**2 + sigma**2).
        solver: One that draws no noise.
        x0: Data (B, ...). In float64 the error is that of the solver alone.
        noise: One seed per item, for the probes.
        probes: None for the exact divergence, one derivative per element of an item; else the number of
            random sign vectors that estimate it without bias (Hutchinson 1990; Grathwohl et al. 2019,
            1810.01367, eq. 7), the same at every level.

    Raises:
        ValueError: The arguments do not fit each other.
        FloatingPointError: The denoiser returned NaN or infinity.
    """
    check_real(x0, "a likelihood")
    check_falls(grid, "a likelihood")
    if (probes is None) != (noise is None) or (probes is not None and probes < 1):
        raise ValueError("give both noise and at least one probe, or neither for the exact divergence")
    inner = [level for level in grid.levels(process) if level.alpha > 0 and level.sigma > 0]
    if len(inner) < 2:
        raise ValueError("a likelihood needs a grid with at least two levels of both signal and noise")
    shape, dimensions = x0.shape[1:], x0.shape[1:].numel()
    directions: list[Tensor] | None = None
    if noise is not None and probes is not None:
        directions = [noise.normal(shape, "probe", i).sign().to(x0) for i in range(probes)]

    def augmented(x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory) -> Prediction:
        """The denoiser of (x, alpha L), flat: (B, dimensions + 1)."""
        with torch.enable_grad():
            state = x[:, :-1].reshape(len(x), *shape).detach().requires_grad_()
            predicted = denoiser(state, level, conditioning, memory).x0
            divergence = level.alpha * _divergence(predicted, state, directions)
        total = x[:, -1] / level.alpha + divergence - dimensions
        return Prediction(torch.cat([flat(predicted.detach()), total[:, None]], 1))

    start = torch.cat([flat(x0 * inner[-1].alpha), x0.new_zeros(x0.shape[0], 1)], 1)
    rising = TimeGrid(tuple(level.t for level in inner[::-1]))
    source = noise or NoiseSource([0] * x0.shape[0])
    end = sample(augmented, process, rising, solver, noise=source, x=start, conditioning=conditioning)
    latent, integral = end.x[:, :-1], end.x[:, -1] / inner[0].alpha
    scale = process.prior_scale(inner[0])
    normal = -(latent / scale).square().sum(1) / 2 - dimensions * math.log(scale * math.sqrt(2 * math.pi))
    # The density is that of y = x / alpha at either end.
    nats = normal + dimensions * math.log(inner[0].alpha) + integral
    return Likelihood(nats, dimensions, latent.reshape(x0.shape), end.nfe)


def _divergence(output: Tensor, at: Tensor, directions: Sequence[Tensor] | None) -> Tensor:
    """The trace of d output / d at of each item, (B,), or its mean estimate over ``directions``."""
    if directions is not None:
        estimates = [flat(_product(output, at, v) * v).sum(1) for v in directions]
        return torch.stack(estimates).mean(0)
    trace = output.new_zeros(output.shape[0])
    for i in range(output.shape[1:].numel()):
        row = flat(torch.zeros_like(output))
        row[:, i] = 1
        trace += flat(_product(output, at, row.view_as(output)))[:, i]
    return trace


def _product(output: Tensor, at: Tensor, vector: Tensor) -> Tensor:
    """vector^T (d output / d at), item by item."""
    (gradient,) = torch.autograd.grad(output, at, vector, retain_graph=True)
    return gradient


@dataclass(frozen=True, eq=False)
class Bound:
    """The terms in nats, for B items of D numbers each.

    Args:
        prior: KL(q(x_T | x0) || N(0, prior_scale**2)), (B,).
        steps: KL(q(x_s | x_t, x0) || p(x_s | x_t)) of all steps but the last, from noise to data, (B, n - 1).
        reconstruction: -log p(x0 | x_1), (B,).
        numbers: D.
    """

    prior: Tensor
    steps: Tensor
    reconstruction: Tensor
    numbers: int

    @property
    def total(self) -> Tensor:
        """The bound on -log p(x0) in nats, (B,)."""
        return self.prior + self.steps.sum(1) + self.reconstruction

    @property
    def bits_per_dim(self) -> Tensor:
        """The bound in bits per number, (B,)."""
        return self.total / (self.numbers * math.log(2))


def variational_bound(
    denoiser: Denoiser,
    process: Process,
    grid: TimeGrid,
    x0: Tensor,
    *,
    noise: NoiseSource,
    conditioning: Conditioning | None = None,
    variance: Variance = "small",
    bits: int | None = 8,
) -> Bound:
    """An unbiased estimate of the bound, with one draw of noise and one evaluation for each step.

    Args (the others as in ``sample``):
        denoiser: Must give ``variance`` where that is to be "learned".
        grid: The steps of the chain, falling to t = 0, without renoising.
        x0: Data (B, ...); for ``bits`` as in ``log_likelihood_of_bins``.
        variance: Of p(x_s | x_t): "small" is that of the Markov posterior, "large" that of the forward step,
            "learned" the denoiser's between both, see ``log_variances``.
        bits: Of the data; None for continuous data, whose density the reconstruction then gives.

    Raises:
        ValueError: The grid does not fall to t = 0, the variance is none of these, or not given.
    """
    check_choice("variance", variance, Variance)
    check_real(x0, "a bound")
    levels = grid.levels(process)
    check_falls(grid, "a bound")
    if levels[-1].sigma > 0:
        raise ValueError("a bound needs a grid that ends at t = 0")
    conditioning = Conditioning() if conditioning is None else conditioning
    terms: list[Tensor] = []
    with torch.no_grad():
        for step in range(grid.steps):
            level = levels[step]
            eps = noise.normal(x0.shape[1:], "bound", step).to(x0)
            prediction = denoiser(process.diffuse(x0, eps, level), level, conditioning, Memory())
            share: Tensor | float = 0.0 if variance == "small" else 1.0
            if variance == "learned":
                if prediction.variance is None:
                    raise ValueError("this denoiser has no learned variance: use 'small' or 'large'")
                share = prediction.variance
            t, s = (stack([end], x0.device) for end in levels[step : step + 2])
            terms.append(flat(step_divergence(x0, prediction.x0, share, t, s, bits=bits)).sum(1))
        prior = flat(prior_divergence(x0, levels[0], process.prior_scale(levels[0]))).sum(1)
    return Bound(prior, torch.stack(terms, 1)[:, :-1], terms[-1], x0.shape[1:].numel())


def prior_divergence(x0: Tensor, level: Level[float], std: float) -> Tensor:
    """KL(N(alpha x0, sigma**2) || N(0, std**2)) in nats, float64 in the shape of ``x0``.

    Args:
        x0: Data (B, ...).
        level: The first of the chain.
        std: Of the prior.
    """
    ratio = (level.sigma / std) ** 2
    return ((level.alpha / std * x0.double()) ** 2 + ratio - 1 - math.log(ratio)) / 2


def log_variances(t: Level[Real], s: Level[Real]) -> tuple[Real, Real]:
    """The smallest and largest sensible log variance of a step (Nichol & Dhariwal 2021, 2102.09672, eq. 15).

    The smallest is that of the Markov posterior, the largest that of the forward step. In a step to clean
    data, where the posterior has variance 0, both are the largest; Nichol & Dhariwal's code takes the
    smallest of the step before instead.

    Args:
        t: The level of the state that is known; sigma > 0.
        s: The level that the step leads to, with less noise.
    """
    high = 2 * log(transition(s, t).std)
    return where_positive(s.sigma, 2 * log(posterior(t, s).std), high), high


def step_divergence(
    x0: Tensor,
    predicted: Tensor,
    variance: Tensor | float,
    t: Level[Tensor],
    s: Level[Tensor],
    *,
    bits: int | None = 8,
) -> Tensor:
    """KL(q(x_s | x_t, x0) || p(x_s | x_t)) in nats; in a step to clean data -log p(x0 | x_t).

    Args:
        x0: Data (B, ...).
        predicted: The data as predicted from x_t, same shape.
        variance: How far the log variance of p lies from the smallest (0) to the largest (1) of
            ``log_variances``, same shape or one for all.
        t: The levels of the states, (B,) or (1,).
        s: Levels with less noise, likewise.
        bits: Of the data; None for continuous data.

    Returns:
        Float64 in the shape of ``x0``; the gradient reaches ``predicted`` and ``variance``.
    """
    law, x0, predicted = posterior(t, s), x0.double(), predicted.double()
    low, high = (broadcast(value, x0) for value in log_variances(t, s))
    log_variance = low + variance * (high - low)
    of_x0, to_data = broadcast(law.of_x0, x0), broadcast(s.sigma, x0) == 0
    spread = low.exp() + (of_x0 * (x0 - predicted)) ** 2
    divergence = (log_variance - low + spread / log_variance.exp() - 1) / 2
    mean = of_x0 * predicted
    if bits is None:
        missed = ((x0 - mean) ** 2 / log_variance.exp() + math.log(2 * math.pi) + log_variance) / 2
    else:
        missed = -log_likelihood_of_bins(x0, mean, (log_variance / 2).exp(), bits)
    return torch.where(to_data, missed, divergence)


def log_likelihood_of_bins(x0: Tensor, mean: Tensor, std: Tensor, bits: int = 8) -> Tensor:
    """log of the mass that N(mean, std**2) has in the bin of x0 (Ho et al. 2020, eq. 13), in nats.

    Args:
        x0: Values in [-1, 1], float64, each one of 2**bits equally spaced ones; the outermost bins are open.
        mean: In the shape of ``x0``.
        std: Likewise, > 0.
        bits: At least 1.
    """
    half = 1 / (2**bits - 1)
    upper = torch.where(x0 > 1 - half, math.inf, (x0 - mean + half) / std)
    lower = torch.where(x0 < half - 1, -math.inf, (x0 - mean - half) / std)
    # In the lower tail, where the logarithm of the mass keeps its digits.
    upper, lower = torch.where(lower > 0, -lower, upper), torch.where(lower > 0, -upper, lower)
    most = torch.special.log_ndtr(upper)
    return most + torch.log(-torch.expm1(torch.special.log_ndtr(lower) - most))
