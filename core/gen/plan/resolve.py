"""From a request to a plan: everything that somebody leaves open is decided, everything given is checked.

No torch here.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gen.checkpoints.additions import Addition, read_additions
from gen.checkpoints.pipeline import LOOP, PipelineCheckpoint
from gen.checks import (
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
    unknown,
)
from gen.config import SETTINGS, Setting, convert, read_settings
from gen.errors import UsageError
from gen.model import Defaults, ModelSource
from gen.plan.abilities import REASONS, abilities_of, abilities_of_any, models_taking, models_with
from gen.plan.before import prepared
from gen.plan.choice import choose, choose_grid, choose_solver
from gen.plan.choices import NOISE, Choices, check_scale, choose_cache, choose_guides
from gen.plan.editing import UPSCALE_STRENGTH, WAY, begun_from, decided, read_mask
from gen.plan.expansion import expanded, params_like
from gen.plan.inputs import Inputs, Source, check_shapes
from gen.plan.looped import check_looped
from gen.plan.plan import Item, Plan
from gen.plan.precision import check_precision, own_precision
from gen.plan.request import Request
from gen.plan.sources import Reading, find_source
from gen.plugin.specs import (
    ADDITIONS,
    CHECKPOINT,
    CacheSpec,
    GridSpec,
    GuidanceSpec,
    ModalitySpec,
    NoiseSpec,
    Param,
    SolverSpec,
)
from gen.presets import GridList
from gen.recipe import MAX_SEED, MAX_THREADS

if TYPE_CHECKING:
    from gen.plugin.discovery import Record
    from gen.plugin.host import Host

T = TypeVar("T")
CHOICES = ("solver", "grid", "guide", "guidance_interval", "cache", "noise")
"""What may be given as text or as an object, whose type is checked where it is chosen."""


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
    if settings is None:
        settings = settings_of(spec)
    request = begun_from(request, spec, host, abilities_of_any(host, spec).params)

    def chosen(name: str, given: object, default: object, check: Callable[[Any], T]) -> T:
        if given is not None:
            return check(given if name in CHOICES else convert(given, SETTINGS[name], name, ""))
        setting = settings.get(name, Setting(default, ""))
        with naming(setting.origin):
            return check(setting.value)

    model = os.fspath(request.model) if isinstance(request.model, os.PathLike) else request.model
    reading = Reading(_variant(request.variant), bool(request.allow_pickle), _additions(request))
    file = chosen(
        "model", model, spec.default_model, lambda name: find_source(name, spec.name, host, reading)
    )
    entry = next((entry for entry in host.models(spec.name) if entry.name == file.name), None)
    able, label = abilities_of(spec, entry or file.family), f"model {file.name}"
    if isinstance(file, PipelineCheckpoint):
        label += ", run by diffusers' own loop,"
    own = able.own
    for name in request.params:
        if name not in own:
            takers = models_taking(name, host, spec)
            if takers:
                raise UsageError(f"{label} takes no {name}", f"leave it out, or use {' or '.join(takers)}")
            raise unknown("parameter", name, own)
    defaults = file.defaults
    able.check(request, defaults.guidance, label, lambda ability: models_with(ability, host, spec))
    if entry is not None and entry.solver:
        defaults = replace(defaults, solver=entry.solver)
    way = request.interpolate is not None and request.share is None
    count = chosen("count", request.count, WAY if way else 1, between("count", 1, MAX_ITEMS))
    seeds = tuple(check_seed(convert(seed, int, "seed", "")) for seed in request.seeds)
    if not seeds and "seed" in settings:
        seeds = (chosen("seed", None, None, check_seed),)
    strength, init, mask = request.strength, request.init, request.mask
    if init is None and (strength is not None or mask is not None):
        raise UsageError(
            f"{'mask' if strength is None else 'strength'} needs something to start from", "add `init=FILE`"
        )
    inputs = Inputs(host)
    inputs.note(reading.additions)
    solvers, grids = host.choices(SolverSpec, spec.name), host.choices(GridSpec, spec.name)
    if isinstance(file, PipelineCheckpoint):
        solvers = (*solvers, LOOP)
    solver, sampler = chosen(
        "solver", request.solver, defaults.solver, lambda given: choose_solver(solvers, grids, given)
    )
    # "DPM++ 2M Karras" names a grid too; that of a scheduler's class is meant for its own process.
    named = None if sampler.process else sampler.grid or None
    grid = chosen(
        "grid",
        named if request.grid is None and request.solver is not None else request.grid,
        named or defaults.grid,
        lambda given: choose_grid(grids, given),
    )
    steps = chosen("steps", request.steps, defaults.steps, between("steps", 1, MAX_STEPS))
    if isinstance(grid, GridList):
        if request.steps is not None and steps != grid.steps:
            raise UsageError(
                f"the list of the grid has {grid.steps} steps, and steps says {steps}", "leave out steps"
            )
        steps = grid.steps
    guidances, caches = host.choices(GuidanceSpec, spec.name), host.choices(CacheSpec, spec.name)
    noises = host.choices(NoiseSpec, spec.name)
    interval = chosen("guidance_interval", request.guidance_interval, None, lambda given: given)
    guides = chosen(
        "guide",
        request.guide,
        None,
        lambda given: choose_guides(guidances, given, interval, solver.spec.guidance),
    )
    guidance = defaults.guidance
    if "guidance" not in able.names and [*map(str, guides)] != [
        # A recipe names the rule that every run has.
        *map(str, choose_guides(guidances, None, None, solver.spec.guidance))
    ]:
        raise UsageError(f"{label} {REASONS['guidance']}", "leave out guide and guidance_interval")
    if "guidance" in able.names:
        rule = guides[0].spec
        if rule.scale is not None and rule is not _own_rule(defaults, solvers, grids, guidances):
            guidance = rule.scale
        guidance = chosen("guidance", request.guidance, guidance, between("guidance", 0.0, MAX_GUIDANCE))
    check_scale(guides, guidance)
    choices = Choices(
        solver=solver,
        grid=grid,
        guides=guides,
        cache=chosen("cache", request.cache, None, lambda given: choose_cache(caches, given)),
        noise=chosen("noise", request.noise, NOISE, lambda given: choose(noises, given, "noise")),
    ).settled(steps, guidance)
    runs = host.runs(spec.name)
    loader, plugin = spec.loader, spec.plugin
    if file.loader:
        loader, plugin = file.loader, file.plugin
    elif entry is not None and entry.loader:
        loader, plugin = entry.loader, entry.plugin
    described = request.upscale is not None or request.restore is not None
    prompts = request.prompts if request.edit is None else (check_prompt(request.edit, "edit"),)
    items = _items(able.prompts(prompts, label, described=described), count, seeds)
    if request.interpolate is not None:
        items = _way(items, request.share)
    plan = Plan(
        spec=spec,
        own=able.params,
        loader=loader,
        plugin=plugin,
        file=file,
        licence=str(file.card.get("licence", "")) if entry is None else entry.licence,
        variant=reading.variant or "",
        items=items,
        negative=chosen("negative", request.negative, "", _negative) if "negative" in able.names else "",
        steps=steps,
        guidance=guidance,
        choices=choices,
        params=_params(own, request.params, settings, file),
        device="",
        dtype=chosen("dtype", request.dtype, "", lambda text: text and check_precision(text, file)),
        threads=None if request.threads is None else _threads(request.threads),
        versions=versions_of(
            [
                host.record(spec.name),
                *(record for record in host.records if file.plugin and record.label == file.plugin),
                *(host.owner(one) for one in (entry, *choices.specs, *runs) if one is not None),
            ]
        ),
        runs=runs,
        abilities=able.names,
        kind=host.kind(spec.kind, spec.name),
    )
    files = {name: request.params.get(name) for name, param in own.items() if param.kind}
    artifacts = {
        name: inputs.read(name, cast(Source, source), own[name].kind)
        for name, source in files.items()
        if source is not None and own[name].kind != CHECKPOINT
    }
    checkpoints = {
        name: inputs.checkpoint(name, source, allow_pickle=reading.allow_pickle)
        for name, source in files.items()
        if source is not None and own[name].kind == CHECKPOINT
    }
    start = None if init is None else inputs.read("init", init, spec.kind)
    marks, region, expansion = None, "", ""
    if start is not None and mask is not None:
        marks, region = read_mask(mask, start, spec.kind, inputs)
        check_shapes(start, marks)
    if start is not None and request.expand is not None:
        start, marks = expanded(request.expand, start)
        expansion = "".join(request.expand.split())
    if start is not None and marks is not None:
        like = params_like(start, own, request.params)
        plan = replace(plan, params={**plan.params, **like})
    editing = decided(request, plan, inputs, start)
    if (start is not None and editing.factor > 1 and not editing.tiled) or editing.restore is not None:
        assert start is not None
        finer = params_like(start, own, request.params, editing.factor)
        plan = replace(plan, params={**plan.params, **finer})
    strength = (
        None
        if start is None or editing.restore is not None or able.only_upscales
        else check_strength(
            UPSCALE_STRENGTH if editing.upscale > 1 and strength is None else strength,
            whole=marks is not None or editing.inverts,
        )
    )
    plan = replace(
        plan,
        init=start,
        mask=marks,
        strength=strength,
        editing=replace(editing, region=region, expansion=expansion),
        artifacts=artifacts,
        checkpoints=checkpoints,
        inputs=tuple(inputs.items),
        parents=tuple(inputs.parents),
    )
    if isinstance(file, PipelineCheckpoint):
        check_looped(plan, file, request, host)
        plan = replace(plan, versions={**plan.versions, "diffusers": version("diffusers")})
    plan = prepared(plan)
    if check is not None:
        check(plan)
    device = chosen("device", request.device, "auto", find_device)
    return replace(plan, device=device, dtype=plan.dtype or own_precision(file, device))


def _own_rule(
    defaults: Defaults,
    solvers: Sequence[SolverSpec],
    grids: Sequence[GridSpec],
    guidances: Sequence[GuidanceSpec],
) -> GuidanceSpec:
    """The rule that the default scale of a model is for: that of its solver."""
    solver, _ = choose_solver(solvers, grids, defaults.solver)
    return choose_guides(guidances, None, None, solver.spec.guidance)[0].spec


def settings_of(spec: ModalitySpec) -> dict[str, Setting]:
    """What is set for a modality in the environment and the files.

    Raises:
        UsageError: A file cannot be read, or an entry is unknown or has the wrong type.
    """
    return read_settings(spec.name, {param.name: param.type for param in spec.params if not param.kind})


def _items(prompts: Sequence[str], count: int, seeds: tuple[int, ...]) -> tuple[Item, ...]:
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
    wanted = [prompt for prompt in prompts for _ in range(count)]
    return tuple(Item(index, *pair) for index, pair in enumerate(zip(wanted, seeds, strict=True)))


def _way(items: Sequence[Item], share: object) -> tuple[Item, ...]:
    """Items of one seed, spread over a way, or all at one place of it."""
    if share is not None:
        place = convert(share, float, "share", "")
        assert isinstance(place, int | float)
        place = between("share", 0.0, 1.0)(float(place))
        return tuple(replace(item, share=place) for item in items)
    last = max(1, len(items) - 1)
    return tuple(replace(item, seed=items[0].seed, share=item.index / last) for item in items)


def _negative(text: str) -> str:
    return check_prompt(text, "negative", empty=True)


def _variant(given: object) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not re.fullmatch(r"\w+", given):
        raise UsageError(f"variant must be a word, not {given!r}", "for instance fp16")
    return given


def _additions(request: Request) -> tuple[Addition, ...]:
    return tuple(
        addition
        for kind in ADDITIONS
        for addition in read_additions(kind, getattr(request, kind), allow_pickle=bool(request.allow_pickle))
    )


def _threads(given: object) -> int:
    threads = convert(given, int, "threads", "")
    assert isinstance(threads, int)
    return between("threads", 1, MAX_THREADS)(threads)


def _params(
    own: Mapping[str, Param], given: Mapping[str, object], settings: Mapping[str, Setting], file: ModelSource
) -> dict[str, int | float | bool | str]:
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


def versions_of(plugins: Iterable[Record | None]) -> dict[str, str]:
    """Versions of gen, torch, Python and the distributions of the plugins that take part."""
    found = {"gen": version("gen-toolkit"), "torch": version("torch"), "python": platform.python_version()}
    for plugin in plugins:
        if plugin is not None and plugin.distribution not in ("", "gen-toolkit"):
            found[plugin.distribution] = plugin.version
    return found
