"""The road that every generation takes: request, plan, model, encode, sample, decode, artifact with recipe.

A ``Request`` is what somebody asks for, with None for what they leave open. ``resolve`` turns it into a
``Plan`` in which nothing is left open, ``load`` reads the plan's model, and ``generate`` walks the rest of
the way. Only ``load`` and ``generate`` import torch.
"""

from __future__ import annotations

import hashlib
import math
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gen import presets
from gen.config import SETTINGS, Setting, convert, read_settings
from gen.errors import DeviceError, GenError, ModelError, PluginError, UsageError
from gen.model import Model, ModelFile, find_model
from gen.plugin.specs import ModalitySpec, Param
from gen.recipe import MAX_SEED, Input, ModelReference, Recipe

if TYPE_CHECKING:
    from gen.artifact import Artifact
    from gen.diffusion import Step
    from gen.plugin.discovery import Record
    from gen.plugin.host import Host

MAX_PROMPT_CHARACTERS = 2_000
MAX_STEPS = 10_000
MAX_GUIDANCE = 100.0
MAX_ITEMS = 1_000
DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("float32", "bfloat16", "float16")
DEFAULT_STRENGTH = 0.6
T = TypeVar("T")
N = TypeVar("N", int, float)


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
        solver, grid: Names as in ``gen.presets``.
        model: Name of a registered model or path of a model file.
        init: A file or an artifact to start from.
        strength: How far ``init`` may change, in (0, 1].
        mask: A file or an artifact whose bright parts are made anew, the others kept; needs ``init``.
        params: The modality's own parameters.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``, with an index where there are several.
        dtype: Type of the network's weights: ``"float32"``, ``"bfloat16"`` or ``"float16"``.
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
    model: str | None = None
    init: str | os.PathLike[str] | Artifact | None = None
    strength: float | None = None
    mask: str | os.PathLike[str] | Artifact | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    device: str | None = None
    dtype: str | None = None


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
    init: Artifact | None = None
    strength: float | None = None
    mask: Artifact | None = None
    inputs: tuple[Input, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    def recipe(self, item: Item) -> Recipe:
        """How an item comes about."""
        parents = [artifact.recipe for artifact in (self.init, self.mask) if artifact is not None]
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
        )


def resolve(request: Request, host: Host) -> Plan:
    """Decide everything that a request leaves open, and check everything that it says.

    A value comes from the request, else from the environment, ``gen.toml``, the user's configuration, the
    model, the plugin: the first that has one.

    Args:
        request: What is asked for.
        host: Where plugins come from.

    Raises:
        UsageError: A value that cannot be used.
        PluginError: The modality is unknown or cannot be used.
        ModelError: The model is unknown or damaged.
        DeviceError: The device does not exist.
    """
    spec = host.modality(request.modality)
    own = {param.name: param for param in spec.params}
    settings = read_settings(spec.name, {name: param.type for name, param in own.items()})

    def chosen(name: str, given: object, default: object, check: Callable[[Any], T]) -> T:
        if given is not None:
            return check(convert(given, SETTINGS[name], name, ""))
        setting = settings.get(name, Setting(default, ""))
        with naming(setting.origin):
            return check(setting.value)

    specs = host.models(spec.name)
    file = chosen("model", request.model, spec.default_model, lambda name: find_model(name, spec.name, specs))
    defaults = file.defaults
    count = chosen("count", request.count, 1, _between("count", 1, MAX_ITEMS))
    seeds = tuple(_seed(convert(seed, int, "seed", "")) for seed in request.seeds)
    if not seeds and "seed" in settings:
        seeds = (chosen("seed", None, None, _seed),)
    strength, init, mask = request.strength, request.init, request.mask
    if init is None and (strength is not None or mask is not None):
        raise UsageError(
            f"{'mask' if strength is None else 'strength'} needs something to start from", "add --init FILE"
        )
    inputs: list[Input] = []
    plan = Plan(
        spec=spec,
        file=file,
        licence=next((entry.licence for entry in specs if entry.name == file.name), ""),
        items=_items(request.prompts, count, seeds),
        negative=chosen(
            "negative", request.negative, "", lambda text: check_prompt(text, "negative", empty=True)
        ),
        steps=chosen("steps", request.steps, defaults.steps, _between("steps", 1, MAX_STEPS)),
        guidance=chosen(
            "guidance", request.guidance, defaults.guidance, _between("guidance", 0.0, MAX_GUIDANCE)
        ),
        solver=chosen(
            "solver",
            request.solver,
            defaults.solver,
            lambda name: presets.find(presets.SOLVERS, name, "solver").name,
        ),
        grid=chosen(
            "grid", request.grid, defaults.grid, lambda name: presets.find(presets.GRIDS, name, "grid").name
        ),
        params=_params(own, request.params, settings, file),
        device=chosen("device", request.device, "auto", find_device),
        dtype=chosen("dtype", request.dtype, "float32", lambda name: _one_of("dtype", name, DTYPES)),
        versions=_versions(host.record(spec.name)),
    )
    if init is None:
        return plan
    return replace(
        plan,
        init=_input("init", init, spec, host, inputs),
        mask=None if mask is None else _input("mask", mask, spec, host, inputs),
        strength=_strength(strength, masked=mask is not None),
        inputs=tuple(inputs),
    )


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


def load(plan: Plan, host: Host) -> Model:
    """Load the model of a plan.

    Raises:
        ModelError: The plugin cannot make a model of the file.
        DeviceError: The memory does not suffice.
        PluginError: The plugin's loader cannot be imported.
    """
    loader = cast(Callable[[ModelFile, str, str], object], host.resolve(plan.spec.loader))
    with _failures(f"model {plan.file.name} cannot be loaded", ModelError):
        model = loader(plan.file, plan.device, plan.dtype)
    if not isinstance(model, Model):
        raise ModelError(f"the loader of {plan.spec.name} gave {type(model).__name__}, not a gen.model.Model")
    return model


@dataclass(frozen=True)
class Progress:
    """Where a generation is.

    Args:
        item: Index of the first item of the batch that is being made.
        items: How many items there are in all.
        step: What the sampler has just done: ``step.index`` of ``step.total``, with the state so far.
    """

    item: int
    items: int
    step: Step


def generate(
    plan: Plan,
    model: Model,
    *,
    batch_size: int = 1,
    on_step: Callable[[Progress], None] | None = None,
) -> Iterator[Artifact]:
    """Make the items of a plan one after another.

    Args:
        plan: What to make.
        model: The plan's model.
        batch_size: How many items go through the network at once. The noise of an item never depends on it.
            With 1 the artifact is, bit for bit, the one that its recipe makes alone; with more, a matrix
            product may round differently.
        on_step: Called after each step; what it raises ends the generation and comes out as it is.

    Yields:
        Artifacts with their recipes, in the order of the items.

    Raises:
        UsageError: The model cannot make what the parameters ask for.
        DeviceError: The memory does not suffice.
        GenError: The model failed.
    """
    raised: list[Exception] = []
    for first in range(0, len(plan.items), batch_size):
        items = plan.items[first : first + batch_size]

        def report(step: Step, first: int = first) -> None:
            if on_step is None:
                return
            try:
                on_step(Progress(first, len(plan.items), step))
            except Exception as error:
                raised.append(error)
                raise

        with _failures(f"{plan.spec.name} failed", GenError, raised):
            artifacts = _batch(plan, model, items, report)
        for item, artifact in zip(items, artifacts, strict=True):
            yield replace(artifact, recipe=plan.recipe(item))


def unknown_words(plan: Plan, model: Model) -> str:
    """One line about words that the model does not know; empty when it knows them all."""
    encoder = model.encoder
    unknown = {item.prompt: encoder.unknown_words(item.prompt) for item in plan.items}
    words = dict.fromkeys(word for found in unknown.values() for word in found)
    if not words:
        return ""
    first = next(prompt for prompt, found in unknown.items() if found)
    known = ", ".join(encoder.suggestions(first, 5))
    hint = f"; it knows {known} …" if known else ""
    return (
        f"the model {model.name} does not know {', '.join(repr(word) for word in words)}{hint}; "
        "--model takes a bigger model"
    )


def check_prompt(prompt: str, name: str = "prompt", *, empty: bool = False) -> str:
    """Refuse a prompt that is empty, too long or not text.

    Args:
        prompt: The text.
        name: What it is, for the message.
        empty: Whether it may be empty.

    Raises:
        UsageError: If it cannot be used.
    """
    if not isinstance(prompt, str):
        raise UsageError(f"the {name} must be a text, not {type(prompt).__name__}")
    if not empty and not prompt.strip():
        raise UsageError(f"the {name} is empty", 'say what to make: "a red apple"')
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise UsageError(
            f"the {name} has {len(prompt):,} characters", f"at most {MAX_PROMPT_CHARACTERS:,} are read"
        )
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the {name} is not valid UTF-8") from None
    return prompt


def find_device(name: str) -> str:
    """The device that a name means here; ``"auto"`` is the fastest there is.

    Raises:
        DeviceError: If there is no such device.
    """
    kind, _, index = name.partition(":")
    if kind not in DEVICES or (index and not index.isdigit()) or (kind in ("auto", "cpu") and index):
        raise DeviceError(f"unknown device {name!r}", f"one of {', '.join(DEVICES)}")
    if kind == "cpu":
        return "cpu"
    import torch

    count = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if kind == "auto":
        return next((kind for kind in ("cuda", "mps") if count[kind]), "cpu")
    if int(index or 0) >= count[kind]:
        raise DeviceError(
            f"device {name} is not available", f"this machine has {count[kind]} of {kind}; use cpu"
        )
    return name


def _batch(plan: Plan, model: Model, items: Sequence[Item], report: Callable[[Step], None]) -> list[Artifact]:
    import torch

    from gen import diffusion

    codec, params, process = model.codec, plan.params, model.process
    prompts, negatives = [item.prompt for item in items], [plan.negative] * len(items)
    noise = diffusion.NoiseSource([item.seed for item in items])
    with torch.inference_mode():
        with _user_values():
            shape = codec.shape(params)
            solver = presets.solver(plan.solver)
            grid = presets.grid(plan.grid, plan.steps, process)
            conditioning = model.encoder(prompts, params).contrasting(model.encoder(negatives, params))
        if plan.init is None or plan.strength is None:
            x = diffusion.prior(process, grid, noise, shape, plan.device)
        else:
            with _user_values():
                x0 = codec.encode([plan.init], params).to(plan.device)
                _fits("the input", x0.shape, (1, *shape))
                keep = None if plan.mask is None else codec.mask(plan.mask, params).to(x0)
                if keep is not None:
                    _fits("the mask", keep.shape, (1, 1, *shape[1:]))
            grid = grid.truncate(plan.strength)
            eps = noise.prior(shape).to(x0)
            x = process.diffuse(x0.expand_as(eps), eps, process.level(grid.times[0]))
            if keep is not None:
                known = torch.cat([keep, keep * x0], 1).expand(len(items), -1, *shape[1:])
                conditioning = conditioning.adding(known=diffusion.Condition(known, "channels"))
        trajectory = diffusion.sample(
            diffusion.guided(
                diffusion.ModelDenoiser(model.network, process, model.parameterization),
                diffusion.ClassifierFree(plan.guidance),
            ),
            process,
            grid,
            solver,
            x=x,
            conditioning=conditioning.to(plan.device),
            noise=noise,
            on_step=report,
        )
        return codec.decode(trajectory.x, params)


def _fits(what: str, shape: Sequence[int], expected: Sequence[int]) -> None:
    if tuple(shape) != tuple(expected):
        raise ValueError(f"{what} became a state of {tuple(shape)}, not {tuple(expected)}")


@contextmanager
def _user_values() -> Iterator[None]:
    """Turn what the mathematics, an encoder or a codec says about values of the user into a usage error."""
    try:
        yield
    except ValueError as error:
        raise UsageError(_line(error)) from error


@contextmanager
def _failures(what: str, otherwise: type[GenError], callers: Sequence[Exception] = ()) -> Iterator[None]:
    """Turn every failure of a plugin or of the machine, none of `callers`, into one that says what failed."""
    try:
        yield
    except GenError:
        raise
    except Exception as error:
        if error in callers:
            raise
        if isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate" in str(error):
            raise DeviceError(
                "the memory does not suffice", "ask for something smaller, or use another --device"
            ) from error
        raise otherwise(f"{what}: {_line(error)}") from error


def _line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


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


def _params(
    own: Mapping[str, Param], given: Mapping[str, object], settings: Mapping[str, Setting], file: ModelFile
) -> dict[str, int | float | bool | str]:
    for name in given:
        if name not in own:
            raise unknown("parameter", name, own)
    values: dict[str, int | float | bool | str] = {}
    for name, param in own.items():
        origin = ""
        value = given.get(name)
        if value is None and name in settings:
            value, origin = settings[name].value, settings[name].origin
        if value is None:
            value = file.params.get(name, param.default)
        if value is not None:
            with naming(origin):
                values[name] = check_param(param, value)
    return values


def check_param(param: Param, value: object) -> int | float | bool | str:
    """Bring a value to a parameter's type and bounds.

    Args:
        param: The parameter.
        value: The value.

    Raises:
        UsageError: If the value is of another type or out of bounds.
    """
    checked = convert(value, param.type, param.name, "")
    if param.choices:
        return _one_of(param.name, checked, param.choices)
    if isinstance(checked, (int, float)) and not isinstance(checked, bool):
        _within(param.name, checked, (param.minimum, param.maximum), param.unit)
        if param.multiple_of is not None and checked % param.multiple_of:
            raise UsageError(f"{param.name} must be a multiple of {param.multiple_of}, not {checked}")
    assert isinstance(checked, (int, float, bool, str))
    return checked


def unknown(what: str, name: str, known: Mapping[str, object] | Sequence[str]) -> UsageError:
    """The error for a name that does not exist, with the nearest one that does."""
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}" if known else ""
    return UsageError(f"unknown {what} {name!r}", hint)


@contextmanager
def naming(origin: str) -> Iterator[None]:
    """Add to an error where the value at fault was set; an empty origin adds nothing."""
    try:
        yield
    except GenError as error:
        if not origin:
            raise
        raise type(error)(f"{error.message} (set in {origin})", error.hint) from error


def _seed(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= MAX_SEED:
        raise UsageError(f"seed must be a whole number from 0 to {MAX_SEED}, not {value}")
    return value


def _between(name: str, minimum: N, maximum: N) -> Callable[[N], N]:
    def check(value: N) -> N:
        _within(name, value, (minimum, maximum))
        return type(minimum)(value)

    return check


def _within(name: str, value: float, bounds: tuple[float | None, float | None], unit: str = "") -> None:
    low = -math.inf if bounds[0] is None else bounds[0]
    high = math.inf if bounds[1] is None else bounds[1]
    if math.isfinite(value) and low <= value <= high:
        return
    unit = f" {unit}" if unit else ""
    limits = (("at least", low), ("at most", high))
    parts = [f"{word} {limit:,g}{unit}" for word, limit in limits if math.isfinite(limit)]
    allowed = " and ".join(parts) or "finite"
    raise UsageError(f"{name} must be {allowed}, not {value:,}")


def _one_of(name: str, value: object, choices: Sequence[str]) -> str:
    if value not in choices:
        raise UsageError(unknown(name, str(value), choices).message, f"one of {', '.join(choices)}")
    return str(value)


def _strength(given: float | None, *, masked: bool) -> float:
    if given is None:
        return 1.0 if masked else DEFAULT_STRENGTH
    value = convert(given, float, "strength", "")
    if not (isinstance(value, float) and 0 < value <= 1):
        raise UsageError(f"strength must be above 0 and at most 1, not {given}")
    return value


def _input(
    role: str,
    source: str | os.PathLike[str] | Artifact,
    spec: ModalitySpec,
    host: Host,
    inputs: list[Input],
) -> Artifact:
    """Read an input, and note its digest: of the file, or of the arrays of one that was never in a file."""
    from gen import formats
    from gen.artifact import Artifact

    if isinstance(source, Artifact):
        digest = hashlib.sha256()
        for name, array in sorted(source.arrays.items()):
            digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
        inputs.append(Input(role=role, name="memory", sha256=digest.hexdigest()))
        return source
    path = Path(source)
    artifact = formats.read(path, host.formats(spec.kind), kind=spec.kind)
    with path.open("rb") as file:
        inputs.append(
            Input(role=role, name=path.name, sha256=hashlib.file_digest(file, "sha256").hexdigest())
        )
    return artifact


def _versions(plugin: Record) -> dict[str, str]:
    found = {"gen": version("gen-toolkit"), "torch": version("torch"), "python": platform.python_version()}
    if plugin.distribution not in ("", "gen-toolkit"):
        found[plugin.distribution] = plugin.version
    return found
