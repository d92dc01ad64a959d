"""Training the denoiser of a model on: sizes of the run, what it begins with, and the file in the end."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from gen.model import ModelFile, save_model
from gen.nn import Subwords
from gen.train.export import halves, trained
from gen.train.recipe import Settings

Items = TypeVar("Items", int, Mapping[str, int])


@dataclass(frozen=True, kw_only=True)
class Preset(Generic[Items]):
    """Sizes of a run.

    Args:
        denoiser: How the denoiser is optimised.
        batch: Items per step.
        items: In the bank, or of each kind in it.
    """

    denoiser: Settings
    batch: int
    items: Items


def between(before: nn.Module, after: nn.Module, share: float) -> nn.Module:
    """A network whose weights are a share of the way from those before training to those after it.

    Wortsman et al. 2022, "Robust fine-tuning of zero-shot models": it keeps more of what was learned before
    than the network after, at little cost to what is new.

    Args:
        before, after: Alike in their parameters; neither is changed.
        share: 0 for the network before, 1 for that after.
    """
    mixed = copy.deepcopy(after)
    old, new = before.state_dict(), after.state_dict()
    mixed.load_state_dict({name: torch.lerp(old[name], new[name], share) for name in new})
    return mixed


@dataclass(frozen=True, eq=False)
class Start:
    """A model to train on: all but its denoiser stays.

    Args:
        path: Of its file.
    """

    path: Path
    architecture: ClassVar[str]

    @cached_property
    def file(self) -> ModelFile:
        """Its file."""
        file = ModelFile(self.path)
        file.require_architecture(self.architecture)
        return file

    @property
    def subwords(self) -> Subwords:
        """Of its captions, where it does not read the shared table of words."""
        return Subwords(str(self.file.config["subwords"]))

    @property
    def scale(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (C,) of its latents."""
        return self.file.latent_scale("cpu", dimensions=0)

    @property
    def weights(self) -> dict[str, Tensor]:
        """Of its denoiser, in float32."""
        return self.file.tensors(dtype=torch.float32, prefix="denoiser.")

    def save(
        self,
        path: Path,
        denoiser: nn.Module,
        config: Mapping[str, object],
        card: Mapping[str, object],
        history: Mapping[str, Mapping[str, float]],
    ) -> None:
        """Write the model with the denoiser that was trained on.

        Args:
            path: Of the new file.
            denoiser: With its new weights.
            config: Entries that take the place of those of the old file.
            card: As of ``trained``; the history of the old file stays in it.
            history: Of the run.
        """
        others = {name: of for name, of in self.file.tensors().items() if not name.startswith("denoiser.")}
        begun = cast("Mapping[str, Mapping[str, float]]", self.file.card.get("training", {}))
        further = {f"{stage}, further": of for stage, of in history.items()}
        save_model(
            path,
            {**others, **halves({"denoiser": denoiser})},
            {**self.file.config, **config},
            {**trained(card, "further", {**begun, **further}), "start": self.file.sha256},
        )
