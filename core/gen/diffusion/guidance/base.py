"""What guidance is: a change of the denoiser, on within an interval of noise levels, chained with >>."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TypeAlias

from torch import Tensor

from gen.diffusion.conditioning import Conditioning, concatenate
from gen.diffusion.denoiser import Denoiser, Memory, Prediction
from gen.diffusion.level import Level

Scale: TypeAlias = float | Callable[[Level[float]], float]
"""How strong guidance is: a number, or a schedule over the levels."""

Ask: TypeAlias = Callable[[Tensor, Level[float], Mapping[str, Conditioning]], dict[str, Prediction]]
"""Predictions of the guided denoiser for several named conditionings, in one batch if they fit together."""


@dataclass(frozen=True)
class Guidance(ABC):
    """A change of what a denoiser predicts.

    Args:
        interval: (low, high) in log_snr, both included. Outside of it the denoiser is asked as if there were
            no guidance, and nothing else is evaluated (Kynkäänniemi et al. 2024, arXiv 2404.07724).

    Raises:
        ValueError: The interval is not (low, high).
    """

    interval: tuple[float, float] = field(default=(-math.inf, math.inf), kw_only=True)

    def __post_init__(self) -> None:
        if not self.interval[0] <= self.interval[1]:
            raise ValueError(f"interval must be (low, high) in log_snr, not {self.interval}")

    def __rshift__(self, other: Guidance | Chain) -> Chain:
        """This guidance, and ``other`` on top of it."""
        return Chain((self,)) >> other

    def on(self, level: Level[float]) -> bool:
        """Whether there is guidance at ``level``."""
        return self.interval[0] <= level.log_snr <= self.interval[1]

    @abstractmethod
    def predict(
        self, ask: Ask, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
    ) -> Prediction:
        """The guided prediction.

        Args:
            ask: Asks the denoiser that is guided.
            x: State (B, ...).
            level: A level of the interval.
            conditioning: What the denoiser is told, with null and other prompts where it has them.
            memory: What this guidance remembers of the run; to be read and written.
        """


@dataclass(frozen=True)
class Chain:
    """Guidances one on top of the other: guided(denoiser, a >> b) = guided(guided(denoiser, a), b).

    b therefore guides the denoiser that a has guided already: where b asks about a prompt and its null, both
    answers are a's. Chaining is associative, and ``Chain()`` is no guidance at all.

    Args:
        parts: The first is next to the denoiser.
    """

    parts: tuple[Guidance, ...] = ()

    def __rshift__(self, other: Guidance | Chain) -> Chain:
        """These guidances, and ``other`` on top of them."""
        return Chain(self.parts + (other.parts if isinstance(other, Chain) else (other,)))


@dataclass(frozen=True, eq=False)
class Guided:
    """A denoiser under guidance, see ``guided``.

    What ``guidance`` remembers stands in the memory's values; each batch of conditionings that are evaluated
    together has a child memory, so that rows of two batches never mix.
    """

    denoiser: Denoiser
    guidance: Guidance

    def __call__(
        self, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
    ) -> Prediction:
        def ask(
            x: Tensor, level: Level[float], branches: Mapping[str, Conditioning]
        ) -> dict[str, Prediction]:
            predictions: dict[str, Prediction] = {}
            for names in _batches(branches):
                child = memory.child(" and ".join(names))
                conditions = [branches[name] for name in names]
                predictions |= zip(names, _together(self.denoiser, x, level, conditions, child), strict=True)
            return predictions

        if not self.guidance.on(level):
            return unguided(ask, x, level, conditioning)
        return self.guidance.predict(ask, x, level, conditioning, memory)


def guided(denoiser: Denoiser, guidance: Guidance | Chain) -> Denoiser:
    """``denoiser`` under ``guidance``."""
    for part in guidance.parts if isinstance(guidance, Chain) else (guidance,):
        denoiser = Guided(denoiser, part)
    return denoiser


def unguided(ask: Ask, x: Tensor, level: Level[float], conditioning: Conditioning) -> Prediction:
    """The answer about the conditioning as it is."""
    return ask(x, level, {"prompt": conditioning})["prompt"]


def check_scale(scale: Scale) -> None:
    """A constant scale must be a finite number of at least 0.

    Raises:
        ValueError: It is not.
    """
    if not callable(scale) and not 0 <= scale < math.inf:
        raise ValueError(f"guidance must be a finite number of at least 0, not {scale}")


def scale_at(scale: Scale, level: Level[float]) -> float:
    """The scale at ``level``."""
    return scale(level) if callable(scale) else scale


def _together(
    denoiser: Denoiser, x: Tensor, level: Level[float], conditionings: Sequence[Conditioning], memory: Memory
) -> list[Prediction]:
    """The prediction for each conditioning, all in one batch."""
    count, rows = len(conditionings), x.shape[0]
    if count == 1:
        return [denoiser(x, level, conditionings[0], memory)]
    joint = denoiser(x.repeat(count, *(1,) * (x.ndim - 1)), level, concatenate(conditionings), memory)
    return [joint.map(itemgetter(slice(i * rows, (i + 1) * rows))) for i in range(count)]


def _batches(branches: Mapping[str, Conditioning]) -> list[tuple[str, ...]]:
    """The names, grouped by what can be concatenated."""
    kinds: dict[object, list[str]] = {}
    for name, conditioning in branches.items():
        kinds.setdefault(_kind(conditioning), []).append(name)
    return [tuple(names) for names in kinds.values()]


def _kind(conditioning: Conditioning) -> object:
    """Conditionings of one kind can be concatenated."""
    return (
        frozenset(
            (name, condition.route, condition.value.shape[2 if condition.has_tokens else 1 :])
            for name, condition in conditioning.items()
        ),
        conditioning.null is None,
        len(conditioning.others),
    )
