"""What every plugin must satisfy: the checks behind ``gen plugins check``, and a base class for its tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from gen.errors import PluginError
from gen.plugin.host import Host
from gen.plugin.scan import MODALITIES
from gen.plugin.specs import FormatSpec, ModalitySpec
from gen.testing.imports import assert_light_import


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Args:
        level: ``"error"``: the plugin cannot work as declared; ``"warning"``: it works, and its users suffer.
        message: What is wrong, in one line.
        hint: What to do, in one line; may be empty.
    """

    level: Literal["error", "warning"]
    message: str
    hint: str = ""


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
        yield Finding("error", record.reason, record.action)
        return
    try:
        assert_light_import(record.module)
    except AssertionError as error:
        yield Finding("warning", str(error), "import it inside the functions that use it")
    if plugin.modality is not None:
        yield from _modality_findings(host, plugin.modality)
    for form in plugin.formats:
        for import_string in (form.writer, form.reader, form.metadata_reader):
            yield from _import_findings(host, import_string)
    if record.group != MODALITIES and not plugin.models and not plugin.formats:
        yield Finding("warning", "it declares nothing", "implement gen_models or gen_formats")


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
    formats: list[FormatSpec] = [form for form in host.formats(spec.kind) if form.kind == spec.kind]
    if spec.default_format not in [form.name for form in formats]:
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
        yield Finding("error", error.message, error.hint)
        return
    if not callable(found):
        yield Finding("error", f"{import_string!r} cannot be called", "name a function")


class ModalityConformance:
    """Tests that every modality passes; subclass it in the plugin's own test suite.

    Set `name`, and pytest collects the tests of this class with the plugin's own:

        class TestMusic(ModalityConformance):
            name = "music"
    """

    name: ClassVar[str]

    def test_keeps_the_contract(self) -> None:
        """The plugin is found, stays light, and all that it declares is there."""
        findings = check_plugin(Host.discover(), self.name)
        assert not findings, "\n".join(f"{finding.level}: {finding.message}" for finding in findings)
