"""A small classifier of instruments and effects, trained on renderings apart from the model's."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from gen.evaluation import kept_judge
from gen_audio import composition
from gen_audio.mel import HOP, log_mel
from gen_audio.training.data import clips, effects, music
from gen_audio.training.data.clips import Clip

CLASSES = (*composition.RANGES, "drums", *effects.EFFECTS)
FRAMES = 432
PER_CLASS = 24


class Classifier(nn.Module):
    """Log-mels (B, 80, F) to logits over ``CLASSES``."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((80, 128), (128, 192), (192, 192)):
            layers += [nn.Conv1d(before, after, 5, stride=2, padding=2), nn.BatchNorm1d(after), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * 192, len(CLASSES)))

    def forward(self, mel: Tensor) -> Tensor:
        found = self.features(mel)
        return self.head(torch.cat([found.mean(2), found.amax(2)], 1))


def label(clip: Clip) -> int:
    """Index in ``CLASSES`` of what a clip is."""
    return CLASSES.index(clip.instrument if isinstance(clip, composition.Tune) else clip.effect)


def rendered(wanted: list[Clip]) -> Tensor:
    """Log-mels (N, 80, 432) of clips."""
    mels = []
    for start in range(0, len(wanted), 50):
        mels.append(log_mel(torch.from_numpy(clips.render(wanted[start : start + 50], FRAMES * HOP))))
    return torch.cat(mels)


def judge(report: Callable[[str], None]) -> Classifier:
    """The classifier of the user's cache; where there is none, it is trained (minutes on two cores).

    Args:
        report: Takes lines of progress.

    Raises:
        UsageError: The programs that render its clips are not installed.
    """
    return kept_judge(
        "sounds", 1, CLASSES, Classifier, _examples(report), steps=700, report=report, rate=3e-3, decay=1e-2
    )


def classify(network: Classifier, mels: Tensor) -> Tensor:
    """Ranking of ``CLASSES`` for log-mels (B, 80, F): indices (B, classes), best first."""
    with torch.no_grad():
        return network(mels).argsort(1, descending=True)


def _examples(report: Callable[[str], None]) -> Iterator[tuple[Tensor, Tensor]]:
    rng = random.Random("classifier")
    wanted = [_of_class(name, rng) for name in CLASSES for _ in range(PER_CLASS)]
    report(f"judge of sounds: rendering {len(wanted)} clips")
    mels, labels = rendered(wanted), torch.tensor([label(clip) for clip in wanted])
    while True:
        rows = torch.randint(len(mels), (48,))
        yield _varied(mels[rows]), labels[rows]


def _of_class(name: str, rng: random.Random) -> Clip:
    """A clip of a class, held out or not: whoever judges may know everything."""
    if name in effects.EFFECTS:
        levels = {axis: rng.choice((-1, 0, 1)) for axis in effects.EFFECTS[name].axes}
        return effects.Clip(name, **levels, far=rng.random() < 0.15, seed=rng.getrandbits(32))
    if name == "drums":
        return composition.Tune(
            name, rng.choice(composition.BEATS), rng.choice(composition.TEMPI), seed=rng.getrandbits(32)
        )
    return dataclasses.replace(
        music.draw(rng),
        instrument=name,
        figure=rng.choice(composition.FIGURES),
        octave=int(rng.random() < 0.4),
    )


def _varied(mels: Tensor) -> Tensor:
    """At other levels, with a little noise, and beginning a little later."""
    level = 0.3 * torch.randn(len(mels), 1, 1)
    moved = mels.roll(int(torch.randint(0, 12, ())), 2)
    return moved + level + 0.15 * torch.randn_like(mels)
