"""Names with settings: ``"dpmpp_2m_sde:eta=0.5"``, ``"karras:rho=5"``, ``"easycache:0.1"``. No torch here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from gen.checks import check_param, unknown
from gen.errors import UsageError
from gen.plugin.boundary import calling
from gen.plugin.specs import ChoiceSpec, GridSpec, SolverSpec
from gen.presets import GridList, Sampler, find, grid_list, read_grid_list, sampler
from gen.presets.specs import build, settings_of

Value: TypeAlias = int | float | bool | str
S = TypeVar("S", bound=ChoiceSpec)

FIRST = ""
"""The name of a value that stands alone after the colon; it is that of the first setting."""


@dataclass(frozen=True, init=False)
class Choice:
    """A name with settings, as somebody gives it: ``Choice("apg", momentum=-0.5)``.

    ``str`` is the text that ``parse`` reads.

    Args:
        name: Of a solver, a grid, a guidance, a cache or a noise rule.
        settings: Values by the names of its settings.
    """

    name: str
    settings: Mapping[str, Value]

    def __init__(self, name: str, /, **settings: Value) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "settings", settings)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        pairs = (f"{key}={_text(value)}" if key else _text(value) for key, value in self.settings.items())
        return ":".join(filter(None, (self.name, ",".join(pairs))))

    @classmethod
    def parse(cls, text: str) -> Choice:
        """Read ``NAME``, ``NAME:VALUE`` or ``NAME:SETTING=VALUE,…``.

        Raises:
            UsageError: It is not of that form, or a setting is given twice.
        """
        name, colon, rest = (part.strip() for part in text.partition(":"))
        settings: dict[str, Value] = {}
        for place, part in enumerate(rest.split(",") if colon else ()):
            key, equals, value = (word.strip() for word in part.partition("="))
            if not equals and place == 0:
                key, value = FIRST, key
            if not value or (equals and not key) or (not equals and place > 0):
                raise UsageError(
                    f"{text[:80]!r} is no name with settings", f"write it as `{name}:setting=value`"
                )
            key = key.replace("-", "_").lower()
            if key in settings:
                raise UsageError(f"{key} is given twice in {text[:80]!r}", "give it once")
            settings[key] = value
        return cls(name, **settings)


@dataclass(frozen=True)
class Chosen(Generic[S]):
    """What a choice stands for.

    ``str`` is its canonical text: the listed name, and the settings that differ from their defaults, sorted.

    Args:
        spec: What was named.
        settings: Those that differ from their defaults, of the right type and within their bounds.
    """

    spec: S
    settings: Mapping[str, Value]

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return str(Choice(self.spec.name, **dict(sorted(self.settings.items()))))

    def build(self, *expected: Any, **parts: object) -> Any:
        """What the spec's factory makes.

        Args:
            *expected: The classes that it may have; any without.
            **parts: The further keyword arguments of the factory; those that a spec may need and this one
                does not are left out.

        Raises:
            UsageError: The settings do not fit each other or the model.
            PluginError: The factory of a plugin raised something, or returned something else.
        """
        noun = noun_of(type(self.spec))
        optional = OPTIONAL - set(self.spec.needs)
        given = {name: value for name, value in parts.items() if name not in optional}
        with calling(self.spec.plugin, f"factory of {noun} {self.spec.name}") as call:
            try:
                made = build(self.spec, self.settings, **given)
            except ValueError as error:
                if self.spec.plugin:
                    raise
                # Of the core: bounds cannot say which settings fit each other and the model.
                raise UsageError(f"{noun} {self}: {error}", f"change the settings of the {noun}") from error
            if expected and not isinstance(made, expected):
                raise call.returned(made, " or ".join(f"a {kind.__name__}" for kind in expected))
            return made


OPTIONAL = frozenset({"process", "own", "model", "layers"})
"""What factories get only where their spec needs it."""


def noun_of(kind: type[ChoiceSpec]) -> str:
    """How messages call what a spec declares: ``"solver"``, ``"guidance"``."""
    return kind.__name__.removesuffix("Spec").lower()


def choose(specs: Iterable[S], given: Choice | str, noun: str) -> Chosen[S]:
    """Find what a choice names, and check its settings.

    Args:
        specs: What can be chosen.
        given: A choice, or the text of one.
        noun: What it is, for messages.

    Raises:
        UsageError: There is nothing of that name, it has no such setting, or a value is out of bounds.
    """
    choice = _choice(given, noun)
    spec = find({spec.name: spec for spec in specs}, choice.name, noun)
    return Chosen(spec, checked(spec, choice.settings))


def choose_solver(
    solvers: Iterable[SolverSpec], grids: Iterable[GridSpec], given: Choice | str
) -> tuple[Chosen[SolverSpec], Sampler]:
    """As ``choose``, also for names that stand for a solver with its grid: "DPM++ 2M Karras".

    Returns:
        The solver, and what the name stands for.
    """
    choice = _choice(given, "solver")
    known = {spec.name: spec for spec in solvers}
    found = sampler(choice.name, known, {spec.name: spec for spec in grids})
    spec = known[found.solver]
    return Chosen(spec, checked(spec, choice.settings)), found


def choose_grid(grids: Iterable[GridSpec], given: Choice | str) -> Chosen[GridSpec] | GridList:
    """As ``choose``, also for a list of numbers, or the path of a file with one."""
    known = {spec.name: spec for spec in grids}
    if isinstance(given, str):
        if numbers := grid_list(given):
            return numbers
        try:
            return choose(known.values(), given, "grid")
        except UsageError:
            numbers = read_grid_list(given)
            if numbers is None:
                raise
            return numbers
    return choose(known.values(), given, "grid")


def checked(spec: ChoiceSpec, given: Mapping[str, object]) -> dict[str, Value]:
    """The settings that differ from their defaults, of the right type.

    Raises:
        UsageError: A setting is unknown, of another type or out of bounds.
    """
    known = {param.name: param for param in settings_of(spec)}
    values: dict[str, Value] = {}
    for name, value in given.items():
        key = next(iter(known), "") if name == FIRST else name
        label = f"{noun_of(type(spec))} {spec.name}"
        if key not in known:
            if not known:
                raise UsageError(f"{label} has no settings", f"write `{spec.name}` alone")
            error = unknown("setting", name or str(value), known)
            raise UsageError(f"{error.message} of {label}", f"it has {', '.join(known)}")
        if name == FIRST and key in given:
            raise UsageError(f"{key} of {label} is given twice", "give it once")
        try:
            found = check_param(known[key], value)
        except UsageError as error:
            raise UsageError(f"{label}: {error.message}", error.hint) from None
        if found != known[key].default:
            values[key] = found
    return values


def _choice(given: Choice | str, noun: str) -> Choice:
    if isinstance(given, Choice):
        return given
    if not isinstance(given, str):
        raise UsageError(f"the {noun} must be a text or a gen.Choice, not {type(given).__name__}")
    return Choice.parse(given)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
