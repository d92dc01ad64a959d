"""LTX-Video (HaCohen et al. 2024, arXiv 2501.00103): clips from text."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import torch
from torch import Tensor, nn

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import CheckpointStage, called, negatives, sampled, two_sides, with_known
from gen.checkpoints.text import T5Prompts
from gen.diffusion import Condition, Conditioning
from gen.diffusion.denoiser import Network
from gen.model import Model, Task
from gen_video.families import defaults
from gen_video.families.codec import FrameCodec

LENGTH = 128
"""Tokens of a prompt."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LTX(CheckpointStage):
    """A transformer on latents, conditioned by T5 and by what a cell is in seconds and pixels.

    Args:
        text: T5.
        codec: Knows the rate.
    """

    text: T5Prompts
    codec: FrameCodec

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts, and the seconds and pixels of a cell."""
        states, shown = self.text((*task.prompts, *negatives(task)), LENGTH, masked=False)
        text = two_sides(text=Condition(states, "cross_attention", shown))
        cell = [self.codec.stride / self.codec.timing(task)[1], self.codec.step, self.codec.step]
        scale = torch.tensor([[float(size) for size in cell]] * len(task.prompts))
        return text.with_conditions(cell=Condition(scale, "global"))

    def tokens(self, task: Task) -> int:
        """Cells of the latents."""
        _, frames, height, width = cast("tuple[int, ...]", task.shape)
        return frames * height * width


def network(transformer: nn.Module) -> Network:
    """The transformer as a network of the core."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        text, frames, height, width = conditioning["text"], *x.shape[2:]
        if "known" in conditioning:
            x, times = with_known(x, conditioning)
            t = t[:, None] * times.flatten(1).to(t)
        output = transformer(
            hidden_states=x.flatten(2).transpose(1, 2),
            encoder_hidden_states=text.value,
            timestep=t,
            encoder_attention_mask=text.mask,
            num_frames=frames,
            height=height,
            width=width,
            rope_interpolation_scale=tuple(conditioning["cell"].value[0].tolist()),
            return_dict=False,
        )[0]
        return cast(Tensor, output).transpose(1, 2).reshape(x.shape)

    return called(transformer, call, exact=("cell",))


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of LTX-Video that makes clips from text.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    config = checkpoint["vae"].config
    vae = parts.autoencoder()
    scale = float(str(config.get("scaling_factor", 1.0)))
    step, stride = (int(getattr(vae, f"{kind}_compression_ratio")) for kind in ("spatial", "temporal"))
    codec = FrameCodec(
        vae,
        cast(Tensor, vae.latents_mean).float(),
        cast(Tensor, vae.latents_std).float() / scale,
        step=step,
        stride=stride,
        multiple=step * whole(checkpoint["transformer"].config, "patch_size", 1),
        size=(704, 512),
        frames=161,
        fps=Fraction(25),
        noise=0.025 if config.get("timestep_conditioning") else None,
    )
    stage = LTX(
        **sampled(parts.schedule()),
        network=network(parts.network("transformer")),
        text=parts.t5(),
        codec=codec,
    )
    return parts.model("video", stage, codec, defaults.ltx)
