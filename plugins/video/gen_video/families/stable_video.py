"""Stable Video Diffusion (Blattmann et al. 2023, arXiv 2311.15127): clips that begin near a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import CheckpointStage, called, sampled, with_scale
from gen.checkpoints.vision import ClipPictures
from gen.diffusion import Condition, Conditioning
from gen.diffusion.denoiser import Network
from gen.model import Model, Task
from gen.model.stage import AnyGuidance
from gen_video.families import defaults
from gen_video.families.codec import FrameByFrame, given_frame, picture_codec


@dataclass(frozen=True, kw_only=True, eq=False)
class StableVideo(CheckpointStage):
    """A U-Net on the latents of all frames, conditioned by a picture: by CLIP, and by its latents.

    Args:
        vision: Loads CLIP's encoder of pictures, which stays only while it is used.
        codec: Encodes the picture.
    """

    vision: Callable[[], ClipPictures]
    codec: FrameByFrame

    def encode(self, task: Task) -> Conditioning:
        """The picture ``first``, zero in ``uncond``; the rate, the motion and the noise on the picture."""
        pixels, rows = self.codec.frame(given_frame(task), task), len(task.prompts)
        vision, amount = self.vision(), float(str(task.params.get("noise_aug", 0.02)))
        vector = vision(squashed(pixels, vision.network.side)).pooled[:, None].expand(rows, 1, -1)
        picture = torch.tensor(pixels).permute(2, 0, 1) * 2 - 1
        noise = task.noise.child("augment").normal(picture.shape, "picture")
        frames = (picture + amount * noise)[:, :, None].to(next(self.codec.network.parameters()))
        latents = self.codec.encoded(frames).float().expand(-1, -1, self.codec.timing(task)[0], -1, -1)
        numbers = [float(self.codec.timing(task)[1]) - 1, whole(task.params, "motion_bucket", 127), amount]
        motion = Condition(torch.tensor([numbers] * rows), "global")
        seen = Conditioning(
            {"picture": Condition(vector, "cross_attention"), "frames": Condition(latents, "channels")}
        )
        return seen.with_uncond(seen.map(torch.zeros_like)).with_conditions(motion=motion)

    def guidance(self, task: Task, chosen: AnyGuidance) -> AnyGuidance:
        """The one that is chosen; its scale rises from ``min_guidance`` at the first frame to the last."""
        low = float(str(task.params.get("min_guidance", 1.0)))
        scales = torch.linspace(low, task.guidance, self.codec.timing(task)[0])[:, None, None]
        return with_scale(chosen, scales[None, None]) if task.guidance > 1 else chosen


def squashed(pixels: np.ndarray, side: int) -> Tensor:
    """A picture (H, W, 3) as a square (1, 3, side, side): blurred as far as it shrinks, then cubic.

    The filter of the published code, whose squares the model was trained on.
    """
    picture = torch.tensor(pixels).permute(2, 0, 1)[:, None]
    for axis in (3, 2):
        sigma = max((picture.shape[axis] / side - 1) / 2, 0.001)
        reach = int(max(4 * sigma, 3)) // 2
        kernel = torch.exp(-((torch.arange(-reach, reach + 1) / sigma) ** 2) / 2)
        shape = (1, 1, 1, -1) if axis == 3 else (1, 1, -1, 1)
        padding = (reach, reach, 0, 0) if axis == 3 else (0, 0, reach, reach)
        padded = functional.pad(picture, padding, mode="reflect")
        picture = functional.conv2d(padded, (kernel / kernel.sum()).reshape(shape))
    resized = functional.interpolate(picture, (side, side), mode="bicubic", align_corners=True)
    return resized.transpose(0, 1)


def network(unet: nn.Module) -> Network:
    """The U-Net as a network of the core."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        output: Tensor = unet(
            torch.cat([x, conditioning["frames"].value], 1).transpose(1, 2),
            t,
            encoder_hidden_states=conditioning["picture"].value,
            added_time_ids=conditioning["motion"].value,
            return_dict=False,
        )[0]
        return output.transpose(1, 2)

    return called(unet, call, exact=("motion",))


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of Stable Video Diffusion.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    config = checkpoint["unet"].config
    codec = picture_codec(
        parts,
        cells=2 ** (len(config["down_block_types"]) - 1),  # type: ignore[arg-type]
        size=(1024, 576),
        frames=whole(config, "num_frames", 14),
        fps=Fraction(7),
        begins=False,
        joined=True,
    )
    stage = StableVideo(
        **sampled(parts.schedule()),
        network=network(parts.network("unet")),
        vision=partial(parts.clip_vision, "feature_extractor"),
        codec=codec,
    )
    return parts.model("video", stage, codec, defaults.stable_video)
