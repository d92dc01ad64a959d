"""Noise that depends on nothing but an item's own seed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from gen.diffusion.level import Level

StepNoise: TypeAlias = Callable[[Tensor, str], Tensor]
"""Standard normal noise shaped like a state, for one step and the named use within it."""

REACH = 16
"""Brownian paths are known for log_snr from -REACH to REACH, and at -infinity."""
CELLS = 2**16
"""Points of a Brownian path per unit of log_snr."""


@dataclass(frozen=True)
class NoiseSource:
    """Independent standard normal streams, one seed per item.

    A draw is a function of (seed, stream, index) alone and is made on the CPU in float32, so item i of a
    batch equals the single run on every device, and a run can be resumed at any step. There is no state.

    With ``brownian`` the draws called "step" are the increments of one Brownian path per item in the
    signal-to-noise ratio, v = exp(2 log_snr). In x / sigma v**(1/2) the noise of the reverse diffusion is
    exactly such a path (Lu et al. 2022, arXiv 2211.01095, sec. 5), so that runs with more steps see the same
    noise more finely and converge path by path. The path is a Brownian tree (Li et al. 2020, arXiv
    2001.01328, sec. 4): halves of halves in log_snr, each with its own draw. A step then costs some forty
    draws in place of one.

    Args:
        seeds: One integer in [0, 2**63) per item.
        brownian: Whether steps draw from one path.

    Raises:
        ValueError: A seed is out of range.
    """

    seeds: tuple[int, ...]
    brownian: bool = False

    def __init__(self, seeds: Sequence[int], brownian: bool = False) -> None:
        for seed in seeds:
            if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
                raise ValueError(f"a seed must be a whole number from 0 to 2**63 - 1, not {seed}")
        object.__setattr__(self, "seeds", tuple(seeds))
        object.__setattr__(self, "brownian", brownian)

    def normal(self, shape: Sequence[int], stream: str, index: int = 0) -> Tensor:
        """Draw ``index`` of ``stream``: float32 (B, *shape) on the CPU."""
        # Said in full: what a caller has made torch's default must not change the draw.
        noise = torch.empty(len(self.seeds), *shape, dtype=torch.float32, device="cpu")
        for seed, item in zip(self.seeds, noise, strict=True):
            item.normal_(generator=torch.Generator("cpu").manual_seed(_seed(f"{seed}/{stream}/{index}")))
        return noise

    def prior(self, shape: Sequence[int]) -> Tensor:
        """The noise that generation starts from, float32 (B, *shape) on the CPU."""
        return self.normal(shape, "prior")

    def at(
        self,
        index: int,
        here: Level[float] | None = None,
        there: Level[float] | None = None,
        *,
        restart: int = 0,
    ) -> StepNoise:
        """The noise of step ``index``.

        Args:
            index: Number of the step.
            here: Where the step starts; needed on a Brownian path alone, as are the next two.
            there: Where it ends.
            restart: How often the run was renoised before: each restart has a path of its own.

        Raises:
            ValueError: The path is Brownian, and the levels are missing.
        """

        def step(like: Tensor, stream: str) -> Tensor:
            return self.normal(like.shape[1:], stream, index).to(like)

        if not self.brownian:
            return step
        if here is None or there is None:
            raise ValueError("Brownian noise needs the two levels of the step")
        return _BrownianStep(self, step, restart, here, there)

    def child(self, name: str) -> NoiseSource:
        """An independent source for a further run of the same items, named so that it can be had again."""
        return NoiseSource([_seed(f"{seed}/{name}") for seed in self.seeds], self.brownian)

    def select(self, rows: Sequence[int]) -> NoiseSource:
        """The source of the items ``rows``."""
        return NoiseSource([self.seeds[row] for row in rows], self.brownian)


def part(noise: StepNoise, name: str, here: Level[float], there: Level[float]) -> StepNoise:
    """The noise of a part of a step.

    Args:
        noise: That of the step.
        name: Of the part; parts of other names are independent.
        here: Where the part starts.
        there: Where it ends. On a Brownian path these two say what is drawn, and the name does not.
    """
    if isinstance(noise, _BrownianStep):
        return replace(noise, here=here, there=there)
    return lambda like, stream: noise(like, f"{name}/{stream}")


def stream(noise: StepNoise, name: str) -> StepNoise:
    """The noise of one of several states that make a step together.

    Args:
        noise: That of the step.
        name: Of the state; those of other names are independent.

    Raises:
        ValueError: When it is drawn, and the step is on a Brownian path, which belongs to one state.
    """

    def named(like: Tensor, use: str) -> Tensor:
        if isinstance(noise, _BrownianStep):
            raise ValueError("streams have no Brownian noise: use a NoiseSource without brownian")
        return noise(like, f"{name}/{use}")

    return named


@dataclass(frozen=True)
class _BrownianStep:
    """The noise of a step on a Brownian path."""

    source: NoiseSource
    step: StepNoise
    restart: int
    here: Level[float]
    there: Level[float]

    def __call__(self, like: Tensor, stream: str) -> Tensor:
        if stream != "step":
            return self.step(like, stream)
        start, end = _cell(self.here), _cell(self.there)
        if start == end:
            raise ValueError(
                f"a Brownian path has no noise between log_snr = {self.here.log_snr:.6g} and "
                f"{self.there.log_snr:.6g}: it is known from {-REACH} to {REACH} in steps of 1 / {CELLS}"
            )
        known: dict[int, Tensor] = {}
        gain = self._path(like, end, known) - self._path(like, start, known)
        return (gain / math.sqrt(abs(_variance(end) - _variance(start)))).to(like)

    def _path(self, like: Tensor, cell: int, known: dict[int, Tensor]) -> Tensor:
        """The path at a cell, float64 (B, ...) on the CPU; adds to ``known`` each cell on the way there."""

        def draw(cell: int) -> Tensor:
            return self.source.normal(like.shape[1:], f"path/{self.restart}", cell)

        if cell < 0:
            return torch.zeros(like.shape, dtype=torch.float64, device="cpu")
        low, high = 0, 2 * REACH * CELLS
        if not known:
            known[low] = draw(low).double() * math.sqrt(_variance(low))
            known[high] = known[low].add(draw(high), alpha=math.sqrt(_variance(high) - _variance(low)))
        while cell not in known:
            middle = (low + high) // 2
            if middle not in known:
                # A Brownian bridge in the middle, given its two ends.
                share = (_variance(middle) - _variance(low)) / (_variance(high) - _variance(low))
                spread = math.sqrt(share * (_variance(high) - _variance(middle)))
                known[middle] = torch.lerp(known[low], known[high], share).add_(draw(middle), alpha=spread)
            low, high = (low, middle) if cell < middle else (middle, high)
        return known[cell]


def _cell(level: Level[float]) -> int:
    """The nearest point of a path; -1 where there is no signal."""
    log_snr = min(max(level.log_snr, -REACH), REACH)
    return -1 if level.alpha == 0 else round((log_snr + REACH) * CELLS)


def _variance(cell: int) -> float:
    return math.exp(2 * (cell / CELLS - REACH)) if cell >= 0 else 0.0


def _seed(name: str) -> int:
    """A seed below 2**63 that is a hash of ``name``."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") >> 1
