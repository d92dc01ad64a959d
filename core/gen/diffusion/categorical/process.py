"""Forward processes on tokens: x_t ~ alpha(t) x0 + sigma(t) noise, as a mixture of distributions.

With probability alpha a token is kept, with probability sigma = 1 - alpha it is replaced by a draw from the
noise: always the mask (``Masked``) or any token (``Uniform``). So a ``Level`` means what it means for real
numbers, and grids, guidance and the loop are shared. A denoiser's x0 holds logits, see ``TokenDenoiser``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from gen.diffusion.categorical.draw import of_normal, uniform
from gen.diffusion.chain import Renoised
from gen.diffusion.level import Level, broadcast
from gen.diffusion.noise import NoiseSource, StepNoise
from gen.diffusion.process import HALF_PI, RectifiedFlow
from gen.diffusion.real import Real, cos, sin


class KeepSchedule(Protocol):
    """The probability that a token is kept. Any Gaussian ``Process`` is one, by its alpha.

    ``RectifiedFlow``: 1 - t, the linear schedule (called log-linear by Lou et al. 2024, arXiv 2310.16834, who
    write it as exp of a rate); ``VariancePreserving``: exponential. It should end at 0: what the bounds and
    the priors leave out is then nothing.
    """

    def alpha(self, t: Real) -> Real:
        """Probability that a token is kept; falls from 1 at t = 0."""

    def d_alpha(self, t: Real) -> Real:
        """d alpha / d t."""


@dataclass(frozen=True)
class CosineKeep:
    """alpha = 1 - cos(pi/2 (1 - t)): the schedule of MaskGIT (Chang et al. 2022, 2202.04200, sec. 3.3)."""

    def alpha(self, t: Real) -> Real:
        return 1 - sin(HALF_PI * t)

    def d_alpha(self, t: Real) -> Real:
        return -HALF_PI * cos(HALF_PI * t)


@dataclass(frozen=True)
class CategoricalProcess(ABC):
    """What masked and uniform diffusion share.

    Every token is noised on its own, so all that is said here of one token holds for each of (B, ...).

    Args:
        tokens: K >= 2, the number of logits of the network; tokens are 0 ... K - 1.
        schedule: The probability that a token is kept.

    Raises:
        ValueError: K < 2.
    """

    tokens: int
    schedule: KeepSchedule = field(default_factory=RectifiedFlow, kw_only=True)

    def __post_init__(self) -> None:
        if self.tokens < 2:
            raise ValueError(f"a categorical process needs at least 2 tokens, not {self.tokens}")

    def level(self, t: Real) -> Level[Real]:
        """The level at time t in [0, 1]; sigma = 1 - alpha is the share of noise."""
        alpha = self.schedule.alpha(t)
        return Level(t, alpha, 1 - alpha)

    def between(self, near: Level[float], far: Level[float]) -> Level[float]:
        """The level that ``diffuse`` needs to go on from ``near`` to ``far``, which has more noise."""
        kept = far.alpha / near.alpha if near.alpha > 0 else 1.0
        return Level(far.t, kept, 1 - kept)

    def renoise(self, x: Tensor, t: Level[float], s: Level[float], *, noise: StepNoise) -> Renoised:
        """x_s given x_t, for s with more noise than t; for masks: remasking.

        Going up and down again corrects what drawing tokens independently got wrong, as the corrector steps
        of Campbell et al. 2022 (arXiv 2205.14987) do.

        Args:
            x: x_t (B, ...).
            t: The level of x.
            s: The noisier level to go to.
            noise: That of the step.
        """
        return Renoised(self.diffuse(x, uniform(noise, x, "renoise"), self.between(t, s)), 0.0, None)

    @abstractmethod
    def diffuse(self, x0: Tensor, u: Tensor, level: Level[Real]) -> Tensor:
        """x_t for tokens x0 (B, ...), int64.

        Args:
            x0: The data.
            u: Uniform noise in [0, 1), float64 (B, ...): torch.rand(x0.shape, dtype=torch.float64).
            level: One level, or one per item.
        """

    @abstractmethod
    def prior(self, noise: NoiseSource, shape: Sequence[int]) -> Tensor:
        """Pure noise, int64 (B, *shape) on the CPU: what generation starts from."""

    @abstractmethod
    def settled(self, x: Tensor) -> Tensor:
        """Where x_t cannot be noise, so that it must equal x0; bool (B, ...)."""

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """p(x0 | x_t), (B, ..., K), from the logits of a denoiser, in their dtype."""

    @abstractmethod
    def posterior(self, x: Tensor, p: Tensor, here: Level[float], there: Level[float]) -> Tensor:
        """q(x_s | x_t), the mean of q(x_s | x_t, x0) over x0 ~ p (Austin et al. 2021, 2107.03006, eq. 3).

        Exact for one token when p is p(x0 | x_t), also where x0 is one of several dependent tokens.

        Args:
            x: x_t (B, ...) at ``here``.
            p: The probabilities of x0 (B, ..., K).
            here: The level of x; sigma > 0.
            there: The level s asked for, with less noise.

        Returns:
            Probabilities of every token that x_s can be (the mask too), (B, ..., K or K + 1).
        """

    @abstractmethod
    def bound(self, logits: Tensor, x0: Tensor, x: Tensor, level: Level[Real]) -> Tensor:
        """The integrand of the variational bound: -log p(x0) <= int_0^1 E[sum over tokens of this] dt.

        With t uniform in (0, 1) it is the training loss, and its mean over many draws the bound in nats; for
        the exact denoiser it is an equality. The integral does not depend on the schedule.

        Args:
            logits: What the denoiser says about x (B, ..., K); gradients pass.
            x0: The data, int64 (B, ...).
            x: The data diffused to ``level``.
            level: One level, or one per item; alpha and sigma > 0.

        Returns:
            Nats per token and unit of t, (B, ...).
        """


@dataclass(frozen=True)
class Masked(CategoricalProcess):
    """Absorbing diffusion: a token is kept or masked (Austin et al. 2021, arXiv 2107.03006, sec. 3.1).

    Args:
        mask_token: K when the network has no logit for it, or the token in 0 ... K - 1 that is the mask; its
            logit is then ignored, since data holds no mask (Sahoo et al. 2024, arXiv 2406.07524, sec. 3.2.3).

    Raises:
        ValueError: ``mask_token`` is outside of 0 ... K.
    """

    mask_token: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.mask_token <= self.tokens:
            raise ValueError(f"the mask token must be one of 0 ... {self.tokens}, not {self.mask_token}")

    def diffuse(self, x0: Tensor, u: Tensor, level: Level[Real]) -> Tensor:
        return torch.where(u < broadcast(level.alpha, u), x0, self.mask_token)

    def prior(self, noise: NoiseSource, shape: Sequence[int]) -> Tensor:
        return torch.full((len(noise.seeds), *shape), self.mask_token)

    def settled(self, x: Tensor) -> Tensor:
        return x != self.mask_token

    def probabilities(self, logits: Tensor) -> Tensor:
        return self._without_mask(logits).softmax(-1)

    def _without_mask(self, logits: Tensor) -> Tensor:
        if self.mask_token == self.tokens:
            return logits
        columns = torch.arange(self.tokens, device=logits.device)
        return logits.masked_fill(columns == self.mask_token, -math.inf)

    def posterior(self, x: Tensor, p: Tensor, here: Level[float], there: Level[float]) -> Tensor:
        # A mask is lifted with probability (alpha_s - alpha_t) / sigma_t, and then shows x0; all else stays.
        lift = (~self.settled(x)).to(p)[..., None] * ((there.alpha - here.alpha) / here.sigma)
        shown = p * lift
        if self.mask_token == self.tokens:
            shown = F.pad(shown, (0, 1))
        return shown.scatter_(-1, x[..., None], 1 - lift)

    def bound(self, logits: Tensor, x0: Tensor, x: Tensor, level: Level[Real]) -> Tensor:
        """Weighted cross-entropy of the masked tokens: -alpha' / (1 - alpha) * -log p(x0).

        Sahoo et al. 2024, arXiv 2406.07524, eq. 10; Shi et al. 2024, arXiv 2406.04329.
        """
        log_p = self._without_mask(logits.float() if logits.dtype.itemsize < 4 else logits).log_softmax(-1)
        surprise = -log_p.gather(-1, x0[..., None]).squeeze(-1)
        weight = broadcast(-self.schedule.d_alpha(level.t) / level.sigma, surprise)
        return torch.where(self.settled(x), 0.0, weight * surprise)


@dataclass(frozen=True)
class Uniform(CategoricalProcess):
    """Multinomial diffusion: a token is kept or replaced by any of the K (Hoogeboom et al. 2021).

    arXiv 2102.05379, eq. 11 to 13. Args and errors as ``CategoricalProcess``.
    """

    def diffuse(self, x0: Tensor, u: Tensor, level: Level[Real]) -> Tensor:
        # What lies above alpha is uniform again, on [alpha, 1); at sigma = 0 there is nothing above.
        share = (u - broadcast(level.alpha, u)) / broadcast(level.sigma, u)
        return torch.where(share < 0, x0, self._any(share.clamp(min=0)))

    def _any(self, u: Tensor) -> Tensor:
        return (u * self.tokens).long().clamp(max=self.tokens - 1)

    def prior(self, noise: NoiseSource, shape: Sequence[int]) -> Tensor:
        return self._any(of_normal(noise.normal((*shape, 2), "prior")))

    def settled(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x, dtype=torch.bool)

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.softmax(-1)

    def posterior(self, x: Tensor, p: Tensor, here: Level[float], there: Level[float]) -> Tensor:
        # q(x_s | x_t, x0) = q(x_t | x_s) q(x_s | x0) / q(x_t | x0), summed over x0. Both laws of x_t are
        # constant in the other token, except where that is x_t.
        step, at = self.between(there, here), x[..., None]
        other, other_step = here.sigma / self.tokens, step.sigma / self.tokens
        of_x0 = (p / other).scatter_(-1, at, p.gather(-1, at) / (here.alpha + other))
        total = of_x0.sum(-1, keepdim=True)
        mean = of_x0.mul_(there.alpha).add_(total, alpha=there.sigma / self.tokens)
        stays = mean.gather(-1, at) * (step.alpha + other_step)
        return mean.mul_(other_step).scatter_(-1, at, stays)

    def bound(self, logits: Tensor, x0: Tensor, x: Tensor, level: Level[Real]) -> Tensor:
        """The divergence of the rates at which tokens jump back, for jumps away from x:

            -alpha' / (K alpha) sum_j [g(p)_j - g(x0)_j + g(x0)_j log(g(x0)_j / g(p)_j)]

        g(x0)_j = q(j | x0) / q(x | x0) is the ratio of the forward rates' reversal and g(p) its mean under p,
        as in ``posterior`` (Campbell et al. 2022, arXiv 2205.14987, sec. 3). Schiff et al. 2024
        (arXiv 2412.10193) put p into q instead; both agree where p is certain.
        """
        p = (logits.float() if logits.dtype.itemsize < 4 else logits).softmax(-1)
        is_x = F.one_hot(x, self.tokens)
        # g - 1, which is small where alpha is: the terms of the sum then cancel to second order.
        ratio = broadcast(self.tokens * level.alpha / level.sigma, p)

        def excess(p: Tensor) -> Tensor:
            stays = (p * is_x).sum(-1, keepdim=True)
            return ratio * p - stays * (ratio / (1 + ratio))

        told, true = excess(p), excess(F.one_hot(x0, self.tokens).to(p))
        terms = told - true + (1 + true) * (true.log1p() - told.log1p())
        rate = broadcast(-self.schedule.d_alpha(level.t) / level.alpha / self.tokens, p[..., 0])
        return rate * (terms * (1 - is_x)).sum(-1)


def bits_per_token(nats: Tensor) -> Tensor:
    """Mean of ``bound`` over an item's tokens, in bits: (B, ...) to (B,)."""
    return nats.flatten(1).mean(1) / math.log(2)
