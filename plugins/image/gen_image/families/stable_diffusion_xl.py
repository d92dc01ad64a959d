"""Stable Diffusion XL (Podell et al. 2023, arXiv 2307.01952): base, refiner, and for filling a hole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.schedule import Schedule
from gen.checkpoints.stage import negatives, sampled
from gen.checkpoints.text import ClipPrompts
from gen.diffusion import Condition, Conditioning, TimeGrid
from gen.model import Model, Task
from gen_image.families import defaults
from gen_image.families.building import codec_of, model_of
from gen_image.families.codec import PictureCodec
from gen_image.families.control import Controls
from gen_image.families.hole import around_hole
from gen_image.families.refiner import Refining, check_refiner, parts_of
from gen_image.families.unet import UNetStage, network

AESTHETICS = (6.0, 2.5)
"""The refiner's condition on aesthetic quality, for the prompt and for the negative one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StableDiffusionXL(UNetStage):
    """A U-Net on latents, conditioned by two CLIPs, a vector of the second, and sizes.

    Args:
        texts: CLIP, one or two; the vector is that of the last.
        codec: Knows the size of the picture.
        zeros: Whether no negative prompt is zeros in place of the empty text.
        refines: Whether it gets a score of the picture in place of its size.
        hole: Whether it has channels for a picture with a hole.
    """

    texts: tuple[ClipPrompts, ...]
    codec: PictureCodec
    zeros: bool
    refines: bool = False
    hole: bool = False

    @property
    def completes(self) -> bool:
        """Whether it has channels for a picture with a hole."""
        return self.hole

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts; ``clip_skip`` leaves out as many of the last layers but one."""
        layer = -2 - whole(task.params, "clip_skip", 0)
        found = [text((*task.prompts, *negatives(task)), layer, normed=False) for text in self.texts]
        states, vector = torch.cat([states for states, _ in found], 2), found[-1][1]
        rows = len(task.prompts)
        if self.zeros and task.negatives is None:
            states[rows:], vector = 0, torch.cat([vector[:rows], torch.zeros_like(vector[rows:])])
        sides = zip(states.chunk(2), vector.chunk(2), AESTHETICS, strict=True)
        cond, uncond = (self._conditions(task, *side) for side in sides)
        made = cond.with_uncond(uncond).with_conditions(**self.beside(task))
        return made.with_conditions(hole=around_hole(self.codec, task)) if self.hole else made

    def grid(self, task: Task, named: Callable[[], TimeGrid]) -> TimeGrid | None:
        """The part before the refiner's, where the task names one."""
        if (given := task.params.get("refiner")) is not None:
            check_refiner(given)
        return parts_of(named(), task)[0]

    def _conditions(self, task: Task, states: Tensor, vector: Tensor, score: float) -> Conditioning:
        width, height = self.codec.size(task)
        sizes = [height, width, 0, 0, *((score,) if self.refines else (height, width))]
        return Conditioning(
            {
                "text": Condition(states, "cross_attention"),
                "vector": Condition(vector, "global"),
                "sizes": Condition(torch.tensor([sizes] * len(states), dtype=torch.float32), "global"),
            }
        )


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of Stable Diffusion XL.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    codec = codec_of(parts, whole(checkpoint["unet"].config, "sample_size", 128))
    schedule = parts.schedule()
    base = _stage(parts, schedule, codec)

    def refiner(other: Checkpoint) -> StableDiffusionXL:
        return _stage(replace(parts, checkpoint=other), schedule, codec)

    refining = Refining(**sampled(schedule), name="refiner", network=base.network, load=refiner)
    return replace(model_of(parts, base, codec, defaults.stable_diffusion_xl), stages=(base, refining))


def _stage(parts: Parts, schedule: Schedule, codec: PictureCodec) -> StableDiffusionXL:
    checkpoint = parts.checkpoint
    unet = parts.network("unet")
    return StableDiffusionXL(
        **sampled(schedule),
        network=network(unet),
        unet=unet,
        controls=Controls(parts, codec),
        texts=tuple(parts.clip(number) for number in ("", "_2") if f"text_encoder{number}" in checkpoint),
        codec=codec,
        zeros=bool(checkpoint.settings.get("force_zeros_for_empty_prompt", True)),
        refines=bool(checkpoint.settings.get("requires_aesthetics_score", False)),
        hole=checkpoint["unet"].config.get("in_channels") == 9,
    )
