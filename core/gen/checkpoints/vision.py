"""The vision transformer of CLIP (Radford et al. 2021, arXiv 2103.00020, sec. 2.4), and pictures for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gen.checkpoints.checkpoint import Component, read_json, whole
from gen.checkpoints.networks import filled
from gen.checkpoints.text.clip import NAMES as LAYER_NAMES
from gen.checkpoints.text.clip import ClipLayer
from gen.errors import ModelError

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of the pixels that CLIP was trained on (Radford et al. 2021, published code)."""


class VisionOutput(NamedTuple):
    """What the transformer makes of pictures.

    Args:
        hidden: The states before each layer, and after the last: n + 1 tensors (B, 1 + patches, D).
        pooled: That of the whole picture, normalised, and projected where the model has a projection, (B, D).
    """

    hidden: tuple[Tensor, ...]
    pooled: Tensor


class ClipVision(nn.Module):
    """The vision transformer: a token for the picture, then one for each of its patches.

    Args:
        config: ``config.json`` of a ``CLIPVisionModel`` or ``CLIPVisionModelWithProjection``.
        projected: Whether the picture's vector is projected.
    """

    def __init__(self, config: Mapping[str, object], projected: bool = False) -> None:
        super().__init__()
        width, patch = whole(config, "hidden_size", 768), whole(config, "patch_size", 32)
        self.side = whole(config, "image_size", 224)
        eps = float(str(config.get("layer_norm_eps", 1e-5)))
        self.first = nn.Parameter(torch.zeros(width))
        self.patches = nn.Conv2d(3, width, patch, patch, bias=False)
        self.positions = nn.Embedding(1 + (self.side // patch) ** 2, width)
        self.norm_in = nn.LayerNorm(width, eps=eps)
        self.layers = nn.ModuleList(
            ClipLayer(
                width,
                whole(config, "intermediate_size", 3072),
                whole(config, "num_attention_heads", 12),
                str(config.get("hidden_act", "quick_gelu")),
                eps,
                causal=False,
            )
            for _ in range(whole(config, "num_hidden_layers", 12))
        )
        self.norm = nn.LayerNorm(width, eps=eps)
        size = whole(config, "projection_dim", 512)
        self.projection = nn.Linear(width, size, bias=False) if projected else nn.Identity()

    def forward(self, pictures: Tensor) -> VisionOutput:
        """The states of pictures (B, 3, side, side), standardised."""
        patches = self.patches(pictures).flatten(2).transpose(1, 2)
        first = self.first.expand(len(patches), 1, -1)
        x = self.norm_in(torch.cat([first, patches], 1) + self.positions.weight)
        hidden = [x]
        for layer in self.layers:
            x = layer(x)
            hidden.append(x)
        return VisionOutput(tuple(hidden), self.projection(self.norm(x[:, 0])))


@dataclass(frozen=True, eq=False)
class ClipPictures:
    """An encoder of pictures, and how they are standardised for it.

    Args:
        network: The encoder.
        mean, std: Of red, green and blue in [0, 1].
    """

    network: ClipVision
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, pictures: Tensor) -> VisionOutput:
        """The states of pictures (B, 3, side, side) in [0, 1]."""
        parameter = self.network.first
        mean, std = (torch.tensor(values)[:, None, None] for values in (self.mean, self.std))
        return VisionOutput(*self.network(((pictures.float() - mean) / std).to(parameter)))

    def of(self, pixels: np.ndarray) -> VisionOutput:
        """The states of the middle of one picture (H, W, C) in [0, 1]."""
        return self(square(pixels, self.network.side))


def square(pixels: np.ndarray, side: int) -> Tensor:
    """The middle of a picture as CLIP was trained to see it: 8 bits, resized with a cubic filter.

    Args:
        pixels: (H, W, C) in [0, 1] with C = 1, 3 or 4; transparency is white.
        side: In pixels.

    Returns:
        (1, 3, side, side) in [0, 1].
    """
    from PIL import Image

    if pixels.shape[-1] == 4:
        pixels = pixels[..., :3] * pixels[..., 3:] + (1 - pixels[..., 3:])
    whole = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    rounded = Image.fromarray(np.round(whole * 255).clip(0, 255).astype(np.uint8))
    factor = side / min(rounded.size)
    width, height = (max(side, int(length * factor)) for length in rounded.size)
    left, top = (width - side) // 2, (height - side) // 2
    resized = rounded.resize((width, height), Image.Resampling.BICUBIC)
    middle = np.array(resized.crop((left, top, left + side, top + side)))
    return torch.from_numpy(middle).float().permute(2, 0, 1)[None] / 255


NAMES = (
    ("embeddings.class_embedding", "first"),
    ("embeddings.patch_embedding", "patches"),
    ("pre_layrnorm", "norm_in"),
    ("post_layernorm", "norm"),
    ("visual_projection", "projection"),
    *LAYER_NAMES,
)
"""From the names of transformers to ours."""


def _renamed(name: str) -> str | None:
    name = name.removeprefix("vision_model.")
    if name == "embeddings.position_ids":
        return None
    for theirs, ours in NAMES:
        name = name.replace(theirs, ours)
    return name


def load_clip_vision(
    component: Component, processor: Component, device: str = "cpu", dtype: torch.dtype | None = None
) -> ClipPictures:
    """The encoder of pictures of a part of a checkpoint.

    Args:
        component: Of the class ``CLIPVisionModel`` or ``CLIPVisionModelWithProjection``.
        processor: Says how pictures are standardised.
        device: Where it goes.
        dtype: Of its numbers; None keeps what is stored.

    Raises:
        ModelError: It is of another class, or configuration and weights do not fit.
    """
    if component.class_name not in ("CLIPVisionModel", "CLIPVisionModelWithProjection"):
        raise ModelError(f"the encoder of pictures {component.name} is a {component.class_name}, not CLIP's")
    network = filled(
        lambda: ClipVision(component.config, component.class_name.endswith("WithProjection")),
        component.weights,
        component.name,
        device,
        dtype,
        rename=_renamed,
    )
    settings = read_json(processor.folder / "preprocessor_config.json")
    mean, std = (
        tuple(float(str(value)) for value in list(settings.get(name) or trained))  # type: ignore[call-overload]
        for name, trained in (("image_mean", MEAN), ("image_std", STD))
    )
    if len(mean) != 3 or len(std) != 3:
        raise ModelError(f"{processor.name} does not say how pictures are standardised", "download it again")
    return ClipPictures(network, mean, std)
