"""Clips as the latents of a checkpoint's autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.model import Task
from gen_video.files.timing import parse_fps

NOT_HERE = ("loop", "first", "last", "camera", "transparent", "audio")
"""Parameters of the modality that checkpoints do not know."""


@dataclass(frozen=True, eq=False)
class FrameCodec:
    """An autoencoder of diffusers for clips, and how its latents are scaled.

    Args:
        network: The autoencoder.
        mean, std: (C,): latents are standardised by these.
        step: Pixels to a cell of the latents.
        stride: Frames to a cell; the first frame has one of its own.
        multiple: Width and height must be multiples of this many pixels.
        size: Width and height in pixels that the model was trained on.
        frames: Frames that it was trained on.
        fps: Their rate.
        noise: How much noise the decoder gets, for one that takes noisy latents; None for the others.
    """

    network: Any
    mean: Tensor
    std: Tensor
    step: int
    stride: int
    multiple: int
    size: tuple[int, int]
    frames: int
    fps: Fraction
    noise: float | None = None

    def shape(self, task: Task) -> tuple[int, ...]:
        """(C, 1 + (frames - 1) / stride, height / step, width / step).

        Raises:
            UsageError: The frames or the size do not fit the cells, or a parameter is not for checkpoints.
        """
        for name in NOT_HERE:
            if task.params.get(name):
                raise UsageError(f"this model knows no {name}", f"leave out {name}")
        (width, height), (frames, _) = self.sizes(task), self.timing(task)
        for name, value in (("width", width), ("height", height)):
            if value % self.multiple:
                near = max(1, round(value / self.multiple)) * self.multiple
                raise UsageError(f"{name} must be a multiple of {self.multiple}, not {value}", f"try {near}")
        if (frames - 1) % self.stride:
            near = round((frames - 1) / self.stride) * self.stride + 1
            raise UsageError(f"this model makes {self.stride} n + 1 frames, not {frames}", f"try {near}")
        return (len(self.mean), 1 + (frames - 1) // self.stride, height // self.step, width // self.step)

    def sizes(self, task: Task) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = (task.params.get(name) for name in ("width", "height"))
        return (int(str(width or self.size[0])), int(str(height or self.size[1])))

    def timing(self, task: Task) -> tuple[int, Fraction]:
        """Frames and their rate; a length in seconds gives the nearest number of frames that can be made."""
        frames, seconds, rate = (task.params.get(name) for name in ("frames", "seconds", "fps"))
        fps = self.fps if rate is None else parse_fps(str(rate))
        if frames is None and seconds is not None:
            cells = round((Fraction(str(seconds)) * fps - 1) / self.stride)
            return 1 + max(0, cells) * self.stride, fps
        return int(str(frames or self.frames)), fps

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        """Clips of latents (B, C, t, h, w)."""
        parameter = next(self.network.parameters())
        z = state * self.std[:, None, None, None].to(state) + self.mean[:, None, None, None].to(state)
        extra: tuple[Tensor, ...] = ()
        if self.noise is not None:
            drawn = task.noise.child("decode").normal(z.shape[1:], "decoder")
            z = torch.lerp(z, drawn.to(z), self.noise)
            extra = (torch.full((len(z),), self.noise).to(parameter),)
        frames = self.network.decode(z.to(parameter), *extra, return_dict=False)[0].float()
        clips = ((frames + 1) / 2).clamp(0, 1).permute(0, 2, 3, 4, 1).cpu().numpy()
        rate = {"fps": str(self.timing(task)[1])}
        return [Artifact("video", {"frames": np.ascontiguousarray(clip)}, rate) for clip in clips]
