"""The base of guidance: changes of a denoiser within an interval of noise levels, chained with >>."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import TypeAlias

import torch
from torch import Tensor

from gen.diffusion.conditioning import Conditioning, concatenate
from gen.diffusion.denoiser import Denoiser, Memory, Prediction
from gen.diffusion.level import EVERYWHERE, Interval, Level, check_interval

Strength: TypeAlias = float | Sequence[float] | Tensor
Scale: TypeAlias = Strength | Callable[[Level[float]], Strength]
"""A guidance scale, or a function of the level that returns one.

A number for all items; a sequence or tensor (B,) with one number per item; or a tensor that broadcasts to the
state (B, ...) with as many dimensions, such as (1, 1, T, 1, 1) with one number per frame of a video. Negative
numbers are allowed.
"""

Evaluate: TypeAlias = Callable[[Tensor, Level[float], Mapping[str, Conditioning]], dict[str, Prediction]]
"""(x, level, name to conditioning) -> name to prediction of the unguided denoiser, in one batch where the
conditionings can be concatenated."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One evaluation of a guided denoiser.

    Args:
        x: State (B, ...).
        level: Its level, in the interval of the guidance.
        conditioning: The conditions, with uncond and other prompts where there are any.
        memory: The guidance's own, to read and write.
        evaluate: Evaluates the unguided denoiser.
    """

    x: Tensor
    level: Level[float]
    conditioning: Conditioning
    memory: Memory
    evaluate: Evaluate

    def conditional(self) -> Prediction:
        """The prediction for the conditioning, without guidance."""
        return self.evaluate(self.x, self.level, {"cond": self.conditioning})["cond"]

    def number(self, scale: Scale) -> float | Tensor:
        """The scale at this level: a number, or a tensor in the dtype of x that broadcasts to x.

        Raises:
            ValueError: The scale has not one number per item and does not broadcast to x.
        """
        strength = scale(self.level) if callable(scale) else scale
        if isinstance(strength, int | float):
            return strength
        values, x = torch.as_tensor(strength), self.x
        if values.shape == x.shape[:1]:
            return values.to(x).reshape(-1, *(1,) * (x.ndim - 1))
        fits = values.ndim == x.ndim and all(
            size in (1, full) for size, full in zip(values.shape, x.shape, strict=True)
        )
        if values.ndim and not fits:
            raise ValueError(
                f"a scale must be one number, ({x.shape[0]},) with one per item, or broadcast to the state "
                f"{tuple(x.shape)} with as many dimensions, not {tuple(values.shape)}"
            )
        return values.to(x)


@dataclass(frozen=True)
class Guidance(ABC):
    """A change of the prediction of a denoiser.

    Args:
        interval: (low, high) in log_snr, both included; outside of it only the conditional prediction is
            evaluated (Kynkäänniemi et al. 2024, arXiv 2404.07724).

    Raises:
        ValueError: The interval is not (low, high).
    """

    interval: Interval = field(default=EVERYWHERE, kw_only=True)

    def __post_init__(self) -> None:
        check_interval(self.interval)

    def __rshift__(self, other: Guidance | Chain) -> Chain:
        """This guidance, then ``other`` of the denoiser that it guides."""
        return Chain((self,)) >> other

    @abstractmethod
    def predict(self, at: Evaluation) -> Prediction:
        """The guided prediction."""


@dataclass(frozen=True)
class Chain:
    """Guidances applied in turn: guided(denoiser, a >> b) = guided(guided(denoiser, a), b).

    Where b evaluates a prompt and its uncond, both predictions are guided by a. ``Chain()`` is no guidance.

    Args:
        parts: The first is applied to the denoiser itself.
    """

    parts: tuple[Guidance, ...] = ()

    def __rshift__(self, other: Guidance | Chain) -> Chain:
        """These guidances, then ``other``."""
        return Chain(self.parts + (other.parts if isinstance(other, Chain) else (other,)))


def guided(denoiser: Denoiser, guidance: Guidance | Chain) -> Denoiser:
    """``denoiser`` with ``guidance``, whose memory is the one that it is evaluated with."""
    for part in guidance.parts if isinstance(guidance, Chain) else (guidance,):
        denoiser = _guided(denoiser, part)
    return denoiser


def _guided(denoiser: Denoiser, guidance: Guidance) -> Denoiser:
    def denoise(x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory) -> Prediction:
        at = Evaluation(x, level, conditioning, memory, partial(_evaluate, denoiser, memory))
        return guidance.predict(at) if level.within(guidance.interval) else at.conditional()

    return denoise


def _evaluate(
    denoiser: Denoiser, memory: Memory, x: Tensor, level: Level[float], prompts: Mapping[str, Conditioning]
) -> dict[str, Prediction]:
    """See ``Evaluate``. Each batch has a child memory, so that the rows of two batches are never mixed."""
    predictions: dict[str, Prediction] = {}
    for names in _batches(prompts):
        count, rows, child = len(names), x.shape[0], memory.child(" and ".join(names))
        if count == 1:
            predictions[names[0]] = denoiser(x, level, prompts[names[0]], child)
        else:
            joined = concatenate([prompts[name] for name in names])
            prediction = denoiser(x.repeat(count, *(1,) * (x.ndim - 1)), level, joined, child)
            for i, name in enumerate(names):
                predictions[name] = prediction.map(itemgetter(slice(i * rows, (i + 1) * rows)))
    return predictions


def check_scale(scale: Scale) -> None:
    """Raises ValueError where a constant scale is not finite."""
    if not callable(scale) and not bool(torch.as_tensor(scale).isfinite().all()):
        raise ValueError(f"a guidance scale must be finite, not {scale}")


def _batches(prompts: Mapping[str, Conditioning]) -> list[tuple[str, ...]]:
    """The names in groups whose conditionings can be concatenated."""
    kinds: dict[object, list[str]] = {}
    for name, conditioning in prompts.items():
        shapes = frozenset(
            (name, condition.route, condition.value.shape[2 if condition.has_tokens else 1 :])
            for name, condition in conditioning.items()
        )
        kind = (shapes, conditioning.uncond is None, len(conditioning.others))
        kinds.setdefault(kind, []).append(name)
    return [tuple(names) for names in kinds.values()]
