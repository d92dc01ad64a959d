"""Plans and models that are put together by hand, without a plugin or a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.diffusion import Condition, Conditioning
from gen.model import Defaults, Model, Task
from gen.plan import Item, Plan
from gen.plan.choices import core_choices
from gen.plugin.specs import ModalitySpec, Param

DEFAULTS = Defaults(solver="ddim", grid="uniform", steps=4, guidance=1.0)


def plan(*prompts: str, seeds: Sequence[int] = (), params: tuple[Param, ...] = (), **changes: Any) -> Plan:
    """A plan for prompts, one item each."""
    spec = ModalitySpec(
        name="thing", kind="thing", summary="", loader="", default_model="", default_format="", params=params
    )
    prompts = prompts or ("",)
    items = tuple(
        Item(index, prompt, seed)
        for index, (prompt, seed) in enumerate(zip(prompts, seeds or range(7, 7 + len(prompts)), strict=True))
    )
    settled = {
        "negative": "",
        "steps": 4,
        "guidance": 1.0,
        "solver": "ddim",
        "grid": "uniform",
        "params": {},
        "device": "cpu",
        "dtype": "float32",
        **changes,
    }
    file: Any = SimpleNamespace(name="toy", sha256="0" * 64, names=())
    settled["choices"] = core_choices(settled.pop("solver"), settled.pop("grid"))
    made = {"own": params, "loader": "", "plugin": "", "licence": ""}
    return Plan(spec=spec, file=file, items=items, **made, **settled)


def model(codec: Any, **parts: Any) -> Model:
    """A model of these parts."""
    return Model(name="toy", modality="thing", sha256="0" * 64, codec=codec, defaults=DEFAULTS, **parts)


class Arrays:
    """A codec whose artifacts hold the state itself.

    Args:
        shape: Of the state, or of each part.
    """

    def __init__(self, shape: tuple[int, ...] | Mapping[str, tuple[int, ...]]) -> None:
        self._shape = shape

    def shape(self, _task: Task) -> Any:
        return self._shape

    def decode(self, state: Any, _task: Task) -> list[Artifact]:
        parts = state if isinstance(state, Mapping) else {"": state}
        (rows,) = {len(part) for part in parts.values()}
        return [
            Artifact("thing", {name: part[row].numpy() for name, part in parts.items()})
            for row in range(rows)
        ]

    def encode(self, artifacts: Sequence[Artifact], _task: Task) -> Any:
        parts = {
            name: torch.stack([torch.from_numpy(one.arrays[name]) for one in artifacts])
            for name in artifacts[0].arrays
        }
        return parts if isinstance(self._shape, Mapping) else parts[""]

    def mask(self, mask: Artifact, task: Task) -> Any:
        """1 where the mask's arrays are 0."""
        marks = self.encode([mask], task)
        if isinstance(marks, Mapping):
            return {name: (part == 0).float() for name, part in marks.items()}
        return (marks == 0).float()


class Numbers:
    """An encoder of prompts that are numbers: the condition ``number`` (B, 1); no text is 0."""

    def __call__(self, prompts: Sequence[str], _params: Mapping[str, object]) -> Conditioning:
        values = [[float(prompt or 0)] for prompt in prompts]
        return Conditioning({"number": Condition(torch.tensor(values), "global")})


def number(conditioning: Conditioning, x: Tensor) -> Tensor:
    """The number of each item, broadcast to the state."""
    return conditioning["number"].value.reshape(-1, *[1] * (x.ndim - 1)).expand_as(x)


def thing(**arrays: Any) -> Artifact:
    """An artifact; ``state=`` is that of a state of one tensor."""
    named = {"" if name == "state" else name: np.asarray(array) for name, array in arrays.items()}
    return Artifact("thing", named)


Network = Callable[[Tensor, Tensor, Conditioning], Tensor]
