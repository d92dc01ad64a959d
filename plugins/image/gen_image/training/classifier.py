"""A small classifier of emoji, trained on renderings apart from the model's, that judges what was drawn."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from gen.evaluation import kept_judge
from gen.nn import conv
from gen.train.emoji import EmojiSet
from gen_image.training.codec import to_tensor
from gen_image.training.data import scenes
from gen_image.training.data.render import backdrop

SIDE = 32


class Classifier(nn.Module):
    """Pictures (B, 3, 32, 32) in [-1, 1] to logits over the emoji (B, N)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 32), (32, 64), (64, 128)):
            layers += [conv(before, after), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers, conv(128, 192), nn.BatchNorm2d(192), nn.ReLU())
        self.head = nn.Linear(192 * 16, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(1))


def judge(emoji_set: EmojiSet, report: Callable[[str], None]) -> Classifier:
    """Read the classifier of a set of emoji from the cache, or train it (minutes on two cores)."""
    classes = [one.name for one in emoji_set.emoji]
    return kept_judge(
        "emoji", 1, classes, lambda: Classifier(len(classes)), _examples(emoji_set), steps=1200, report=report
    )


def _examples(emoji_set: EmojiSet) -> Iterator[tuple[Tensor, Tensor]]:
    """Pictures (128, 3, 32, 32) and labels (128,), for ever.

    They are rendered with another filter than the model's, at random offsets, scales, brightness and blur,
    over random backgrounds.
    """
    rng = random.Random(7)
    sprites = _small(emoji_set.sprites)
    grounds = torch.cat([_shrink(to_tensor(backdrop(ground)[None])) for ground in scenes.BACKGROUNDS])
    while True:
        labels = torch.randint(len(sprites), (128,))
        yield _varied(sprites[labels], grounds, rng), labels


def _small(sprites: np.ndarray) -> Tensor:
    """(N, 128, 128, 4) uint8 to premultiplied (N, 4, 48, 48) float32 in [0, 1]."""
    images = (Image.fromarray(sprite, "RGBA").convert("RGBa") for sprite in sprites)
    small = np.stack([np.asarray(image.resize((48, 48), Image.Resampling.BOX)) for image in images])
    return torch.from_numpy(small).permute(0, 3, 1, 2).float() / 255


def _shrink(pictures: Tensor) -> Tensor:
    return functional.interpolate(pictures, size=SIDE, mode="area")


def _varied(sprites: Tensor, grounds: Tensor, rng: random.Random) -> Tensor:
    """Sprites (B, 4, 48, 48) at random offsets and scales over random backgrounds, (B, 3, 32, 32)."""
    count = len(sprites)
    scale = 1 / (0.875 * (1 + 0.12 * (torch.rand(count) - 0.5)))
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = scale
    theta[:, :, 2] = 0.16 * (torch.rand(count, 2) - 0.5)
    places = functional.affine_grid(theta, [count, 4, SIDE, SIDE], align_corners=False)
    moved = functional.grid_sample(sprites, places, align_corners=False)
    white = torch.rand(count) < 0.4
    behind = grounds[torch.randint(len(grounds), (count,))].clone()
    behind[white] = 1.0
    pictures = 2 * moved[:, :3] - moved[:, 3:] + (1 - moved[:, 3:]) * behind
    if rng.random() < 0.5:
        pictures = functional.avg_pool2d(functional.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    bright = 1 + 0.1 * torch.randn(count, 1, 1, 1)
    return (pictures * bright + 0.04 * torch.randn_like(pictures)).clamp(-1, 1)


def classify(network: Classifier, pictures: Tensor) -> Tensor:
    """Ranking of all emoji for pictures (B, 3, H, W) in [-1, 1]: indices (B, N), best first."""
    with torch.no_grad():
        return network(_shrink(pictures)).argsort(1, descending=True)
