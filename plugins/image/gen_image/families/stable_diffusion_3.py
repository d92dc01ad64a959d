"""Stable Diffusion 3 and 3.5 (Esser et al. 2024, arXiv 2403.03206)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import called, negatives, sampled, two_sides
from gen.checkpoints.text import ClipPrompts, T5Prompts
from gen.diffusion import Condition, Conditioning
from gen.diffusion.denoiser import Network
from gen.model import Model, Task
from gen_image.families import defaults
from gen_image.families.building import PictureStage, codec_of, model_of

LENGTH = 256
"""Tokens of T5."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StableDiffusion3(PictureStage):
    """A transformer on latents and text together, conditioned by two CLIPs and T5.

    Args:
        clips: Both CLIPs.
        t5: T5; None where it was left out to save memory: zeros stand for it.
        width: Of the text's states.
    """

    clips: tuple[ClipPrompts, ...]
    t5: T5Prompts | None
    width: int

    def encode(self, task: Task) -> Conditioning:
        """The states and vectors of both prompts."""
        texts = (*task.prompts, *negatives(task))
        found = [clip(texts, -2, normed=False) for clip in self.clips]
        first = torch.cat([states for states, _ in found], 2)
        first = functional.pad(first, (0, self.width - first.shape[2]))
        last = first.new_zeros(len(texts), LENGTH, self.width)
        if self.t5 is not None:
            last, _ = self.t5(texts, LENGTH, masked=False)
        states, vector = torch.cat([first, last], 1), torch.cat([vector for _, vector in found], 1)
        return two_sides(text=Condition(states, "cross_attention"), vector=Condition(vector, "global"))


def network(transformer: nn.Module) -> Network:
    """The transformer as a network of the core."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> object:
        return transformer(
            hidden_states=x,
            timestep=t,
            encoder_hidden_states=conditioning["text"].value,
            pooled_projections=conditioning["vector"].value,
            return_dict=False,
        )

    return called(transformer, call)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of Stable Diffusion 3 or 3.5.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    config = checkpoint["transformer"].config
    stage = StableDiffusion3(
        **sampled(parts.schedule()),
        network=network(parts.network("transformer")),
        clips=(parts.clip(), parts.clip("_2")),
        t5=parts.t5("_3") if "text_encoder_3" in checkpoint else None,
        width=whole(config, "joint_attention_dim", 4096),
    )
    codec = codec_of(parts, whole(config, "sample_size", 128), patch=2)
    return model_of(parts, stage, codec, defaults.stable_diffusion_3)
