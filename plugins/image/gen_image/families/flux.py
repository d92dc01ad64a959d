"""FLUX.1 of Black Forest Labs (2024, published code)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

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
from gen_image.families.cells import cells_of, places
from gen_image.families.codec import PictureCodec
from gen_image.families.hole import around_fine_hole
from gen_image.families.references import beside, conditions

SIZES = (
    (672, 1568),
    (688, 1504),
    (720, 1456),
    (752, 1392),
    (800, 1328),
    (832, 1248),
    (880, 1184),
    (944, 1104),
    (1024, 1024),
)
"""Width and height of the upright pictures that Kontext was trained on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Flux(PictureStage):
    """A transformer on latents and text together, conditioned by T5 and the vector of CLIP.

    Args:
        clip, t5: Its text encoders.
        length: Tokens of T5.
        distilled: Whether the network gets the scale of the guidance as an input.
        codec: Encodes what the network sees beside what it draws.
        fills: Whether that is a picture with a hole.
    """

    clip: ClipPrompts
    t5: T5Prompts
    length: int
    distilled: bool
    codec: PictureCodec
    fills: bool = False

    def encode(self, task: Task) -> Conditioning:
        """The states and vectors of both prompts, and the pictures beside them."""
        texts = (*task.prompts, *negatives(task))
        states, _ = self.t5(texts, self.length, masked=False)
        _, vector = self.clip(texts, -1, normed=True)
        made = two_sides(text=Condition(states, "cross_attention"), vector=Condition(vector, "global"))
        if self.distilled:
            made = made.with_conditions(scale=Condition(scale_of(task), "global"))
        if self.fills:
            made = made.with_conditions(hole=around_fine_hole(self.codec, task))
        return made.with_conditions(**conditions(self.codec, task)) if self.codec.fit else made

    def guidance(self, task: Task, chosen: AnyGuidance) -> AnyGuidance:
        """Classifier-free guidance of the scale ``true_cfg`` where the network gets the other as an input."""
        return ClassifierFree(float(str(task.params.get("true_cfg", 1.0)))) if self.distilled else chosen


def nearest(width: int, height: int) -> tuple[int, int]:
    """That of SIZES, upright or not, whose proportions are nearest to a picture's."""
    both = [*SIZES, *((high, wide) for wide, high in SIZES)]
    return min(both, key=lambda size: abs(width / height - size[0] / size[1]))


def network(transformer: nn.Module) -> Network:
    """The transformer as a network of the core."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        if "hole" in conditioning:
            x = torch.cat([x, conditioning["hole"].value], 1)
        tokens, sizes = beside(x, conditioning, packing=2)
        text, scale = conditioning["text"].value, conditioning.get("scale")
        output = transformer(
            hidden_states=tokens,
            timestep=t / 1000,
            guidance=None if scale is None else scale.value[:, 0],
            pooled_projections=conditioning["vector"].value,
            encoder_hidden_states=text,
            txt_ids=torch.zeros(text.shape[1], 3).to(x),
            img_ids=torch.cat([places(*size, min(1, order)) for order, size in enumerate(sizes)]).to(x),
            return_dict=False,
        )
        return functional.pixel_shuffle(cells_of(output[0], *sizes[0]), 2)

    return called(transformer, call)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of FLUX.1: dev, schnell, Fill, Kontext or one made of them.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    distilled = bool(checkpoint["transformer"].config.get("guidance_embeds", False))
    edits = checkpoint.pipeline == "FluxKontextPipeline"
    codec = codec_of(parts, 128, patch=2, fit=nearest if edits else None)
    stage = Flux(
        **sampled(parts.schedule(even=True)),
        network=network(parts.network("transformer")),
        clip=parts.clip(),
        t5=parts.t5("_2"),
        length=512 if distilled else 256,
        distilled=distilled,
        codec=codec,
        fills=checkpoint.pipeline == "FluxFillPipeline",
    )
    return model_of(parts, stage, codec, defaults.flux)
