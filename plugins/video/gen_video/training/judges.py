"""Two small judges, trained on renderings apart from the model's: which thing is seen, and what it does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from gen.evaluation import kept_judge
from gen.nn import conv
from gen_video.sizes import FRAMES
from gen_video.training.data import clips
from gen_video.training.data.backgrounds import PLAIN, WHITE
from gen_video.training.data.clips import Actor, Clip
from gen_video.training.data.motion import MOTIONS, SPEEDS
from gen_video.training.data.render import Renderer, ground
from gen_video.training.data.things import Things

THINGS_VERSION, MOTIONS_VERSION = 1, 2
"""Others for every change of what the judges learn from."""

SHOWN = 5500
"""Clips that the judge of motions learns from."""

CROP = 32
STAGE = 88
"""Pixels that the judge of things has a thing of 62 pixels in while it learns."""

COARSE = 16
MOTION_NAMES = tuple(MOTIONS)


class ThingJudge(nn.Module):
    """Crops (B, 3, 32, 32) in [-1, 1] on plain colours to logits over the things (B, N)."""

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
    """Views (B, 16 frames, 4, 16, 16) to logits over the motions (B, 22)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv3d(4, 16, (3, 3, 3), padding=1),
            nn.BatchNorm3d(16),
            nn.ReLU(),
            nn.MaxPool3d((1, 2, 2)),
            nn.Conv3d(16, 32, (3, 3, 3), padding=1),
            nn.BatchNorm3d(32),
            nn.ReLU(),
            nn.MaxPool3d((2, 2, 2)),
        )
        self.body = nn.Sequential(nn.Linear(32 * (FRAMES // 2) * 16, 128), nn.ReLU())
        self.head = nn.Linear(128, len(MOTION_NAMES))

    def embed(self, x: Tensor) -> Tensor:
        """(B, 16, 4, 16, 16) to features (B, 128)."""
        return self.body(self.features(x.transpose(1, 2)).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embed(x))


def outlines(frames: Tensor, ground: Tensor) -> Tensor:
    """How far each pixel is from the background: (..., 3, H, W) and (3, H, W) in [-1, 1] to (..., H, W)."""
    return ((frames - ground).abs().amax(-3) / 0.6).clamp(0, 1)


def views(frames: Tensor, ground: Tensor) -> Tensor:
    """What the judge of motions sees of a clip: the difference from the background, and the outline.

    An outline alone would not show that a ball spins.

    Args:
        frames, ground: (T, 3, 128, 128) and (3, 128, 128) in [-1, 1].

    Returns:
        (T, 4, 16, 16).
    """
    seen = torch.cat([(frames - ground) / 2, outlines(frames, ground)[:, None]], 1)
    return functional.avg_pool2d(seen, seen.shape[-1] // COARSE)


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


def things_judge(things: Things, report: Callable[[str], None]) -> ThingJudge:
    """The judge of things, from the cache or trained (minutes on a core)."""

    def examples() -> Iterator[tuple[Tensor, Tensor]]:
        renderer = Renderer(things, 64, Image.Resampling.BOX)
        looks = torch.stack([renderer.picture(Actor(thing)) for thing in range(len(things))])
        colours = torch.stack([ground(plain)[:3, :1, :1] for plain in PLAIN])
        while True:
            labels = torch.randint(len(things), (96,))
            behind = colours[torch.randint(len(colours), (96,))]
            behind[torch.rand(96) < 0.5] = 1
            yield _varied(looks[labels], behind), labels

    names = [names[0] for names in things.names]
    return kept_judge(
        "video-things",
        THINGS_VERSION,
        names,
        lambda: ThingJudge(len(names)),
        examples(),
        steps=1800,
        report=report,
    )


def motions_judge(things: Things, report: Callable[[str], None]) -> MotionJudge:
    """The judge of motions, from the cache or trained (minutes on a core)."""

    def examples() -> Iterator[tuple[Tensor, Tensor]]:
        renderer = Renderer(things, 64, Image.Resampling.BOX)
        rng = random.Random(12)
        # Written into one tensor: small ones between large ones that are freed would take 20 GB.
        shelf = torch.empty(SHOWN, FRAMES, 4, COARSE, COARSE)
        names = torch.arange(SHOWN) % len(MOTION_NAMES)
        for index, name in enumerate(names.tolist()):
            background = WHITE if rng.random() < 0.5 else rng.choice(PLAIN)
            actor = _actor(MOTION_NAMES[name], rng.randrange(len(things)), rng)
            [frames] = renderer.render([Clip((actor,), background=background)])
            shelf[index] = views(frames, ground(background)[:3] * 2 - 1)
            if index % 500 == 0:
                report(f"motions: {index} of {SHOWN} clips rendered")
        while True:
            rows = torch.randint(len(shelf), (64,))
            contrast = 1 + 0.1 * torch.randn(64, 1, 1, 1, 1)
            yield shelf[rows] * contrast + 0.03 * torch.randn(64, *shelf.shape[1:]), names[rows]

    return kept_judge(
        "video-motions", MOTIONS_VERSION, MOTION_NAMES, MotionJudge, examples(), steps=1200, report=report
    )


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


def _varied(looks: Tensor, behind: Tensor) -> Tensor:
    """Things (B, 4, S, S), premultiplied, before colours (B, 3, 1, 1), cut out as those of clips are.

    They are turned, mirrored, flattened and blurred at random. Colours in [0, 1], the crops in [-1, 1].
    """
    count = len(looks)
    angle = torch.randn(count) * 0.15
    angle = torch.where(torch.rand(count) < 0.3, 2 * torch.pi * torch.rand(count), angle)
    mirror = torch.where(torch.rand(count) < 0.3, -1.0, 1.0)
    wide, high = (STAGE / 62 * (1 + 0.08 * torch.randn(count)) for _ in range(2))
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = angle.cos() * mirror * wide, angle.sin() * high
    theta[:, 1, 0], theta[:, 1, 1] = -angle.sin() * mirror * wide, angle.cos() * high
    places = functional.affine_grid(theta, [count, 4, STAGE, STAGE], align_corners=False)
    turned = functional.grid_sample(looks, places, align_corners=False)
    frames = (turned[:, :3] + (1 - turned[:, 3:]) * behind) * 2 - 1
    if torch.rand(()) < 0.6:
        size = int(torch.randint(1, 4, ()))
        frames = functional.avg_pool2d(frames, 2 * size + 1, 1, size, count_include_pad=False)
    seen = []
    for frame, colour in zip(frames, behind * 2 - 1, strict=True):
        found = crops(frame[None], outlines(frame[None], colour))
        # Nothing is left of what has the colour of what is behind it.
        whole = functional.interpolate(frame[None], (CROP, CROP), mode="bilinear", antialias=True)
        seen.append(found if len(found) else whole)
    small = torch.cat(seen)
    bright = 1 + 0.06 * torch.randn(count, 1, 1, 1)
    return (small * bright + 0.04 * torch.randn_like(small)).clamp(-1, 1)


def rank_things(network: ThingJudge, frames: Tensor, masks: Tensor) -> Tensor:
    """All things for one clip (T, 3, H, W) with masks (T, H, W): indices (N,), the likeliest first."""
    pictures = crops(frames, masks)
    if not len(pictures):
        return torch.arange(network.head.out_features).flip(0)
    with torch.no_grad():
        return network(pictures).log_softmax(1).mean(0).argsort(descending=True)


def name_motions(network: MotionJudge, seen: Sequence[Tensor]) -> list[str]:
    """The likeliest motion of each clip, from views (16, 4, 16, 16)."""
    with torch.no_grad():
        return [MOTION_NAMES[int(i)] for i in network(torch.stack(list(seen))).argmax(1)]


def things_of(things: Things, motion: str, split: str) -> list[int]:
    """The things whose pair with a motion is in a split, ``"seen"`` or ``"held out"``."""
    wanted = split == "held out"
    return [i for i in range(len(things)) if clips.held_out(Clip((Actor(i, motion),)), things) == wanted]
