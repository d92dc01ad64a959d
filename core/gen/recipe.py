"""How an artifact came about: the recipe that makes it again.

Imports the standard library only. The format is specified in ``docs/recipe.md``. A recipe that comes out of
a file is text written by a stranger: it is limited in size, its types are checked, and nothing in it is ever
imported, evaluated or opened.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeAlias, TypeVar, cast

from gen.errors import UsageError

SCHEMA = "gen.recipe/2"
SCHEMAS = (SCHEMA, "gen.recipe/1")
"""The schemas that are read. The first version named no guidance, cache and noise rule."""
MAX_BYTES = 1 << 20
"""Longest recipe, and longest text entry of any file, that is read."""
MAX_PROMPT = 10_000
"""Longest prompt in characters."""
MAX_GRID = 10_000
"""Longest list of sigmas or times in characters."""
MAX_THREADS = 1024
MAX_SEED = 2**63 - 1
MAX_GENERATIONS = 64
"""How many generations of parents are kept; older ones are known by the hashes of ``inputs`` only."""
SOURCE = "source"
"""The role of what a converter converts."""
MAX_ANCESTORS = 500
"""How many ancestors a recipe keeps; of one with more, only its parents are kept."""

Scalar = int | float | str | bool | None

_MAX_TEXT = 1_000
_MAX_ITEMS = 64
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}")
_DTYPE = re.compile(r"\w{1,64}(,\w{1,64}=\w{1,64}){0,16}", re.ASCII)
_OF_HUB = re.compile(r"hf:\w[\w.-]*(?:/\w[\w.-]*)+@\w+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CREATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_ABSOLUTE = re.compile(r"(?:[/~\\]|[A-Za-z]:[/\\]|file:/).+", re.DOTALL)
_T = TypeVar("_T")


def timestamp() -> str:
    """The time now in UTC, or that of ``SOURCE_DATE_EPOCH`` where it is set, for reproducible files.

    Raises:
        UsageError: ``SOURCE_DATE_EPOCH`` is not a time in seconds.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        moment = datetime.now(UTC) if epoch is None else datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"SOURCE_DATE_EPOCH={epoch!r} is not a time in whole seconds") from None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, kw_only=True)
class ModelReference:
    """Which weights were used.

    Args:
        name: What ``--model`` takes; of an absolute path only the last part is kept.
        sha256: Hex digest of the weights' file.
        licence: SPDX expression of the weights; empty when it is not known.
        variant: Of a checkpoint's weights that was asked for, such as ``"fp16"``; empty when none was.

    Raises:
        UsageError: A field of another type or form.
    """

    name: str
    sha256: str
    licence: str = ""
    variant: str = ""

    def __post_init__(self) -> None:
        _put(self, name=_without_folder(_text(self.name, "model.name")))
        _match(self.sha256, _SHA256, "model.sha256", "64 hex digits")
        _text(self.licence, "model.licence")
        _text(self.variant, "model.variant")


@dataclass(frozen=True, kw_only=True)
class Input:
    """A file that went into the generation.

    Args:
        role: What it was used as: ``"init"``, ``"mask"``.
        name: Name of the file; folders are dropped. ``hf:OWNER/NAME[/FILE]@COMMIT`` of one of the hub.
        sha256: Hex digest of the file.
        format: Name of the format that it was read from; empty for an artifact that was never in a file.
        parent: Place of its recipe among ``parents``, from 0; None where it carried none.
        value: What was given with it: the weight of a LoRA, the word of an embedding.

    Raises:
        UsageError: A field of another type or form.
    """

    role: str
    name: str
    sha256: str
    format: str = ""
    parent: int | None = None
    value: Scalar = None

    def __post_init__(self) -> None:
        _match(self.role, _NAME, "input.role", "a short name")
        if self.format:
            _match(self.format, _NAME, "input.format", "a short name")
        if self.parent is not None:
            _integer(self.parent, "input.parent", 0, _MAX_ITEMS)
        name = _text(self.name, "input.name")
        _put(self, name=name if _OF_HUB.fullmatch(name) else _basename(name))
        _scalar(self.value, "input.value")
        _match(self.sha256, _SHA256, "input.sha256", "64 hex digits")


class _Descendant:
    """What recipes of both forms have: inputs, and the recipes of those as parents."""

    inputs: tuple[Input, ...]
    parents: tuple[AnyRecipe, ...]
    versions: Mapping[str, str]

    @property
    def generator(self) -> str:
        """Name and version of the program: ``"gen 1.2.3"``."""
        return f"gen {self.versions.get('gen', '')}".strip()

    def parent_of(self, item: Input) -> AnyRecipe | None:
        """The recipe of an input; None where it is not known."""
        return None if item.parent is None else self.parents[item.parent]

    @cached_property
    def ancestors(self) -> int:
        """How many recipes stand in it, those of several descendants counted anew for each."""
        return sum(1 + parent.ancestors for parent in self.parents)

    @cached_property
    def generations(self) -> int:
        """How many generations of parents stand in it."""
        return max((1 + parent.generations for parent in self.parents), default=0)

    def _check_ancestry(self) -> None:
        inputs = _items(self.inputs, "inputs", Input)
        parents = cast("tuple[AnyRecipe, ...]", _items(self.parents, "parents", _Descendant))
        for item in inputs:
            if item.parent is not None and item.parent >= len(parents):
                raise UsageError(f"inputs in the recipe name parent {item.parent} of {len(parents)}")
        parents = tuple(_without_ancestors(parent, MAX_GENERATIONS - 1) for parent in parents)
        if len(parents) + sum(parent.ancestors for parent in parents) > MAX_ANCESTORS:
            parents = tuple(_without_ancestors(parent, 0) for parent in parents)
        _put(self, inputs=inputs, parents=parents)


@dataclass(frozen=True, kw_only=True)
class Recipe(_Descendant):
    """Everything that is needed to generate one artifact again.

    Args:
        modality: Name of the modality, e.g. ``"image"``.
        prompt: At most ``MAX_PROMPT`` characters.
        seed: 0 to 2**63 - 1; that of this very item, also within a batch.
        steps: At least 1.
        guidance: Finite scale of the guidance.
        solver, grid: Names as ``--solver`` and ``--grid`` take them; a grid may be a list of numbers.
        model: The weights.
        guides: The rule of guidance and its modifiers, as ``--guide`` takes them; empty for the one that
            belongs to the solver.
        cache: As ``--cache`` takes it; empty for none.
        noise: The noise rule, as ``--noise`` takes it.
        negative: The negative prompt; empty when there was none.
        strength: In (0, 1] when the generation started from an input, else None.
        edits: What was edited, by the names of the options: ``amount``, ``interpolate``, ``share``; a
            ``mask`` in words; as ``source`` the prompt of an input that was made again with another.
        params: The modality's own parameters, all resolved: no default is left implicit.
        inputs: Files that went in.
        parents: Recipes of those files, where they carried one.
        provenance: What run hooks of plugins noted: a table by the name of each hook.
        versions: Versions of what took part: ``gen``, the plugin's distribution, ``torch``, ``python``.
        device, dtype: Where and in which precision the network ran; parts of a checkpoint with a precision of
            their own are behind it: ``"bfloat16,vae=float32"``.
        threads: Threads of torch's kernels on the CPU, 1 to 1,024; None when not known.
        created: UTC, ``YYYY-MM-DDTHH:MM:SSZ``; has no influence on the result.

    Raises:
        UsageError: A field of another type, out of range or too long.
    """

    modality: str
    prompt: str
    seed: int
    steps: int
    guidance: float
    solver: str
    grid: str
    model: ModelReference
    guides: tuple[str, ...] = ()
    cache: str = ""
    noise: str = "independent"
    negative: str = ""
    strength: float | None = None
    edits: Mapping[str, Scalar] = field(default_factory=dict, hash=False)
    params: Mapping[str, Scalar] = field(default_factory=dict, hash=False)
    inputs: tuple[Input, ...] = ()
    parents: tuple[AnyRecipe, ...] = ()
    provenance: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict, hash=False)
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    device: str = "cpu"
    dtype: str = "float32"
    threads: int | None = None
    created: str = field(default_factory=timestamp)

    def __post_init__(self) -> None:
        _match(self.modality, _NAME, "modality", "a short name")
        _text(self.prompt, "prompt", MAX_PROMPT, printable=False)
        _text(self.negative, "negative", MAX_PROMPT, printable=False)
        _integer(self.seed, "seed", 0, MAX_SEED)
        _integer(self.steps, "steps", 1, 1_000_000)
        _put(self, guidance=_number(self.guidance, "guidance"))
        if self.strength is not None:
            strength = _number(self.strength, "strength")
            if not 0 < strength <= 1:
                raise UsageError(f"strength in the recipe is {strength:g}; it lies in (0, 1]")
            _put(self, strength=strength)
        _text(self.solver, "solver")
        _text(self.grid, "grid", MAX_GRID)
        _text(self.cache, "cache")
        _text(self.noise, "noise")
        _put(self, guides=_texts(self.guides, "guides"))
        _match(self.device, _NAME, "device", "a short name")
        _match(self.dtype, _DTYPE, "dtype", "a short name, of parts NAME,PART=NAME")
        if self.threads is not None:
            _integer(self.threads, "threads", 1, MAX_THREADS)
        _time(self.created, "created")
        _put(
            self,
            edits=_table(self.edits, "edits", _edit),
            params=_table(self.params, "params", _scalar),
            versions=_table(self.versions, "versions", _text),
            provenance=_table(self.provenance, "provenance", _notes),
        )
        if not isinstance(self.model, ModelReference):
            raise UsageError("model in the recipe is not a model reference")
        self._check_ancestry()

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON values, with its ``schema``."""
        table = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        table |= {
            "schema": SCHEMA,
            "model": dataclasses.asdict(self.model),
            "edits": dict(self.edits),
            "params": dict(self.params),
            "versions": dict(self.versions),
            "provenance": {name: dict(notes) for name, notes in self.provenance.items()},
            "guides": list(self.guides),
            "inputs": [dataclasses.asdict(item) for item in self.inputs],
            "parents": [parent.to_dict() for parent in self.parents],
        }
        return table

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces, UTF-8 text; equal recipes give equal text.

        Raises:
            UsageError: The text would exceed ``MAX_BYTES`` and could not be read back.
        """
        return _canonical(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read a recipe that anybody may have written.

        Args:
            text: JSON; keys that are not known are left out.

        Raises:
            UsageError: Too long, not JSON, another schema, or a field of another type or out of range.
        """
        return cls.from_dict(parse_json(text))

    @classmethod
    def from_dict(cls, table: object) -> Recipe:
        """Read a recipe from JSON values; see ``from_json``.

        Raises:
            UsageError: Another schema, or a field of another type or out of range, or that of a conversion.
        """
        recipe = _recipe(table, MAX_GENERATIONS)
        if not isinstance(recipe, cls):
            raise UsageError("the recipe is that of a conversion, not of a generation")
        return recipe

    def to_a1111(self) -> str:
        """The same in the form of AUTOMATIC1111's ``parameters``, which most picture tools can read."""
        settings: dict[str, object] = {
            "Steps": self.steps,
            "Sampler": self.solver,
            "Schedule type": self.grid,
            "CFG scale": f"{self.guidance:g}",
            "Seed": self.seed,
        }
        width, height = self.params.get("width"), self.params.get("height")
        if width and height:
            settings["Size"] = f"{width}x{height}"
        settings["Model hash"] = self.model.sha256[:10]
        settings["Model"] = self.model.name
        if self.strength is not None:
            settings["Denoising strength"] = f"{self.strength:g}"
        settings["Version"] = self.generator
        lines = [self.prompt] + ([f"Negative prompt: {self.negative}"] if self.negative else [])
        lines.append(", ".join(f"{key}: {_quoted(str(value))}" for key, value in settings.items()))
        return "\n".join(lines).replace("\0", "")


@dataclass(frozen=True, kw_only=True)
class Conversion(_Descendant):
    """Everything that is needed to convert one artifact again, together with its inputs.

    Args:
        converter: Name of the converter.
        kind: Kind of the artifact that came out.
        inputs: What went in: first the one that was converted, in the role ``"source"``; then those that are
            settings of the converter, by their names.
        params: The settings of the converter, all resolved.
        parents: Recipes of the inputs, where they carried one.
        versions: Versions of what took part: ``gen``, the plugin's distribution, ``python``.
        created: UTC, ``YYYY-MM-DDTHH:MM:SSZ``; has no influence on the result.

    Raises:
        UsageError: A field of another type, out of range or too long, or no input.
    """

    converter: str
    kind: str
    inputs: tuple[Input, ...]
    params: Mapping[str, Scalar] = field(default_factory=dict, hash=False)
    parents: tuple[AnyRecipe, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    created: str = field(default_factory=timestamp)

    def __post_init__(self) -> None:
        _match(self.converter, _NAME, "converter", "a short name")
        _match(self.kind, _NAME, "kind", "a short name")
        _time(self.created, "created")
        _put(
            self,
            params=_table(self.params, "params", _scalar),
            versions=_table(self.versions, "versions", _text),
        )
        self._check_ancestry()
        if not self.inputs or self.inputs[0].role != SOURCE:
            raise UsageError(f"inputs in the recipe do not begin with the {SOURCE}")

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON values, with its ``schema``."""
        return {
            "schema": SCHEMA,
            "converter": self.converter,
            "kind": self.kind,
            "params": dict(self.params),
            "inputs": [dataclasses.asdict(item) for item in self.inputs],
            "parents": [parent.to_dict() for parent in self.parents],
            "versions": dict(self.versions),
            "created": self.created,
        }

    def to_json(self) -> str:
        """Canonical JSON; see ``Recipe.to_json``.

        Raises:
            UsageError: The text would exceed ``MAX_BYTES`` and could not be read back.
        """
        return _canonical(self.to_dict())

    def to_a1111(self) -> str:
        """A line for tools that show AUTOMATIC1111's ``parameters``."""
        settings = {"Converter": self.converter, **self.params, "Version": self.generator}
        return ", ".join(f"{key}: {_quoted(str(value))}" for key, value in settings.items()).replace("\0", "")


AnyRecipe: TypeAlias = Recipe | Conversion
"""How an artifact came about: a model generated it, or a converter made it of others."""


def read_json(text: str) -> AnyRecipe:
    """Read a recipe of either form that anybody may have written.

    Args:
        text: JSON; keys that are not known are left out.

    Raises:
        UsageError: Too long, not JSON, another schema, or a field of another type or out of range.
    """
    return _recipe(parse_json(text), MAX_GENERATIONS)


def _canonical(table: Mapping[str, Any]) -> str:
    text = json.dumps(table, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if len(text.encode()) > MAX_BYTES:
        raise UsageError(f"the recipe exceeds {MAX_BYTES} bytes", "store it with `metadata='minimal'`")
    return text


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r'[,:\n"]', value) else value


def parse_json(text: str) -> Any:
    """JSON values of text from a stranger.

    Args:
        text: At most ``MAX_BYTES`` long.

    Raises:
        UsageError: It is longer, nested too deeply, not JSON, or holds NaN or Infinity.
    """
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        raise UsageError(f"the recipe exceeds {MAX_BYTES} bytes")
    try:
        return json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse_constant)
    except RecursionError:
        raise UsageError("the recipe is nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"the recipe is not JSON: {error}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _recipe(table: object, generations: int) -> AnyRecipe:
    if not isinstance(table, dict):
        raise UsageError("the recipe is not a JSON object")
    if table.get("schema") not in SCHEMAS:
        raise UsageError(f"the recipe's schema is {str(table.get('schema'))[:40]!r}, not {SCHEMA!r}")
    if generations < 0:
        raise UsageError(f"the recipe has more than {MAX_GENERATIONS} generations of parents")
    form: type[AnyRecipe] = Conversion if "converter" in table else Recipe
    known = _known(form, table, "the recipe")
    if form is Recipe:
        known["model"] = ModelReference(**_known(ModelReference, known["model"], "model"))
    known["inputs"] = tuple(Input(**_known(Input, item, "input")) for item in _array(known, "inputs"))
    known["parents"] = tuple(_recipe(item, generations - 1) for item in _array(known, "parents"))
    return form(**known)


def _known(cls: type, table: object, name: str) -> dict[str, Any]:
    """The keys that a dataclass has; all without a default must be there."""
    if not isinstance(table, dict):
        raise UsageError(f"{name} in the recipe is not a JSON object")
    fields = dataclasses.fields(cls)
    missing = [
        item.name
        for item in fields
        if item.name not in table
        and item.default is dataclasses.MISSING
        and (item.default_factory is dataclasses.MISSING or item.name == "created")
    ]
    if missing:
        raise UsageError(f"{name} lacks {', '.join(missing)}")
    return {item.name: table[item.name] for item in fields if item.name in table}


def _array(table: Mapping[str, Any], key: str) -> list[Any]:
    value = table.get(key, [])
    if not isinstance(value, list) or len(value) > _MAX_ITEMS:
        raise UsageError(f"{key} in the recipe is not a list of at most {_MAX_ITEMS}")
    return value


def _put(target: object, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(target, name, value)


def _text(value: object, name: str, limit: int = _MAX_TEXT, *, printable: bool = True) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{name} in the recipe is {type(value).__name__}, not text")
    if len(value) > limit:
        raise UsageError(f"{name} in the recipe has {len(value)} characters; at most {limit} are allowed")
    if printable and not value.isprintable():
        raise UsageError(f"{name} in the recipe holds control characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{name} in the recipe is not valid Unicode") from None
    return value


def _texts(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > _MAX_ITEMS:
        raise UsageError(f"{name} in the recipe is not a list of at most {_MAX_ITEMS}")
    return tuple(_text(item, name) for item in value)


def _match(value: object, pattern: re.Pattern[str], name: str, form: str) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise UsageError(f"{name} in the recipe is {str(value)[:40]!r}, not {form}")


def _time(value: object, name: str) -> None:
    form = "a time like 2026-01-31T12:00:00Z"
    _match(value, _CREATED, name, form)
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        raise UsageError(f"{name} in the recipe is {value!r}, not {form}") from None


def _integer(value: object, name: str, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise UsageError(f"{name} in the recipe is {_short(value)}, not a whole number from {low} to {high}")


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e300:
        raise UsageError(f"{name} in the recipe is {_short(value)}, not a finite number")
    # Adding zero turns -0 into 0.
    return float(value) + 0.0


def _short(value: object) -> str:
    # Python refuses to write out an integer of thousands of digits.
    if isinstance(value, int) and abs(value) > 2**64:
        return "a huge number"
    return repr(value)[:40] if isinstance(value, str | float | int | None) else type(value).__name__


def _scalar(value: object, name: str) -> Scalar:
    if isinstance(value, str):
        return _without_folder(_text(value, name, printable=False))
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        _integer(value, name, -(2**63), MAX_SEED)
        return value
    return _number(value, name)


def _edit(value: object, name: str) -> Scalar:
    """As ``_scalar``; a text may be a prompt."""
    return _text(value, name, MAX_PROMPT, printable=False) if isinstance(value, str) else _scalar(value, name)


def _notes(value: object, name: str) -> Mapping[str, Scalar]:
    return _table(value, name, _scalar)


def _table(value: object, name: str, check: Callable[[Any, str], _T]) -> dict[str, _T]:
    if not isinstance(value, Mapping) or len(value) > _MAX_ITEMS:
        raise UsageError(f"{name} in the recipe is not a table of at most {_MAX_ITEMS} entries")
    for key in value:
        _match(key, _NAME, f"a key of {name}", "a short name")
    return {key: check(item, f"{name}.{key}") for key, item in value.items()}


def _items(value: object, name: str, cls: type[_T]) -> tuple[_T, ...]:
    if not isinstance(value, Iterable):
        raise UsageError(f"{name} in the recipe is not a list")
    items = tuple(value)
    if len(items) > _MAX_ITEMS or not all(isinstance(item, cls) for item in items):
        raise UsageError(f"{name} in the recipe is not a list of at most {_MAX_ITEMS} of {cls.__name__}")
    return items


def _without_ancestors(recipe: AnyRecipe, generations: int) -> AnyRecipe:
    """A recipe with at most so many generations of parents."""
    if recipe.generations <= generations:
        return recipe
    if generations == 0:
        inputs = tuple(dataclasses.replace(item, parent=None) for item in recipe.inputs)
        return dataclasses.replace(recipe, inputs=inputs, parents=())
    parents = tuple(_without_ancestors(parent, generations - 1) for parent in recipe.parents)
    return dataclasses.replace(recipe, parents=parents)


def _basename(name: str) -> str:
    return re.split(r"[/\\]", name.rstrip("/\\"))[-1]


def _without_folder(text: str) -> str:
    """Text as it is, unless it is an absolute path: of that only the last part tells nothing private."""
    return _basename(text) if _ABSOLUTE.fullmatch(text) else text
