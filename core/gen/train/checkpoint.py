"""Checkpoints of a stage: one safetensors file, replaced atomically, from which a run goes on unchanged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn

from gen.atomic import atomic_file


def save(
    path: Path,
    module: nn.Module,
    average: nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
    progress: dict[str, float],
) -> None:
    """Write weights, averaged weights, optimiser states and progress; a crash leaves the old file whole."""
    tensors = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for number, optimiser in enumerate(optimisers):
        for index, state in optimiser.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"optimiser.{number}.{index}.{key}"] = torch.as_tensor(value)
    metadata = {"progress": json.dumps(progress)}
    with atomic_file(path, overwrite=True) as file:
        file.write(serialise({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata))


def load(
    path: Path,
    module: nn.Module,
    average: nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
) -> dict[str, float]:
    """Restore what ``save`` wrote, in place; returns the progress."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        progress: dict[str, float] = json.loads(file.metadata()["progress"])
    module.load_state_dict(_part(tensors, "module."))
    average.load_state_dict(_part(tensors, "average."))
    for number, optimiser in enumerate(optimisers):
        states: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _part(tensors, f"optimiser.{number}.").items():
            index, key = name.split(".", 1)
            states.setdefault(int(index), {})[key] = tensor
        optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})
    return progress


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
