"""DeepFloyd IF (2023, published code), a cascade after Imagen (Saharia et al. 2022, arXiv 2205.11487).

The first stage draws small pictures; an upscaler, a checkpoint of its own, draws large ones from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
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
from gen.checkpoints.stage import CheckpointStage, negatives, sampled, two_sides, with_scale
from gen.checkpoints.text import T5Prompts
from gen.diffusion import Condition, Conditioning, Denoiser, ModelDenoiser, TimeGrid, clipped
from gen.diffusion.denoiser import Network
from gen.errors import ModelError
from gen.model import Edits, Model, Task
from gen.model.stage import AnyGuidance
from gen.model.task import Shape
from gen_image.families import defaults
from gen_image.families.codec import PictureCodec
from gen_image.families.unet import network

LENGTH = 77
"""Tokens of a prompt."""
LEVEL = 250
"""Step of the chain up to which the small picture is noised for the upscaler."""
UPSCALER = "IFSuperResolutionPipeline"


@dataclass(frozen=True, kw_only=True, eq=False)
class Base(CheckpointStage):
    """A U-Net on pixels, conditioned by T5.

    Args:
        text: T5.
    """

    text: T5Prompts

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts, in small letters."""
        texts = [text.lower().strip() for text in (*task.prompts, *negatives(task))]
        states, _ = self.text(texts, LENGTH, masked=True)
        return two_sides(text=Condition(states, "cross_attention"))


@dataclass(frozen=True, eq=False)
class Upscaler:
    """What draws a large picture from a small one.

    Args:
        schedule: How it is sampled.
        noising: How the small picture is noised.
        network: Its U-Net.
        learned: Whether that gives a variance, too.
        side: Width and height in pixels that it was trained on.
    """

    schedule: Schedule
    noising: Schedule
    network: Network
    learned: bool
    side: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Upscaling(Base):
    """The stage of an upscaler, which is passed over where the task names none.

    It runs on the process of the first stage: a level of the upscaler's own is the one of the same signal and
    noise.

    Args:
        side: Width and height in pixels that the first stage was trained on.
        load: Loads an upscaler.
        loaded: Those that are, by their folders.
    """

    side: int
    load: Callable[[Checkpoint], Upscaler]
    loaded: dict[str, Upscaler] = field(default_factory=dict)

    def of(self, task: Task) -> Upscaler | None:
        """The upscaler of a task.

        Raises:
            ModelError: It is none of IF.
        """
        found = task.params.get("upscaler")
        if found is None:
            return None
        if not isinstance(found, Checkpoint) or found.pipeline != UPSCALER:
            raise ModelError(
                "the upscaler is no checkpoint of DeepFloyd IF II", f"name a folder of {UPSCALER}"
            )
        name = str(found.path)
        if name not in self.loaded:
            self.loaded[name] = self.load(found)
        return self.loaded[name]

    def shape(self, task: Task) -> Shape:
        """As many times as large as the upscaler was trained to draw."""
        upscaler = self.of(task)
        if upscaler is None:
            return task.shape
        channels, height, width = cast(tuple[int, int, int], task.shape)
        factor = upscaler.side // self.side
        return (channels, height * factor, width * factor)

    def edits(self, task: Task, edits: Edits) -> Edits | None:  # noqa: ARG002
        """None: they are those of the first stage."""
        return None

    def grid(self, task: Task, named: Callable[[], TimeGrid]) -> TimeGrid | None:
        """None without an upscaler."""
        return None if self.of(task) is None else named()

    def own_grid(self, task: Task) -> TimeGrid:
        """``upscaler_steps`` steps of the upscaler's grid."""
        upscaler = self.of(task)
        assert upscaler is not None
        grid = upscaler.schedule.grid(int(str(task.params.get("upscaler_steps", 50))))
        own = upscaler.schedule.process
        if own == self.process:
            return grid
        times = (self.process.t_of_log_snr(own.level(time).log_snr) for time in grid.times if time > 0)  # type: ignore[union-attr]
        return TimeGrid((*times, *(time for time in grid.times if time <= 0)))

    def guidance(self, task: Task, chosen: AnyGuidance) -> AnyGuidance:
        """The one that is chosen, of the scale ``upscaler_guidance``."""
        return with_scale(chosen, float(str(task.params.get("upscaler_guidance", 4.0))))

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts, and the small picture with noise."""
        upscaler = self.of(task)
        assert upscaler is not None
        assert isinstance(task.previous, Tensor)
        large = functional.interpolate(task.previous, task.shape[1:], mode="bilinear", align_corners=True)  # type: ignore[index]
        eps = task.noise.child("upscaler").prior(large.shape[1:]).to(large)
        level = upscaler.noising.process.level((LEVEL + 1) / 1000)
        small = upscaler.noising.process.diffuse(large, eps, level)
        steps = torch.full((len(task.prompts), 1), LEVEL)
        return (
            super()
            .encode(task)
            .with_conditions(small=Condition(small, "channels"), step=Condition(steps, "global"))
        )

    def denoiser(self, task: Task) -> Denoiser:
        """The upscaler's U-Net as a denoiser."""
        upscaler = self.of(task)
        assert upscaler is not None
        schedule = upscaler.schedule
        return ModelDenoiser(upscaler.network, schedule.process, schedule.parameterization, upscaler.learned)


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
        parts.schedule(),
        read_schedule(noising.config, noising.class_name),
        network(parts.network("unet"), learned=learned),
        learned,
        whole(checkpoint["unet"].config, "sample_size", 256),
    )


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of DeepFloyd IF I.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts, learned = Parts(checkpoint, device, dtype), is_learned(checkpoint)
    config = checkpoint["unet"].config
    side = whole(config, "sample_size", 64)
    base = Base(
        **sampled(parts.schedule()),
        network=network(parts.network("unet"), learned=learned),
        learned_variance=learned,
        text=parts.t5(),
    )
    codec = PictureCodec(Pixels(device), 3, side, 1, 2 ** (len(config["block_out_channels"]) - 1), 1.0)  # type: ignore[arg-type]
    upscaling = Upscaling(
        **{**vars(base), "name": "upscaler", "clipping": partial(clipped, low=-1.0, high=1.0)},
        side=side,
        load=partial(load_upscaler, device=device, dtype=dtype),
    )
    made = parts.model("image", base, codec, defaults.deepfloyd_if)
    return replace(made, stages=(replace(base, name="base"), upscaling))
