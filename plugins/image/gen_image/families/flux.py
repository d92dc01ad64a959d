"""FLUX.1 of Black Forest Labs (2024, published code)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen.checkpoints import Checkpoint
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import called, negatives, sampled, scale_of, two_sides
from gen.checkpoints.text import ClipPrompts, T5Prompts
from gen.diffusion import ClassifierFree, Condition, Conditioning
from gen.diffusion.denoiser import Network
from gen.model import Model, Task
from gen.model.stage import AnyGuidance
from gen_image.families import defaults
from gen_image.families.building import PictureStage, codec_of, model_of
from gen_image.families.cells import packed, places, unpacked


@dataclass(frozen=True, kw_only=True, eq=False)
class Flux(PictureStage):
    """A transformer on latents and text together, conditioned by T5 and the vector of CLIP.

    Args:
        clip, t5: Its text encoders.
        length: Tokens of T5.
        distilled: Whether the network gets the scale of the guidance as an input.
    """

    clip: ClipPrompts
    t5: T5Prompts
    length: int
    distilled: bool

    def encode(self, task: Task) -> Conditioning:
        """The states and vectors of both prompts."""
        texts = (*task.prompts, *negatives(task))
        states, _ = self.t5(texts, self.length, masked=False)
        _, vector = self.clip(texts, -1, normed=True)
        made = two_sides(text=Condition(states, "cross_attention"), vector=Condition(vector, "global"))
        return made.with_conditions(scale=Condition(scale_of(task), "global")) if self.distilled else made

    def guidance(self, task: Task, chosen: AnyGuidance) -> AnyGuidance:
        """Classifier-free guidance of the scale ``true_cfg`` where the network gets the other as an input."""
        return ClassifierFree(float(str(task.params.get("true_cfg", 1.0)))) if self.distilled else chosen


def network(transformer: nn.Module) -> Network:
    """The transformer as a network of the core."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        height, width = x.shape[2:]
        text, scale = conditioning["text"].value, conditioning.get("scale")
        output = transformer(
            hidden_states=packed(x),
            timestep=t / 1000,
            guidance=None if scale is None else scale.value[:, 0],
            pooled_projections=conditioning["vector"].value,
            encoder_hidden_states=text,
            txt_ids=torch.zeros(text.shape[1], 3).to(x),
            img_ids=places(height // 2, width // 2).to(x),
            return_dict=False,
        )
        return unpacked(output[0], height, width)

    return called(transformer, call)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of FLUX.1: dev, schnell or one made of them.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    distilled = bool(checkpoint["transformer"].config.get("guidance_embeds", False))
    stage = Flux(
        **sampled(parts.schedule(even=True)),
        network=network(parts.network("transformer")),
        clip=parts.clip(),
        t5=parts.t5("_2"),
        length=512 if distilled else 256,
        distilled=distilled,
    )
    codec = codec_of(parts, 128, patch=2)
    return model_of(parts, stage, codec, defaults.flux)
