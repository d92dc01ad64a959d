"""Wan 2.1 and 2.2 (Wan Team 2025, arXiv 2503.20314): clips from text and from pictures."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
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
from gen.checkpoints.vision import ClipPictures
from gen.diffusion import Condition, Conditioning, Level
from gen.diffusion.denoiser import Network
from gen.model import Model, Task
from gen.model.stage import AnyGuidance
from gen_video.families import defaults
from gen_video.families.codec import NOT_HERE, FrameCodec, given_frame

LENGTH = 512
"""Tokens of a prompt."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Wan(CheckpointStage):
    """One transformer on latents, or two for much and for little noise, conditioned by UMT5.

    Args:
        text: UMT5.
        boundary: The time at which the second transformer takes over; 0 where there is one.
        frames: Encodes the frames that are given, for networks with channels for them; None for the others.
        vision: Loads CLIP's encoder of pictures, for networks that also see the frames through it.
        ends: Parameters with the frames that CLIP sees.
    """

    text: T5Prompts
    boundary: float = 0.0
    frames: FrameCodec | None = None
    vision: Callable[[], ClipPictures] | None = None
    ends: tuple[str, ...] = ("first",)

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts, zero behind their ends; and the frames that are given."""
        prompts = (*task.prompts, *negatives(task))
        texts = [" ".join(html.unescape(html.unescape(text)).split()) for text in prompts]
        states, shown = self.text(texts, LENGTH, masked=True)
        text = two_sides(text=Condition(states * shown[..., None], "cross_attention"))
        return text.with_conditions(**self.pictures(task))

    def pictures(self, task: Task) -> dict[str, Condition]:
        """What CLIP sees of the frames that are given, (B, frames, tokens, D), and ``around``."""
        if self.frames is None:
            return {}
        rows, made = len(task.prompts), {}
        if self.vision is not None:
            vision, frames = self.vision(), [given_frame(task, name).arrays["pixels"] for name in self.ends]
            seen = torch.cat([vision.of(one).hidden[-2] for one in frames])
            made["seen"] = Condition(seen.expand(rows, *seen.shape), "cross_attention")
        marked = around(self.frames, task)
        return {**made, "frames": Condition(marked.expand(rows, -1, -1, -1, -1), "channels")}

    def guidance(self, task: Task, chosen: AnyGuidance) -> AnyGuidance:
        """The one that is chosen; of two transformers the second has the scale ``guidance_2``."""
        second = task.params.get("guidance_2")
        if not self.boundary or second is None:
            return chosen

        def scale(level: Level[float]) -> float:
            return task.guidance if level.t >= self.boundary else float(str(second))

        return with_scale(chosen, scale)


def around(codec: FrameCodec, task: Task) -> Tensor:
    """Which frames are given, 1, and the latents of the clip, grey where none is: (1, stride + C, t, h, w).

    A cell has a mark for each of its frames; the first cell has that of the first frame for all.
    """
    (width, height), (count, _) = codec.sizes(task), codec.timing(task)
    pixels, marks = np.full((1, count, height, width, 3), 0.5, np.float32), torch.zeros(count)
    pixels[:, 0], marks[0] = codec.frame(given_frame(task, "first"), task), 1
    if task.params.get("last"):
        pixels[:, -1], marks[-1] = codec.frame(given_frame(task, "last"), task), 1
    latents = codec.latents(pixels)
    cells = torch.cat([marks[:1].expand(codec.stride - 1), marks]).unflatten(0, (-1, codec.stride)).T
    return torch.cat([cells[None, :, :, None, None].expand(-1, -1, -1, *latents.shape[3:]), latents], 1)


def network(transformers: tuple[nn.Module, ...], boundary: float, per_token: bool) -> Network:
    """The transformers as one network of the core."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> object:
        late = len(transformers) > 1 and float(t.flatten()[0]) < 1000 * boundary
        if per_token:
            x, times = with_known(x, conditioning)
            t = t[:, None] * times[:, 0, :, ::2, ::2].flatten(1).to(t)
        if "frames" in conditioning:
            x = torch.cat([x, conditioning["frames"].value], 1)
        seen = conditioning.get("seen")
        return transformers[late](
            hidden_states=x,
            timestep=t,
            encoder_hidden_states=conditioning["text"].value,
            encoder_hidden_states_image=None if seen is None else seen.value.flatten(0, 1),
            return_dict=False,
        )

    return called(transformers[0], call)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of Wan.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    names = [name for name in ("transformer", "transformer_2") if name in checkpoint]
    boundary = float(str(checkpoint.settings.get("boundary_ratio") or 0.0)) if len(names) > 1 else 0.0
    per_token = bool(checkpoint.settings.get("expand_timesteps", False))
    inner, config = checkpoint[names[0]].config, checkpoint["vae"].config
    pictured, looks = inner.get("in_channels") != config.get("z_dim"), inner.get("image_dim") is not None
    # CLIP's places are counted where it sees the last frame, too.
    between = inner.get("pos_embed_seq_len") is not None
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
        begins=not pictured,
        unknown=tuple(name for name in NOT_HERE if name != "last" or not pictured or (looks and not between)),
    )
    stage = Wan(
        **sampled(parts.schedule()),
        network=network(tuple(parts.network(name) for name in names), boundary, per_token),
        text=parts.t5(),
        boundary=boundary,
        frames=codec if pictured else None,
        vision=partial(parts.clip_vision, "image_processor") if looks else None,
        ends=("first", "last") if between else ("first",),
    )
    return parts.model("video", stage, codec, defaults.wan)
