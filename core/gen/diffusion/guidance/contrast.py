"""Guidance by contrast: away from a worse prediction, through a better one and beyond.

Each rule works with any opponent: the null (classifier-free guidance), a weaker or a damaged network
(autoguidance, perturbed attention guidance). Below x0 is the better prediction and x0' the worse one; an
explicit eps and a learned variance stay those of the better one unless a rule says otherwise.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Memory, Prediction
from gen.diffusion.guidance.base import Ask, Guidance, Scale, check_scale, scale_at, unguided
from gen.diffusion.guidance.opponents import Null, Opponent
from gen.diffusion.items import inner_product, norm, per_item
from gen.diffusion.level import Level


@dataclass(frozen=True, eq=False)
class Pair:
    """What a rule makes one prediction out of.

    Args:
        x: The state, (B, ...).
        level: Its noise level.
        better, worse: The two predictions for it.
        memory: What the rule keeps from one evaluation of a run to the next.
    """

    x: Tensor
    level: Level[float]
    better: Prediction
    worse: Prediction
    memory: Memory


@dataclass(frozen=True)
class Contrast(Guidance):
    """What the rules share.

    Args:
        scale: >= 0, or a schedule over the levels; 1 is no guidance (the opponent is not evaluated), 0 is
            the opponent alone.
        against: Who is contrasted with: by default the conditioning's null.
        interval: (low, high) in log_snr, outside of which there is no guidance.

    Raises:
        ValueError: A value is out of range.
    """

    scale: Scale
    against: Opponent = field(default=Null(), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scale(self.scale)

    def predict(
        self, ask: Ask, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
    ) -> Prediction:
        scale = scale_at(self.scale, level)
        if scale == 1:
            return unguided(ask, x, level, conditioning)
        better, worse = self.against.predictions(ask, x, level, conditioning, memory)
        return self.combine(Pair(x, level, better, worse, memory), scale)

    @abstractmethod
    def combine(self, pair: Pair, scale: float) -> Prediction:
        """The rule: one prediction out of two."""


@dataclass(frozen=True)
class ClassifierFree(Contrast):
    """x0' + scale (x0 - x0') (Ho & Salimans 2022, arXiv 2207.12598, eq. 6, in x0).

    Args:
        scale: >= 0, or a schedule over the levels; 1 is no guidance (the opponent is not evaluated), 0 is
            the opponent alone.
        rescale: phi in [0, 1] of Lin et al. 2023 (arXiv 2305.08891, eq. 15 and 16): how far the standard
            deviation of each item goes back to that of the unguided prediction.
        against: Who is contrasted with: by default the conditioning's null.
        interval: (low, high) in log_snr, outside of which there is no guidance.

    Raises:
        ValueError: A value is out of range.
    """

    rescale: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.rescale <= 1:
            raise ValueError(f"rescale must lie in [0, 1], not {self.rescale}")

    def combine(self, pair: Pair, scale: float) -> Prediction:
        better = pair.better
        x0 = torch.lerp(pair.worse.x0, better.x0, scale)
        if self.rescale > 0:
            # A constant prediction has no deviation to go back to, and stays as it is.
            ratio = per_item(
                lambda plain, strong: (plain.std() / strong.std()).nan_to_num(1.0, 1.0), better.x0, x0
            )
            x0 = x0 * ratio.mul(self.rescale).add(1 - self.rescale)
        return replace(better, x0=x0)


@dataclass(frozen=True)
class CFGPlusPlus(Contrast):
    """x0' + scale (x0 - x0'), and the noise of the opponent (Chung et al. 2024, arXiv 2406.08070, alg. 2).

    A solver that follows eps adds back the opponent's noise; in a DDIM step that changes log_snr by h it
    equals classifier-free guidance of scale / (1 - e**-h). Solvers that read x0 alone see classifier-free
    guidance.

    Args:
        scale: lambda in [0, 1], or a schedule over the levels. The opponent is evaluated at any.
        against: Who is contrasted with: by default the conditioning's null.
        interval: (low, high) in log_snr, outside of which there is no guidance.

    Raises:
        ValueError: A value is out of range.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.scale) and self.scale > 1:
            raise ValueError(f"the scale of CFG++ must lie in [0, 1], not {self.scale}")

    def predict(
        self, ask: Ask, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
    ) -> Prediction:
        better, worse = self.against.predictions(ask, x, level, conditioning, memory)
        return self.combine(Pair(x, level, better, worse, memory), scale_at(self.scale, level))

    def combine(self, pair: Pair, scale: float) -> Prediction:
        x0 = torch.lerp(pair.worse.x0, pair.better.x0, scale)
        return replace(pair.better, x0=x0, eps=pair.worse.noise(pair.x, pair.level))


@dataclass(frozen=True)
class AdaptiveProjected(Contrast):
    """APG, which does not saturate at high scales (Sadat et al. 2024, arXiv 2410.02416, alg. 1).

        d = x0 - x0' + momentum d_before,   d <- d min(1, radius / |d|)
        x0 + (scale - 1) (d_orthogonal + eta d_parallel),   parallel and orthogonal to x0

    Args:
        scale: >= 0, or a schedule over the levels; 1 is no guidance (the opponent is not evaluated).
        eta: Share of the parallel part, >= 0; 1 keeps all of it, as classifier-free guidance does.
        radius: The largest Euclidean norm of an item's d, > 0; infinite for no limit.
        momentum: beta in (-1, 1), over the evaluations of a run; the paper advises below 0.
        against: Who is contrasted with: by default the conditioning's null.
        interval: (low, high) in log_snr, outside of which there is no guidance.

    Raises:
        ValueError: A value is out of range.
    """

    eta: float = 0.0
    radius: float = math.inf
    momentum: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.eta < math.inf:
            raise ValueError(f"eta must be a finite number of at least 0, not {self.eta}")
        if not self.radius > 0:
            raise ValueError(f"radius must be above 0, not {self.radius}")
        if not -1 < self.momentum < 1:
            raise ValueError(f"momentum must lie between -1 and 1, not {self.momentum}")

    def combine(self, pair: Pair, scale: float) -> Prediction:
        x0, memory = pair.better.x0, pair.memory
        change = x0 - pair.worse.x0
        if self.momentum != 0:
            if "momentum" in memory.values:
                change = change + self.momentum * memory.values["momentum"]
            memory.values["momentum"] = change.detach()
        if self.radius < math.inf:
            change = change * (self.radius / norm(change)).clamp(max=1.0).to(x0)
        if self.eta != 1:
            # Where x0 is 0 nothing is parallel to it.
            square = inner_product(x0, x0)
            share = inner_product(change, x0) / torch.where(square > 0, square, 1.0)
            change = change + x0 * ((self.eta - 1) * share).to(x0)
        return replace(pair.better, x0=x0 + (scale - 1) * change)


@dataclass(frozen=True)
class CFGZeroStar(Contrast):
    """Guidance of the velocity, the opponent's scaled to fit (Fan et al. 2025, arXiv 2503.18886, alg. 1).

        s v' + scale (v - s v'),   s = <v, v'> / <v', v'>,   v = eps - x0
        v = 0 at the first levels, where a network knows less than nothing

    v is the velocity of the rectified flow with the same log_snr, whatever the process.

    Args:
        scale: >= 0, or a schedule over the levels; 1 is no guidance (the opponent is not evaluated).
        zero_until: The log_snr up to which the velocity is 0 and nothing is evaluated; the default is pure
            noise alone, which is the first step of a grid that starts there; None is never.
        against: Who is contrasted with: by default the conditioning's null.
        interval: (low, high) in log_snr, outside of which there is neither guidance nor zero velocity.

    Raises:
        ValueError: A value is out of range.
    """

    zero_until: float | None = -math.inf

    def predict(
        self, ask: Ask, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
    ) -> Prediction:
        if self.zero_until is not None and level.log_snr <= self.zero_until:
            return Prediction(_flow(x, level))
        return super().predict(ask, x, level, conditioning, memory)

    def combine(self, pair: Pair, scale: float) -> Prediction:
        # In the flow's coordinates x = (1 - t) x0 + t eps, hence t v = x - x0; t drops out.
        x = _flow(pair.x, pair.level)
        to_better, to_worse = x - pair.better.x0, x - pair.worse.x0
        square = inner_product(to_worse, to_worse)
        fit = inner_product(to_better, to_worse) / torch.where(square > 0, square, 1.0)
        return replace(pair.better, x0=x - torch.lerp(to_worse * fit.to(x), to_better, scale))


def _flow(x: Tensor, level: Level[float]) -> Tensor:
    """x in the coordinates of the rectified flow, where alpha + sigma = 1."""
    return x / (level.alpha + level.sigma)


@dataclass(frozen=True)
class Tangential(Contrast):
    """TCFG: without what in the opponent's noise leaves the common direction (Kwon et al. 2025, 2503.18137).

    eps' is replaced by its projection on the first right singular vector of the two rows (eps', eps) of an
    item; classifier-free guidance follows.

    Args:
        scale: >= 0, or a schedule over the levels; 1 is no guidance (the opponent is not evaluated).
        against: Who is contrasted with: by default the conditioning's null.
        interval: (low, high) in log_snr, outside of which there is no guidance.

    Raises:
        ValueError: A value is out of range.
    """

    def combine(self, pair: Pair, scale: float) -> Prediction:
        # With m the mean of eps' and eps, a = alpha / sigma and d half of x0' - x0: eps' = m - a d and
        # eps = m + a d. The singular vector is v = m + a**2 k d, where k solves
        # a**2 k**2 md + k (mm - a**2 dd) = md, and the projection is (1 - a r) v. Solved for x0, all is
        # finite at alpha = 0.
        x, level, better, worse = pair.x, pair.level, pair.better, pair.worse
        a = level.alpha / level.sigma
        middle, half = (better.x0 + worse.x0) / 2, (worse.x0 - better.x0) / 2
        m = (x - level.alpha * middle) / level.sigma
        mm, md, dd = inner_product(m, m), inner_product(m, half), inner_product(half, half)
        gap = mm - a**2 * dd
        k = 2 * md / _positive(gap + (gap**2 + (2 * a * md) ** 2).sqrt())
        square = _positive(mm + 2 * a**2 * k * md + a**4 * k**2 * dd)
        r = (1 + a * k) * (md + a**2 * k * dd) / square
        kept = (1 - a * r).to(x)
        projected = x * (r / level.sigma).to(x) + kept * (middle - half * (a * k).to(x))
        return replace(better, x0=torch.lerp(projected, better.x0, scale))


def _positive(number: Tensor) -> Tensor:
    return number.clamp(min=torch.finfo(number.dtype).tiny)
