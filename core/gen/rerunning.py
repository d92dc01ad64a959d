"""Artifacts made again from their recipes, together with everything that they were made of."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gen import formats
from gen.api import find_host, plan_again, read_recipe, run
from gen.artifact import Artifact
from gen.atomic import temporary_folder
from gen.conversion import convert
from gen.errors import PluginError, UsageError
from gen.plan.inputs import Source
from gen.plugin.host import Host
from gen.recipe import SOURCE, AnyRecipe, Conversion, Input
from gen.run import Progress, load


def rerun(
    source: AnyRecipe | Artifact | str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = None,
    init: Source | None = None,
    mask: Source | None = None,
    inputs: Mapping[str, Source] | None = None,
    device: str | None = None,
    allow_pickle: bool = False,
    on_step: Callable[[Progress], None] | None = None,
) -> Artifact:
    """Make an artifact again from its recipe: the same bits on the same machine and versions.

    An input that is not given is made again first, where the recipe contains that of the input.

    Args:
        source: A recipe, an artifact that carries one, or a file that does.
        model: Where the recipe's model is, when it is not registered under its name; it must be the same
            bytes.
        init, mask: What the generation started from, when it did; the same bytes, too.
        inputs: The files behind the modality's own parameters, or those of a converter, by name; the same
            bytes. ``source`` is what a converter converted.
        device: Where to run; that of the recipe by default.
        allow_pickle: Whether a checkpoint's weights in pickles are read, as weights only.
        on_step: Called after each step.

    Raises:
        UsageError: There is no recipe, or an input is missing or another one.
        ModelError: The model is missing or another one.
        gen.errors.GenError: The generation failed.
    """
    host = find_host()
    given = {"init": init, "mask": mask, **(inputs or {})}
    files = {role: file for role, file in given.items() if file is not None}
    return Maker(host, device, on_step, allow_pickle).make(read_recipe(source, host), files, model)


@dataclass
class Maker:
    """Makes artifacts of recipes, each recipe once.

    Args:
        host: Where plugins come from.
        device: Where to run; that of each recipe by default.
        on_step: Called after each step.
        allow_pickle: Whether a checkpoint's weights in pickles are read, as weights only.
    """

    host: Host
    device: str | None = None
    on_step: Callable[[Progress], None] | None = None
    allow_pickle: bool = False
    _made: dict[str, Artifact] = field(default_factory=dict)

    def make(
        self,
        recipe: AnyRecipe,
        files: Mapping[str, Source],
        model: str | os.PathLike[str] | None = None,
    ) -> Artifact:
        """Make an artifact.

        Args:
            recipe: How.
            files: Those of its inputs that are there, by role; the others are made.
            model: See ``rerun``.

        Raises:
            UsageError: An input is missing or another one.
            gen.errors.GenError: The generation or the conversion failed.
        """
        made = self.inputs(recipe, files)
        if isinstance(recipe, Conversion):
            return self._converted(recipe, {**files, **made}, made)
        plan = plan_again(
            recipe,
            self.host,
            model=model,
            inputs={**files, **made},
            remade=frozenset(made),
            device=self.device,
            allow_pickle=self.allow_pickle,
        )
        return run(plan, load(plan, self.host), self.on_step)[0]

    def inputs(self, recipe: AnyRecipe, files: Mapping[str, Source]) -> dict[str, Artifact]:
        """The inputs of a recipe that are not among the files and can be made, by role."""
        parents = {item: recipe.parent_of(item) for item in recipe.inputs if item.role not in files}
        return {
            item.role: self._input(item, parent) for item, parent in parents.items() if parent is not None
        }

    def _input(self, item: Input, recipe: AnyRecipe) -> Artifact:
        """An input as it was read: rounded as its format rounds."""
        key = f"{item.format} {recipe.to_json()}"
        if key not in self._made:
            artifact = self.make(recipe, {})
            self._made[key] = _stored(artifact, item.format, self.host) if item.format else artifact
        return self._made[key]

    def _converted(
        self, recipe: Conversion, files: Mapping[str, Source], made: Mapping[str, Artifact]
    ) -> Artifact:
        wanted = {item.role: item for item in recipe.inputs}
        for role in files:
            if role not in wanted:
                raise UsageError(f"the recipe has no input {role!r}", "leave it out")
        for role, item in wanted.items():
            if role not in files:
                raise UsageError(
                    f"the recipe needs {item.name} as {role}", f"add `inputs={{'{role}': FILE}}`"
                )
        found = (
            spec
            for spec in self.host.converters()
            if (spec.name, spec.target) == (recipe.converter, recipe.kind)
        )
        spec = next(found, None)
        if spec is None:
            raise PluginError(
                f"the recipe's converter {recipe.converter!r} is not installed",
                "`gen converters` lists what there is",
            )
        others = {role: file for role, file in files.items() if role != SOURCE}
        params = {name: value for name, value in recipe.params.items() if value is not None}
        for param in spec.params:
            if param.kind and param.name in params:
                raise UsageError(f"the recipe names a file as {param.name} that is not among its inputs")
        artifact = convert(files[SOURCE], (spec,), {**params, **others}, self.host)
        assert artifact.recipe is not None
        for item in artifact.recipe.inputs:
            if item.role not in made and item.sha256 != wanted[item.role].sha256:
                raise UsageError(f"{item.name} is not the {item.role} of the recipe", "its sha256 differs")
        again = replace(artifact.recipe, inputs=recipe.inputs, parents=recipe.parents)
        return replace(artifact, recipe=again)


def _stored(artifact: Artifact, name: str, host: Host) -> Artifact:
    """What comes back of an artifact from a file of a format."""
    form = formats.find_format(host.formats(artifact.kind), name=name, kind=artifact.kind)
    with temporary_folder() as folder:
        path = folder / f"input{form.suffixes[0]}"
        formats.write(artifact, path, [form], name=form.name)
        return formats.read(path, [form], kind=artifact.kind)
