"""Two small judges, trained on renderings apart from the model's: which thing is seen, and what it does."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from gen.nn import conv
from gen_video.data import clips
from gen_video.data.clips import Actor, Clip
from gen_video.data.motion import MOTIONS, SPEEDS
from gen_video.data.render import Renderer
from gen_video.data.things import Things

Judge = TypeVar("Judge", bound=nn.Module)
CROP = 32
COARSE = 16
MOTION_NAMES = tuple(MOTIONS)


class ThingJudge(nn.Module):
    """Crops (B, 3, 32, 32) in [-1, 1] on white to logits over the things (B, N)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 32), (32, 64), (64, 128)):
            layers += [conv(before, after), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers, conv(128, 160), nn.BatchNorm2d(160), nn.ReLU())
        self.head = nn.Linear(160 * 16, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(1))


class MotionJudge(nn.Module):
    """Outlines (B, 16 frames, 16, 16) in [0, 1] to logits over the motions (B, 22)."""

    def __init__(self, frames: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv3d(1, 16, (3, 3, 3), padding=1),
            nn.BatchNorm3d(16),
            nn.ReLU(),
            nn.MaxPool3d((1, 2, 2)),
            nn.Conv3d(16, 32, (3, 3, 3), padding=1),
            nn.BatchNorm3d(32),
            nn.ReLU(),
            nn.MaxPool3d((2, 2, 2)),
        )
        self.body = nn.Sequential(nn.Linear(32 * (frames // 2) * 16, 128), nn.ReLU())
        self.head = nn.Linear(128, len(MOTION_NAMES))

    def embed(self, x: Tensor) -> Tensor:
        """(B, 16, 16, 16) to features (B, 128)."""
        return self.body(self.features(x[:, None]).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embed(x))


def outlines(frames: Tensor, ground: Tensor) -> Tensor:
    """How far each pixel is from the background: (..., 3, H, W) and (3, H, W) in [-1, 1] to (..., H, W)."""
    return ((frames - ground).abs().amax(-3) / 0.6).clamp(0, 1)


def coarse(masks: Tensor) -> Tensor:
    """Masks (B, T, 128, 128) as (B, T, 16, 16)."""
    return functional.avg_pool2d(masks, masks.shape[-1] // COARSE)


def crops(frames: Tensor, masks: Tensor) -> Tensor:
    """What is in front, cut out of frames (T, 3, H, W) with masks (T, H, W): (n <= T, 3, 32, 32).

    Frames in which almost nothing is seen are left out.
    """
    found = []
    for frame, mask in zip(frames, masks, strict=True):
        seen = mask > 0.35
        if seen.sum() < 60:
            continue
        rows, columns = (torch.nonzero(seen.any(axis)).flatten() for axis in (1, 0))
        side = int(max(rows[-1] - rows[0], columns[-1] - columns[0])) + 3
        middle = int(rows[0] + rows[-1]) // 2, int(columns[0] + columns[-1]) // 2
        padded = functional.pad(frame, (side, side, side, side), mode="constant", value=1.0)
        top, left = (centre + side - side // 2 for centre in middle)
        square = padded[None, :, top : top + side, left : left + side]
        found.append(functional.interpolate(square, (CROP, CROP), mode="bilinear", antialias=True))
    return torch.cat(found) if found else frames.new_zeros(0, 3, CROP, CROP)


def things_judge(path: Path, things: Things, report: Callable[[str], None], steps: int = 1000) -> ThingJudge:
    """Read the judge of things at ``path``, or train and write it (minutes on a core)."""
    network = ThingJudge(len(things))
    if path.exists():
        network.load_state_dict(load_file(path))
        return network.eval()
    renderer = Renderer(things, 64, Image.Resampling.BOX)
    torch.manual_seed(11)
    rng = random.Random(11)
    # Every thing upright, once, cut out as it will be; turned, blurred and shifted anew in every step.
    shots = []
    for start in range(0, len(things), 32):
        row = [
            Clip((Actor(i, size=rng.uniform(56, 68)),)) for i in range(start, min(start + 32, len(things)))
        ]
        shots.append(renderer.render(row, torch.zeros(1).double().numpy())[:, 0])
    pictures = torch.cat(shots)[:, :, 20:108, 20:108]

    def batch() -> tuple[Tensor, Tensor]:
        labels = torch.randint(len(things), (96,))
        return _varied(pictures[labels]), labels

    return _trained(network, batch, steps, path, "things", report)


def motions_judge(
    path: Path, things: Things, report: Callable[[str], None], steps: int = 700, shown: int = 3300
) -> MotionJudge:
    """Read the judge of motions at ``path``, or train and write it (minutes on a core)."""
    network = MotionJudge()
    if path.exists():
        network.load_state_dict(load_file(path))
        return network.eval()
    renderer = Renderer(things, 64, Image.Resampling.BOX)
    torch.manual_seed(12)
    rng = random.Random(12)
    white = torch.ones(3, 1, 1)
    seen, labels = [], []
    for index in range(shown):
        label = index % len(MOTION_NAMES)
        clip = Clip((_actor(MOTION_NAMES[label], rng.randrange(len(things)), rng),))
        seen.append(coarse(outlines(renderer.render([clip]), white)))
        labels.append(label)
        if index % 500 == 0:
            report(f"motions: {index} of {shown} clips rendered")
    shelf, names = torch.cat(seen), torch.tensor(labels)

    def batch() -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(shelf), (64,))
        return (shelf[rows] + 0.03 * torch.randn(64, *shelf.shape[1:])).clamp(0, 1), names[rows]

    return _trained(network, batch, steps, path, "motions", report)


def _actor(motion: str, thing: int, rng: random.Random) -> Actor:
    axis = MOTIONS[motion].axis
    return Actor(
        thing,
        motion,
        speed=rng.choice(list(SPEEDS)),
        phase=rng.random(),
        size=rng.uniform(100, 128) if rng.random() < 0.13 else rng.uniform(48, 76),
        x=0 if axis == "x" else rng.uniform(-16, 16),
        y=0 if axis == "y" else rng.uniform(-16, 16),
    )


def _trained(
    network: Judge,
    batch: Callable[[], tuple[Tensor, Tensor]],
    steps: int,
    path: Path,
    name: str,
    report: Callable[[str], None],
) -> Judge:
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    network.train()
    for step in range(steps):
        pictures, labels = batch()
        loss = functional.cross_entropy(network(pictures), labels, label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
        if step % 200 == 0:
            report(f"judge of {name}: step {step} of {steps}, loss {loss.item():.3f}")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), path)
    return network.eval()


def _varied(pictures: Tensor) -> Tensor:
    """Pictures (B, 3, 88, 88) on white, turned, mirrored, flattened and blurred, cut out as clips are."""
    count = len(pictures)
    angle = torch.randn(count) * 0.15
    angle = torch.where(torch.rand(count) < 0.3, 2 * torch.pi * torch.rand(count), angle)
    mirror = torch.where(torch.rand(count) < 0.3, -1.0, 1.0)
    wide, high = (1 + 0.08 * torch.randn(count) for _ in range(2))
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = angle.cos() * mirror * wide, angle.sin() * high
    theta[:, 1, 0], theta[:, 1, 1] = -angle.sin() * mirror * wide, angle.cos() * high
    places = functional.affine_grid(theta, [count, 3, 88, 88], align_corners=False)
    turned = functional.grid_sample(pictures - 1, places, align_corners=False) + 1
    if torch.rand(()) < 0.6:
        size = int(torch.randint(1, 4, ()))
        turned = functional.avg_pool2d(turned, 2 * size + 1, 1, size, count_include_pad=False)
    small = torch.cat([crops(one[None], outlines(one[None], torch.ones(3, 1, 1))) for one in turned])
    if len(small) < count:  # one that is almost white all over
        small = functional.interpolate(turned, (CROP, CROP), mode="bilinear", antialias=True)
    bright = 1 + 0.06 * torch.randn(count, 1, 1, 1)
    return (small * bright + 0.04 * torch.randn_like(small)).clamp(-1, 1)


def rank_things(network: ThingJudge, frames: Tensor, masks: Tensor) -> Tensor:
    """All things for one clip (T, 3, H, W) with masks (T, H, W): indices (N,), the likeliest first."""
    pictures = crops(frames, masks)
    if not len(pictures):
        return torch.arange(network.head.out_features).flip(0)
    with torch.no_grad():
        return network(pictures).log_softmax(1).mean(0).argsort(descending=True)


def name_motions(network: MotionJudge, masks: Sequence[Tensor]) -> list[str]:
    """The likeliest motion of each clip, from masks (16, 128, 128)."""
    with torch.no_grad():
        return [MOTION_NAMES[int(i)] for i in network(coarse(torch.stack(list(masks)))).argmax(1)]


def things_of(things: Things, motion: str, split: str) -> list[int]:
    """The things whose pair with a motion is in a split, ``"seen"`` or ``"held out"``."""
    wanted = split == "held out"
    return [i for i in range(len(things)) if clips.held_out(Clip((Actor(i, motion),)), things) == wanted]
