"""From a checkpoint to a model of pictures: what the families share."""

from __future__ import annotations

from collections.abc import Callable

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import CheckpointStage
from gen.model import Defaults, Model
from gen_image.families.codec import PictureCodec


def codec_of(parts: Parts, side: int, *, patch: int = 1, name: str = "vae") -> PictureCodec:
    """The codec of a checkpoint's autoencoder.

    Args:
        parts: Of the checkpoint.
        side: Width and height in cells of the latents that the model was trained on.
        patch: Cells that its network joins to one token, along each axis.
        name: Of the part.

    Raises:
        ModelError: The part is missing or damaged.
    """
    config = parts.checkpoint[name].config
    blocks = config.get("block_out_channels", (1, 1, 1, 1))
    step = 2 ** (len(list(blocks)) - 1)  # type: ignore[call-overload]
    return PictureCodec(
        parts.autoencoder(name),
        whole(config, "latent_channels", 4),
        side * step,
        step,
        step * patch,
        float(str(config.get("scaling_factor", 0.18215))),
        float(str(config.get("shift_factor") or 0.0)),
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
