"""Checkpoints of a stage: one safetensors file, replaced atomically, from which a run goes on unchanged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn

from gen.atomic import atomic_file
from gen.errors import ModelError, line_of


def save(
    path: Path,
    module: nn.Module,
    average: nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
    progress: Mapping[str, float],
    losses: Sequence[float],
) -> None:
    """Write weights, averaged weights, optimiser states, progress and the last losses.

    A crash leaves the old file whole. Random numbers are not in it: those of a step follow from its number.
    """
    tensors = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for number, optimiser in enumerate(optimisers):
        for index, state in optimiser.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"optimiser.{number}.{index}.{key}"] = torch.as_tensor(value)
    metadata = {"progress": json.dumps(progress), "losses": json.dumps(losses)}
    with atomic_file(path, overwrite=True) as file:
        file.write(serialise({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata))


def load(
    path: Path,
    module: nn.Module,
    average: nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
) -> tuple[dict[str, float], list[float]]:
    """Restore what ``save`` wrote, in place; returns the progress and the last losses.

    Raises:
        ModelError: The file is damaged, or of another network or other optimisers.
    """
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
        progress: dict[str, float] = json.loads(metadata["progress"])
        losses: list[float] = json.loads(metadata.get("losses", "[]"))
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ModelError(
            f"the checkpoint {path} cannot be read: {line_of(error)}",
            "delete it to train its stage again, or choose another --out",
        ) from error
    try:
        module.load_state_dict(_part(tensors, "module."))
        average.load_state_dict(_part(tensors, "average."))
        for number, optimiser in enumerate(optimisers):
            _restore(optimiser, _part(tensors, f"optimiser.{number}."))
    except (RuntimeError, ValueError, KeyError) as error:
        raise ModelError(
            f"the checkpoint {path} is of another network: {line_of(error)}",
            "resume with the --preset of the run, or choose another --out",
        ) from error
    return progress, losses


def _restore(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        states.setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
