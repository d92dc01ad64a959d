"""Clips as the latents of a checkpoint's autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.errors import UsageError
from gen.model import Task
from gen.run.compositing import keep_pixels, seam
from gen.run.fitting import changed, fitted
from gen_video.files.timing import fps_of, parse_fps

NOT_HERE = ("loop", "last", "camera", "transparent", "audio")
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
        unknown: Parameters of the modality that the model does not know.
        begins: Whether the frame ``first`` is kept as the first of the clip; else it is a condition.
        together: Cells behind the first come in groups of this many.
        lead: Cells before that of the first frame, copies of it, which are not decoded.
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
    unknown: tuple[str, ...] = NOT_HERE
    begins: bool = True
    together: int = 1
    lead: int = 0

    @property
    def period(self) -> int:
        """Frames behind the first come in groups of this many."""
        return self.stride * self.together

    def shape(self, task: Task) -> tuple[int, ...]:
        """(C, lead + 1 + (frames - 1) / stride, height / step, width / step).

        Raises:
            UsageError: The frames or the size do not fit the cells, or a parameter is not for this model.
        """
        for name in self.unknown:
            if task.params.get(name):
                raise UsageError(f"this model knows no {name}", f"leave out {name}")
        (width, height), (frames, _) = self.sizes(task), self.timing(task)
        for name, value in (("width", width), ("height", height)):
            if value % self.multiple:
                near = max(1, round(value / self.multiple)) * self.multiple
                raise UsageError(f"{name} must be a multiple of {self.multiple}, not {value}", f"try {near}")
        if (frames - 1) % self.period:
            near = round((frames - 1) / self.period) * self.period + 1
            raise UsageError(f"this model makes {self.period} n + 1 frames, not {frames}", f"try {near}")
        cells = self.lead + 1 + (frames - 1) // self.stride
        return (len(self.mean), cells, height // self.step, width // self.step)

    def sizes(self, task: Task) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = (task.params.get(name) for name in ("width", "height"))
        return (int(str(width or self.size[0])), int(str(height or self.size[1])))

    def timing(self, task: Task) -> tuple[int, Fraction]:
        """Frames and their rate.

        A length in seconds gives the nearest number of frames that can be made; so does that of a clip to
        start from, where nobody gives another.
        """
        frames, seconds, rate = (task.params.get(name) for name in ("frames", "seconds", "fps"))
        fps = self.fps if rate is None else parse_fps(str(rate))
        if frames is not None:
            return int(str(frames)), fps
        if seconds is not None:
            count = Fraction(str(seconds)) * fps
        elif task.init is not None:
            count = task.init.sizes["frames"] / fps_of(task.init) * fps
        else:
            return self.frames, fps
        return 1 + max(0, round((count - 1) / self.period)) * self.period, fps

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> Tensor:
        """Clips of any size and rate, fitted to those that are asked for; a shorter one stays at its end."""
        seen = [fitted(self._at(each, task), *self.sizes(task)) for each in artifacts]
        return self._led(self.latents(np.stack(seen)))

    def latents(self, pixels: np.ndarray) -> Tensor:
        """The standardised latents of frames (B, T, H, W, 3) in [0, 1]: the encoder's mean."""
        parameter = next(self.network.parameters())
        frames = torch.tensor(pixels).permute(0, 4, 1, 2, 3).to(parameter) * 2 - 1
        z = self.encoded(frames)
        return (z.float() - _axes(self.mean, z)) / _axes(self.std, z)

    def mask(self, mask: Artifact, task: Task) -> Tensor:
        """A clip, white where something is drawn anew, as (1, 1, t, h, w): 1 where latents are kept."""
        marks = changed(self._at(mask, task), *self.sizes(task))
        whole = np.concatenate([marks[:1].repeat(self.stride - 1, 0), marks])
        _, height, width = marks.shape
        cells = whole.reshape(
            -1, self.stride, height // self.step, self.step, width // self.step, self.step
        ).any((1, 3, 5))
        return self._led(torch.from_numpy((~cells).astype(np.float32))[None, None])

    def given(self, task: Task) -> tuple[Tensor, Tensor] | None:
        """The frame ``first``: a mask (1, 1, t, h, w) and a state (1, C, t, h, w)."""
        picture = task.params.get("first")
        if not self.begins or not isinstance(picture, Artifact):
            return None
        seen = self.latents(self.frame(picture, task)[None, None])
        mask, state = torch.zeros(1, 1, *self.shape(task)[1:]), torch.zeros(1, *self.shape(task))
        mask[:, :, : self.lead + 1], state[:, :, : self.lead + 1] = 1, seen[:, :, :1]
        return mask, state

    def frame(self, picture: Artifact, task: Task) -> np.ndarray:
        """A picture as a frame of the clip, (H, W, 3)."""
        return fitted(picture.arrays["pixels"], *self.sizes(task))

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        """Clips of latents (B, C, t, h, w)."""
        state = state[:, :, self.lead :]
        z = state * _axes(self.std, state) + _axes(self.mean, state)
        frames = self.decoded(z.to(next(self.network.parameters())), task).float()
        clips = ((frames + 1) / 2).clamp(0, 1).permute(0, 2, 3, 4, 1).cpu().numpy()
        rate = {"fps": str(self.timing(task)[1])}
        return [Artifact("video", {"frames": np.ascontiguousarray(clip)}, rate) for clip in clips]

    def encoded(self, frames: Tensor) -> Tensor:
        """Latents (B, C, t, h, w) of frames (B, 3, T, H, W) in [-1, 1], as the autoencoder gives them."""
        z: Tensor = self.network.encode(frames).latent_dist.mean
        return z

    def decoded(self, z: Tensor, task: Task) -> Tensor:
        """Frames (B, 3, T, H, W) in [-1, 1] of latents, as the autoencoder gives them."""
        extra: tuple[Tensor, ...] = ()
        if self.noise is not None:
            drawn = task.noise.child("decode").normal(z.shape[1:], "decoder")
            z = torch.lerp(z, drawn.to(z), self.noise)
            extra = (torch.full((len(z),), self.noise).to(z),)
        frames: Tensor = self.network.decode(z, *extra, return_dict=False)[0]
        return frames

    def composite(self, made: Artifact, task: Task) -> Artifact:
        """The clip with the input's own pixels outside the mask, and the given first frame."""
        frames, size = made.arrays["frames"], self.sizes(task)
        if task.init is not None and task.mask is not None:
            given, marks = fitted(self._at(task.init, task), *size), changed(self._at(task.mask, task), *size)
            frames = keep_pixels(frames, given, marks, seam(min(size)))
        picture = task.params.get("first")
        if self.begins and isinstance(picture, Artifact):
            frames = np.concatenate([self.frame(picture, task)[None], frames[1:]])
        return Artifact("video", {"frames": frames}, made.attributes)

    def _led(self, cells: Tensor) -> Tensor:
        """Cells (B, C, t, h, w) behind as many copies of the first as lead."""
        return torch.cat([cells[:, :, :1]] * self.lead + [cells], 2)

    def _at(self, clip: Artifact, task: Task) -> np.ndarray:
        """The frames of a clip that are seen at the times of those that are made; after its end, its last."""
        frames, fps = self.timing(task)
        own, last = fps_of(clip), clip.sizes["frames"] - 1
        rows = [min(round(index / fps * own), last) for index in range(frames)]
        return clip.arrays["frames"][rows]


@dataclass(frozen=True, eq=False)
class FrameByFrame(FrameCodec):
    """An autoencoder of pictures, which gets the frames of a clip one by one.

    Args:
        joined: Whether the decoder sees the frames together (Blattmann et al. 2023, arXiv 2311.15127).
    """

    joined: bool = False

    def encoded(self, frames: Tensor) -> Tensor:
        """Latents (B, C, T, h, w) of frames (B, 3, T, H, W) in [-1, 1]."""
        return torch.stack([self.network.encode(one).latent_dist.mean for one in frames.unbind(2)], 2)

    def decoded(self, z: Tensor, task: Task) -> Tensor:  # noqa: ARG002
        """Frames (B, 3, T, H, W) in [-1, 1] of latents."""
        if not self.joined:
            return torch.stack([self.network.decode(one).sample for one in z.unbind(2)], 2)
        frames: Tensor = self.network.decode(z.transpose(1, 2).flatten(0, 1), z.shape[2]).sample
        return frames.unflatten(0, (len(z), -1)).transpose(1, 2)


def picture_codec(parts: Parts, *, cells: int, **options: Any) -> FrameByFrame:
    """The codec of a checkpoint's autoencoder of pictures.

    Args:
        parts: Of the checkpoint.
        cells: Width and height of the latents must be multiples of this many.
        options: Of ``FrameByFrame``.

    Raises:
        ModelError: The part is missing or damaged.
    """
    config = parts.checkpoint["vae"].config
    step = 2 ** (len(list(config.get("block_out_channels", (1, 1, 1, 1)))) - 1)  # type: ignore[call-overload]
    channels = whole(config, "latent_channels", 4)
    return FrameByFrame(
        parts.autoencoder(),
        torch.zeros(channels),
        torch.full((channels,), 1 / float(str(config.get("scaling_factor", 0.18215)))),
        step=step,
        stride=1,
        multiple=step * cells,
        **options,
    )


def given_frame(task: Task, name: str = "first") -> Artifact:
    """The picture that a clip begins or ends with, for models that need it.

    Args:
        task: What is asked for.
        name: ``"first"`` or ``"last"``.

    Raises:
        UsageError: Nobody gave one.
    """
    picture = task.params.get(name)
    if not isinstance(picture, Artifact):
        pictures = "a picture" if name == "first" else "two pictures"
        raise UsageError(f"this model makes clips of {pictures}", f"add `{name}=FILE`")
    return picture


def _axes(values: Tensor, like: Tensor) -> Tensor:
    """(C,) as it multiplies (B, C, t, h, w)."""
    return values[:, None, None, None].to(like.device, torch.float32)
