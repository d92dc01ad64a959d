"""Solvers of discrete diffusion. Tokens that are not masked at the start of a masked run stay (infilling).

``Update.x0`` is a guess of all tokens, shaped like x. Where no mask is left, nothing is evaluated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from gen.diffusion.categorical.process import CategoricalProcess, Masked, uniform
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update

Order = Literal["random", "confidence", "margin", "entropy"]


class _TokenSolver(Solver):
    """A solver whose steps draw tokens."""

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
        self,
        state: State,
        x: Tensor,
        denoise: Denoise,
        t: Level[float],
        s: Level[float],
        *,
        noise: StepNoise,
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
    (``CosineSchedule`` is MaskGIT's); at least one token is unmasked per step, and all at t = 0. One token at
    a time, every order is exact for an exact denoiser except "confidence". Its choice depends on the drawn
    tokens and favours likely ones, with any number of steps, as a lower temperature would (Hayakawa et al.
    2025, arXiv 2510.04525); MaskGIT counters it by ``order_noise``.

    Args:
        process: The masked process.
        order: What comes first: "margin", the largest probability of the first token above the second (Kim et
            al. 2025, arXiv 2502.06768); "entropy", the smallest entropy; "random"; "confidence", the highest
            probability of the drawn token (MaskGIT).
        temperature: Of the tokens, >= 0: they are drawn from p**(1 / temperature), at 0 the likeliest.
        order_noise: >= 0: Gumbel noise on the score, times the t of the level s (the choice temperature of
            MaskGIT).
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
        if self.order not in get_args(Order):
            raise ValueError(f"order must be one of {', '.join(get_args(Order))}, not {self.order!r}")
        if not (0 <= self.temperature < math.inf and 0 <= self.order_noise < math.inf):
            raise ValueError(
                f"temperatures must be finite and >= 0, not {self.temperature}, {self.order_noise}"
            )
        if self.order == "random" and self.order_noise > 0:
            raise ValueError("order_noise must be 0 for a random order, which is nothing but noise")
        if self.block is not None and self.block < 1:
            raise ValueError(f"block must be at least 1, not {self.block}")

    def step(
        self,
        state: State,
        x: Tensor,
        denoise: Denoise,
        t: Level[float],
        s: Level[float],
        *,
        noise: StepNoise,
    ) -> Update:
        masked = ~self.process.unmasked(x)
        if not masked.any():
            return Update(x, state, x)
        count = masked.flatten(1).sum(1)
        total = state[0] if state else count.double() / t.sigma
        left = torch.minimum((total * s.sigma).round().long(), count - 1).clamp(min=0)
        p = self.process.probabilities(denoise(x, t).x0)
        filled = torch.where(masked, _tokens(p, self.temperature, uniform(noise, x, "token")), x)
        score = self._score(p, filled)
        jitter = 1.0 if self.order == "random" else self.order_noise * s.t
        if jitter > 0:
            score = score + jitter * gumbel(uniform(noise, x, "order"))
        score = score.masked_fill(~masked, -math.inf).flatten(1)
        ranked = score.argsort(dim=1, descending=True, stable=True)
        if self.block is not None:
            blocks = torch.arange(score.shape[1], device=x.device) // self.block
            # Tokens that are not masked come after all blocks.
            blocks = blocks.where(masked.flatten(1), score.shape[1]).gather(1, ranked)
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
    sigma_s: one step of ``TimeGrid.uniform(1)`` is a whole run. Each item has its own pace. All evaluations
    of a step are at level t: the posterior of masked tokens does not depend on the level (Zheng et al. 2025,
    arXiv 2409.02908), but for a network that was trained with the level take several steps.

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
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"temperature must be finite and >= 0, not {self.temperature}")

    def step(
        self,
        state: State,
        x: Tensor,
        denoise: Denoise,
        t: Level[float],
        s: Level[float],
        *,
        noise: StepNoise,
    ) -> Update:
        masked = ~self.process.unmasked(x)
        total = state[0] if state else masked.flatten(1).sum(1).double() / t.sigma
        goal, filled, evaluation = (total * s.sigma).round(), x, 0
        while (unfinished := masked.flatten(1).sum(1) > goal).any():
            p = self.process.probabilities(denoise(x, t).x0)
            u = uniform(noise, x, f"token/{evaluation}")
            # An item that is done keeps its guess: it must not depend on the rest of the batch.
            going = unfinished.reshape(-1, *(1,) * (x.ndim - 1))
            guess = torch.where(masked, _tokens(p, self.temperature, u), x)
            filled = torch.where(going, guess, filled)
            entropy = torch.special.entr(p).sum(-1).masked_fill(~masked, math.inf).flatten(1)
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
