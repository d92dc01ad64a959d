"""Stable Diffusion's upscaler (Rombach et al. 2022, arXiv 2112.10752, sec. 4.4): pictures made larger.

Its network draws latents whose cells are the pixels of the small picture, which it sees with some noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.schedule import Schedule, read_schedule
from gen.checkpoints.stage import CheckpointStage, negatives, sampled, two_sides
from gen.checkpoints.text import ClipPrompts
from gen.diffusion import Condition, Conditioning
from gen.errors import UsageError
from gen.model import Edits, Model, Task
from gen_image.families import defaults
from gen_image.families.building import codec_of, model_of
from gen_image.families.codec import PictureCodec, fitted, size_of
from gen_image.families.unet import CHAIN, network


@dataclass(frozen=True, kw_only=True, eq=False)
class Upscaler(CheckpointStage):
    """A U-Net on latents, conditioned by CLIP and by the small picture.

    Args:
        text: CLIP.
        noising: How noise is added to the small picture.
        factor: How many times larger it makes pictures along each side.
    """

    text: ClipPrompts
    noising: Schedule
    factor: int

    def edits(self, task: Task, edits: Edits) -> Edits | None:  # noqa: ARG002
        """None: it draws from noise, and sees the small picture."""
        return None

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts; the small picture with noise up to the step ``noise_level``.

        Raises:
            UsageError: There is no picture, or it is to be made larger by another factor.
        """
        _, height, width = task.shape  # type: ignore[misc]
        given = task.init
        if given is None or task.upscale != self.factor:
            raise UsageError(
                f"this model makes pictures {self.factor} times as large, and nothing else",
                f"add `init=FILE` and `upscale={self.factor}`",
            )
        if size_of(given) != (width, height):
            found, wanted = (f"{one[0]} × {one[1]}" for one in (size_of(given), (width, height)))
            raise UsageError(
                f"the picture is {found} pixels, and one of {wanted} is made larger",
                "leave out width and height; small pictures have even sides from 16 to 1024 pixels",
            )
        states, _ = self.text(
            (*task.prompts, *negatives(task)), -1 - whole(task.params, "clip_skip", 0), normed=True
        )
        pixels = torch.tensor(fitted(given, int(width), int(height))).permute(2, 0, 1) * 2 - 1
        step = whole(task.params, "noise_level", 20)
        eps = task.noise.child("upscaler").prior(pixels.shape)
        process = self.noising.process
        small = process.diffuse(pixels.expand_as(eps).to(eps), eps, process.level((step + 1) / CHAIN))
        return two_sides(text=Condition(states, "cross_attention")).with_conditions(
            small=Condition(small, "channels"),
            step=Condition(torch.full((len(task.prompts), 1), step), "global"),
        )


class SmallPictureCodec(PictureCodec):
    """The codec of an upscaler, whose network sees the input itself in place of its latents."""

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> Tensor:
        """Zeros: nothing begins with them."""
        return torch.zeros(len(artifacts), *self.shape(task))


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of Stable Diffusion's upscaler.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    noising = checkpoint["low_res_scheduler"]
    codec = codec_of(parts, whole(checkpoint["unet"].config, "sample_size", 128))
    stage = Upscaler(
        **sampled(parts.schedule()),
        network=network(parts.network("unet")),
        text=parts.clip(),
        noising=read_schedule(noising.config, noising.class_name),
        factor=codec.step,
    )
    return model_of(parts, stage, SmallPictureCodec(**vars(codec)), defaults.upscaler)
