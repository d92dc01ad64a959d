"""The variational bound of a chain on -log p(x0), term by term (Ho et al. 2020, arXiv 2006.11239, eq. 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gen.diffusion.chain import posterior, transition
from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Memory
from gen.diffusion.elementary import Real, log, where_positive
from gen.diffusion.grid import TimeGrid
from gen.diffusion.level import Level, broadcast, stack
from gen.diffusion.noise import NoiseSource
from gen.diffusion.process import Process


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
    variance: Literal["small", "large", "learned"] = "small",
    bits: int | None = 8,
) -> Bound:
    """An unbiased estimate of the bound, with one draw of noise and one evaluation for each step.

    Args:
        denoiser: Predicts x0; must give ``variance`` where that is to be "learned".
        process: Gives the levels of the grid.
        grid: The steps of the chain, falling to t = 0, without renoising.
        x0: Data (B, ...); for ``bits`` as in ``log_likelihood_of_bins``.
        noise: One seed per item.
        conditioning: Of the denoiser.
        variance: Of p(x_s | x_t): that of the Markov posterior, that of the forward step, or in between as
            the denoiser says, see ``log_variances``.
        bits: Of the data; None for continuous data, whose density the reconstruction then gives.

    Raises:
        ValueError: The grid does not fall to t = 0, the variance is none of these, or not given.
    """
    if variance not in ("small", "large", "learned"):
        raise ValueError(f"variance must be 'small', 'large' or 'learned', not {variance!r}")
    levels = grid.levels(process)
    if not grid.falling or grid.renoise_steps or levels[-1].sigma > 0:
        raise ValueError("the bound needs a grid that falls to t = 0 and does not renoise")
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
            terms.append(step_divergence(x0, prediction.x0, share, t, s, bits=bits).flatten(1).sum(1))
        prior = prior_divergence(x0, levels[0], process.prior_scale(levels[0])).flatten(1).sum(1)
    return Bound(prior, torch.stack(terms, 1)[:, :-1], terms[-1], x0[0].numel())


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
    data, where the former is 0, both are the latter; Nichol & Dhariwal's code takes the former of the step
    before instead, which means little on grids other than theirs.

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
