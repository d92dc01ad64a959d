"""Chains at work: what each step would do, and the running of those whose results are not there yet."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen import formats, presets
from gen.api import find_host, make_request
from gen.api import run as generate
from gen.artifact import Artifact
from gen.atomic import atomic_file
from gen.checks import check_param, unknown
from gen.conversion import convert, route
from gen.errors import GenError, OutputError, UsageError
from gen.plan import Plan, choose, resolve
from gen.plan.abilities import abilities_of_any
from gen.plan.editing import PROMPT, SEED
from gen.plan.inputs import FILES
from gen.plan.regions import is_region
from gen.plan.resolve import versions_of
from gen.plugin.host import Host
from gen.plugin.specs import ConverterSpec, FormatSpec, GridSpec
from gen.recipe import SOURCE
from gen.run import load

if TYPE_CHECKING:
    from gen.chains.steps import Chain, Scalar, Step
    from gen.model import Model

STATE = "chain.json"
"""The file in the output folder that says which results belong to which steps."""
STATE_SCHEMA = "gen.chain-state/1"

OPTIONS = frozenset(
    (
        *("negative", "steps", "guidance", "guide", "guidance_interval", "solver", "grid", "cache", "noise"),
        *("model", "strength", "device", "dtype", "threads", "seed"),
        *("mask", "expand", "restore", "upscale", "tile", "edit", "amount", "interpolate", "share"),
    )
)
"""What a step that generates may say beside the parameters of the modality. None of them may name a file."""

EDITS = frozenset(
    ("strength", "mask", "expand", "restore", "upscale", "edit", "amount", "interpolate", "share")
)
"""Options that need a file."""

MAX_STATE = 1 << 22


@dataclass(frozen=True)
class Work:
    """What a step does.

    Args:
        step: The step.
        kinds: Kinds that its result may have.
        form: The format of its file.
        key: Hash of everything that its result depends on.
        path: Its file.
        ready: Whether the file is there, made by the same step of the same inputs.
        kept: Whether a file of that name belongs to the chain.
    """

    step: Step
    kinds: tuple[str, ...]
    form: FormatSpec
    key: str
    path: Path
    ready: bool
    kept: bool


def plan(chain: Chain, folder: str | os.PathLike[str], host: Host, *, start: str = "") -> list[Work]:
    """What each step would do, in the order in which they run; nothing is made, and nothing written.

    Args:
        chain: The chain.
        folder: Where the results are, or will be.
        host: Where plugins come from.
        start: A step that is made anew, as is everything that needs it; empty for none.

    Raises:
        UsageError: A variable, step, option or kind that does not exist or does not fit.
        PluginError: A modality cannot be used.
        ModelError: A model is not there.
    """
    steps = chain.resolved()
    names = {step.name for step in steps}
    if start and start not in names:
        raise unknown("step", start, sorted(names))
    state = _read_state(Path(folder))
    used = {name for step in steps for name in step.sources}
    works: dict[str, Work] = {}
    for step in steps:
        with _about(step, None):
            kinds, asked = _asked(chain, step, works, host)
            form = _format(step, kinds, host)
            if step.name in used and not form.reader:
                raise UsageError(f"{form.name} cannot be read by the steps after it", "choose another format")
        path = Path(folder) / f"{step.name}{form.suffixes[0]}"
        sources = {role: works[str(name)].key for role, name in step.inputs.items()}
        key = _digest({"asked": asked, "format": form.name, "inputs": sources})
        entry = state.get(step.name, {})
        forced = step.name == start or any(not works[name].ready for name in step.sources)
        ready = not forced and entry.get("key") == key and _same_file(path, entry.get("sha256"))
        kept = entry.get("file") == path.name
        works[step.name] = Work(step, kinds, form, key, path, ready, kept)
    return list(works.values())


def run(
    chain: Chain,
    folder: str | os.PathLike[str],
    *,
    start: str = "",
    report: Callable[[str], None] | None = None,
) -> dict[str, Path]:
    """Run the steps of a chain whose results are not in the folder yet.

    Each result is written as soon as it is there, whole or not at all; an interrupted chain goes on where it
    stopped. A result counts as there while the step, the models and plugins, and the inputs are the same.

    Args:
        chain: The chain.
        folder: Where results go; it is made if need be.
        start: A step that is made anew, as is everything that needs it; empty for none.
        report: Called with a line about each step.

    Returns:
        The files of the steps, by name.

    Raises:
        UsageError: See ``plan``.
        OutputError: A file that does not belong to the chain is in the way, or nothing can be written.
        gen.errors.GenError: A step failed: the message names it and its file. What was made stays.
    """
    host = find_host()
    works = plan(chain, folder, host, start=start)
    for work in works:
        if work.path.is_symlink() or (work.path.exists() and not work.kept):
            raise OutputError(
                f"step {work.step.name!r}: {work.path} exists and does not belong to the chain",
                "choose another folder",
            )
    if not all(work.ready for work in works):
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from None
    files = {work.step.name: work.path for work in works}
    state, models = _read_state(Path(folder)), _Models(host)
    for number, work in enumerate(works, 1):
        where = f"step {number} of {len(works)}, {work.step.name}"
        if work.ready:
            if report:
                report(f"{where}: is there")
            continue
        with _about(work.step, work.path):
            # Written first, so that a file whose entry was lost belongs to the chain all the same.
            state[work.step.name] = {"key": "", "file": work.path.name, "sha256": ""}
            _write_state(Path(folder), state)
            artifact = _made(chain, work.step, files, models, host)
            written = formats.write(artifact, work.path, [work.form], name=work.form.name, overwrite=True)
            state[work.step.name] |= {"key": work.key, "sha256": written.sha256}
            _write_state(Path(folder), state)
        if report:
            report(f"{where}: {work.path}")
    return files


class _Models:
    """The model that was used last, kept for the next step."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._key: tuple[str, str, str] | None = None
        self._model: Model | None = None

    def of(self, planned: Plan) -> Model:
        key = (planned.file.sha256, planned.device, planned.dtype)
        if self._model is None or key != self._key:
            self._model, self._key = None, None
            self._model, self._key = load(planned, self._host), key
        return self._model


def _made(chain: Chain, step: Step, files: Mapping[str, Path], models: _Models, host: Host) -> Artifact:
    inputs = {role: files[str(name)] for role, name in step.inputs.items()}
    if step.make:
        options = {**_options(chain, step), **inputs}
        planned = resolve(make_request(host, step.make, _prompts(step), options), host)
        return generate(planned, models.of(planned), None)[0]
    source = inputs.pop(SOURCE)
    kind = formats.read(source, host.formats()).kind if not step.by else ""
    way = _way(step, (kind,), host)
    return convert(source, way, {**step.options, **inputs}, host)


def _asked(
    chain: Chain, step: Step, works: Mapping[str, Work], host: Host
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Kinds of the result of a step, and everything that it depends on beside its inputs, checked."""
    kinds = {role: works[str(name)].kinds for role, name in step.inputs.items()}
    if step.to:
        way = _way(step, kinds.pop(SOURCE), host)
        params = {param.name: param for spec in way for param in spec.params}
        for name, value in step.options.items():
            if name not in params or params[name].kind:
                raise unknown("option", name, sorted(name for name, one in params.items() if not one.kind))
            check_param(params[name], value)
        _check_files({name: param.kind for name, param in params.items() if param.kind}, kinds)
        for name, param in params.items():
            if param.kind and name not in kinds:
                raise UsageError(f"converter {way[0].name} needs {name}", f'inputs = {{ {name} = "STEP" }}')
        versions = versions_of([host.owner(spec) for spec in way])
        asked = {"by": [spec.name for spec in way], "options": dict(step.options), "versions": versions}
        return (way[-1].target,), asked
    spec = host.modality(step.make)
    params = {param.name: param for param in abilities_of_any(host, spec).params}
    _check_files(
        {**dict.fromkeys(FILES, spec.kind), **{n: p.kind for n, p in params.items() if p.kind}}, kinds
    )
    allowed = OPTIONS | {name for name, param in params.items() if not param.kind}
    for name in step.options:
        if name not in allowed:
            raise unknown("option", name, sorted(allowed))
    _check_words(step)
    model, grid = step.options.get("model"), step.options.get("grid")
    known = {one.name for one in host.models(spec.name)}
    if model is not None and model not in known:
        raise unknown("model", str(model), sorted(known))
    if grid is not None and presets.grid_list(str(grid)) is None:
        # Else a path would be opened.
        choose(host.choices(GridSpec, spec.name), str(grid), "grid")
    # What edits a file is checked when the file is there.
    edits = {name: value for name, value in step.options.items() if name in EDITS}
    options = {name: value for name, value in _options(chain, step).items() if name not in EDITS}
    recipe = _resolved(make_request(host, spec.name, _prompts(step), options), host)
    also = {kind for form in host.formats(spec.kind) if form.reader for kind in form.kinds}
    return (spec.kind, *sorted(also - {spec.kind})), {
        "recipe": recipe,
        "edits": edits,
    }


def _check_words(step: Step) -> None:
    """Refuse edits that could be taken for names of files: a chain names none."""
    mask, other = (str(step.options.get(name, "")) for name in ("mask", "interpolate"))
    if mask and not is_region(mask):
        raise UsageError(f"the mask {mask[:40]!r} is no region", 'inputs = { mask = "STEP" } takes a step')
    if other and not other.startswith((SEED, PROMPT)):
        raise UsageError(
            f"interpolate is {other[:40]!r}", f"write `{PROMPT}…` or `{SEED}N`, or name a step as input"
        )


def _resolved(request: Any, host: Host) -> dict[str, Any]:
    """The recipe of a request before its device and precision are chosen and its files are read."""
    found: dict[str, Any] = {}

    class _Enough(Exception):  # noqa: N818
        pass

    def keep(planned: Plan) -> None:
        from dataclasses import replace

        plan = replace(planned, device=request.device or "auto", dtype=planned.dtype or "auto")
        recipe = plan.recipe(planned.items[0]).to_dict()
        found.update({name: value for name, value in recipe.items() if name != "created"})
        raise _Enough

    with suppress(_Enough):
        resolve(request, host, check=keep)
    return found


def _check_files(allowed: Mapping[str, str], given: Mapping[str, Sequence[str]]) -> None:
    for role, kinds in given.items():
        if role not in allowed:
            raise unknown("input", role, sorted(allowed))
        if allowed[role] not in kinds:
            raise UsageError(f"{role} must be {allowed[role]}, not {kinds[0]}", "convert it in a step before")


def _way(step: Step, kinds: Iterable[str], host: Host) -> tuple[ConverterSpec, ...]:
    converters = host.converters()
    if step.by:
        named = next((spec for spec in converters if spec.name == step.by[0]), None)
        kinds = [named.source] if named and (named.source in kinds or "" in kinds) else kinds
    failure: UsageError | None = None
    for kind in kinds:
        try:
            way = route(converters, kind, step.to, step.by)
        except UsageError as error:
            failure = failure or error
            continue
        if way:
            return way
        failure = failure or UsageError(f"it is {kind} already", "say with `by` which converter to take")
    assert failure is not None
    raise failure


def _format(step: Step, kinds: Sequence[str], host: Host) -> FormatSpec:
    known = host.formats(kinds[0])
    default = None
    for record in host.modalities:
        if record.name == (step.make or kinds[0]):
            default = host.modality(record.name).default_format
    if not step.format and default is None:
        return next((form for form in known if form.reader), known[0])
    return formats.find_format(known, name=step.format or default, kind=kinds[0])


def _options(chain: Chain, step: Step) -> dict[str, Scalar]:
    drawn = hashlib.sha256(f"{chain.seed} {step.name}".encode()).digest()
    return {"seed": int.from_bytes(drawn[:4], "big"), **step.options}


def _prompts(step: Step) -> list[str]:
    return [step.prompt] if step.prompt else []


@contextmanager
def _about(step: Step, path: Path | None) -> Any:
    """Name the step, and its file, in errors."""
    try:
        yield
    except GenError as error:
        where = f"step {step.name!r}" + (f" ({path})" if path else "")
        raise _named(error, where) from error


def _named(error: GenError, where: str) -> GenError:
    kind = next(cls for cls in type(error).__mro__ if cls.__module__ == GenError.__module__)
    return kind(f"{where}: {error.message}", error.hint)


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def _same_file(path: Path, sha256: object) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def _read_state(folder: Path) -> dict[str, dict[str, str]]:
    """What is known about the results in a folder; a file that cannot be read says nothing."""
    try:
        with (folder / STATE).open("rb") as file:
            table = json.loads(file.read(MAX_STATE))
        if table["schema"] != STATE_SCHEMA:
            return {}
        entries = table["steps"].items()
        return {
            str(name): {key: str(entry[key]) for key in ("key", "file", "sha256")} for name, entry in entries
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _write_state(folder: Path, steps: Mapping[str, Mapping[str, str]]) -> None:
    text = json.dumps({"schema": STATE_SCHEMA, "steps": steps}, indent=1, sort_keys=True)
    with atomic_file(folder / STATE, overwrite=True) as file:
        file.write(text.encode())
