"""Noise that depends on an item's own seed alone.

An item of fewer than ``SMALL`` numbers is drawn together with the others of its batch: a counter-based
generator (SplitMix64: Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", sec. 3)
turns (seed, stream, index, position) into bits, and Box & Muller (1958) turn these into normal numbers. A
larger item is drawn by torch's own generator, which is seeded for it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gen.diffusion.arguments import whole_number
from gen.diffusion.level import Level, as_real

REACH = 16
"""Brownian paths are known for log_snr from -REACH to REACH, and at -infinity."""
CELLS = 2**12
"""Points of a Brownian path per unit of log_snr."""
SMALL = 256
"""Items of fewer numbers are drawn all at once."""
BLOCK = 2**16
"""Pairs that are drawn at once, so that they stay in the processor's cache."""


class StepNoise(Protocol):
    """The noise of one step: (state, name of its use) -> standard normal, shaped like the state."""

    def __call__(self, like: Tensor, stream: str, /) -> Tensor: ...

    def part(self, name: str, t: Level[float], s: Level[float]) -> StepNoise:
        """The noise of a part of the step.

        Args:
            name: Of the part; parts of other names are independent. On a Brownian path the levels alone
                decide.
            t, s: The levels where the part starts and ends.
        """


class NamedNoise(NamedTuple):
    """Noise by name alone.

    Args:
        draw: (state, name) -> standard normal.
        prefix: Of the names of a part.
    """

    draw: Callable[[Tensor, str], Tensor]
    prefix: str = ""

    def __call__(self, like: Tensor, stream: str, /) -> Tensor:
        return self.draw(like, self.prefix + stream)

    def part(self, name: str, t: Level[float], s: Level[float]) -> NamedNoise:  # noqa: ARG002
        """See ``StepNoise``."""
        return NamedNoise(self.draw, f"{self.prefix}{name}/")


@dataclass(frozen=True)
class NoiseSource:
    """Independent standard normal streams, one seed per item.

    A draw is a function of (seed, stream, index) alone and is made on the CPU in float32, so item i of a
    batch equals the single run bit for bit, and a run can be resumed at any step. There is no state.

    With ``brownian`` the draws called "step" are the increments of one Brownian path per item in the
    signal-to-noise ratio, v = exp(2 log_snr). In x / sigma v**(1/2) the noise of the reverse diffusion is
    exactly such a path (Lu et al. 2022, arXiv 2211.01095, sec. 5), so that runs with more steps see the same
    noise more finely and converge path by path. The path is a Brownian tree (Li et al. 2020, arXiv
    2001.01328, sec. 4): halves of halves in log_snr, each with its own draw. A step then costs about
    a dozen draws in place of one; see ``path``.

    Args:
        seeds: One integer in [0, 2**63) per item.
        brownian: Whether steps draw from one path.

    Raises:
        ValueError: A seed is out of range.
    """

    seeds: tuple[int, ...]
    brownian: bool

    def __init__(self, seeds: Sequence[int], brownian: bool = False) -> None:
        checked = (whole_number(seed, "a seed", least=0, most=2**63 - 1) for seed in seeds)
        object.__setattr__(self, "seeds", tuple(checked))
        object.__setattr__(self, "brownian", brownian)

    def normal(self, shape: Sequence[int], stream: str, index: int = 0) -> Tensor:
        """Draw ``index`` of ``stream``: float32 (B, *shape) on the CPU."""
        size = math.prod(shape)
        if size < SMALL:
            return self._small(size, f"{stream}/{index}").reshape(len(self.seeds), *shape)
        # Dtype and device are given: torch's defaults must not change the draw.
        noise = torch.empty(len(self.seeds), *shape, dtype=torch.float32, device="cpu")
        generator, name = torch.Generator(device="cpu"), f"/{stream}/{index}"
        for seed, item in zip(self.seeds, noise.unbind(), strict=True):
            item.normal_(generator=generator.manual_seed(_seed(f"{seed}{name}")))
        return noise

    @cached_property
    def _keys(self) -> NDArray[np.uint64]:
        return _mixed(np.array(self.seeds, dtype=np.uint64))

    def _small(self, size: int, name: str) -> Tensor:
        """Normal numbers, float32 (B, size)."""
        pairs = (size + 1) // 2
        offsets = _GAMMA * np.arange(1, pairs + 1, dtype=np.uint64) + np.uint64(_seed(name))
        if size == 1:
            radius, angle = _polar(self._keys, offsets)
            return radius.mul_(angle.cos_())
        normal = torch.empty(len(self.seeds), pairs, 2, dtype=torch.float32, device="cpu")
        rows = max(1, BLOCK // max(1, pairs))
        for first in range(0, len(self.seeds), rows):
            block = normal[first : first + rows]
            radius, angle = _polar(self._keys[first : first + rows], offsets)
            torch.mul(radius, angle.cos(), out=block[..., 0])
            torch.mul(radius, angle.sin_(), out=block[..., 1])
        return normal.flatten(1)[:, :size]

    def prior(self, shape: Sequence[int]) -> Tensor:
        """The noise of the first state, float32 (B, *shape) on the CPU."""
        return self.normal(shape, "prior")

    def at(
        self,
        index: int,
        t: Level[float] | None = None,
        s: Level[float] | None = None,
        *,
        path: BrownianPath | None = None,
    ) -> StepNoise:
        """The noise of step ``index``.

        Args:
            index: Number of the step.
            t: The level where the step starts; needed on a Brownian path alone, as are the next two.
            s: The level where it ends.
            path: That of the run, so that its points are drawn once; by default a new one.

        Raises:
            ValueError: The path is Brownian, and the levels are missing.
        """

        def draw(like: Tensor, stream: str) -> Tensor:
            if like.is_complex():
                return torch.view_as_complex(draw(as_real(like), stream))
            return self.normal(like.shape[1:], stream, index).to(like)

        if not self.brownian:
            return NamedNoise(draw)
        if t is None or s is None:
            raise ValueError("Brownian noise needs the two levels of the step")
        return _BrownianStep(path or BrownianPath(self), draw, t, s)

    def path(self, restart: int = 0) -> BrownianPath | None:
        """The Brownian path of a run, which keeps what its next step needs; None where there is none.

        Args:
            restart: How often the run was renoised before: each restart has a path of its own.
        """
        return BrownianPath(self, restart) if self.brownian else None

    def child(self, name: str) -> NoiseSource:
        """An independent source for another run of the same items; the same one for the same name."""
        return NoiseSource([_seed(f"{seed}/{name}") for seed in self.seeds], self.brownian)

    def select(self, rows: Sequence[int]) -> NoiseSource:
        """The source of the items ``rows``."""
        return NoiseSource([self.seeds[row] for row in rows], self.brownian)


@dataclass(frozen=True, init=False)
class BlendedNoise(NoiseSource):
    """sqrt(1 - w**2) first + w second in every draw: a variation of ``first``, standard normal like both.

    As w goes from 0 to 1 the draws go along the sphere from those of ``first``, bit for bit, to those of
    ``second`` (spherical interpolation; independent normal vectors are nearly orthogonal: White 2016,
    arXiv 1609.04468, sec. 2).

    Args:
        first, second: Sources of as many items each.
        weights: w of each item, in [0, 1].

    Raises:
        ValueError: The sources differ in their number of items or in kind, or a weight is outside.
    """

    first: NoiseSource
    second: NoiseSource
    weights: tuple[float, ...]

    def __init__(self, first: NoiseSource, second: NoiseSource, weights: Sequence[float]) -> None:
        super().__init__(second.seeds, second.brownian)
        if not len(first.seeds) == len(second.seeds) == len(weights) or first.brownian != second.brownian:
            raise ValueError(
                "blended noise needs two sources of the same items and kind, and a weight for each"
            )
        if not all(0 <= weight <= 1 for weight in weights):
            raise ValueError(f"weights of blended noise lie in [0, 1], not {tuple(weights)}")
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "second", second)
        object.__setattr__(self, "weights", tuple(weights))

    def normal(self, shape: Sequence[int], stream: str, index: int = 0) -> Tensor:
        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device="cpu").reshape(-1, *(1,) * len(shape))

        kept = [math.sqrt(1 - weight**2) for weight in self.weights]
        first, second = (source.normal(shape, stream, index) for source in (self.first, self.second))
        return column(kept) * first + column(self.weights) * second

    def child(self, name: str) -> BlendedNoise:
        return BlendedNoise(self.first.child(name), self.second.child(name), self.weights)

    def select(self, rows: Sequence[int]) -> BlendedNoise:
        weights = [self.weights[row] for row in rows]
        return BlendedNoise(self.first.select(rows), self.second.select(rows), weights)


@dataclass
class BrownianPath:
    """The Brownian paths of a batch, one per item, by halving intervals of log_snr.

    The points on the way to the end of the last increment are kept: the next increment starts there and
    needs no others of those drawn so far. They are at most 20 float32 tensors like the state.
    """

    source: NoiseSource
    restart: int = 0
    known: dict[int, Tensor] = field(default_factory=dict)

    def increment(self, like: Tensor, t: Level[float], s: Level[float]) -> Tensor:
        """(B_s - B_t) / std, standard normal in shape, dtype and device of ``like``.

        Raises:
            ValueError: The two levels are the same point of the path.
        """
        if like.is_complex():
            return torch.view_as_complex(self.increment(as_real(like), t, s))
        start, end = _cell(t), _cell(s)
        if start == end:
            raise ValueError(
                f"a Brownian path has no noise between log_snr = {t.log_snr:.6g} and "
                f"{s.log_snr:.6g}: it is known from {-REACH} to {REACH} in steps of 1 / {CELLS}"
            )
        before = self._point(like, start)
        gain = self._point(like, end) - before
        return (gain / math.sqrt(abs(_variance(end) - _variance(start)))).to(like)

    def _point(self, like: Tensor, cell: int) -> Tensor:
        """The path at a cell, float32 (B, ...) on the CPU."""

        def draw(cell: int) -> Tensor:
            return self.source.normal(like.shape[1:], f"path/{self.restart}", cell)

        if cell < 0:
            return torch.zeros(like.shape, dtype=torch.float32, device="cpu")
        low, high = 0, 2 * REACH * CELLS
        if not self.known:
            self.known[low] = draw(low) * math.sqrt(_variance(low))
            self.known[high] = self.known[low].add(
                draw(high), alpha=math.sqrt(_variance(high) - _variance(low))
            )
        way = {low, high}
        while cell not in way:
            middle = (low + high) // 2
            if middle not in self.known:
                # A Brownian bridge in the middle, given its two ends.
                share = (_variance(middle) - _variance(low)) / (_variance(high) - _variance(low))
                spread = math.sqrt(share * (_variance(high) - _variance(middle)))
                bridge = torch.lerp(self.known[low], self.known[high], share)
                self.known[middle] = bridge.add_(draw(middle), alpha=spread)
            way.add(middle)
            low, high = (low, middle) if cell < middle else (middle, high)
        self.known = {point: value for point, value in self.known.items() if point in way}
        return self.known[cell]


@dataclass(frozen=True)
class _BrownianStep:
    """The noise of a step on a Brownian path."""

    path: BrownianPath
    draw: Callable[[Tensor, str], Tensor]
    t: Level[float]
    s: Level[float]

    def __call__(self, like: Tensor, stream: str, /) -> Tensor:
        return self.path.increment(like, self.t, self.s) if stream == "step" else self.draw(like, stream)

    def part(self, name: str, t: Level[float], s: Level[float]) -> _BrownianStep:  # noqa: ARG002
        """See ``StepNoise``."""
        return replace(self, t=t, s=s)


def _cell(level: Level[float]) -> int:
    """The nearest point of a path; -1 where there is no signal."""
    log_snr = min(max(level.log_snr, -REACH), REACH)
    return -1 if level.alpha == 0 else round((log_snr + REACH) * CELLS)


def _variance(cell: int) -> float:
    return math.exp(2 * (cell / CELLS - REACH)) if cell >= 0 else 0.0


_GAMMA = np.uint64(0x9E3779B97F4A7C15)
"""2**64 over the golden ratio, odd: the distance of two states of SplitMix64."""


def _polar(keys: NDArray[np.uint64], offsets: NDArray[np.uint64]) -> tuple[Tensor, Tensor]:
    """Radii and angles of normal pairs, float32 (keys, offsets)."""
    # numpy is slow where the last axis is short; whatever follows keeps the order of the axes in memory.
    few = len(offsets) < len(keys)
    bits = _mixed((offsets[:, None] + keys).T if few else keys[:, None] + offsets)
    # Two uniform numbers of 24 bits each: in (0, 1) for the radius, in [0, 1) for the angle.
    radius = _uniform(bits >> np.uint64(40)).add_(0.5).mul_(2**-24)
    bits &= np.uint64(2**24 - 1)
    return radius.log_().mul_(-2).sqrt_(), _uniform(bits).mul_(2**-23 * math.pi)


def _uniform(bits: NDArray[np.uint64]) -> Tensor:
    """Whole numbers below 2**24 as float32."""
    return torch.from_numpy(bits.view(np.int64).astype(np.float32))  # faster than from unsigned ones


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's output function, in place: every bit depends on every bit of the input."""
    shifted = np.empty_like(bits)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        np.right_shift(bits, np.uint64(shift), out=shifted)
        bits ^= shifted
        bits *= np.uint64(factor)
    return bits


def _seed(name: str) -> int:
    """A seed below 2**63 that is a hash of ``name``."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") >> 1
