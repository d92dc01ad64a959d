"""Wan 2.1 and 2.2 (Wan Team 2025, arXiv 2503.20314): clips from text."""

from __future__ import annotations

import html
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor, nn

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import (
    CheckpointStage,
    called,
    negatives,
    sampled,
    two_sides,
    with_known,
    with_scale,
)
from gen.checkpoints.text import T5Prompts
from gen.diffusion import Condition, Conditioning, Level
from gen.diffusion.denoiser import Network
from gen.model import Model, Task
from gen.model.stage import AnyGuidance
from gen_video.families import defaults
from gen_video.families.codec import FrameCodec

LENGTH = 512
"""Tokens of a prompt."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Wan(CheckpointStage):
    """One transformer on latents, or two for much and for little noise, conditioned by UMT5.

    Args:
        text: UMT5.
        boundary: The time at which the second transformer takes over; 0 where there is one.
    """

    text: T5Prompts
    boundary: float = 0.0

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts, zero behind their ends."""
        prompts = (*task.prompts, *negatives(task))
        texts = [" ".join(html.unescape(html.unescape(text)).split()) for text in prompts]
        states, shown = self.text(texts, LENGTH, masked=True)
        return two_sides(text=Condition(states * shown[..., None], "cross_attention"))

    def guidance(self, task: Task, chosen: AnyGuidance) -> AnyGuidance:
        """The one that is chosen; of two transformers the second has the scale ``guidance_2``."""
        second = task.params.get("guidance_2")
        if not self.boundary or second is None:
            return chosen

        def scale(level: Level[float]) -> float:
            return task.guidance if level.t >= self.boundary else float(str(second))

        return with_scale(chosen, scale)


def network(transformers: tuple[nn.Module, ...], boundary: float, per_token: bool) -> Network:
    """The transformers as one network of the core."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> object:
        late = len(transformers) > 1 and float(t.flatten()[0]) < 1000 * boundary
        if per_token:
            x, times = with_known(x, conditioning)
            t = t[:, None] * times[:, 0, :, ::2, ::2].flatten(1).to(t)
        return transformers[late](
            hidden_states=x,
            timestep=t,
            encoder_hidden_states=conditioning["text"].value,
            return_dict=False,
        )

    return called(transformers[0], call)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of Wan that makes clips from text.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    names = [name for name in ("transformer", "transformer_2") if name in checkpoint]
    boundary = float(str(checkpoint.settings.get("boundary_ratio") or 0.0)) if len(names) > 1 else 0.0
    per_token = bool(checkpoint.settings.get("expand_timesteps", False))
    stage = Wan(
        **sampled(parts.schedule()),
        network=network(tuple(parts.network(name) for name in names), boundary, per_token),
        text=parts.t5(),
        boundary=boundary,
    )
    config = checkpoint["vae"].config
    step = whole(config, "scale_factor_spatial", 8)
    codec = FrameCodec(
        parts.autoencoder(),
        torch.tensor(config["latents_mean"]),
        torch.tensor(config["latents_std"]),
        step=step,
        stride=whole(config, "scale_factor_temporal", 4),
        multiple=2 * step,
        size=(1280, 704) if per_token else (832, 480),
        frames=121 if per_token else 81,
        fps=Fraction(24 if per_token else 16),
    )
    return parts.model("video", stage, codec, defaults.wan)
