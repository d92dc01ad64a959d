"""What making many small things at once saves: rows of a table, one by one and as one batch.

The model is a network of three layers on 14 numbers, of the size that tables have, with 16 steps and
guidance. All ways are timed in turn, several rounds in one go, so that what else the machine does weighs on
all alike; the best of each is printed with its ratio. A row of the batch is the same bits as one that its
model makes alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gen.artifact import Artifact
from gen.diffusion import Condition, Conditioning, RectifiedFlow, Velocity
from gen.model import Defaults, Model, Task
from gen.plan import Item, Plan
from gen.plan.choices import core_choices
from gen.plugin.specs import ModalitySpec
from gen.run import generate

NUMBERS = 14


class Rows:
    """Rows as they are."""

    def shape(self, _task: Task) -> tuple[int, ...]:
        return (NUMBERS,)

    def decode(self, state: Tensor, _task: Task) -> list[Artifact]:
        return [Artifact("row", {"numbers": row.numpy()}) for row in state]


class Network(nn.Module):
    """Three layers."""

    def __init__(self) -> None:
        super().__init__()
        wide = nn.Linear(NUMBERS + 2, 256), nn.SiLU(), nn.Linear(256, 256), nn.SiLU()
        self.layers = nn.Sequential(*wide, nn.Linear(256, NUMBERS)).requires_grad_(False)

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        return self.layers(torch.cat([x, c_noise[:, None], conditioning["class"].value], 1))


def encoder(prompts: Sequence[str], _params: Mapping[str, object]) -> Conditioning:
    """One number of each prompt."""
    return Conditioning({"class": Condition(torch.tensor([[float(len(one))] for one in prompts]), "global")})


def plan(seeds: Sequence[int]) -> Plan:
    """One row for each seed."""
    names = ("summary", "loader", "default_model", "default_format")
    spec = ModalitySpec(name="table", kind="row", **dict.fromkeys(names, ""))
    file: Any = SimpleNamespace(name="rows", sha256="0" * 64, names=())
    settled = {"negative": "", "params": {}, "device": "cpu", "dtype": "float32"}
    return Plan(
        spec=spec,
        own=(),
        loader="",
        plugin="",
        file=file,
        licence="",
        items=tuple(Item(index, "a", seed) for index, seed in enumerate(seeds)),
        steps=16,
        guidance=2.0,
        choices=core_choices("ddim", "uniform"),
        **settled,
    )


def model(network: Network, batch: int) -> Model:
    """The model that always makes so many at once."""
    return Model(
        name="rows",
        modality="table",
        sha256="0" * 64,
        codec=Rows(),
        defaults=Defaults(solver="ddim", grid="uniform", steps=16, guidance=2.0),
        process=RectifiedFlow(),
        parameterization=Velocity(),
        network=network,
        encoder=encoder,
        batch=batch,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    network, count = Network(), arguments.rows
    one, many = model(network, 1), model(network, count)
    ways = {
        f"{count} rows one by one": lambda: list(generate(plan(range(count)), one)),
        f"{count} rows as one batch": lambda: list(generate(plan(range(count)), many)),
        "one row of the model with batches": lambda: list(generate(plan([count - 1]), many)),
    }
    best = dict.fromkeys(ways, float("inf"))
    last: dict[str, Artifact] = {}
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            last[name] = way()[-1]
            best[name] = min(best[name], time.perf_counter() - started)
    first = next(iter(best.values()))
    for name, seconds in best.items():
        print(f"{name:36} {seconds:7.3f} s   {first / seconds:6.1f} times as fast as the first")
    rows = [artifact.arrays["numbers"] for artifact in last.values()]
    print("the last row of the batch and alone:", "same bits" if np.array_equal(*rows[1:]) else "other bits")


if __name__ == "__main__":
    main()
