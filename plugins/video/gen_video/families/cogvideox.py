"""CogVideoX and CogVideoX 1.5 (Yang et al. 2024, arXiv 2408.06072): clips from text and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from typing import cast

import torch
from torch import Tensor, nn

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import CheckpointStage, called, negatives, sampled, two_sides
from gen.checkpoints.text import T5Prompts
from gen.diffusion import Condition, Conditioning
from gen.diffusion.denoiser import Network
from gen.model import Model, Task
from gen_video.families import defaults
from gen_video.families.codec import FrameCodec, given_frame


@dataclass(frozen=True, kw_only=True, eq=False)
class CogVideoX(CheckpointStage):
    """A transformer on latents and text together, conditioned by T5.

    Args:
        text: T5.
        length: Tokens of a prompt.
        frames: Encodes the first frame, for networks with channels for it; None for the others.
        frame_scale: What the latents of the frame are multiplied by.
    """

    text: T5Prompts
    length: int
    frames: FrameCodec | None = None
    frame_scale: float = 1.0

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts, and of their padding; and the latents of the first frame, zero behind
        it.
        """
        states, _ = self.text((*task.prompts, *negatives(task)), self.length, masked=False)
        text = two_sides(text=Condition(states, "cross_attention"))
        if self.frames is None:
            return text
        seen = self.frames.latents(self.frames.frame(given_frame(task), task)[None, None])
        clip = torch.zeros(len(task.prompts), *cast("tuple[int, ...]", task.shape)).to(seen)
        clip[:, :, :1] = seen * self.frame_scale
        return text.with_conditions(first=Condition(clip, "channels"))


def network(transformer: nn.Module, config: Mapping[str, object]) -> Network:
    """The transformer as a network of the core; ``config`` is its ``config.json``."""
    # Of CogVideoX 1.5 from a picture, which was trained with this number alone (published code).
    offset = torch.full((1,), 2.0) if config.get("ofs_embed_dim") else None
    turned = lru_cache(1)(partial(rotary, config)) if config.get("use_rotary_positional_embeddings") else None

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        size, first = x.shape[2:], conditioning.get("first")
        x = x if first is None else torch.cat([x, first.value], 1)
        output = transformer(
            hidden_states=x.transpose(1, 2),
            encoder_hidden_states=conditioning["text"].value,
            timestep=t,
            ofs=None if offset is None else offset.to(x),
            image_rotary_emb=turned and turned(size, x.device),
            return_dict=False,
        )[0]
        return cast(Tensor, output).transpose(1, 2)

    return called(transformer, call)


def rotary(config: Mapping[str, object], size: torch.Size, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines of each token's place: its frame, row and column (Yang et al. 2024, sec. 2.2).

    CogVideoX scales rows and columns to those that it was trained on and centres them; 1.5 counts them.

    Args:
        config: Of the transformer.
        size: Frames, height and width of the latents.
        device: Of the result.

    Returns:
        Two tensors (tokens, channels of a head).
    """
    patch, deep = whole(config, "patch_size", 2), whole(config, "patch_size_t", 1)
    frames, *sides = size[0] // deep, size[1] // patch, size[2] // patch
    rows, columns = (torch.arange(float(side)) for side in sides)
    if not config.get("patch_size_t"):
        trained = [whole(config, f"sample_{name}", 60) // patch for name in ("height", "width")]
        scale = min(most / side for most, side in zip(trained, sides, strict=True))
        rows, columns = (
            _centred(most, round(scale * side), side) for most, side in zip(trained, sides, strict=True)
        )
    axes = (torch.arange(float(frames)), rows, columns)
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), 3).flatten(0, 2).unbind(1)
    channels = whole(config, "attention_head_dim", 64)
    rates = [
        10000.0 ** (-torch.arange(0, width, 2) / width) for width in (channels // 4, *[channels // 8 * 3] * 2)
    ]
    angles = torch.cat([torch.outer(*pair) for pair in zip(places, rates, strict=True)], 1)
    turned = angles.repeat_interleave(2, 1).to(device)
    return turned.cos(), turned.sin()


def _centred(most: int, length: int, count: int) -> Tensor:
    """``count`` places on an axis of ``most``, in its middle ``length``."""
    first = round((most - length) / 2)
    return torch.linspace(first, (first + length) * (count - 1) / count, count)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of CogVideoX.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    vae, config = checkpoint["vae"].config, checkpoint["transformer"].config
    step = 2 ** (len(list(vae.get("block_out_channels", (1, 1, 1, 1)))) - 1)  # type: ignore[call-overload]
    channels, deep = whole(vae, "latent_channels", 16), whole(config, "patch_size_t", 1)
    scale = float(str(vae.get("scaling_factor", 1.15258426)))
    pictured = config.get("in_channels") == 2 * channels
    codec = FrameCodec(
        parts.autoencoder(),
        torch.zeros(channels),
        torch.full((channels,), 1 / scale),
        step=step,
        stride=whole(vae, "temporal_compression_ratio", 4),
        multiple=step * whole(config, "patch_size", 2),
        size=(step * whole(config, "sample_width", 90), step * whole(config, "sample_height", 60)),
        frames=whole(config, "sample_frames", 49),
        fps=Fraction(16 if deep > 1 else 8),
        # The autoencoder decodes cells in pairs, the first one with a pair.
        together=2,
        lead=deep - 1,
        begins=not pictured,
    )
    stage = CogVideoX(
        **sampled(parts.schedule()),
        network=network(parts.network("transformer"), config),
        text=parts.t5(),
        length=whole(config, "max_text_seq_length", 226),
        frames=codec if pictured else None,
        # Some were trained on frames that were divided by the scale in place of multiplied.
        frame_scale=scale**-2 if vae.get("invert_scale_latents") else 1.0,
    )
    return parts.model("video", stage, codec, defaults.cogvideox)
