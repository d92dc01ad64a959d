"""A small classifier of families, trained on shapes apart from the model's, that judges what was made."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from gen_mesh.data import shapes
from gen_mesh.data.builder import FAMILIES
from gen_mesh.data.fields import Array
from gen_mesh.data.things import STROKES

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


def load_or_train(path: Path, report: Callable[[str], None], steps: int = 700) -> Classifier:
    """Read the classifier at ``path``, or train and write it (minutes on one core).

    Its shapes are drawn with another seed than the model's, in every combination, shifted by up to two cells,
    with noise on their distances.
    """
    classes = names()
    network = Classifier(len(classes))
    if path.exists():
        network.load_state_dict(load_file(path))
        return network.eval()
    torch.manual_seed(7)
    rng = random.Random(70_001)
    generator = torch.Generator().manual_seed(7)
    rows = {name: row for row, name in enumerate(classes)}
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for step in range(steps):
        drawn = []
        for _ in range(BATCH):
            name = rng.choice(classes)
            family, _, glyph = name.partition(" ") if name.startswith("letter ") else (name, "", "")
            drawn.append(shapes.make(family, "grey", rng, {"glyph": glyph} if glyph else {}))
        inputs = torch.stack([_shrunk(torch.from_numpy(shape.grid()[0])) for shape in drawn])
        shifts = [int(torch.randint(-1, 2, (), generator=generator)) for _ in range(3)]
        inputs = torch.roll(inputs, shifts, (2, 3, 4)) + 0.05 * torch.randn(inputs.shape, generator=generator)
        target = torch.tensor([rows[label(shape)] for shape in drawn])
        loss = functional.cross_entropy(network(inputs), target, label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
        if step % 100 == 0:
            report(f"classifier: step {step} of {steps}, loss {loss.item():.3f}")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), path)
    return network.eval()


def _shrunk(distance: Tensor) -> Tensor:
    """(48, 48, 48) distances to (1, 24, 24, 24) in units of the band."""
    truncated = (distance / shapes.BAND).clamp(-1, 1)[None, None]
    return functional.avg_pool3d(truncated, 2)[0]


def ranked(network: Classifier, distances: list[Array]) -> list[list[str]]:
    """Names for grids of distances (48, 48, 48), best first."""
    classes = names()
    with torch.no_grad():
        logits = network(torch.stack([_shrunk(torch.from_numpy(np.asarray(one))) for one in distances]))
    return [[classes[i] for i in row] for row in logits.argsort(1, descending=True).tolist()]
