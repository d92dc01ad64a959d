"""Solvers on tokens. What is not masked at the start of a masked run stays: infilling, see also ``given``.

``Update.x0`` is a guess of all tokens, shaped like x. Nothing is evaluated where no mask is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from gen.diffusion.categorical.draw import draw, gumbel, uniform
from gen.diffusion.categorical.process import CategoricalProcess, Masked
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update

Order = Literal["random", "confidence", "margin", "entropy"]


class _Tokens(Solver):
    """What the solvers share."""

    process: CategoricalProcess

    @property
    def stochastic(self) -> bool:
        return True


@dataclass(frozen=True)
class PosteriorSample(_Tokens):
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
        here: Level[float],
        there: Level[float],
        *,
        noise: StepNoise,
    ) -> Update:
        settled = self.process.settled(x)
        if settled.all():
            return Update(x, state, x)
        p = self.process.probabilities(denoise(x, here).x0)
        moved = draw(self.process.posterior(x, p, here, there), uniform(noise, x, "step"))
        return Update(moved, state, torch.where(settled, x, p.argmax(-1)))


@dataclass(frozen=True)
class Unmask(_Tokens):
    """A given number of masks is lifted per step, the best first (Chang et al. 2022, arXiv 2202.04200).

    After a step the share of masks is the level's sigma, so the process's schedule is that of the unmasking
    (``CosineKeep`` is MaskGIT's); at least one mask is lifted per step, and all at t = 0. One at a time,
    every order is exact except "confidence", whose choice looks at the drawn tokens and so favours likely
    ones (Hayakawa et al. 2025, arXiv 2510.04525: as if the temperature were lower).

    Args:
        process: What is masked.
        order: What comes first: "random"; "confidence", the highest probability of the drawn token;
            "margin", the largest lead of the first over the second token (Kim et al. 2025, arXiv 2502.06768);
            "entropy", the least uncertain.
        temperature: Of the tokens, >= 0: they are drawn from p**(1 / temperature), at 0 the likeliest.
        order_noise: >= 0: Gumbel noise on the score, times t of the level reached, so that it fades (the
            choice temperature of MaskGIT).
        block: None, or how many tokens in a row are finished before those after them are begun, left to right
            (Arriola et al. 2025, arXiv 2503.09573; Nie et al. 2025, arXiv 2502.09992).

    Raises:
        ValueError: A setting is out of range.
    """

    process: Masked
    order: Order = "confidence"
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
        here: Level[float],
        there: Level[float],
        *,
        noise: StepNoise,
    ) -> Update:
        masked = ~self.process.settled(x)
        if not masked.any():
            return Update(x, state, x)
        count = masked.flatten(1).sum(1)
        total = state[0] if state else count.double() / here.sigma
        left = torch.minimum((total * there.sigma).round().long(), count - 1).clamp(min=0)
        p = self.process.probabilities(denoise(x, here).x0)
        filled = torch.where(masked, _tokens(p, self.temperature, uniform(noise, x, "token")), x)
        score = self._score(p, filled)
        jitter = 1.0 if self.order == "random" else self.order_noise * there.t
        if jitter > 0:
            score = score + jitter * gumbel(uniform(noise, x, "order"))
        score = score.masked_fill(~masked, -math.inf).flatten(1)
        ranked = score.argsort(dim=1, descending=True, stable=True)
        if self.block is not None:
            blocks = torch.arange(score.shape[1], device=x.device) // self.block
            # Behind all blocks: what is not masked.
            blocks = blocks.where(masked.flatten(1), score.shape[1]).gather(1, ranked)
            ranked = ranked.gather(1, blocks.argsort(dim=1, stable=True))
        return Update(_first(ranked, count - left, filled, x), (total,), filled)

    def _score(self, p: Tensor, tokens: Tensor) -> Tensor:
        """How early each position is due; higher is earlier."""
        if self.order == "random":
            return torch.zeros_like(tokens, dtype=p.dtype)
        if self.order == "confidence":
            return p.gather(-1, tokens[..., None]).squeeze(-1).log()
        if self.order == "margin":
            first, second = p.topk(2, dim=-1).values.unbind(-1)
            return first - second
        return -torch.special.entr(p).sum(-1)


@dataclass(frozen=True)
class EntropyBound(_Tokens):
    """As many masks at a time as are nearly independent (Ben-Hamu et al. 2025, arXiv 2505.24857).

    Of the masks, ordered by their entropy, the longest beginning is lifted with

        sum of the entropies - the largest of them <= bound,

    which bounds the information that the lifted tokens have about each other. A step evaluates as often as it
    takes to bring the share of masks down to the level's sigma: one step of ``TimeGrid.uniform(1)`` is a
    whole run, and more steps only show what is between. Every item has its own pace. The denoiser is told the
    level at the step's start: what it knows of masks does not depend on it (Zheng et al. 2025, arXiv
    2409.02908), but for a network that was trained with the level take several steps.

    Args:
        process: What is masked.
        bound: In nats, >= 0; 0 lifts one mask at a time (and those that are certain), inf all at once.
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
        here: Level[float],
        there: Level[float],
        *,
        noise: StepNoise,
    ) -> Update:
        masked = ~self.process.settled(x)
        total = state[0] if state else masked.flatten(1).sum(1).double() / here.sigma
        goal, filled, evaluation = (total * there.sigma).round(), x, 0
        while (unfinished := masked.flatten(1).sum(1) > goal).any():
            p = self.process.probabilities(denoise(x, here).x0)
            u = uniform(noise, x, f"token/{evaluation}")
            # An item that has arrived keeps its guess: it must not matter who else is in the batch.
            going = unfinished.reshape(-1, *(1,) * (x.ndim - 1))
            guess = torch.where(masked, _tokens(p, self.temperature, u), x)
            filled = torch.where(going, guess, filled)
            entropy = torch.special.entr(p).sum(-1).masked_fill(~masked, math.inf).flatten(1)
            ordered = entropy.sort(dim=1, stable=True)
            others = ordered.values.cumsum(1).roll(1, 1).index_fill(1, x.new_zeros(1), 0.0)
            due = ((others <= self.bound) & ordered.values.isfinite()).sum(1)
            x = _first(ordered.indices, due * unfinished, filled, x)
            masked, evaluation = ~self.process.settled(x), evaluation + 1
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
