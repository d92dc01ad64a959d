"""Stable Diffusion 1.x and 2.x (Rombach et al. 2022, arXiv 2112.10752), and consistency models of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import negatives, sampled, two_sides
from gen.checkpoints.text import ClipPrompts
from gen.diffusion import ClassifierFree, Condition, Conditioning
from gen.model import Model, Task
from gen.model.stage import AnyGuidance
from gen_image.families import defaults
from gen_image.families.building import codec_of, model_of
from gen_image.families.codec import PictureCodec
from gen_image.families.control import Controls
from gen_image.families.hole import around_hole
from gen_image.families.unet import UNetStage, network


@dataclass(frozen=True, kw_only=True, eq=False)
class StableDiffusion(UNetStage):
    """A U-Net on latents, conditioned by CLIP.

    Args:
        text: CLIP.
        hole: Encodes what is around a hole, for networks with channels for it; None for the others.
        scale_size: Numbers in which the network gets the scale of the guidance; 0 where it is guided.
    """

    text: ClipPrompts
    hole: PictureCodec | None = None
    scale_size: int = 0

    @property
    def completes(self) -> bool:
        """Whether it has channels for a picture with a hole."""
        return self.hole is not None

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts; ``clip_skip`` leaves out as many of the last layers."""
        layer = -1 - whole(task.params, "clip_skip", 0)
        states, _ = self.text((*task.prompts, *negatives(task)), layer, normed=True)
        made = two_sides(text=Condition(states, "cross_attention"))
        if self.scale_size:
            value = scale_embedding(task.guidance - 1, self.scale_size).expand(len(task.prompts), -1)
            made = made.with_conditions(scale=Condition(value, "global"))
        made = made.with_conditions(**self.beside(task))
        return made if self.hole is None else made.with_conditions(hole=around_hole(self.hole, task))

    def guidance(self, task: Task, chosen: AnyGuidance) -> AnyGuidance:  # noqa: ARG002
        """None where the network gets the scale as an input."""
        return ClassifierFree(1.0) if self.scale_size else chosen


def scale_embedding(scale: float, size: int) -> Tensor:
    """Sines and cosines of 1,000 w, (1, size) (Luo et al. 2023, arXiv 2310.04378, sec. 4.2)."""
    half = size // 2
    rates = torch.exp(torch.arange(half) * (-math.log(10_000.0) / (half - 1)))
    angles = 1000.0 * scale * rates
    return torch.nn.functional.pad(torch.cat([angles.sin(), angles.cos()]), (0, size % 2))[None]


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of Stable Diffusion 1.x or 2.x.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    config = checkpoint["unet"].config
    codec = codec_of(parts, whole(config, "sample_size", 64))
    scale_size = whole(config, "time_cond_proj_dim", 0)
    unet = parts.network("unet")
    stage = StableDiffusion(
        **sampled(parts.schedule()),
        network=network(unet),
        unet=unet,
        controls=Controls(parts, codec),
        text=parts.clip(),
        hole=codec if config.get("in_channels") == 9 else None,
        scale_size=scale_size,
    )
    return model_of(parts, stage, codec, defaults.stable_diffusion)
