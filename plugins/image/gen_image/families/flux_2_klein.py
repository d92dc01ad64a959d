"""FLUX.2 klein of Black Forest Labs (2026, published code): draws, and edits up to three pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.checkpoints import Checkpoint
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import called, negatives, sampled, two_sides
from gen.checkpoints.text import LanguagePrompts
from gen.diffusion import Condition, Conditioning, TimeGrid
from gen.diffusion.denoiser import Network
from gen.model import Model, Task
from gen_image.families import defaults
from gen_image.families.building import PictureStage, codec_of, model_of
from gen_image.families.cells import cells_of, places
from gen_image.families.codec import PictureCodec
from gen_image.families.references import beside, conditions

LENGTH = 512
"""Tokens of a prompt."""
LAYERS = (9, 18, 27)
"""Layers of the text encoder before which states are taken."""
MOST = 1024**2
"""Pixels of a picture that is read as it is; a larger one is made smaller."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Flux2Klein(PictureStage):
    """A transformer on packed latents and text together, conditioned by Qwen 3.

    Args:
        text: Qwen 3.
        codec: Encodes pictures that are to be edited.
    """

    text: LanguagePrompts
    codec: PictureCodec

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts in three layers, padding included, each as the message of a user."""
        chats = [self.text.chat(text, enable_thinking=False) for text in (*task.prompts, *negatives(task))]
        states, _ = self.text(chats, LENGTH, padded=True)
        text = Condition(torch.cat([states[layer] for layer in LAYERS], 2), "cross_attention")
        return two_sides(text=text).with_conditions(**conditions(self.codec, task))

    def own_grid(self, task: Task) -> TimeGrid:
        """Even times, shifted as tokens and steps say."""
        return TimeGrid.uniform(task.steps).shift(math.exp(shift(self.tokens(task), task.steps)))


def shift(tokens: int, steps: int) -> float:
    """The logarithm of the shift: lines in the tokens for 10 and 200 steps, one between them in the steps."""
    few, many = 8.73809524e-05 * tokens + 1.89833333, 0.00016927 * tokens + 0.45666666
    return many if tokens > 4300 else many + (few - many) * (200 - steps) / 190


def as_it_is(width: int, height: int) -> tuple[int, int]:
    """The size of a picture in whole tokens, at most of MOST pixels."""
    factor = min(1.0, math.sqrt(MOST / (width * height)))
    return int(width * factor) // 16 * 16, int(height * factor) // 16 * 16


def network(transformer: nn.Module) -> Network:
    """The transformer as a network of the core."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        tokens, sizes = beside(x, conditioning)
        text = conditioning["text"].value
        at = torch.cat([places(*size, 10 * order) for order, size in enumerate(sizes)])
        words = functional.pad(torch.arange(text.shape[1])[:, None], (3, 0))
        found = transformer(
            hidden_states=tokens,
            timestep=t / 1000,
            guidance=None,
            encoder_hidden_states=text,
            txt_ids=words.to(x).expand(len(x), -1, -1),
            img_ids=functional.pad(at, (0, 1)).to(x).expand(len(x), -1, -1),
            return_dict=False,
        )[0]
        return cells_of(found, *sizes[0])

    return called(transformer, call)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of FLUX.2 klein.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    codec = codec_of(parts, 128, packing=2, fit=as_it_is)
    stage = Flux2Klein(
        **sampled(parts.schedule(even=True)),
        network=network(parts.network("transformer")),
        text=parts.language(),
        codec=codec,
        patch=1,
    )
    return model_of(parts, stage, codec, defaults.flux_2_klein)
