"""From a checkpoint to a model of pictures: what the families share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import CheckpointStage
from gen.model import Defaults, Model, Task
from gen_image.families.codec import PictureCodec

BLOCKS = ("block_out_channels", "encoder_block_out_channels", "dim_mult")
"""Settings of autoencoders with one entry for each size of the picture that they compute at."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureStage(CheckpointStage):
    """A transformer on latents (C, h, w).

    Args:
        patch: Cells that it joins to one token, along each axis.
    """

    patch: int = 2

    def tokens(self, task: Task) -> int:
        """Squares of ``patch`` × ``patch`` cells."""
        _, height, width = task.shape  # type: ignore[misc]
        return int(height) * int(width) // self.patch**2


def codec_of(
    parts: Parts,
    side: int,
    *,
    patch: int = 1,
    packing: int = 1,
    fit: Callable[[int, int], tuple[int, int]] | None = None,
    name: str = "vae",
) -> PictureCodec:
    """The codec of a checkpoint's autoencoder.

    Args:
        parts: Of the checkpoint.
        side: Width and height in the autoencoder's cells that the model was trained on.
        patch: Cells that its network joins to one token, along each axis.
        packing, fit: As of ``PictureCodec``; packing takes the place of ``patch``.
        name: Of the part.

    Raises:
        ModelError: The part is missing or damaged.
    """
    config = parts.checkpoint[name].config
    blocks = next((config[key] for key in BLOCKS if key in config), (1, 1, 1, 1))
    step = 2 ** (len(list(blocks)) - 1)  # type: ignore[call-overload]
    clips = "z_dim" in config
    scale: float | Tensor = float(str(config.get("scaling_factor", 0.18215)))
    shift: float | Tensor = float(str(config.get("shift_factor") or 0.0))
    if clips:
        mean, std = (torch.tensor(config[key])[:, None, None] for key in ("latents_mean", "latents_std"))
        scale, shift = (one.repeat_interleave(packing**2, 0).to(parts.device) for one in (1 / std, mean))
    network, channels = parts.autoencoder(name), whole(config, "z_dim" if clips else "latent_channels", 4)
    if (norm := getattr(network, "bn", None)) is not None:  # over packed latents
        scale = (norm.running_var.float() + norm.eps).rsqrt()[:, None, None]
        shift = norm.running_mean.float()[:, None, None]
    return PictureCodec(
        network,
        channels * packing**2,
        side * step,
        step * packing,
        step * packing * patch,
        scale,
        shift,
        packing,
        clips,
        fit,
        parts.decoder(channels),
    )


def model_of(
    parts: Parts, stage: CheckpointStage, codec: PictureCodec, defaults: Callable[[Checkpoint], Defaults]
) -> Model:
    """The model of one stage, sampled as its checkpoint says.

    Args:
        parts: Of the checkpoint.
        stage: What is sampled.
        codec: Of its latents.
        defaults: How its family is sampled.
    """
    return parts.model("image", stage, codec, defaults)
