"""The Python API behind ``gen.image(…)`` and ``gen.load(…)``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, overload

from gen import formats, presets
from gen.artifact import Artifact
from gen.checkpoints.additions import Given, kind_of
from gen.checkpoints.pipeline import SCHEME
from gen.checks import unknown
from gen.config import offline_origin
from gen.conversion import convert, for_purpose
from gen.errors import GenWarning, ModelError, UsageError
from gen.model import Model, ModelSource
from gen.offline import forbid_connections
from gen.plan import Plan, Request, choose, modality_of, resolve
from gen.plan.abilities import abilities_of_any, any_prompts
from gen.plan.choices import NO_CACHE
from gen.plan.editing import edited_again
from gen.plan.sources import HUB, Reading, find_source
from gen.plugin.host import Host
from gen.plugin.specs import GridSpec
from gen.recipe import AnyRecipe, Conversion, Input, Recipe
from gen.run import Progress, generate, load, notices
from gen.run.watching import Watch

OPTIONS = frozenset(item.name for item in fields(Request)) - {"modality", "prompts", "seeds", "params"}


class Generator:
    """``gen.image`` and its like: makes artifacts of one modality, and loads the model anew for each call.

    Args:
        modality: Name of the modality.
    """

    def __init__(self, modality: str) -> None:
        self.modality = modality

    def __repr__(self) -> str:
        return f"<gen.{self.modality}>"

    @overload
    def __call__(self, prompt: str | None = None, *, count: None = None, **options: Any) -> Artifact: ...
    @overload
    def __call__(
        self, prompt: str | Sequence[str] | None = None, *, count: int | None = None, **options: Any
    ) -> list[Artifact]: ...
    def __call__(
        self, prompt: str | Sequence[str] | None = None, *, count: int | None = None, **options: Any
    ) -> Artifact | list[Artifact]:
        """Make one artifact of a prompt, or a list of several prompts or of a count.

        Args:
            prompt: What to make; a list gives a list. None where the model needs none.
            count: How many of each prompt; given, the result is a list.
            **options: ``seed`` (a number, or one per item), ``negative``, ``steps``, ``guidance``,
                ``solver``, ``grid``, ``model``, ``init``, ``strength``, ``mask``, ``expand``, ``vary``,
                ``amount``, ``interpolate``, ``share``, ``edit``, ``device``, ``dtype``, ``threads`` as in
                ``gen.plan.Request``; ``alpha``, a file or an artifact
                whose background is removed, alone; ``on_step``, called with a ``gen.run.Progress``
                after each step; ``watch``, a file that shows the first item while it is sampled; and the
                modality's own parameters.

        Raises:
            gen.errors.GenError: Anything that goes wrong, by its cause.
        """
        host = find_host()
        if (given := options.pop("alpha", None)) is not None:
            if prompt is not None or count is not None or options:
                raise UsageError("alpha generates nothing", "give it alone, or use the result")
            kind = host.modality(self.modality).kind
            return convert(given, (for_purpose(host.converters(), "alpha", kind),), {}, host)
        on_step, file = options.pop("on_step", None), options.pop("watch", None)
        if prompt is not None and not isinstance(prompt, Iterable):
            raise UsageError(f"the prompt must be a text or a list of them, not {type(prompt).__name__}")
        prompts = [] if prompt is None else [prompt] if isinstance(prompt, str) else prompt
        alone = (prompt is None or isinstance(prompt, str)) and count is None
        options["count"] = 1 if alone else count
        request = make_request(host, self.modality, prompts, options)
        known = host.formats(host.modality(self.modality).kind)
        watch = None if file is None else Watch.of(file, known, options.values())
        plan = resolve(request, host)
        made = run(plan, self._model(plan, host), on_step, watch)
        return made[0] if alone else made

    def _model(self, plan: Plan, host: Host) -> Model:
        return load(plan, host)


class LoadedModel(Generator):
    """A model that stays in memory; called like ``gen.image``.

    Args:
        modality: Name of the modality that drives it.
        reference: What it was loaded by.
        device, dtype: Where it is and in which precision; they cannot be changed by a call.
        files: How a checkpoint is read, and what changes it: options of a request.
    """

    def __init__(
        self,
        modality: str,
        reference: str,
        device: str | None,
        dtype: str | None,
        files: Mapping[str, Any],
    ) -> None:
        super().__init__(modality)
        host = find_host()
        spec = host.modality(modality)
        entry = next((one for one in host.models(modality) if one.name == reference), None)
        reading = Reading(files["variant"], files["allow_pickle"])
        declared = entry or find_source(reference, modality, host, reading).family
        request = Request(
            modality=modality,
            prompts=any_prompts(spec, declared),
            model=reference,
            device=device,
            dtype=dtype,
            **files,
        )
        plan = resolve(request, host)
        self.model = load(plan, host)
        self._additions = _additions(plan)
        self._fixed = {"model": reference, "device": plan.device, "dtype": plan.dtype, **files}

    def __repr__(self) -> str:
        return f"<gen.load({self.model.name!r}) on {self._fixed['device']}>"

    def __call__(self, prompt: Any = None, *, count: int | None = None, **options: Any) -> Any:
        for name in self._fixed:
            if name in options:
                raise UsageError(f"{name} is fixed by gen.load", f"give {name} to gen.load instead")
        return super().__call__(prompt, count=count, **self._fixed, **options)

    def _model(self, plan: Plan, host: Host) -> Model:  # noqa: ARG002
        if plan.file.sha256 != self.model.sha256 or _additions(plan) != self._additions:
            raise ModelError(f"a file of model {self.model.name} has changed", "load it again")
        return self.model


def _additions(plan: Plan) -> tuple[Input, ...]:
    """The files that change the model."""
    return tuple(item for item in plan.inputs if kind_of(item.role))


def load_model(
    model: str | os.PathLike[str],
    *,
    modality: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    variant: str | None = None,
    allow_pickle: bool = False,
    lora: Given | Sequence[Given] | None = None,
    embedding: Given | Sequence[Given] | None = None,
    decoder: str | os.PathLike[str] | None = None,
) -> LoadedModel:
    """Load a model for repeated use.

    Args:
        model: As in ``gen.plan.Request``.
        modality: Name of its modality; needed only when several have a model of that name.
        device, dtype, variant, allow_pickle, lora, embedding, decoder: As in ``gen.plan.Request``.

    Raises:
        ModelError: It is unknown, or several modalities have one of that name.
        gen.errors.GenError: It cannot be loaded.
    """
    reference = os.fspath(model)
    modality = modality or modality_of(reference, find_host(), Reading(variant, allow_pickle))
    files = {
        "variant": variant,
        "allow_pickle": allow_pickle,
        "lora": lora,
        "embedding": embedding,
        "decoder": decoder,
    }
    return LoadedModel(modality, reference, device, dtype, files)


def read_recipe(source: AnyRecipe | Artifact | str | os.PathLike[str], host: Host) -> AnyRecipe:
    """The recipe of a file or an artifact.

    Raises:
        UsageError: There is none, or it is not valid.
    """
    if isinstance(source, Recipe | Conversion):
        return source
    if isinstance(source, Artifact):
        recipe, name = source.recipe, "the artifact"
    else:
        recipe, name = formats.read_recipe(source, host.formats()), os.fspath(source)
    if recipe is None:
        raise UsageError(f"{name} holds no recipe of gen", "`gen info FILE` shows what it does hold")
    return recipe


def plan_again(
    recipe: Recipe,
    host: Host,
    *,
    model: str | os.PathLike[str] | None = None,
    init: str | os.PathLike[str] | Artifact | None = None,
    mask: str | os.PathLike[str] | Artifact | None = None,
    inputs: Mapping[str, str | os.PathLike[str] | Artifact] | None = None,
    remade: frozenset[str] = frozenset(),
    device: str | None = None,
    allow_pickle: bool = False,
) -> Plan:
    """The plan of a recipe. A recipe is a stranger's text: its names are looked up, its paths never followed.

    Args:
        recipe, host, model, init, mask, inputs, device: See ``gen.rerun``; ``inputs`` may hold init and mask.
        remade: Roles of the inputs that were made again from their recipes, so that their digests are others.

    Raises: See ``gen.rerun``.
    """
    files = {**_pulled_inputs(recipe), **(inputs or {})}
    init, mask = (
        files.pop(role, None) if one is None else one for role, one in (("init", init), ("mask", mask))
    )
    additions = {role: files.pop(role) for role in [*files] if kind_of(role)}
    edits: dict[str, Any] = {
        role: files.pop(role) for role in ("vary", "interpolate", "style") if role in files
    }
    given = {"init": init, "mask": mask, **edits, **additions, **files}
    wanted = {item.role: item for item in recipe.inputs}
    for role, source in given.items():
        if source is not None and role not in wanted:
            raise UsageError(f"the recipe has no input {role!r}", "leave it out")
    for role, item in wanted.items():
        if given.get(role) is None:
            if item.name.startswith(HUB):
                raise ModelError(
                    f"the recipe's {role}, {item.name}, is not downloaded yet",
                    f"run `gen models pull {item.name}`",
                )
            argument = f"{role}=FILE" if role in ("init", "mask") else f"inputs={{'{role}': FILE}}"
            raise UsageError(f"the recipe needs {item.name} as {role}", f"add `{argument}`")
    for param in abilities_of_any(host, host.modality(recipe.modality)).own.values():
        if param.kind and recipe.params.get(param.name) is not None and param.name not in files:
            raise UsageError(f"the recipe names a file as {param.name} that is not among its inputs")
    if presets.grid_list(recipe.grid) is None:
        # Else a path in the recipe would be opened.
        choose(host.choices(GridSpec, recipe.modality), recipe.grid, "grid")
    if model is None:
        _require_model(recipe, host)
    plan = resolve(
        Request(
            modality=recipe.modality,
            count=1,
            seeds=(recipe.seed,),
            negative=recipe.negative,
            steps=recipe.steps,
            guidance=recipe.guidance,
            solver=recipe.solver,
            grid=recipe.grid,
            guide=recipe.guides or None,
            cache=recipe.cache or NO_CACHE,
            noise=recipe.noise,
            model=recipe.model.name if model is None else model,
            variant=recipe.model.variant or None,
            allow_pickle=allow_pickle,
            **_added_again(recipe, additions),
            init=init,
            strength=recipe.strength,
            params={**recipe.params, **files},
            device=device or recipe.device,
            dtype=recipe.dtype,
            threads=recipe.threads,
            **edited_again(recipe, {"mask": mask, **edits}),
        ),
        host,
        # The recipe says everything: what is not in it was the model's or the plugin's own.
        settings={},
    )
    _require_version(plan.file, recipe)
    for item in plan.inputs:
        same = item.role in remade or item.sha256 == wanted[item.role].sha256
        if not same:
            raise UsageError(f"{item.name} is not the {item.role} of the recipe", "its sha256 differs")
    if remade:
        plan = replace(plan, inputs=recipe.inputs, parents=recipe.parents)
    made, here = recipe.versions.get("gen", ""), plan.versions["gen"]
    if made and _series(made) != _series(here):
        warnings.warn(
            f"the recipe is of gen {made}, this is gen {here}: the result may differ",
            GenWarning,
            stacklevel=3,
        )
    return plan


def _pulled_inputs(recipe: Recipe) -> dict[str, str]:
    """The inputs of a recipe that are of the hub and were pulled, by role: others start no download."""
    from gen.checkpoints.pulled import HubReference, find_pulled

    names = {item.role: item.name for item in recipe.inputs if item.name.startswith(HUB)}
    return {role: name for role, name in names.items() if find_pulled(HubReference.parse(name)) is not None}


def _added_again(recipe: Recipe, files: Mapping[str, Any]) -> dict[str, Any]:
    """The options that say which files change the model, as the recipe orders and weighs them."""
    options: dict[str, Any] = {}
    for item in recipe.inputs:
        if kind := kind_of(item.role):
            source = files[item.role]
            options.setdefault(kind, []).append(source if item.value is None else (source, item.value))
    return options


def _require_version(file: ModelSource, recipe: Recipe) -> None:
    """Refuse a model whose bytes are not those of the recipe."""
    if file.sha256 != recipe.model.sha256.lower():
        raise ModelError(
            f"the recipe is of another version of the model {file.name}: "
            f"sha256 {recipe.model.sha256[:12]}…, and this one has {file.sha256[:12]}…",
            "give the files of that version by --model PATH; this version makes something else of the prompt",
        )


def _require_model(recipe: Recipe, host: Host) -> None:
    """Refuse a recipe whose model is not here: a stranger's text starts no download.

    Raises:
        ModelError: It is neither registered nor pulled.
    """
    name = recipe.model.name
    if name in {spec.name for spec in host.models(recipe.modality)}:
        return
    if name.startswith(HUB):
        from gen.checkpoints.pulled import HubReference, find_pulled

        if find_pulled(HubReference.parse(name), recipe.model.variant or None) is None:
            raise ModelError(
                f"the recipe's model {name} is not downloaded yet", f"run `gen models pull {name}`"
            )
        return
    place = f"{SCHEME}FOLDER" if name.startswith(SCHEME) else "PATH"
    raise ModelError(
        f"the recipe's model {name!r} is not installed",
        f"add `model={place}`, the file or folder with sha256 {recipe.model.sha256[:12]}…",
    )


def _series(version: str) -> list[str]:
    """The part of a version within which equal recipes make equal bits: 0.1 of 0.1.3."""
    return version.split(".")[:2]


def find_host() -> Host:
    """The plugins that are installed; where the settings forbid connections, none is opened from now on."""
    if origin := offline_origin():
        forbid_connections(origin)
    return Host.discover()


def make_request(host: Host, modality: str, prompts: Sequence[str], options: Mapping[str, Any]) -> Request:
    """A request from flat options, those of the core and the modality's own together.

    Raises:
        UsageError: An option that does not exist.
    """
    able = abilities_of_any(host, host.modality(modality))
    own, options = able.own, dict(options)
    seed = options.pop("seed", None)
    listed = isinstance(seed, Iterable) and not isinstance(seed, str)
    for name in options:
        if name not in OPTIONS | own.keys():
            raise unknown("option", name, sorted(OPTIONS | own.keys() | {"seed"}))
    return Request(
        modality=modality,
        prompts=tuple(prompts),
        seeds=() if seed is None else tuple(seed) if listed else (seed,),
        params=able.numbered({k: value for k, value in options.items() if k in own and value is not None}),
        **{name: value for name, value in options.items() if name in OPTIONS},
    )


def run(
    plan: Plan, model: Model, on_step: Callable[[Progress], None] | None, watch: Watch | None = None
) -> list[Artifact]:
    """Make all items of a plan; warns about what goes unheeded."""
    for notice in notices(plan, model):
        warnings.warn(notice, GenWarning, stacklevel=3)
    return list(generate(plan, model, on_step=on_step, watch=watch))
