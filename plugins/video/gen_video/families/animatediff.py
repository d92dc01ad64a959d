"""AnimateDiff (Guo et al. 2023, arXiv 2307.04725): Stable Diffusion 1.5 with layers that see all frames."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor, nn

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.libraries import library_class
from gen.checkpoints.networks import load_network
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import CheckpointStage, called, negatives, sampled, two_sides
from gen.checkpoints.text import ClipPrompts
from gen.diffusion import Condition, Conditioning
from gen.diffusion.denoiser import Network
from gen.model import Model, Task, Window
from gen_video.families import defaults
from gen_video.families.codec import picture_codec

OVERLAP = 4
"""Frames that a piece of a longer clip is given of the one before."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AnimateDiff(CheckpointStage):
    """A U-Net on the latents of all frames, conditioned by CLIP.

    Args:
        text: CLIP.
    """

    text: ClipPrompts

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts; ``clip_skip`` leaves out as many of the last layers."""
        layer = -1 - whole(task.params, "clip_skip", 0)
        states, _ = self.text((*task.prompts, *negatives(task)), layer, normed=True)
        return two_sides(text=Condition(states, "cross_attention"))


def network(unet: nn.Module) -> Network:
    """The U-Net as a network of the core."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> object:
        text = conditioning["text"].value.repeat_interleave(x.shape[2], 0)
        return unet(x, t, encoder_hidden_states=text, return_dict=False)

    return called(unet, call)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of AnimateDiff: one U-Net, or that of pictures and the layers beside it.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)

    def animated(unet: nn.Module) -> nn.Module:
        made = library_class("diffusers", "UNetMotionModel", "unet")
        joined: nn.Module = made.from_unet2d(unet, load_network(checkpoint["motion_adapter"], device))
        return joined

    config = checkpoint["unet"].config
    apart = checkpoint["unet"].class_name == "UNet2DConditionModel"
    motion = checkpoint["motion_adapter" if apart else "unet"].config
    codec = picture_codec(
        parts,
        cells=2 ** (len(list(config["down_block_types"])) - 1),  # type: ignore[call-overload]
        size=(8 * whole(config, "sample_size", 64),) * 2,
        frames=16,
        fps=Fraction(8),
        unknown=("last", "camera", "transparent", "audio"),
    )
    stage = AnimateDiff(
        **sampled(parts.schedule()),
        network=network(parts.network("unet", animated if apart else None)),
        text=parts.clip(),
        window=Window(axis=1, size=whole(motion, "motion_max_seq_length", 32), overlap=OVERLAP),
    )
    return parts.model("video", stage, codec, defaults.animatediff)
