"""From a request to a plan: everything that somebody leaves open is decided, everything given is checked.

A ``Request`` is what somebody asks for, with None for what they leave open. ``resolve`` turns it into a
``Plan`` in which nothing is left open. No torch here.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from gen import presets
from gen.checks import (
    DTYPES,
    MAX_GUIDANCE,
    MAX_ITEMS,
    MAX_STEPS,
    between,
    check_param,
    check_prompt,
    check_seed,
    check_strength,
    find_device,
    naming,
    one_of,
    unknown,
)
from gen.config import SETTINGS, Setting, convert, read_settings
from gen.errors import ModelError, PluginError, UsageError
from gen.model import ModelFile, find_model
from gen.plugin.specs import ModalitySpec, Param
from gen.recipe import MAX_SEED, MAX_THREADS, Input, ModelReference, Recipe

if TYPE_CHECKING:
    from gen.artifact import Artifact
    from gen.plugin.discovery import Record
    from gen.plugin.host import Host

T = TypeVar("T")
Source: TypeAlias = "str | os.PathLike[str] | Artifact"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What somebody asks for; None leaves a choice to the settings, the model or the plugin.

    Args:
        modality: Name of the modality: ``"image"``.
        prompts: What to make, each 1 to 2,000 characters.
        count: How many of each prompt, at least 1.
        seeds: One seed, from which the items count upwards, or one seed per item; 0 to 2**63 - 1. A random
            seed below 2**32 is drawn when there is none.
        negative: What to stay away from.
        steps: 1 to 10,000.
        guidance: Classifier-free guidance scale, 0 to 100; 1 is none.
        solver, grid: Names as in ``gen.presets``; a grid may be a list, whose steps then are the run's.
        model: Name of a registered model or path of a model file.
        init: A file or an artifact to start from.
        strength: How far ``init`` may change, in (0, 1].
        mask: A file or an artifact whose bright parts are made anew, the others kept, of the shape of
            ``init``, which it needs. Of one with transparent parts only what can be seen counts.
        params: The modality's own parameters; files by path or as artifacts.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``, with an index where there are several.
        dtype: Type of the network's weights: ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        threads: Threads of torch's kernels on the CPU, 1 to 1,024; no more are used than the machine has, and
            by default as many as torch uses.
    """

    modality: str
    prompts: tuple[str, ...]
    count: int | None = None
    seeds: tuple[int, ...] = ()
    negative: str | None = None
    steps: int | None = None
    guidance: float | None = None
    solver: str | None = None
    grid: str | None = None
    model: str | os.PathLike[str] | None = None
    init: str | os.PathLike[str] | Artifact | None = None
    strength: float | None = None
    mask: str | os.PathLike[str] | Artifact | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    device: str | None = None
    dtype: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Item:
    """One artifact to be made.

    Args:
        index: Place in the batch, from 0.
        prompt: What to make.
        seed: The item's own seed.
    """

    index: int
    prompt: str
    seed: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """A request in which nothing is left open. Fields as in ``Request`` unless said.

    Args:
        spec: The modality.
        file: The model's file; its tensors are not loaded.
        licence: SPDX expression of the weights; empty when unknown.
        items: What to make.
        params: All parameters that are decided; one that is absent is for the model to decide.
        init, mask: Artifacts, read and checked.
        artifacts: Those of the parameters that are files, by name.
        inputs: The files behind them.
        versions: Versions of what takes part.
    """

    spec: ModalitySpec
    file: ModelFile
    licence: str
    items: tuple[Item, ...]
    negative: str
    steps: int
    guidance: float
    solver: str
    grid: str
    params: Mapping[str, int | float | bool | str]
    device: str
    dtype: str
    threads: int | None = None
    init: Artifact | None = None
    strength: float | None = None
    mask: Artifact | None = None
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    def recipe(self, item: Item) -> Recipe:
        """How an item comes about."""
        files = [self.init, self.mask, *self.artifacts.values()]
        parents = [artifact.recipe for artifact in files if artifact is not None]
        return Recipe(
            modality=self.spec.name,
            prompt=item.prompt,
            negative=self.negative,
            seed=item.seed,
            steps=self.steps,
            guidance=self.guidance,
            solver=self.solver,
            grid=self.grid,
            strength=self.strength,
            params=self.params,
            model=ModelReference(name=self.file.name, sha256=self.file.sha256, licence=self.licence),
            inputs=self.inputs,
            parents=tuple(recipe for recipe in parents if recipe is not None),
            versions=self.versions,
            device=self.device,
            dtype=self.dtype,
            threads=self.threads,
        )


def resolve(
    request: Request,
    host: Host,
    *,
    settings: Mapping[str, Setting] | None = None,
    check: Callable[[Plan], object] | None = None,
) -> Plan:
    """Decide everything that a request leaves open, and check everything that it says.

    A value comes from the request, else from the environment, ``gen.toml``, the user's configuration, the
    model, the plugin: the first that has one.

    Args:
        request: What is asked for.
        host: Where plugins come from.
        settings: What is set outside the request; None reads the environment and the files.
        check: Called with the plan before its device is chosen, since that imports torch for seconds. It may
            raise, for paths of outputs that cannot be written, for instance.

    Raises:
        UsageError: A value that cannot be used.
        PluginError: The modality is unknown or cannot be used.
        ModelError: The model is unknown or damaged.
        DeviceError: The device does not exist.
    """
    spec = host.modality(request.modality)
    own = {param.name: param for param in spec.params}
    if settings is None:
        settings = settings_of(spec)

    def chosen(name: str, given: object, default: object, check: Callable[[Any], T]) -> T:
        if given is not None:
            return check(convert(given, SETTINGS[name], name, ""))
        setting = settings.get(name, Setting(default, ""))
        with naming(setting.origin):
            return check(setting.value)

    model = os.fspath(request.model) if isinstance(request.model, os.PathLike) else request.model
    file = chosen("model", model, spec.default_model, lambda name: _model(name, spec.name, host))
    entry = next((entry for entry in host.models(spec.name) if entry.name == file.name), None)
    defaults = file.defaults
    if entry is not None and entry.solver:
        defaults = replace(defaults, solver=entry.solver)
    count = chosen("count", request.count, 1, between("count", 1, MAX_ITEMS))
    seeds = tuple(check_seed(convert(seed, int, "seed", "")) for seed in request.seeds)
    if not seeds and "seed" in settings:
        seeds = (chosen("seed", None, None, check_seed),)
    strength, init, mask = request.strength, request.init, request.mask
    if init is None and (strength is not None or mask is not None):
        raise UsageError(
            f"{'mask' if strength is None else 'strength'} needs something to start from", "add `init=FILE`"
        )
    inputs: list[Input] = []
    sampler = chosen("solver", request.solver, defaults.solver, presets.sampler)
    # "DPM++ 2M Karras" names a grid too; that of a scheduler's class is meant for its own process.
    named = None if sampler.process else sampler.grid or None
    grid = chosen(
        "grid",
        named if request.grid is None and request.solver is not None else request.grid,
        named or defaults.grid,
        presets.grid_name,
    )
    steps = chosen("steps", request.steps, defaults.steps, between("steps", 1, MAX_STEPS))
    numbers = presets.grid_list(grid)
    if numbers is not None:
        if request.steps is not None and steps != numbers.steps:
            raise UsageError(
                f"the list of the grid has {numbers.steps} steps, and steps says {steps}", "leave out steps"
            )
        steps = numbers.steps
    plan = Plan(
        spec=spec,
        file=file,
        licence="" if entry is None else entry.licence,
        items=_items(request.prompts, count, seeds),
        negative=chosen(
            "negative", request.negative, "", lambda text: check_prompt(text, "negative", empty=True)
        ),
        steps=steps,
        guidance=chosen(
            "guidance", request.guidance, defaults.guidance, between("guidance", 0.0, MAX_GUIDANCE)
        ),
        solver=sampler.solver,
        grid=grid,
        params=_params(own, request.params, settings, file),
        device="",
        dtype=chosen("dtype", request.dtype, "float32", lambda name: one_of("dtype", name, DTYPES)),
        threads=None if request.threads is None else _threads(request.threads),
        versions=_versions(host.record(spec.name)),
    )
    files = {name: request.params.get(name) for name, param in own.items() if param.kind}
    artifacts = {
        name: _input(name, cast(Source, source), own[name].kind, host, inputs)
        for name, source in files.items()
        if source is not None
    }
    start = None if init is None else _input("init", init, spec.kind, host, inputs)
    marks = None if mask is None else _input("mask", mask, spec.kind, host, inputs)
    if start is not None and marks is not None:
        _check_shapes(start, marks)
    plan = replace(
        plan,
        init=start,
        mask=marks,
        strength=None if start is None else check_strength(strength, masked=marks is not None),
        artifacts=artifacts,
        inputs=tuple(inputs),
    )
    if check is not None:
        check(plan)
    return replace(plan, device=chosen("device", request.device, "auto", find_device))


def _model(reference: str, modality: str, host: Host) -> ModelFile:
    """The file of a model; one of another modality is known by its name.

    Raises:
        ModelError: There is no such model, or it cannot be used.
    """
    specs = host.models(modality)
    if reference not in {spec.name for spec in specs} and not Path(reference).is_file():
        for record in host.modalities:
            with suppress(PluginError):
                if reference in {spec.name for spec in host.models(record.name)}:
                    raise ModelError(
                        f"model {reference} makes {record.name}, not {modality}",
                        f"use it with `gen {record.name}`",
                    )
    return find_model(reference, modality, specs)


def settings_of(spec: ModalitySpec) -> dict[str, Setting]:
    """What is set for a modality in the environment and the files.

    Raises:
        UsageError: A file cannot be read, or an entry is unknown or has the wrong type.
    """
    return read_settings(spec.name, {param.name: param.type for param in spec.params if not param.kind})


def modality_of(reference: str, host: Host) -> str:
    """The modality that drives a model.

    Args:
        reference: Name of a registered model, or path of a model file.
        host: Where plugins come from.

    Raises:
        ModelError: The model is unknown, or several modalities have one of that name.
    """
    if Path(reference).is_file():
        return ModelFile(reference).modality
    known: dict[str, set[str]] = {}
    for record in host.modalities:
        with suppress(PluginError):
            known[record.name] = {spec.name for spec in host.models(record.name)}
    found = [name for name, models in known.items() if reference in models]
    if len(found) == 1:
        return found[0]
    if found:
        raise ModelError(
            f"{' and '.join(found)} both have a model {reference!r}", f"add modality={found[0]!r}"
        )
    if reference.endswith(".safetensors"):
        raise ModelError(f"no model file {reference}", "`gen models list` shows what is installed")
    error = unknown("model", reference, sorted(set().union(*known.values())))
    raise ModelError(error.message, error.hint)


def _items(prompts: Sequence[str], count: int, seeds: tuple[int, ...]) -> tuple[Item, ...]:
    if not prompts:
        raise UsageError("there is no prompt", 'say what to make: "a red apple"')
    total = len(prompts) * count
    if total > MAX_ITEMS:
        raise UsageError(f"{total:,} items are too many at once", f"at most {MAX_ITEMS:,}")
    if not seeds:
        import secrets

        seeds = (secrets.randbelow(2**32 - total),)
    if len(seeds) == 1:
        seeds = tuple((seeds[0] + index) % (MAX_SEED + 1) for index in range(total))
    if len(seeds) != total:
        raise UsageError(f"{len(seeds)} seeds do not fit {total} items", "give one seed, or one per item")
    wanted = [check_prompt(prompt) for prompt in prompts for _ in range(count)]
    return tuple(Item(index, *pair) for index, pair in enumerate(zip(wanted, seeds, strict=True)))


def _threads(given: object) -> int:
    threads = convert(given, int, "threads", "")
    assert isinstance(threads, int)
    return between("threads", 1, MAX_THREADS)(threads)


def _params(
    own: Mapping[str, Param], given: Mapping[str, object], settings: Mapping[str, Setting], file: ModelFile
) -> dict[str, int | float | bool | str]:
    for name in given:
        if name not in own:
            raise unknown("parameter", name, own)
    values: dict[str, int | float | bool | str] = {}
    for name, param in own.items():
        if param.kind:
            continue
        origin = ""
        value: object = None
        for asked in (name, param.follows):
            if value is None and asked in given:
                value = given[asked]
            if value is None and asked in settings:
                value, origin = settings[asked].value, settings[asked].origin
        if value is None:
            value = file.params.get(name, param.default)
        if value is not None:
            with naming(origin):
                values[name] = check_param(param, value)
    return values


def _input(role: str, source: Source, kind: str, host: Host, inputs: list[Input]) -> Artifact:
    """Read an input, and note its digest: of the file, or of the content of one that was never in a file."""
    from gen import formats
    from gen.artifact import Artifact

    if isinstance(source, Artifact):
        kinds = dict.fromkeys(
            [kind, *(also for form in host.formats(kind) if form.reader for also in form.also)]
        )
        if source.kind not in kinds:
            raise UsageError(f"{role} must be {' or '.join(kinds)}, not {source.kind}")
        digest = hashlib.sha256()
        for name, array in sorted(source.arrays.items()):
            digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
        for name, value in sorted(source.attributes.items()):
            digest.update(f"{name} {value!r}".encode())
        inputs.append(Input(role=role, name="memory", sha256=digest.hexdigest()))
        return source
    if not isinstance(source, str | os.PathLike):
        raise UsageError(
            f"{role} must be a file or an artifact, not {type(source).__name__}",
            f"gen.Artifact({kind!r}, …) holds arrays",
        )
    path = Path(source)
    artifact = formats.read(path, host.formats(kind), kind=kind)
    with path.open("rb") as file:
        inputs.append(
            Input(role=role, name=path.name, sha256=hashlib.file_digest(file, "sha256").hexdigest())
        )
    return artifact


def _check_shapes(init: Artifact, mask: Artifact) -> None:
    """Refuse a mask that would lie elsewhere on the input than where it was drawn."""
    (width, height), (across, down) = (
        (item.sizes.get("width", 0), item.sizes.get("height", 0)) for item in (init, mask)
    )
    # Of the same shape, but for the rounding of a side when it was scaled.
    if abs(width * down - across * height) > max(width, height, across, down):
        raise UsageError(
            f"the mask has {across} × {down} pixels and the input {width} × {height}: their shapes differ",
            "scale the mask to the input",
        )


def _versions(plugin: Record) -> dict[str, str]:
    found = {"gen": version("gen-toolkit"), "torch": version("torch"), "python": platform.python_version()}
    if plugin.distribution not in ("", "gen-toolkit"):
        found[plugin.distribution] = plugin.version
    return found
