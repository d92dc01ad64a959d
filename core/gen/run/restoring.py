"""Inverse problems of decoded pictures: a prediction follows a measurement through the codec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.diffusion import Conditioning, Denoiser, Prediction
from gen.diffusion.denoiser import Memory
from gen.diffusion.inverse import DDNM, LinearOperator, Measurement
from gen.diffusion.level import Level
from gen.errors import UsageError
from gen.model import Task
from gen.model.parts import Parts

AXES = (-2, -1)
"""Rows and columns of pictures (1, 3, H, W)."""

PROJECTIONS = 16
"""Alternating projections onto what agrees with an exact measurement, and onto values in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Restoration:
    """A measurement of pictures, and the codec between them and the states.

    Args:
        parts: Decode and encode.
        measurement: Of pictures (1, 3, H, W) in [0, 1].
    """

    parts: Parts
    measurement: Measurement

    @classmethod
    def of(
        cls, parts: Parts, build: Callable[[], LinearOperator], std: float, given: Artifact
    ) -> Restoration:
        """The restoration of a picture.

        Args:
            parts: Those of the model.
            build: Makes the operator.
            std: Standard deviation of the noise in ``given``.
            given: What was measured.
        """
        return cls(parts, Measurement(build(), _channels_first(given), std))

    def following(self, denoiser: Denoiser, task: Task) -> Denoiser:
        """``denoiser`` with predictions that follow the measurement, by DDNM (Wang et al. 2023, arXiv
        2212.00490, eq. 13) on what they are decoded to.

        The state moves by the difference of the two encoded pictures, so that what the codec loses is not
        taken for a change.
        """

        def denoise(x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory) -> Prediction:
            prediction = denoiser(x, level, conditioning, memory)
            moved = [self._moved(x0[None], task.row(row), level) for row, x0 in enumerate(prediction.x0)]
            x0 = torch.cat(moved).to(prediction.x0)
            if prediction.eps is None or level.sigma == 0:
                return prediction.with_x0(x0)
            change = (level.alpha / level.sigma) * (x0 - prediction.x0)
            return Prediction(x0, prediction.eps - change, prediction.variance, prediction.output)

        return denoise

    def exact(self, made: Artifact) -> Artifact:
        """A picture that agrees with the measurement, as far as values in [0, 1] can."""
        if self.measurement.std > 0:
            return made
        pixels = _channels_first(made)
        operator = self.measurement.operator
        assert isinstance(operator, LinearOperator)
        for _ in range(PROJECTIONS):
            pixels = (pixels + operator.inverse(self._residual(pixels))).clamp(0, 1)
        return _picture(pixels, made)

    def _moved(self, x0: Tensor, task: Task, level: Level[float]) -> Tensor:
        """A prediction (1, C, …) of the state after one step of DDNM."""
        here = self.parts.decode(x0, task)
        pixels = _channels_first(here)
        operator = self.measurement.operator
        assert isinstance(operator, LinearOperator)
        step = DDNM().correction(operator, self._residual(pixels), level, self.measurement.std)
        states = [self.parts.encode(picture, task) for picture in (here, _picture(pixels + step, here))]
        before, after = states
        assert isinstance(before, Tensor)
        assert isinstance(after, Tensor)
        return x0 + (after - before).to(x0)

    def _residual(self, pixels: Tensor) -> Tensor:
        try:
            return self.measurement.residual(self.measurement.operator(pixels))
        except ValueError as error:
            height, width = pixels.shape[-2:]
            down, across = self.measurement.y.shape[-2:]
            raise UsageError(
                f"the model makes {width} × {height} pixels, which do not fit the input of {across} × {down}",
                "give width and height that fit, or scale the input",
            ) from error


def _channels_first(picture: Artifact) -> Tensor:
    """(1, 3, H, W) of a picture, on white where it is transparent."""
    pixels = picture.arrays["pixels"]
    if pixels.shape[-1] == 4:
        pixels = pixels[..., :3] * pixels[..., 3:] + (1 - pixels[..., 3:])
    three = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    return torch.from_numpy(np.ascontiguousarray(three.transpose(2, 0, 1)))[None]


def _picture(pixels: Tensor, like: Artifact) -> Artifact:
    array = pixels[0].clamp(0, 1).permute(1, 2, 0).contiguous().numpy()
    return replace(like, arrays={"pixels": array.astype(np.float32)})
