"""Z-Image and Z-Image-Turbo (Tongyi-MAI 2025, arXiv 2511.22699)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen.checkpoints import Checkpoint
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import called, negatives, sampled, two_sides
from gen.checkpoints.text import LanguagePrompts
from gen.diffusion import Condition, Conditioning
from gen.diffusion.denoiser import Network
from gen.model import Model, Task
from gen_image.families import defaults
from gen_image.families.building import PictureStage, codec_of, model_of

LENGTH = 512
"""Tokens of a prompt."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ZImage(PictureStage):
    """A transformer on latents and text together, conditioned by Qwen 3.

    Args:
        text: Qwen 3.
    """

    text: LanguagePrompts

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts before the last layer, each prompt as the message of a user."""
        chats = [self.text.chat(text, enable_thinking=True) for text in (*task.prompts, *negatives(task))]
        states, shown = self.text(chats, LENGTH)
        return two_sides(text=Condition(states[-2], "cross_attention", shown))


def network(transformer: nn.Module) -> Network:
    """The transformer as a network of the core: its clock runs from 0, noise, to 1, and its velocity too."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        text = conditioning["text"]
        prompts = [states[shown] for states, shown in zip(text.value, text.present, strict=True)]
        clips = list(x[:, :, None].unbind())
        found = transformer(clips, 1 - t / 1000, prompts, return_dict=False)[0]
        return -torch.stack(found)[:, :, 0]

    return called(transformer, call)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of Z-Image.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    stage = ZImage(
        **sampled(parts.schedule(even=True)),
        network=network(parts.network("transformer")),
        text=parts.language(),
    )
    return model_of(parts, stage, codec_of(parts, 128, patch=2), defaults.z_image)
