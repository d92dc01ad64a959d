"""Train the model: ``python -m gen_example.train FOLDER``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gen.diffusion import Condition, Conditioning, RectifiedFlow, Sample
from gen.model import save_model
from gen.train import DiffusionLoss, Recipe, Settings, Stage, Task, halves, known_boxes, run, trained
from gen_example.model import SIDE, WORDS, Network, draw


def start(modules: Mapping[str, nn.Module], device: torch.device) -> Task:
    """The task to make fields from words and from parts that are known."""
    objective = DiffusionLoss(RectifiedFlow(), Sample())

    def loss(network: nn.Module, generator: torch.Generator) -> Tensor:
        fields, words = draw(64, generator)
        # One in ten without a word, so that guidance has an unconditional case.
        words = words * (torch.rand(64, 1, generator=generator) < 0.9)
        conditions = Conditioning(
            {
                "word": Condition(words, "global"),
                "known": Condition(known_boxes(fields, 0.3, generator), "channels"),
            }
        )
        return objective(network, fields.to(device), conditions.to(device), generator)

    return Task(module=Network().to(device), loss=loss)


def export(modules: Mapping[str, nn.Module], history: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Write the model file."""
    config = {
        "modality": "image",
        "names": "|".join(WORDS),
        "params": {"width": 8 * SIDE, "height": 8 * SIDE},
        "defaults": {"solver": "dpmpp_2m", "grid": "uniform", "steps": 12, "guidance": 1.5},
    }
    card = {"data": "Fields of colour, drawn by the recipe.", "licence": "CC0-1.0"}
    save_model(path, halves({"network": modules["network"]}), config, trained(card, "cpu", history))


if __name__ == "__main__":
    stage = Stage(name="network", settings=Settings(steps=1500, rate=2e-3), start=start)
    run(Recipe(name="example", stages=(stage,), export=export), Path(sys.argv[1]), report=print)
