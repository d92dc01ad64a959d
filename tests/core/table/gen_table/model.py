"""Rows of two numbers and a kind: a mixture of two normal laws, each with its own law of kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.diffusion import Condition, Conditioning, RectifiedFlow, Sample
from gen.diffusion.categorical import Masked
from gen.errors import UsageError
from gen.metadata import Metadata
from gen.model import Model, ModelFile, Task

KINDS = ("cat", "dog")
MEANS = torch.tensor([[4.0, 25.0], [30.0, 60.0]])
"""Weight and height of cats and dogs."""
SPREAD = torch.tensor([1.0, 5.0])
LAW = torch.tensor([[0.98, 0.02], [0.02, 0.98]])
"""How often each group has each kind."""


class Rows:
    """Rows as states of two parts: standardised numbers (2,), and the kind (1,)."""

    def shape(self, _task: Task) -> Mapping[str, tuple[int, ...]]:
        return {"numbers": (2,), "kind": (1,)}

    def decode(self, state: Mapping[str, Tensor], _task: Task) -> list[Artifact]:
        rows = zip(state["numbers"] * SPREAD, state["kind"], strict=True)
        return [Artifact("row", {"numbers": a.numpy(), "kind": b.numpy()}) for a, b in rows]

    def encode(self, artifacts: Sequence[Artifact], _task: Task) -> dict[str, Tensor]:
        numbers = np.stack([one.arrays["numbers"] for one in artifacts])
        kinds = np.stack([one.arrays["kind"] for one in artifacts])
        return {"numbers": torch.from_numpy(numbers) / SPREAD, "kind": torch.from_numpy(kinds)}

    def mask(self, mask: Artifact, _task: Task) -> dict[str, Tensor]:
        return {name: torch.from_numpy(array == 0)[None].float() for name, array in mask.arrays.items()}


def network(
    x: Mapping[str, Tensor], time: Mapping[str, Tensor], conditioning: Conditioning
) -> dict[str, Tensor]:
    """The expected row, exactly: every group is weighed by how well it explains what is seen."""
    t = time["numbers"][:, None, None]
    means, seen = MEANS / SPREAD, x["numbers"][:, None]
    variance = (1 - t) ** 2 + t**2
    fit = -((seen - (1 - t) * means).square() / (2 * variance)).sum(2)
    kinds = torch.cat([LAW, torch.ones(2, 1)], 1).T
    fit = fit + kinds[x["kind"][:, 0]].log()
    if "known/numbers" in conditioning:
        keep, known = conditioning["known/numbers"].value.unbind(1)
        fit = fit - (keep[:, None] * (known[:, None] - means).square()).sum(2) / 2
    if "only" in conditioning:
        fit = fit + conditioning["only"].value
    share = fit.softmax(1)
    numbers = means + (1 - t) / variance * (seen - (1 - t) * means)
    return {"numbers": (share[..., None] * numbers).sum(1), "kind": (share @ LAW).log()[:, None]}


class Only:
    """The prompt or the parameter ``only`` names a kind; neither, any."""

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:
        rows = [
            torch.tensor([9.0 * ((prompt or params.get("only")) == kind) for kind in KINDS])
            for prompt in prompts
        ]
        return Conditioning({"only": Condition(torch.stack(rows), "global")})


def load(file: ModelFile, _device: str, _dtype: str) -> Model:
    return file.model(
        process={"numbers": RectifiedFlow(), "kind": Masked(2, mask_token=2)},
        parameterization={"numbers": Sample()},
        network=network,
        codec=Rows(),
        batch=128,
    )


def load_asked(file: ModelFile, device: str, dtype: str) -> Model:
    return replace(load(file, device, dtype), encoder=Only())


def write(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    weight, height = artifact.arrays["numbers"]
    row = f"{weight:.4f},{height:.4f},{KINDS[artifact.arrays['kind'][0]]}"
    file.write(f"{row}\n# {metadata.recipe}\n".encode())


def read(file: BinaryIO) -> Artifact:
    try:
        *numbers, kind = file.readline().decode().strip().split(",")
        token = KINDS.index(kind) if kind in KINDS else int(kind)
        values = {"numbers": np.array(numbers, np.float32), "kind": np.array([token])}
    except ValueError as error:
        raise UsageError("it is no row of weight, height and kind") from error
    return Artifact("row", values)


def read_metadata(file: BinaryIO) -> Mapping[str, str]:
    return {"gen": file.read().decode().partition("# ")[2].strip()}
