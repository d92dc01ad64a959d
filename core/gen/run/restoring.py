"""Inverse problems of what models make: a prediction follows a measurement through the codec."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.diffusion import Conditioning, Denoiser, Prediction
from gen.diffusion.denoiser import Memory
from gen.diffusion.inverse import DDNM, Clipping, LinearOperator, Mask, Measurement, Operator
from gen.diffusion.level import Level
from gen.errors import UsageError
from gen.model import Task
from gen.model.parts import Parts
from gen.plan import Plan
from gen.presets.measurements import Given
from gen.presets.operators import OPERATORS
from gen.run import waves
from gen.run.compositing import BLACK, marked, sounding
from gen.run.shrinking import shrunk
from gen.run.views import View, view_of

PROJECTIONS = 16
"""Alternating projections onto what agrees with an exact measurement, and onto values within the bounds."""

DECLIPPINGS = 64
"""Rounds in which what was cut off a finished sound is found."""


@dataclass(frozen=True, eq=False)
class Restoration:
    """A measurement, and the view between its numbers and the states.

    Args:
        view: Decodes and encodes.
        measurement: Of the numbers, (1, ...).
    """

    view: View
    measurement: Measurement

    @classmethod
    def of(cls, plan: Plan, parts: Parts, task: Task) -> Restoration | None:
        """The restoration of a plan's input; None where it is not restored.

        Raises:
            UsageError: The operator is not for this kind, or the mask has another size than the input.
        """
        chosen, given = plan.editing.restore, plan.init
        if chosen is None or given is None:
            return None
        view = view_of(plan.kind, parts, given, task)
        fits = chosen.spec.fields if view.is_field else chosen.spec.waves in (None, view.waves)
        if not fits:
            raise UsageError(
                f"operator {chosen.spec.name} does not damage {given.kind}",
                f"one that does: {', '.join(_operators(view))}",
            )
        own = {param.name: param.default for param in chosen.spec.settings} | dict(chosen.settings)
        std = float(own.get("std") or 0)
        values = view.measured(given, replace(task, noise_std=std))
        lost = None if chosen.spec.whole or plan.mask is None else _lost(plan.mask, values)
        if view.waves and not values.any():
            raise UsageError("the input is silent, so that nothing can be restored of it", "take another")
        given_as = Given(values=values, axes=view.axes, waves=view.waves, lost=lost)
        operator: Operator = chosen.build(object, given=given_as)
        if isinstance(operator, Clipping):
            return Declipping(view, Measurement(operator, values))
        return cls(view, Measurement(operator, values, std))

    @property
    def operator(self) -> LinearOperator:
        """That of the measurement."""
        operator = self.measurement.operator
        assert isinstance(operator, LinearOperator)
        return operator

    @property
    def _is_noisy(self) -> bool:
        """Whether nothing but noise was added, and not to waves, which have a filter of their own."""
        return isinstance(self.operator, Mask) and self.measurement.std > 0 and not self.view.waves

    def following(self, denoiser: Denoiser, task: Task) -> Denoiser:
        """``denoiser`` with predictions that follow the measurement, by DDNM (Wang et al. 2023, arXiv
        2212.00490, eq. 13) on what they are decoded to.

        The state moves by the difference of the two encoded views, so that what the codec loses is not
        taken for a change.
        """

        def denoise(x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory) -> Prediction:
            prediction = denoiser(x, level, conditioning, memory)
            moved = [self._moved(x0[None], task.row(row), level) for row, x0 in enumerate(prediction.x0)]
            return follows(prediction, torch.cat(moved).to(prediction.x0), level)

        return denoise

    def exact(self, made: Artifact, state: Tensor, task: Task) -> Artifact:
        """What is made in agreement with the measurement, as far as its noise and the bounds allow.

        Args:
            made: Decoded of the state.
            state: (1, *shape).
            task: That of this item.
        """
        std = self.measurement.std
        if std > 0 and not (self.view.waves or self._is_noisy):
            return made
        numbers = self._seen(state, task)
        if self._is_noisy:
            found = numbers + shrunk(self._residual(numbers), std, self.view.axes)
            return self.view.delivered(found, made)
        if std > 0:
            return self.view.delivered(waves.filtered(self._y(numbers), numbers, std), made)
        low, high = self.view.bounds
        for _ in range(PROJECTIONS):
            numbers = (numbers + self.operator.inverse(self._residual(numbers))).clamp(low, high)
        return self.view.delivered(numbers, made)

    def _moved(self, x0: Tensor, task: Task, level: Level[float]) -> Tensor:
        """A prediction (1, C, …) of the state that follows the measurement."""
        numbers = self._seen(x0, task)
        pair = (numbers, self._followed(numbers, level))
        before, after = (self.view.encoded(one, task) for one in pair)
        return x0 + (after - before).to(x0)

    def _followed(self, numbers: Tensor, level: Level[float]) -> Tensor:
        """Numbers after one step of DDNM; where only noise was added, with what stands out of it."""
        if self._is_noisy:
            return numbers + shrunk(self._residual(numbers), self.measurement.std, self.view.axes)
        step = DDNM().correction(self.operator, self._residual(numbers), level, self.measurement.std)
        return numbers + step

    def _seen(self, state: Tensor, task: Task) -> Tensor:
        """The numbers of a state; waves with the level and the phases of the measurement."""
        numbers = self.view.decoded(state, task)
        if not self.view.waves:
            return numbers
        self._residual(numbers)
        y, std = self._y(numbers), self.measurement.std
        # Twice, as the operator may take power away.
        for _ in range(2):
            numbers = waves.levelled(numbers, self.operator(numbers), y, std)
            numbers = waves.aligned(numbers, self.operator.inverse(y))
        return numbers

    def _y(self, numbers: Tensor) -> Tensor:
        """What was measured, with as many channels as numbers have; 0 where it is lost."""
        y, operator = self.view.alike(self.measurement.y, numbers), self.measurement.operator
        return operator(y) if isinstance(operator, Mask) else y

    def _residual(self, numbers: Tensor) -> Tensor:
        y, operator = self.view.alike(self.measurement.y, numbers), self.measurement.operator
        try:
            return Measurement(operator, self._y(numbers)).residual(operator(numbers))
        except (ValueError, RuntimeError) as error:
            sizes = [" × ".join(map(str, one.shape[1:])) for one in (numbers, y)]
            raise UsageError(
                f"the model makes {sizes[0]} values, which do not fit the {sizes[1]} of the input",
                "ask for a size that fits, or scale the input",
            ) from error


@dataclass(frozen=True, eq=False)
class Declipping(Restoration):
    """A sound that was cut off at a level: what remained stays, and the rest is at least as loud.

    Of what a model makes only the power at each time and frequency counts, so that neither its phases nor
    its level matter.
    """

    def exact(self, made: Artifact, state: Tensor, task: Task) -> Artifact:
        """The declipped sound; where its peaks exceed full scale, all of it is scaled down."""
        numbers = self._declipped(self.view.decoded(state, task), DECLIPPINGS)
        return self.view.delivered(numbers / self._excess(numbers), made)

    def _seen(self, state: Tensor, task: Task) -> Tensor:
        return self.view.decoded(state, task)

    def _followed(self, numbers: Tensor, level: Level[float]) -> Tensor:  # noqa: ARG002
        found = self._declipped(numbers, DECLIPPINGS // 4)
        return found / self._excess(found)

    def _declipped(self, numbers: Tensor, rounds: int) -> Tensor:
        self._residual(numbers)
        operator = self.measurement.operator
        assert isinstance(operator, Clipping)
        return waves.declipped(self._y(numbers), numbers, operator, rounds)

    def _excess(self, numbers: Tensor) -> Tensor:
        return numbers.abs().max().clamp_min(1) / self.view.bounds[1]


def follows(prediction: Prediction, x0: Tensor, level: Level[float]) -> Prediction:
    """A prediction with another x0, and noise to match."""
    if prediction.eps is None or level.sigma == 0:
        return prediction.with_x0(x0)
    change = (level.alpha / level.sigma) * (x0 - prediction.x0)
    return Prediction(x0, prediction.eps - change, prediction.variance, prediction.c_skip)


def _operators(view: View) -> list[str]:
    """Names of those that damage what is seen."""
    return [
        spec.name
        for spec in OPERATORS.values()
        if (spec.fields if view.is_field else spec.waves in (None, view.waves))
    ]


def _lost(mask: Artifact, values: Tensor) -> Tensor:
    """Where a mask marks values (1, ...), True.

    Raises:
        UsageError: It has another size.
    """
    if mask.kind == "audio":
        found = torch.from_numpy(sounding(mask.arrays["samples"], int(mask.attributes["sample_rate"])))[None]
        fits = found.shape[-1] == values.shape[-1]
    else:
        array = mask.arrays["pixels" if mask.kind == "image" else "frames"]
        found = torch.from_numpy(marked(array) >= BLACK)[..., None]
        fits = found.shape[:-1] == values.shape[1:-1]
    if not fits:
        raise UsageError("the mask of what is lost has another size than the input", "scale it to the input")
    return found[None]
