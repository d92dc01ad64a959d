"""Sana (Xie et al. 2024, arXiv 2410.10629): linear attention on latents of 32 × 32 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import called, negatives, sampled, two_sides
from gen.checkpoints.text import LanguagePrompts
from gen.diffusion import Condition, Conditioning
from gen.diffusion.denoiser import Network
from gen.model import Model, Task
from gen_image.families import defaults
from gen_image.families.building import PictureStage, codec_of, model_of

LENGTH = 300
"""Tokens of a prompt."""
INSTRUCTION = "\n".join(
    (
        "Given a user prompt, generate an 'Enhanced prompt' that provides detailed visual "
        "descriptions suitable for image generation. Evaluate the level of detail in the user "
        "prompt:",
        "- If the prompt is simple, focus on adding specifics about colors, shapes, sizes, "
        "textures, and spatial relationships to create vivid and concrete scenes.",
        "- If the prompt is already detailed, refine and enhance the existing details slightly "
        "without overcomplicating.",
        "Here are examples of how to transform or refine prompts:",
        "- User Prompt: A cat sleeping -> Enhanced: A small, fluffy white cat curled up in a "
        "round shape, sleeping peacefully on a warm sunny windowsill, surrounded by pots of "
        "blooming red flowers.",
        "- User Prompt: A busy city street -> Enhanced: A bustling city street scene at dusk, "
        "featuring glowing street lamps, a diverse crowd of people in colorful clothing, and a "
        "double-decker bus passing by towering glass skyscrapers.",
        "Please generate only the enhanced description for the prompt below and avoid including "
        "any additional commentary or evaluations:",
        "User Prompt: ",
    )
)
"""What the model was trained to see before a prompt, but not a negative one (sec. 3.1, published code)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sana(PictureStage):
    """A transformer on latents, conditioned by Gemma.

    Args:
        text: Gemma.
    """

    text: LanguagePrompts

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts, in small letters, the first of them after the instruction."""
        head = len(self.text.tokenizer.encode(INSTRUCTION))
        prompts = self.read([INSTRUCTION + text.lower().strip() for text in task.prompts], head + LENGTH - 2)
        others = self.read([text.lower().strip() for text in negatives(task)], LENGTH)
        states, mask = (torch.cat(both) for both in zip(prompts, others, strict=True))
        return two_sides(text=Condition(states, "cross_attention", mask))

    def read(self, texts: Sequence[str], length: int) -> tuple[Tensor, Tensor]:
        """The states of the first token and the last of ``length``, LENGTH in all, and their mask."""
        states, mask = self.text(texts, length, padded=True)
        kept = [0, *range(length - LENGTH + 1, length)]
        return states[-1][:, kept], mask[:, kept]


def network(transformer: nn.Module, scale: float) -> Network:
    """The transformer as a network of the core; ``scale`` is that of its clock."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> object:
        text = conditioning["text"]
        return transformer(
            x,
            encoder_hidden_states=text.value,
            encoder_attention_mask=text.present.to(x),
            timestep=t * scale,
            return_dict=False,
        )

    return called(transformer, call)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of Sana.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    config = checkpoint["transformer"].config
    scale = float(str(config.get("timestep_scale", 1.0)))
    stage = Sana(
        **sampled(parts.schedule()),
        network=network(parts.network("transformer"), scale),
        text=parts.language(),
    )
    return model_of(parts, stage, codec_of(parts, whole(config, "sample_size", 32)), defaults.sana)
