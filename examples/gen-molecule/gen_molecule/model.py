"""Molecules as states: places, and elements as tokens, which are denoised together."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.diffusion import Condition, Conditioning, RectifiedFlow, Sample
from gen.diffusion.categorical import Masked
from gen.model import Model, ModelFile, Task
from gen_molecule.files import ELEMENTS
from gen_molecule.network import Network


@dataclass(frozen=True)
class Encoder:
    """Names of molecules; the empty prompt leaves all of them.

    Args:
        names: Of all molecules.
        sizes: How many atoms each has.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:  # noqa: ARG002
        """The condition ``named``, (B, M): 1 for each molecule that is meant."""
        meant = [[float(name in self._named(prompt)) for name in self.names] for prompt in prompts]
        return Conditioning({"named": Condition(torch.tensor(meant), "global")})

    def settle(self, prompt: str, params: Mapping[str, object], seed: int) -> Mapping[str, int]:
        """The number of atoms, drawn by the seed among those that the prompt leaves."""
        if "atoms" in params:
            return {}
        named = self._named(prompt)
        sizes = [size for name, size in zip(self.names, self.sizes, strict=True) if name in named]
        return {"atoms": random.Random(seed).choice(sizes)}

    def _named(self, prompt: str) -> tuple[str, ...]:
        return tuple(name for name in self.names if name in prompt.lower()) or self.names


class Codec:
    """``places`` (atoms, 3) in angstroms, ``elements`` (atoms,)."""

    def shape(self, task: Task) -> dict[str, tuple[int, ...]]:
        """Of one molecule."""
        atoms = int(str(task.params["atoms"]))
        return {"places": (atoms, 3), "elements": (atoms,)}

    def decode(self, state: dict[str, Tensor], task: Task) -> list[Artifact]:  # noqa: ARG002
        """Molecules."""
        pairs = zip(state["places"].numpy().astype(np.float32), state["elements"].numpy(), strict=True)
        return [Artifact("molecule", {"places": places, "elements": elements}) for places, elements in pairs]


def load(file: ModelFile, device: str, dtype: str) -> Model:  # noqa: ARG001
    """The model of a file with ``places``, ``elements`` and ``sizes``."""
    tensors = file.tensors()
    places, elements, sizes = (tensors[name] for name in ("places", "elements", "sizes"))
    return file.model(
        process={"places": RectifiedFlow(), "elements": Masked(len(ELEMENTS), len(ELEMENTS))},
        parameterization={"places": Sample()},
        network=Network(places, elements, sizes, len(ELEMENTS)),
        encoder=Encoder(file.names, tuple(sizes.tolist())),
        codec=Codec(),
        batch=64,
    )
