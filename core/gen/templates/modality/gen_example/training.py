"""The recipe behind ``gen train example --recipe first``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gen.diffusion import Condition, Conditioning, RectifiedFlow, Velocity
from gen.model import save_model
from gen.train import DiffusionLoss, Recipe, Settings, Stage, Task, halves, known_boxes, trained
from gen_example.model import LENGTH, WORDS, Network


def recipe(preset: str, folder: Path, report: Callable[[str], None]) -> Recipe:
    """One stage, which trains the network on curves that are drawn here."""

    def start(modules: Mapping[str, nn.Module], device: torch.device) -> Task:
        objective = DiffusionLoss(RectifiedFlow(), Velocity())

        def loss(network: nn.Module, generator: torch.Generator) -> Tensor:
            words = torch.randint(len(WORDS), (256,), generator=generator)
            curves = draw(words, generator)
            # One in ten without a word, so that guidance has an unconditional case.
            words = (words + 1) * (torch.rand(256, generator=generator) < 0.9)
            conditions = Conditioning(
                {
                    "word": Condition(words[:, None], "global"),
                    "known": Condition(known_boxes(curves, 0.3, generator), "channels"),
                }
            )
            return objective(network, curves.to(device), conditions.to(device), generator)

        return Task(module=Network().to(device), loss=loss)

    def export(
        modules: Mapping[str, nn.Module], history: Mapping[str, Mapping[str, float]], path: Path
    ) -> None:
        config = {
            "modality": "example",
            "names": "|".join(WORDS),
            "defaults": {"solver": "dpmpp_2m", "grid": "uniform", "steps": 12, "guidance": 2.0},
        }
        card = {"data": "Curves of four forms, drawn by the recipe.", "licence": "CC0-1.0"}
        save_model(path, halves({"network": modules["network"]}), config, trained(card, preset, history))

    settings = Settings(steps=3000, rate=2e-3)
    stage = Stage(name="network", settings=settings, start=start)
    return Recipe(name="first", stages=(stage,), export=export)


def draw(words: Tensor, generator: torch.Generator) -> Tensor:
    """Curves (B, 1, LENGTH) in [-1, 1] of the forms that ``WORDS`` names.

    Args:
        words: Indices of ``WORDS`` (B,).
        generator: Source of randomness.
    """
    count = len(words)
    height, shift = torch.rand(2, count, 1, generator=generator)
    t = torch.linspace(0, 1, LENGTH)
    size = 0.5 + height / 2
    forms = torch.stack(
        [
            size * (2 * t - 1),
            size * (1 - 2 * t),
            size * torch.sin(2 * torch.pi * (2 * t + shift)),
            size * (2 * torch.exp(-(((t - 0.3 - 0.4 * shift) / 0.15) ** 2)) - 1),
        ],
        1,
    )
    return forms[torch.arange(count), words][:, None]
