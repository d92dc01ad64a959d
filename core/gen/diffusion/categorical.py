"""Discrete diffusion: forward processes on tokens, their denoisers and their solvers.

    q(x_t | x0) = alpha_t [x_t = x0] + sigma_t noise(x_t),   sigma_t = 1 - alpha_t

The noise is the mask (``Masked``) or uniform on all tokens (``Uniform``). A ``Level`` is the pair (alpha_t,
sigma_t) as for continuous data, so that grids, guidance and the loop are the same. The x0 of a prediction
holds logits, see ``TokenDenoiser``.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from gen.diffusion.arguments import check_choice, check_not_negative, whole_number
from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Inputs, Memory, Prediction
from gen.diffusion.level import Level, Real, Renoised, broadcast, column, derivative, flat, sin
from gen.diffusion.noise import NoiseSource, StepNoise
from gen.diffusion.process import HALF_PI, ForwardProcess, RectifiedFlow
from gen.diffusion.solvers.base import Denoise, Solver, State, Update

__all__ = [
    "IMPOSSIBLE", "CategoricalProcess", "CosineSchedule", "EntropyBound", "Masked", "NoiseSchedule",
    "PosteriorSample", "TokenDenoiser", "TokenNetwork", "Uniform", "Unmask", "bits_per_token", "draw",
    "given", "uniform",
]  # fmt: skip

TokenNetwork: TypeAlias = Callable[[Tensor, Tensor, Conditioning], Tensor]
IMPOSSIBLE = -1e4
"""A finite logit whose probability is 0 in float64."""
COARSE = 2**12
"""Bins of the unit interval: the first of two normals chooses the bin, the second the place within."""


class NoiseSchedule(Protocol):
    """alpha_t, the probability that a token is kept. Any Gaussian ``Process`` is one, by its alpha.

    ``RectifiedFlow``: 1 - t, the linear schedule (called log-linear by Lou et al. 2024, arXiv 2310.16834, who
    write it as exp of a rate); ``VariancePreserving``: exponential. Bounds and priors take alpha_1 as 0.
    """

    def alpha(self, t: Real) -> Real:
        """Probability that a token is kept; falls from 1 at t = 0."""


@dataclass(frozen=True)
class CosineSchedule:
    """alpha = 1 - cos(pi/2 (1 - t)): the schedule of MaskGIT (Chang et al. 2022, 2202.04200, sec. 3.3)."""

    def alpha(self, t: Real) -> Real:
        return 1 - sin(HALF_PI * t)


@dataclass(frozen=True)
class CategoricalProcess(ForwardProcess):
    """A forward process that noises each token of (B, ...) independently.

    Args:
        tokens: K >= 2, the number of logits of the network; tokens are 0 ... K - 1.
        schedule: alpha_t, the probability that a token is kept.

    Raises:
        ValueError: K < 2.
    """

    tokens: int
    schedule: NoiseSchedule = field(default_factory=RectifiedFlow, kw_only=True)

    def __post_init__(self) -> None:
        whole_number(self.tokens, "tokens", least=2)

    def level(self, t: Real) -> Level[Real]:
        """(alpha_t, sigma_t = 1 - alpha_t) at time t in [0, 1]."""
        alpha = self.schedule.alpha(t)
        return Level(t, alpha, 1 - alpha)

    def transition(self, t: Level[float], s: Level[float]) -> Level[float]:
        """alpha and sigma of q(x_s | x_t), for s with more noise than t: alpha = alpha_s / alpha_t."""
        alpha = s.alpha / t.alpha if t.alpha > 0 else 1.0
        return Level(s.t, alpha, 1 - alpha)

    def placeholder(self, x: Tensor) -> Tensor:
        """Certain logits of one token, (B, ..., K)."""
        logits = torch.arange(self.tokens, dtype=torch.float32, device=x.device) * -IMPOSSIBLE
        return logits.expand(*x.shape, -1)

    def renoise(self, x: Tensor, t: Level[float], s: Level[float], *, noise: StepNoise) -> Renoised:
        """By ``transition``; for masks: remasking.

        Noising and denoising again corrects errors of tokens that were drawn independently, as the corrector
        steps of Campbell et al. 2022 (arXiv 2205.14987) do.
        """
        return Renoised(self.diffuse(x, uniform(noise, x, "renoise"), self.transition(t, s)), 0.0, None)

    @abstractmethod
    def diffuse(self, x0: Tensor, u: Tensor, level: Level[Real]) -> Tensor:
        """x_t for tokens x0 (B, ...), int64.

        Args:
            x0: The data.
            u: Uniform noise in [0, 1), float64 (B, ...): torch.rand(x0.shape, dtype=torch.float64).
            level: One level, or one per item.
        """

    @abstractmethod
    def unmasked(self, x: Tensor) -> Tensor:
        """Where x_t cannot be noise, so that it equals x0; bool (B, ...)."""

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """p(x0 | x_t), (B, ..., K), from the logits of a denoiser, in their dtype."""

    @abstractmethod
    def posterior(self, x: Tensor, p: Tensor, t: Level[float], s: Level[float]) -> Tensor:
        """q(x_s | x_t), the mean of q(x_s | x_t, x0) over x0 ~ p (Austin et al. 2021, 2107.03006, eq. 3).

        If p is p(x0 | x_t), the law of each single token is exact, also where tokens are dependent.

        Args:
            x: x_t (B, ...).
            p: p(x0 | x_t), (B, ..., K).
            t: The level of x; sigma > 0.
            s: A level with less noise.

        Returns:
            Probabilities of every token that x_s can be (the mask too), (B, ..., K or K + 1).
        """

    @abstractmethod
    def bound(self, logits: Tensor, x0: Tensor, x: Tensor, level: Level[Real]) -> Tensor:
        """The integrand of the variational bound: -log p(x0) <= int_0^1 E[sum over tokens of this] dt.

        With t uniform in (0, 1) it is the training loss; its mean over many draws is the bound in nats. For
        the exact denoiser both sides are equal. The integral does not depend on the schedule.

        Args:
            logits: The denoiser's, for x (B, ..., K); gradients pass.
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
        whole_number(self.mask_token, "mask_token", least=0, most=self.tokens)

    def diffuse(self, x0: Tensor, u: Tensor, level: Level[Real]) -> Tensor:
        return torch.where(u < broadcast(level.alpha, u), x0, self.mask_token)

    def prior(self, noise: NoiseSource, shape: Sequence[int], level: Level[float]) -> Tensor:  # noqa: ARG002
        return torch.full((len(noise.seeds), *shape), self.mask_token)

    def unmasked(self, x: Tensor) -> Tensor:
        return x != self.mask_token

    def probabilities(self, logits: Tensor) -> Tensor:
        return self._without_mask(logits).softmax(-1)

    def _without_mask(self, logits: Tensor) -> Tensor:
        if self.mask_token == self.tokens:
            return logits
        columns = torch.arange(self.tokens, device=logits.device)
        return logits.masked_fill(columns == self.mask_token, -math.inf)

    def posterior(self, x: Tensor, p: Tensor, t: Level[float], s: Level[float]) -> Tensor:
        # A mask becomes x0 with probability (alpha_s - alpha_t) / sigma_t; all else stays (Sahoo et al.).
        unmasking = (~self.unmasked(x)).to(p)[..., None] * ((s.alpha - t.alpha) / t.sigma)
        law = p * unmasking
        if self.mask_token == self.tokens:
            law = F.pad(law, (0, 1))
        return law.scatter_(-1, x[..., None], 1 - unmasking)

    def bound(self, logits: Tensor, x0: Tensor, x: Tensor, level: Level[Real]) -> Tensor:
        """Weighted cross-entropy of the masked tokens: -alpha' / (1 - alpha) * -log p(x0).

        Sahoo et al. 2024, arXiv 2406.07524, eq. 10; Shi et al. 2024, arXiv 2406.04329.
        """
        log_p = self._without_mask(_wide(logits)).log_softmax(-1)
        surprise = -log_p.gather(-1, x0[..., None]).squeeze(-1)
        weight = broadcast(-derivative(self.schedule.alpha, level.t) / level.sigma, surprise)
        return torch.where(self.unmasked(x), 0.0, weight * surprise)


@dataclass(frozen=True)
class Uniform(CategoricalProcess):
    """Multinomial diffusion: a token is kept or replaced by any of the K (Hoogeboom et al. 2021).

    arXiv 2102.05379, eq. 11 to 13. Args and errors as ``CategoricalProcess``.
    """

    def diffuse(self, x0: Tensor, u: Tensor, level: Level[Real]) -> Tensor:
        # A u above alpha is uniform on [alpha, 1); at sigma = 0 there is none.
        share = (u - broadcast(level.alpha, u)) / broadcast(level.sigma, u)
        return torch.where(share < 0, x0, self._any(share.clamp(min=0)))

    def _any(self, u: Tensor) -> Tensor:
        return (u * self.tokens).long().clamp(max=self.tokens - 1)

    def prior(self, noise: NoiseSource, shape: Sequence[int], level: Level[float]) -> Tensor:  # noqa: ARG002
        return self._any(of_normal(noise.normal((*shape, 2), "prior")))

    def unmasked(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x, dtype=torch.bool)

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.softmax(-1)

    def posterior(self, x: Tensor, p: Tensor, t: Level[float], s: Level[float]) -> Tensor:
        # q(x_s | x_t, x0) = q(x_t | x_s) q(x_s | x0) / q(x_t | x0), summed over x0. Both laws of x_t are
        # constant in the other token, except where that is x_t.
        step, at = self.transition(s, t), x[..., None]
        other, other_step = t.sigma / self.tokens, step.sigma / self.tokens
        of_x0 = (p / other).scatter_(-1, at, p.gather(-1, at) / (t.alpha + other))
        total = of_x0.sum(-1, keepdim=True)
        mean = of_x0.mul_(s.alpha).add_(total, alpha=s.sigma / self.tokens)
        stays = mean.gather(-1, at) * (step.alpha + other_step)
        return mean.mul_(other_step).scatter_(-1, at, stays)

    def bound(self, logits: Tensor, x0: Tensor, x: Tensor, level: Level[Real]) -> Tensor:
        """The divergence of the rates of the reverse process, for jumps away from x:

            -alpha' / (K alpha) sum_j [g(p)_j - g(x0)_j + g(x0)_j log(g(x0)_j / g(p)_j)]

        The rate of a reverse jump from x to j is the forward rate times g(x0)_j = q(j | x0) / q(x | x0); g(p)
        is the mean of g under p, as in ``posterior`` (Campbell et al. 2022, arXiv 2205.14987, sec. 3). Schiff
        et al. 2024 (arXiv 2412.10193) put p into q instead; both agree where p is certain.
        """
        p = _wide(logits).softmax(-1)
        is_x = F.one_hot(x, self.tokens)
        # g - 1, which is small where alpha is: the terms of the sum then cancel to second order.
        ratio = broadcast(self.tokens * level.alpha / level.sigma, p)

        def excess(p: Tensor) -> Tensor:
            stays = (p * is_x).sum(-1, keepdim=True)
            return ratio * p - stays * (ratio / (1 + ratio))

        predicted, true = excess(p), excess(F.one_hot(x0, self.tokens).to(p))
        terms = predicted - true + (1 + true) * (true.log1p() - predicted.log1p())
        rate = broadcast(-derivative(self.schedule.alpha, level.t) / level.alpha / self.tokens, p[..., 0])
        return rate * (terms * (1 - is_x)).sum(-1)


def _wide(logits: Tensor) -> Tensor:
    """At least float32."""
    return logits.float() if logits.dtype.itemsize < 4 else logits


def bits_per_token(nats: Tensor) -> Tensor:
    """Mean of ``bound`` over an item's tokens, in bits: (B, ...) to (B,)."""
    return flat(nats).mean(1) / math.log(2)


@dataclass(frozen=True, eq=False)
class TokenDenoiser:
    """A network as a denoiser: ``Prediction.x0`` holds the logits (B, ..., K) of each token of the data.

    Guidance is linear in logits: l_uncond + w (l_cond - l_uncond) is p_cond**w p_uncond**(1 - w) up to its
    sum, the classifier-free guidance of tokens (Nisonoff et al. 2024, arXiv 2406.01572; Schiff et al. 2024,
    arXiv 2412.10193). They must be finite: ``IMPOSSIBLE`` serves as minus infinity.

    Args:
        network: (tokens (B, ...) int64, c_noise (B,) float32, conditioning) -> logits (B, ..., K). c_noise is
            sigma_t, in [0, 1].
        process: That of the tokens.

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
        tokens, c_noise, prediction = self.inputs(x, level)
        return prediction(self.network(tokens, c_noise, conditioning.cond))

    def inputs(self, x: Tensor, level: Level[float]) -> Inputs:
        """The network's inputs for tokens x (B, ...), which are a copy."""

        def prediction(logits: Tensor) -> Prediction:
            if logits.shape != (*x.shape, self.process.tokens):
                raise ValueError(
                    f"the network must return {(*x.shape, self.process.tokens)}, not {tuple(logits.shape)}"
                )
            return Prediction(_wide(logits))

        c_noise = torch.full((x.shape[0],), level.sigma, dtype=torch.float32, device=x.device)
        return Inputs(x.clone(), c_noise, prediction)


def given(denoiser: Denoiser, tokens: Tensor, known: Tensor) -> Denoiser:
    """``denoiser`` with certain logits for known tokens, so that the run ends with them.

    With ``Masked`` the run may also start with them. It works with ``Uniform`` too, and on a grid with
    ``renoise_steps``, which noise known tokens like all others.

    Args:
        denoiser: Of tokens.
        tokens: The data, int64 (B, ...); used where it is known.
        known: bool (B, ...).
    """

    def denoise(x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory) -> Prediction:
        logits = denoiser(x, level, conditioning, memory).x0
        # A token without a logit, such as a mask where nothing is known, equals none of them.
        is_token = tokens.to(x)[..., None] == torch.arange(logits.shape[-1], device=x.device)
        certain = torch.where(is_token, 0.0, IMPOSSIBLE).to(logits)
        return Prediction(torch.where(known.to(x.device)[..., None], certain, logits))

    return denoise


def uniform(noise: StepNoise, like: Tensor, name: str) -> Tensor:
    """Uniform numbers in [0, 1), float64 and shaped like ``like``, from the step's normal noise ``name``."""
    return of_normal(noise(torch.empty(*like.shape, 2, dtype=torch.float64, device=like.device), name))


def of_normal(z: Tensor) -> Tensor:
    """Uniform numbers (...) in [0, 1), float64, from pairs of independent standard normals (..., 2).

    Two of them, since a float32 normal has some 24 random bits: too few for the rare tokens of a large
    vocabulary (Zheng et al. 2025, arXiv 2409.02908, on what low precision does to the samples).
    """
    coarse, fine = torch.special.ndtr(z.double()).clamp(max=1 - 2**-40).unbind(-1)
    return (coarse.mul(COARSE).floor() + fine) / COARSE


Order = Literal["random", "confidence", "margin", "entropy"]


class _TokenSolver(Solver):
    """A solver whose steps draw tokens."""

    @property
    def of_tokens(self) -> bool:
        return True

    @property
    def stochastic(self) -> bool:
        return True


@dataclass(frozen=True)
class PosteriorSample(_TokenSolver):
    """Every token from q(x_s | x_t), independently: ancestral sampling (Austin et al. 2021, 2107.03006).

    Exact for one token; for several, an error of first order in the step.

    Args:
        process: Masked or uniform.
    """

    process: CategoricalProcess

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        unmasked = self.process.unmasked(x)
        if unmasked.all():
            return Update(x, state, x)
        p = self.process.probabilities(denoise(x, t).x0)
        moved = draw(self.process.posterior(x, p, t, s), uniform(noise, x, "step"))
        return Update(moved, state, torch.where(unmasked, x, p.argmax(-1)))


@dataclass(frozen=True)
class Unmask(_TokenSolver):
    """A given number of tokens is unmasked per step, in a given order (Chang et al. 2022, arXiv 2202.04200).

    After a step the share of masks is sigma_s, so the process's schedule is that of the unmasking
    (``CosineSchedule`` is MaskGIT's); at least one token is unmasked per step, and all at t = 0. With one
    token per step every order but "confidence" is exact for an exact denoiser. "confidence" depends on the
    drawn tokens and favours likely ones, as a lower temperature would (Hayakawa et al. 2025, arXiv
    2510.04525); MaskGIT counters it by ``order_noise``.

    Args:
        process: The masked process.
        order: Unmasked first are the positions with "margin": the largest difference of the two highest
            probabilities (Kim et al. 2025, arXiv 2502.06768); "entropy": the smallest entropy; "confidence":
            the highest probability of the drawn token (MaskGIT); "random": any.
        temperature: Of the tokens, >= 0: they are drawn from p**(1 / temperature), at 0 the likeliest.
        order_noise: >= 0, the scale of Gumbel noise on the score, which is multiplied by the t of the level s
            (MaskGIT's choice temperature).
        block: None, or the length of the blocks that are unmasked one after another, left to right
            (Arriola et al. 2025, arXiv 2503.09573; Nie et al. 2025, arXiv 2502.09992).

    Raises:
        ValueError: A setting is out of range.
    """

    process: Masked
    order: Order = "margin"
    temperature: float = 1.0
    order_noise: float = 0.0
    block: int | None = None

    def __post_init__(self) -> None:
        check_choice("order", self.order, Order)
        check_not_negative(temperature=self.temperature, order_noise=self.order_noise)
        if self.order == "random" and self.order_noise > 0:
            raise ValueError("order_noise must be 0 for a random order, which is noise already")
        if self.block is not None:
            whole_number(self.block, "block")

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        masked = ~self.process.unmasked(x)
        if not masked.any():
            return Update(x, state, x)
        count = flat(masked).sum(1)
        total = state[0] if state else count.double() / t.sigma
        left = torch.minimum((total * s.sigma).round().long(), count - 1).clamp(min=0)
        p = self.process.probabilities(denoise(x, t).x0)
        filled = torch.where(masked, _tokens(p, self.temperature, uniform(noise, x, "token")), x)
        score = self._score(p, filled)
        jitter = 1.0 if self.order == "random" else self.order_noise * s.t
        if jitter > 0:
            score = score + jitter * gumbel(uniform(noise, x, "order"))
        score = flat(score.masked_fill(~masked, -math.inf))
        ranked = score.argsort(dim=1, descending=True, stable=True)
        if self.block is not None:
            blocks = torch.arange(score.shape[1], device=x.device) // self.block
            # Tokens that are not masked come after all blocks.
            blocks = blocks.where(flat(masked), score.shape[1]).gather(1, ranked)
            ranked = ranked.gather(1, blocks.argsort(dim=1, stable=True))
        return Update(_first(ranked, count - left, filled, x), (total,), filled)

    def _score(self, p: Tensor, tokens: Tensor) -> Tensor:
        """The score of each position; the highest are unmasked first."""
        if self.order == "random":
            return torch.zeros_like(tokens, dtype=p.dtype)
        if self.order == "confidence":
            return p.gather(-1, tokens[..., None]).squeeze(-1).log()
        if self.order == "margin":
            first, second = p.topk(2, dim=-1).values.unbind(-1)
            return first - second
        return -torch.special.entr(p).sum(-1)


@dataclass(frozen=True)
class EntropyBound(_TokenSolver):
    """As many tokens at a time as are nearly independent (Ben-Hamu et al. 2025, arXiv 2505.24857).

    Of the masked positions, ordered by entropy, the longest prefix is unmasked with

        sum of the entropies - the largest of them <= bound,

    which bounds the mutual information of its tokens. A step evaluates until the share of masks is at most
    sigma_s, for each item by itself: one step of ``TimeGrid.uniform(1)`` is a whole run. All evaluations of a
    step are at level t. The posterior of masked tokens does not depend on the level (Zheng et al. 2025, arXiv
    2409.02908); a network that was trained with the level needs several steps.

    Args:
        process: The masked process.
        bound: In nats, >= 0; 0 unmasks one token at a time (and those that are certain), inf all at once.
        temperature: Of the tokens, as for ``Unmask``.

    Raises:
        ValueError: A setting is out of range.
    """

    process: Masked
    bound: float = 0.1
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.bound >= 0:
            raise ValueError(f"bound must be at least 0, not {self.bound}")
        check_not_negative(temperature=self.temperature)

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        masked = ~self.process.unmasked(x)
        total = state[0] if state else flat(masked).sum(1).double() / t.sigma
        goal, filled, evaluation = (total * s.sigma).round(), x, 0
        while (unfinished := flat(masked).sum(1) > goal).any():
            p = self.process.probabilities(denoise(x, t).x0)
            u = uniform(noise, x, f"token/{evaluation}")
            # An item that has finished keeps its guess, which must not depend on the rest of the batch.
            going = column(unfinished, x)
            guess = torch.where(masked, _tokens(p, self.temperature, u), x)
            filled = torch.where(going, guess, filled)
            entropy = flat(torch.special.entr(p).sum(-1).masked_fill(~masked, math.inf))
            ordered = entropy.sort(dim=1, stable=True)
            others = ordered.values.cumsum(1).roll(1, 1).index_fill(1, x.new_zeros(1), 0.0)
            due = ((others <= self.bound) & ordered.values.isfinite()).sum(1)
            x = _first(ordered.indices, due * unfinished, filled, x)
            masked, evaluation = ~self.process.unmasked(x), evaluation + 1
        return Update(x, (total,), filled)


def _tokens(p: Tensor, temperature: float, u: Tensor) -> Tensor:
    """Draws from p**(1 / temperature)."""
    if temperature == 0:
        return p.argmax(-1)
    # Relative to the largest, so that the power does not vanish everywhere.
    return draw(p if temperature == 1 else (p / p.amax(-1, keepdim=True)) ** (1 / temperature), u)


def _first(ranked: Tensor, count: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """``new`` (B, ...) at the first ``count`` (B,) of the positions ``ranked`` (B, N), else ``old``."""
    places = torch.arange(ranked.shape[1], device=ranked.device) < count[:, None]
    chosen = torch.zeros_like(places).scatter(1, ranked, places)
    return torch.where(chosen.reshape(old.shape), new, old)


def draw(probabilities: Tensor, u: Tensor) -> Tensor:
    """Tokens by the inverse of the distribution function.

    Args:
        probabilities: (..., K), >= 0, not all 0; they need not sum to 1.
        u: Uniform numbers in [0, 1), float64 (...).

    Returns:
        Tokens, int64 (...); never one of probability 0.
    """
    steps = probabilities.cumsum(-1, dtype=torch.float64)
    return torch.searchsorted(steps, (u * steps[..., -1])[..., None], right=True).squeeze(-1)


def gumbel(u: Tensor) -> Tensor:
    """Standard Gumbel noise from uniform numbers in [0, 1)."""
    return -torch.log(-torch.log(u.clamp(min=1e-300)))
