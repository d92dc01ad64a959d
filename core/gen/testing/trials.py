"""Trials of a modality: its default model makes one small thing, edits it, and every format stores it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gen.atomic import temporary_folder
from gen.errors import DeviceError, GenError, PluginError, UsageError
from gen.plugin.boundary import Call, calling, watched_by
from gen.testing.findings import Finding

if TYPE_CHECKING:
    from gen.artifact import Artifact
    from gen.model import Model
    from gen.plan import Plan
    from gen.plugin.host import Host
    from gen.plugin.specs import ModalitySpec, Param

HINTS: Mapping[str, str] = {
    "loader": "return file.model(…), and surround what reads the file by file.fitting()",
    "encoder": "gen.model.Encoder says what it returns; refuse a prompt by gen.errors.UsageError",
    "codec": "gen.model.Codec says what it returns; refuse a value by gen.errors.UsageError",
    "network": "it returns floating-point numbers of the shape of its input, and changes no input",
    "writer": "it writes the whole file into the file that it is given",
    "can_read": "return True or False, for any bytes",
    "reader": "read what the writer wrote; surround libraries by gen.errors.damaged_file()",
    "metadata": "return the texts of the file by name, the recipe as gen",
    "recipe": "return a gen.train.Recipe; say by gen.errors.UsageError which data are missing",
    "hook": "return the specs alone; they are plain data",
}


def try_modality(host: Host, spec: ModalitySpec) -> Iterator[Finding]:
    """Try everything that a modality declares with as little work as possible: one step, the smallest sizes.

    Args:
        host: Where the plugin is found.
        spec: Its modality.
    """
    changed: dict[str, str] = {}

    def note(call: Call, names: list[str]) -> None:
        changed.setdefault(f"the {call.part} changes {', '.join(names)} of the process", "")

    with watched_by(note):
        yield from _made(host, spec)
        yield from _recipes(host, spec)
    for message in changed:
        yield Finding("warning", message, "set it back, or compute without it: the host undoes it afterwards")


def finding(error: GenError, what: str) -> Finding:
    """An error of a trial, with a hint for the author."""
    if not isinstance(error, PluginError):
        return Finding("error", f"{what}: {error.message}", error.hint)
    parts = (hint for part, hint in HINTS.items() if f"the {part}" in error.message)
    return Finding("error", f"{what}: {error.message}", next(parts, "`gen -v` shows the traceback"))


def _made(host: Host, spec: ModalitySpec) -> Iterator[Finding]:
    from gen.artifact import distance
    from gen.run import load

    try:
        plan = _plan(host, spec)
    except GenError as error:
        yield finding(error, f"the default model {spec.default_model} cannot be opened")
        return
    try:
        model = load(plan, host)
        artifact = _one(plan, model)
    except GenError as error:
        yield finding(error, "one step of the default model fails")
        return
    try:
        if distance(artifact, _one(plan, model)) != 0:
            yield Finding("warning", "the same seed makes another thing", "draw from task.noise alone")
    except GenError as error:
        yield finding(error, "a second run of the default model fails")
    for param in spec.params:
        yield from _limits(host, spec, model, param)
    yield from _edits(host, spec, model, artifact)
    yield from _formats(host, artifact)


def _plan(host: Host, spec: ModalitySpec, **options: Any) -> Plan:
    from gen.model import find_model
    from gen.plan import Request, resolve
    from gen.plan.abilities import any_prompts

    models = host.models(spec.name)
    file = find_model(spec.default_model, spec.name, models)
    entry = next((one for one in models if one.name == spec.default_model), None)
    prompts = any_prompts(spec, entry, getattr(file, "names", ()))
    request = Request(modality=spec.name, prompts=prompts, seeds=(0,), steps=1, **options)
    return resolve(request, host, settings={})


def _one(plan: Plan, model: Model) -> Artifact:
    from gen.run import generate

    return next(iter(generate(plan, model)))


def _limits(host: Host, spec: ModalitySpec, model: Model, param: Param) -> Iterator[Finding]:
    """The codec is asked for its shape at each end of a parameter, which it may refuse."""
    from gen.model import Task
    from gen.model.parts import Parts

    values = [value for value in (param.minimum, param.maximum, *param.choices) if value is not None]
    if param.type is bool:
        values = [False, True]
    for value in values:
        given = int(value) if param.type is int and not isinstance(value, str) else value
        try:
            with suppress(UsageError):
                plan = _plan(host, spec, params={param.name: given})
                Parts(model, spec.plugin).shape(Task(prompts=("a",), params=plan.params))
        except GenError as error:
            yield finding(error, f"{param.name} = {given!r}")


def _edits(host: Host, spec: ModalitySpec, model: Model, artifact: Artifact) -> Iterator[Finding]:
    from gen.model import EncodingCodec, MaskingCodec

    ways: dict[str, dict[str, Any]] = {}
    if isinstance(model.codec, EncodingCodec):
        ways["init"] = {"init": artifact}
    if isinstance(model.codec, MaskingCodec):
        ways["mask"] = {"init": artifact, "mask": artifact}
    for name, options in ways.items():
        try:
            with suppress(UsageError):
                _one(_plan(host, spec, **options), model)
        except GenError as error:
            yield finding(error, f"what was made cannot be used as {name}")


def _formats(host: Host, artifact: Artifact) -> Iterator[Finding]:
    from gen import formats, writing

    for form in host.formats(artifact.kind):
        try:
            content = formats.encode(artifact, form)
            if form.can_read and not writing.can_read(form, content[: writing.HEAD]):
                yield Finding(
                    "error", f"the format {form.name} does not recognise its own file", "mend its can_read"
                )
            if not form.reader:
                continue
            with temporary_folder() as folder:
                path = Path(folder) / f"trial{form.suffixes[0]}"
                path.write_bytes(content)
                formats.read(path, [form])
                recipe = formats.read_recipe(path, [form])
        except GenError as error:
            yield finding(error, f"the format {form.name}")
            continue
        if form.metadata_reader and recipe != artifact.recipe:
            yield Finding(
                "warning",
                f"the format {form.name} does not give back the recipe that it was given",
                "write metadata.recipe, and return it by the metadata reader as gen",
            )


def _recipes(host: Host, spec: ModalitySpec) -> Iterator[Finding]:
    from gen.train import Recipe

    for recipe in spec.recipes:
        try:
            make = cast("Callable[..., object]", host.resolve(recipe.factory, spec.plugin))
            with temporary_folder() as folder, calling(spec.plugin, f"recipe factory {recipe.name}") as call:
                made = make(recipe.presets[0], folder, lambda _: None)
                if not isinstance(made, Recipe):
                    raise call.returned(made, "a gen.train.Recipe")
        except (PluginError, DeviceError) as error:
            yield finding(error, f"the recipe {recipe.name}")
        except GenError:
            # The data that it needs are not here.
            continue
