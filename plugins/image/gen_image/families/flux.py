"""FLUX.1 of Black Forest Labs (2024, published code)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen.checkpoints import Checkpoint
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import CheckpointStage, called, negatives, sampled, scale_of
from gen.checkpoints.text import ClipPrompts, T5Prompts
from gen.diffusion import ClassifierFree, Condition, Conditioning
from gen.diffusion.denoiser import Network
from gen.model import Model, Task
from gen.model.stage import AnyGuidance
from gen_image.families import defaults
from gen_image.families.building import codec_of, model_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Flux(CheckpointStage):
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
        cond, uncond = (
            Conditioning({"text": Condition(text, "cross_attention"), "vector": Condition(pooled, "global")})
            for text, pooled in zip(states.chunk(2), vector.chunk(2), strict=True)
        )
        made = cond.with_uncond(uncond)
        return made.with_conditions(scale=Condition(scale_of(task), "global")) if self.distilled else made

    def guidance(self, task: Task, chosen: AnyGuidance) -> AnyGuidance:
        """Classifier-free guidance of the scale ``true_cfg`` where the network gets the other as an input."""
        return ClassifierFree(float(str(task.params.get("true_cfg", 1.0)))) if self.distilled else chosen

    def tokens(self, task: Task) -> int:
        """Squares of 2 × 2 cells."""
        _, height, width = task.shape  # type: ignore[misc]
        return int(height) * int(width) // 4


def packed(x: Tensor) -> Tensor:
    """(B, C, h, w) as tokens of 2 × 2 cells, (B, h w / 4, 4 C)."""
    return x.unflatten(2, (-1, 2)).unflatten(4, (-1, 2)).permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def unpacked(tokens: Tensor, height: int, width: int) -> Tensor:
    """The inverse of ``packed``."""
    grid = tokens.unflatten(1, (height // 2, width // 2)).unflatten(3, (-1, 2, 2))
    return grid.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def network(transformer: nn.Module) -> Network:
    """The transformer as a network of the core."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        height, width = x.shape[2:]
        rows, columns = torch.meshgrid(torch.arange(height // 2), torch.arange(width // 2), indexing="ij")
        places = torch.stack([torch.zeros_like(rows), rows, columns], -1).flatten(0, 1)
        text, scale = conditioning["text"].value, conditioning.get("scale")
        output = transformer(
            hidden_states=packed(x),
            timestep=t / 1000,
            guidance=None if scale is None else scale.value[:, 0],
            pooled_projections=conditioning["vector"].value,
            encoder_hidden_states=text,
            txt_ids=torch.zeros(text.shape[1], 3).to(x),
            img_ids=places.to(x),
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
