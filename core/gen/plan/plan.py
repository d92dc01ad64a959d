"""A request in which nothing is left open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gen.model import ModelSource
from gen.plan.choices import Choices
from gen.plan.editing import Editing
from gen.plugin.specs import KindSpec, ModalitySpec, Param, RunSpec
from gen.recipe import AnyRecipe, Input, ModelReference, Recipe

if TYPE_CHECKING:
    from gen.artifact import Artifact
    from gen.checkpoints import Checkpoint, Component


@dataclass(frozen=True)
class Item:
    """One artifact to be made.

    Args:
        index: Place in the batch, from 0.
        prompt: What to make.
        seed: The item's own seed.
        share: Where it lies between two ends, 0 to 1.
    """

    index: int
    prompt: str
    seed: int
    share: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """A request in which nothing is left open. Fields as in ``Request`` unless said.

    Args:
        spec: The modality.
        own: The parameters of the modality and of the model.
        loader: Import string of what makes the model of its file.
        plugin: Label of the plugin whose loader it is, and whose model it makes.
        file: The model's file; its tensors are not loaded.
        licence: SPDX expression of the weights; empty when unknown.
        variant: Of a checkpoint's weights that was asked for; empty when none was.
        items: What to make.
        choices: Solver, grid, guidance, cache and noise rule.
        params: All parameters that are decided; one that is absent is for the model to decide.
        init, mask: Artifacts, read and checked.
        editing: What else is edited.
        artifacts: Those of the parameters that are files, by name.
        checkpoints: Those of the parameters that are checkpoints, by name.
        inputs: The files behind them.
        parents: Recipes of those files that carried one.
        versions: Versions of what takes part.
        runs: The run hooks of plugins that take part.
        abilities: Of the model.
        kind: What is declared about the kind of what is made; None where nobody declares it.
    """

    spec: ModalitySpec
    own: tuple[Param, ...]
    loader: str
    plugin: str
    file: ModelSource
    licence: str
    items: tuple[Item, ...]
    negative: str
    steps: int
    guidance: float
    choices: Choices
    params: Mapping[str, int | float | bool | str]
    device: str
    dtype: str
    threads: int | None = None
    variant: str = ""
    init: Artifact | None = None
    strength: float | None = None
    mask: Artifact | None = None
    editing: Editing = field(default_factory=Editing)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    checkpoints: Mapping[str, Checkpoint | Component] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    parents: tuple[AnyRecipe, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    runs: tuple[RunSpec, ...] = ()
    abilities: frozenset[str] = frozenset()
    kind: KindSpec | None = None

    @property
    def values(self) -> Mapping[str, object]:
        """All parameters that are decided, artifacts and checkpoints among them."""
        return {**self.params, **self.artifacts, **self.checkpoints}

    @property
    def solver(self) -> str:
        """The solver's name with its settings."""
        return str(self.choices.solver)

    @property
    def grid(self) -> str:
        """The grid's name with its settings, or its list of numbers."""
        return str(self.choices.grid)

    def recipe(self, item: Item) -> Recipe:
        """How an item comes about."""
        return Recipe(
            modality=self.spec.name,
            prompt=item.prompt,
            negative=self.negative,
            seed=item.seed,
            steps=self.steps,
            guidance=self.guidance,
            solver=self.solver,
            grid=self.grid,
            guides=tuple(map(str, self.choices.guides)),
            cache="" if self.choices.cache is None else str(self.choices.cache),
            noise=str(self.choices.noise),
            strength=self.strength,
            edits=self.editing.noted(item.share),
            params=self.params,
            model=ModelReference(
                name=self.file.name, sha256=self.file.sha256, licence=self.licence, variant=self.variant
            ),
            inputs=self.inputs,
            parents=self.parents,
            versions=self.versions,
            device=self.device,
            dtype=self.dtype,
            threads=self.threads,
        )
