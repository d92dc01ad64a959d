"""A small classifier of families, trained on shapes apart from the model's, that judges what was made."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.evaluation import kept_judge
from gen_mesh.grids import BAND, Array
from gen_mesh.training.data import shapes
from gen_mesh.training.data.builder import FAMILIES
from gen_mesh.training.data.things import STROKES

SIDE = 24
BATCH = 48


class Classifier(nn.Module):
    """Distances (B, 1, 24, 24, 24) in [-1, 1] to logits over the families (B, N); colours are not seen."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((1, 16), (16, 32), (32, 64)):
            layers += [
                nn.Conv3d(before, after, 3, padding=1),
                nn.BatchNorm3d(after),
                nn.ReLU(),
                nn.MaxPool3d(2),
            ]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(64 * 27, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(1))


def names() -> list[str]:
    """The families and, in place of the letter's, each letter, in the order of the logits."""
    letters = [f"letter {glyph}" for glyph in sorted(STROKES)]
    return [name for name in sorted(FAMILIES) if name != "letter"] + letters


def label(shape: shapes.Shape) -> str:
    """What the classifier should say of a shape."""
    return f"letter {shape.facts['glyph']}" if "glyph" in shape.facts else shape.family


def judge(report: Callable[[str], None]) -> Classifier:
    """Read the classifier from the cache, or train it (minutes on one core)."""
    classes = names()
    return kept_judge(
        "shapes", 1, classes, lambda: Classifier(len(classes)), _examples(classes), steps=700, report=report
    )


def _examples(classes: Sequence[str]) -> Iterator[tuple[Tensor, Tensor]]:
    """Distances (48, 1, 24, 24, 24) and labels (48,), for ever.

    The shapes are drawn with another seed than the model's, in every combination, shifted by up to two cells,
    with noise on their distances.
    """
    rng = random.Random(70_001)
    while True:
        labels = torch.tensor([rng.randrange(len(classes)) for _ in range(BATCH)])
        drawn = []
        for name in (classes[row] for row in labels.tolist()):
            family, _, glyph = name.partition(" ") if name.startswith("letter ") else (name, "", "")
            drawn.append(shapes.make(family, "grey", rng, {"glyph": glyph} if glyph else {}))
        inputs = torch.stack([_shrunk(torch.from_numpy(shape.grid()[0])) for shape in drawn])
        shifts = torch.randint(-1, 2, (3,)).tolist()
        inputs = torch.roll(inputs, shifts, (2, 3, 4))
        yield inputs + 0.05 * torch.randn(inputs.shape), labels


def _shrunk(distance: Tensor) -> Tensor:
    """(48, 48, 48) distances to (1, 24, 24, 24) in units of the band."""
    truncated = (distance / BAND).clamp(-1, 1)[None, None]
    return functional.avg_pool3d(truncated, 2)[0]


def ranked(network: Classifier, distances: list[Array]) -> list[list[str]]:
    """Names for grids of distances (48, 48, 48), best first."""
    classes = names()
    with torch.no_grad():
        logits = network(torch.stack([_shrunk(torch.from_numpy(np.asarray(one))) for one in distances]))
    return [[classes[i] for i in row] for row in logits.argsort(1, descending=True).tolist()]
