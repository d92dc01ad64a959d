"""PixArt-alpha and PixArt-Sigma (Chen et al. 2023, 2024, arXiv 2310.00426, 2403.04692)."""

from __future__ import annotations

from dataclasses import dataclass

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
from gen_image.families import defaults
from gen_image.families.building import codec_of, model_of
from gen_image.families.codec import PictureCodec


@dataclass(frozen=True, kw_only=True, eq=False)
class PixArt(CheckpointStage):
    """A transformer on latents, conditioned by T5.

    Args:
        text: T5.
        length: Tokens of a prompt.
        codec: Knows the size of the picture.
        sized: Whether the network gets that size.
    """

    text: T5Prompts
    length: int
    codec: PictureCodec
    sized: bool

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts, in small letters."""
        texts = [text.lower().strip() for text in (*task.prompts, *negatives(task))]
        states, mask = self.text(texts, self.length, masked=True)
        made = two_sides(text=Condition(states, "cross_attention", mask))
        if not self.sized:
            return made
        width, height = self.codec.size(task)
        sizes = torch.tensor([[height, width, height / width]] * len(task.prompts))
        return made.with_conditions(sizes=Condition(sizes, "global"))


def network(transformer: nn.Module) -> Network:
    """The transformer as a network of the core."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> object:
        text, sizes = conditioning["text"], conditioning.get("sizes")
        added: dict[str, Tensor | None] = {"resolution": None, "aspect_ratio": None}
        if sizes is not None:
            added = {"resolution": sizes.value[:, :2], "aspect_ratio": sizes.value[:, 2:]}
        return transformer(
            x,
            encoder_hidden_states=text.value,
            encoder_attention_mask=text.mask,
            timestep=t,
            added_cond_kwargs=added,
            return_dict=False,
        )

    return called(transformer, call, exact=("sizes",))


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of PixArt.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    config = checkpoint["transformer"].config
    side, channels = whole(config, "sample_size", 128), config.get("in_channels", 4)
    codec = codec_of(parts, side, patch=whole(config, "patch_size", 2))
    sized = config.get("use_additional_conditions")
    stage = PixArt(
        **sampled(parts.schedule()),
        network=network(parts.network("transformer")),
        learned_variance=config.get("out_channels", 8) != channels,
        text=parts.t5(),
        length=300 if "Sigma" in checkpoint.pipeline else 120,
        codec=codec,
        sized=side == 128 and "Sigma" not in checkpoint.pipeline if sized is None else bool(sized),
    )
    return model_of(parts, stage, codec, defaults.pixart)
