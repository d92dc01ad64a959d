"""What every plugin must satisfy: the checks behind ``gen plugins check``, and a base class for its tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gen.errors import PluginError
from gen.plugin.host import Host
from gen.plugin.loading import Plugin
from gen.plugin.specs import ModalitySpec
from gen.testing.findings import Finding
from gen.testing.imports import assert_light_import
from gen.testing.trials import try_modality

if TYPE_CHECKING:
    from gen.artifact import Artifact


def check_plugin(host: Host, name: str) -> list[Finding]:
    """Try one plugin against the contract. Imports everything that it declares, heavy code included.

    Args:
        host: Where the plugin is found.
        name: Name of the plugin.

    Returns:
        What is wrong; empty for a plugin that keeps the contract.

    Raises:
        PluginError: There is no plugin of that name.
    """
    return list(_findings(host, name))


def _findings(host: Host, name: str) -> Iterator[Finding]:
    plugin = host.load(name)
    record = host.record(name)
    if plugin is None:
        yield Finding("error", record.reason, f"`gen plugins show {name}` has the traceback")
        return
    try:
        assert_light_import(record.module)
    except AssertionError as error:
        yield Finding("warning", str(error), "import it inside the functions that use it")
    if plugin.modality is None and not any(plugin.lists.values()):
        yield Finding("warning", "it declares nothing", "implement a hook, such as gen_models or gen_formats")
    declared = list(_declared_findings(host, plugin))
    yield from declared
    if plugin.modality is not None and not any(found.level == "error" for found in declared):
        yield from try_modality(host, plugin.modality)


FUNCTIONS = ("factory", "before", "around", "after", "run", "convert", "validate", "distance")
"""Fields of specs of solvers, run hooks, commands, converters and kinds that are import strings."""


def _declared_findings(host: Host, plugin: Plugin) -> Iterator[Finding]:
    if plugin.modality is not None:
        yield from _modality_findings(host, plugin.modality)
    for form in plugin.formats:
        for import_string in (form.writer, form.reader, form.metadata_reader, form.can_read):
            yield from _import_findings(host, import_string)
    for specs in plugin.lists.values():
        for spec in specs:
            for field in FUNCTIONS:
                yield from _import_findings(host, getattr(spec, field, ""))


def _modality_findings(host: Host, spec: ModalitySpec) -> Iterator[Finding]:
    recipes = (recipe.factory for recipe in spec.recipes)
    for import_string in (spec.loader, spec.evaluation, *recipes):
        yield from _import_findings(host, import_string)
    models = [model.name for model in host.models(spec.name)]
    if spec.default_model not in models:
        yield Finding(
            "error",
            f"default_model {spec.default_model!r} is not among its models ({', '.join(models) or 'none'})",
            "declare it in gen_models",
        )
    if spec.default_format not in [form.name for form in host.formats(spec.kind)]:
        yield Finding(
            "error",
            f"default_format {spec.default_format!r} is no format for the kind {spec.kind!r}",
            "declare it in gen_formats",
        )


def _import_findings(host: Host, import_string: str) -> Iterator[Finding]:
    if not import_string:
        return
    try:
        found = host.resolve(import_string)
    except PluginError as error:
        yield Finding("error", error.message, "name a function as package.module:name")
        return
    if not callable(found):
        yield Finding("error", f"{import_string!r} cannot be called", "name a function")


class ModalityConformance:
    """Tests that every modality passes; subclass it in the plugin's own test suite.

    Set `name` and a `prompt` that the default model knows, and pytest collects the tests below with the
    plugin's own. The distribution must be installed, with its default model at hand::

        class TestMusic(ModalityConformance):
            name = "music"
            prompt = "a slow waltz"
    """

    name: ClassVar[str]
    prompt: ClassVar[str | None] = None
    """What to make; None where the model needs no prompt."""

    options: ClassVar[Mapping[str, Any]] = {}
    """What to generate with, so that the tests stay quick: ``{"steps": 2}``, or a small size."""

    def test_keeps_the_contract(self) -> None:
        """The plugin is found, stays light, and all that it declares is there."""
        findings = check_plugin(Host.discover(), self.name)
        assert not findings, "\n".join(f"{finding.level}: {finding.message}" for finding in findings)

    def test_seed_decides(self) -> None:
        """The same seed makes the same thing, another seed another."""
        from gen.artifact import distance

        first, same, other = self._made(1), self._made(1), self._made(2)
        assert distance(first, same) == 0
        assert distance(first, other) > 0

    def test_item_of_a_batch_is_the_single_one(self) -> None:
        """Items that go through the network together do not see each other; rounding may differ, unless the
        model says how many always go together."""
        from gen.api import make_request
        from gen.artifact import distance
        from gen.plan import resolve
        from gen.run import generate, load

        host = Host.discover()
        prompts = [] if self.prompt is None else [self.prompt]
        request = make_request(host, self.name, prompts, {**self.options, "seed": 1, "count": 2})
        plan = resolve(request, host)
        model = load(plan, host)
        together = list(generate(plan, model, batch_size=2))
        assert len(together) == 2
        for artifact, seed in zip(together, (1, 2), strict=True):
            assert distance(artifact, self._made(seed)) <= (0 if model.batch > 1 else 1e-2)

    def test_steps_are_taken(self) -> None:
        """The sampler takes as many steps as it was asked for."""
        seen: list[int] = []
        self._made(1, steps=3, on_step=lambda progress: seen.append(progress.step.total))
        assert seen == [3, 3, 3]

    def test_file_tells_how_to_make_it_again(self, tmp_path: Path) -> None:
        """A file in the default format carries a recipe, and the recipe makes the same thing."""
        from gen.artifact import distance
        from gen.rerunning import rerun

        host = Host.discover()
        spec = host.modality(self.name)
        form = next(form for form in host.formats(spec.kind) if form.name == spec.default_format)
        made = self._made(1)
        made.save(tmp_path / f"made{form.suffixes[0]}")
        assert distance(made, rerun(tmp_path / f"made{form.suffixes[0]}")) == 0

    def test_an_edit_keeps_what_the_mask_leaves_dark(self) -> None:
        """Pixels, frames and samples outside a mask are the input's own, where the model takes an input."""
        import numpy as np

        from gen.artifact import Artifact
        from gen.errors import UsageError

        made = self._made(1)
        name = {"image": "pixels", "video": "frames", "audio": "samples"}.get(made.kind)
        if name is None:
            return
        given, mask = made.arrays[name], np.zeros_like(made.arrays[name])
        if name == "samples":
            half = given.shape[1] // 2
            mask[:, half:] = 1
            dark = given[:, :half]
        else:
            # Of one channel, so that nothing is transparent.
            half, mask = len(given) // 2, mask[..., :1]
            mask[half:] = 1
            dark = given[:half]
        try:
            edit = self._made(2, init=made, mask=Artifact(made.kind, {name: mask}, made.attributes))
        except UsageError:
            return
        found = edit.arrays[name]
        assert np.array_equal(found[:, :half] if name == "samples" else found[:half], dark)
        assert not np.array_equal(found, given)

    def _made(self, seed: int, **options: Any) -> Artifact:
        from gen.api import Generator

        made: Artifact = Generator(self.name)(self.prompt, **{**self.options, **options, "seed": seed})
        return made
