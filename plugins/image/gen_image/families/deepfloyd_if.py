"""DeepFloyd IF (2023, published code), a cascade after Imagen (Saharia et al. 2022, arXiv 2205.11487).

The first stage draws small pictures; an upscaler, a checkpoint of its own, draws large ones from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.schedule import Schedule, read_schedule
from gen.checkpoints.stage import CheckpointStage, negatives, sampled, two_sides
from gen.checkpoints.text import T5Prompts
from gen.diffusion import Condition, Conditioning, clipped
from gen.errors import ModelError
from gen.model import Model, Task
from gen.model.task import Shape
from gen_image.families import defaults
from gen_image.families.cascade import Further, FurtherStage
from gen_image.families.codec import PictureCodec
from gen_image.families.unet import CHAIN, network

LENGTH = 77
"""Tokens of a prompt."""
LEVEL = 250
"""Step of the chain up to which the small picture is noised for the upscaler."""


def described(text: T5Prompts, task: Task) -> Conditioning:
    """The states of both prompts, in small letters."""
    texts = [one.lower().strip() for one in (*task.prompts, *negatives(task))]
    states, _ = text(texts, LENGTH, masked=True)
    return two_sides(text=Condition(states, "cross_attention"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Base(CheckpointStage):
    """A U-Net on pixels, conditioned by T5.

    Args:
        text: T5.
    """

    text: T5Prompts

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts."""
        return described(self.text, task)


@dataclass(frozen=True, kw_only=True, eq=False)
class Upscaler(Further):
    """What draws a large picture from a small one.

    Args:
        noising: How the small picture is noised.
        side: Width and height in pixels that it was trained on.
    """

    noising: Schedule
    side: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Upscaling(FurtherStage[Upscaler]):
    """The stage of an upscaler, which is passed over where the task names none.

    Args:
        text: T5.
        side: Width and height in pixels that the first stage was trained on.
    """

    text: T5Prompts
    side: int

    def shape(self, task: Task) -> Shape:
        """As many times as large as the upscaler was trained to draw."""
        upscaler = self.of(task)
        if upscaler is None:
            return task.shape
        channels, height, width = cast(tuple[int, int, int], task.shape)
        factor = upscaler.side // self.side
        return (channels, height * factor, width * factor)

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts, and the small picture with noise."""
        upscaler = self.needed(task)
        assert isinstance(task.previous, Tensor)
        large = functional.interpolate(task.previous, task.shape[1:], mode="bilinear", align_corners=True)  # type: ignore[index]
        eps = task.noise.child("upscaler").prior(large.shape[1:]).to(large)
        level = upscaler.noising.process.level((LEVEL + 1) / CHAIN)
        small = upscaler.noising.process.diffuse(large, eps, level)
        steps = torch.full((len(task.prompts), 1), LEVEL)
        return described(self.text, task).with_conditions(
            small=Condition(small, "channels"), step=Condition(steps, "global")
        )


class Pixels(nn.Module):
    """In place of an autoencoder where a network draws pixels."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.config = {"block_out_channels": (3,)}
        """As of an autoencoder of three channels, by which its memory is reckoned."""
        self.place = nn.Parameter(torch.zeros((), device=device), requires_grad=False)

    def encode(self, pixels: Tensor) -> SimpleNamespace:
        """The pixels."""
        return SimpleNamespace(latent=pixels)

    def decode(self, pixels: Tensor) -> SimpleNamespace:
        """The pixels."""
        return SimpleNamespace(sample=pixels)


def is_learned(checkpoint: Checkpoint) -> bool:
    """Whether the sampler uses the variance that the network gives."""
    return checkpoint["scheduler"].config.get("variance_type") == "learned_range"


def load_upscaler(checkpoint: Checkpoint, device: str, dtype: str) -> Upscaler:
    """An upscaler.

    Raises:
        ModelError: A part is missing or damaged, or its pictures are not kept within -1 and 1.
    """
    parts, learned = Parts(checkpoint, device, dtype), is_learned(checkpoint)
    scheduler, noising = checkpoint["scheduler"], checkpoint["image_noising_scheduler"]
    if scheduler.config.get("sample_max_value", 1.0) != 1.0:
        raise ModelError("the upscaler keeps its pictures within other bounds than -1 and 1", "use another")
    return Upscaler(
        schedule=parts.schedule(),
        network=network(parts.network("unet"), learned=learned),
        learned=learned,
        noising=read_schedule(noising.config, noising.class_name),
        side=whole(checkpoint["unet"].config, "sample_size", 256),
    )


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of DeepFloyd IF I.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts, learned = Parts(checkpoint, device, dtype), is_learned(checkpoint)
    config = checkpoint["unet"].config
    side = whole(config, "sample_size", 64)
    schedule, unet, text = (
        parts.schedule(),
        network(parts.network("unet"), learned=learned),
        parts.t5(),
    )
    base = Base(**sampled(schedule), name="base", network=unet, learned_variance=learned, text=text)
    upscaling = Upscaling(
        **{**sampled(schedule), "clipping": partial(clipped, low=-1.0, high=1.0)},
        name="upscaler",
        network=unet,
        pipeline="IFSuperResolutionPipeline",
        title="DeepFloyd IF II",
        steps=50,
        scale=4.0,
        load=partial(load_upscaler, device=device, dtype=dtype),
        text=text,
        side=side,
    )
    codec = PictureCodec(Pixels(device), 3, side, 1, 2 ** (len(config["block_out_channels"]) - 1), 1.0)  # type: ignore[arg-type]
    return replace(parts.model("image", base, codec, defaults.deepfloyd_if), stages=(base, upscaling))
