"""Tables as states: numbers, and species as tokens, which are denoised together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.diffusion import RectifiedFlow, Sample
from gen.diffusion.categorical import Masked
from gen.model import Model, ModelFile, Task
from gen_iris.network import Network

SPECIES = ("setosa", "versicolor", "virginica")


@dataclass(frozen=True)
class Codec:
    """``measures`` (rows, 4) in standard units, ``species`` (rows,)."""

    mean: Tensor
    std: Tensor

    def shape(self, task: Task) -> dict[str, tuple[int, ...]]:
        """Of one table."""
        rows = int(str(task.params["rows"]))
        return {"measures": (rows, 4), "species": (rows,)}

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> dict[str, Tensor]:  # noqa: ARG002
        """Of ``--init``."""
        numbers, species = (
            torch.from_numpy(artifacts[0].arrays[name])[None] for name in ("measures", "species")
        )
        return {"measures": (numbers - self.mean) / self.std, "species": species}

    def decode(self, state: dict[str, Tensor], task: Task) -> list[Artifact]:  # noqa: ARG002
        """Tables in cm."""
        numbers = (state["measures"] * self.std + self.mean).numpy().astype(np.float32)
        pairs = zip(numbers, state["species"].numpy(), strict=True)
        return [Artifact("iris", {"measures": row, "species": species}) for row, species in pairs]

    def mask(self, mask: Artifact, task: Task) -> dict[str, Tensor]:  # noqa: ARG002
        """1 where a cell is kept."""
        return {name: torch.from_numpy(array == 0).float()[None] for name, array in mask.arrays.items()}


def load(file: ModelFile, device: str, dtype: str) -> Model:  # noqa: ARG001
    """The model of a file with ``means`` and ``stds``, (K, 4) in cm."""
    means, stds = (file.tensors()[name] for name in ("means", "stds"))
    mean, std = means.mean(0), means.std(0)
    return file.model(
        process={"measures": RectifiedFlow(), "species": Masked(len(SPECIES), len(SPECIES))},
        parameterization={"measures": Sample()},
        network=Network((means - mean) / std, stds / std),
        codec=Codec(mean, std),
        batch=128,
    )
