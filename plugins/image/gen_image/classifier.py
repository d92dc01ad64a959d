"""A small classifier of emoji, trained on renderings apart from the model's, that judges what was drawn."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from gen.nn import conv
from gen.train.emoji import EmojiSet
from gen_image.codec_training import to_tensor
from gen_image.data import scenes
from gen_image.data.render import backdrop

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


def load_or_train(
    path: Path, emoji_set: EmojiSet, report: Callable[[str], None], steps: int = 1200
) -> Classifier:
    """Read the classifier at ``path``, or train and write it (minutes on two cores).

    Its pictures are rendered with another filter than the model's, at random offsets, scales, brightness and
    blur, over random backgrounds.
    """
    network = Classifier(len(emoji_set.emoji))
    if path.exists():
        network.load_state_dict(load_file(path))
        return network.eval()
    torch.manual_seed(7)
    rng = random.Random(7)
    sprites = _small(emoji_set.sprites)
    grounds = torch.cat([_shrink(to_tensor(backdrop(ground)[None])) for ground in scenes.BACKGROUNDS])
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for step in range(steps):
        labels = torch.randint(len(sprites), (128,))
        pictures = _varied(sprites[labels], grounds, rng)
        loss = functional.cross_entropy(network(pictures), labels, label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
        if step % 250 == 0:
            report(f"classifier: step {step} of {steps}, loss {loss.item():.3f}")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), path)
    return network.eval()


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
