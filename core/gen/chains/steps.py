"""A chain as a value: steps, variables, and the order in which steps can run."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeAlias

from gen.checks import unknown
from gen.errors import UsageError
from gen.recipe import MAX_PROMPT, MAX_SEED, SOURCE

Scalar: TypeAlias = str | int | float | bool
Variable: TypeAlias = Scalar | tuple[Scalar, ...]

MAX_STEPS = 500
"""Most steps of a chain, those of its loops counted one by one."""
MAX_ENTRIES = 64
"""Most inputs, and most options, of a step; most variables of a chain."""
MAX_LIST = 200
"""Most values of a variable that is a list."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PATTERN = re.compile(r"[a-z0-9_*-]{1,64}")
_TEMPLATE = re.compile(r"[a-z0-9_{}-]{1,64}")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,63}")
_EACH = re.compile(r"([a-z][a-z0-9_]*) in ([a-z][a-z0-9_]*)")
_PLACE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a chain: it generates (``make``) or converts (``to``).

    In all texts, ``{NAME}`` stands for a variable of the chain.

    Args:
        name: Lower-case letters, digits, hyphens and underscores; the file of the result has it, too.
        make: Name of the modality that generates.
        prompt: What to generate.
        to: Kind of artifact that the input ``source`` is converted to.
        by: Names of the converters to take; empty for the shortest way.
        inputs: Steps whose results it takes, by what they are used as: ``init``, ``mask``, a parameter that
            is a file, or ``source``. A list of steps, or a pattern with ``*``, repeats the step for each of
            them, every time with the result before as ``source``; a pattern stands for the steps before this
            one that it matches and that the step does not name otherwise.
        options: Parameters of the modality or of the converters, and ``seed``, ``steps``, ``solver`` …
        each: ``"NAME in LIST"``: repeats the step for each value of a variable that is a list, as ``{NAME}``;
            ``{index}`` counts from 1, and ``{OTHER[index]}`` is the value of another list at that place. The
            name of the step must hold ``{index}`` or ``{NAME}``.
        format: Name of the file format; that of the modality by default.

    Raises:
        UsageError: A name that is none, or a step that neither makes nor converts, or both.
    """

    name: str
    make: str = ""
    prompt: str = ""
    to: str = ""
    by: tuple[str, ...] = ()
    inputs: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    options: Mapping[str, Scalar] = field(default_factory=dict)
    each: str = ""
    format: str = ""

    def __post_init__(self) -> None:
        by: object = self.by
        object.__setattr__(self, "by", (by,) if isinstance(by, str) else tuple(self.by))
        for value, what in (
            (self.name, "name"),
            (self.make, "make"),
            (self.to, "to"),
            (self.format, "format"),
        ):
            if not isinstance(value, str):
                raise UsageError(f"{what} of a step is {value!r}, not a text")
        if not (_TEMPLATE if self.each else _NAME).fullmatch(self.name):
            raise UsageError(
                f"a step cannot be named {self.name[:40]!r}",
                "lower-case letters, digits, hyphens, underscores",
            )
        at = f"step {self.name!r}"
        for value in (self.make, self.to, self.format, *self.by):
            if value and not (isinstance(value, str) and _NAME.fullmatch(value)):
                raise UsageError(f"{at} names {str(value)[:40]!r}, which is no name")
        if bool(self.make) == bool(self.to):
            raise UsageError(f"{at} must have either make or to", 'make = "image", or to = "video"')
        if self.to and (self.prompt or SOURCE not in self.inputs):
            fault = "has a prompt" if self.prompt else "says not what from"
            raise UsageError(f"{at} converts and {fault}", 'from = "NAME OF A STEP"')
        if self.make and self.by:
            raise UsageError(f"{at} generates, and a converter is named", "use `to`")
        if not isinstance(self.prompt, str) or len(self.prompt) > MAX_PROMPT:
            raise UsageError(f"{at}: the prompt is not a text of at most {MAX_PROMPT} characters")
        if self.each and not (isinstance(self.each, str) and _EACH.fullmatch(self.each)):
            raise UsageError(f"{at}: for is {str(self.each)[:40]!r}", 'for = "scene in scenes"')
        for table, what in ((self.inputs, "inputs"), (self.options, "options")):
            if not isinstance(table, Mapping) or len(table) > MAX_ENTRIES:
                raise UsageError(f"{at}: {what} is not a table of at most {MAX_ENTRIES}")
            for name in table:
                if not isinstance(name, str) or not _FIELD.fullmatch(name):
                    raise UsageError(f"{at}: {str(name)[:40]!r} is no name of one of the {what}")
        for name, sources in self.inputs.items():
            names = (sources,) if isinstance(sources, str) else sources
            if not isinstance(names, tuple | list) or not names:
                raise UsageError(f"{at}: the input {name} is not the name of a step")
            for one in names:
                allowed = _TEMPLATE if self.each else _PATTERN
                if not isinstance(one, str) or not allowed.fullmatch(one):
                    raise UsageError(f"{at}: the input {name} is {str(one)[:40]!r}, not the name of a step")
        for name, option in self.options.items():
            if not isinstance(option, str | int | float | bool):
                raise UsageError(
                    f"{at}: {name} is {type(option).__name__}, not a number, text, true or false"
                )
        inputs = {role: one if isinstance(one, str) else tuple(one) for role, one in self.inputs.items()}
        object.__setattr__(self, "inputs", inputs)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the steps whose results it takes."""
        return tuple(
            name for value in self.inputs.values() for name in ((value,) if isinstance(value, str) else value)
        )


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Steps that use each other's results.

    Args:
        steps: In any order.
        variables: What ``{NAME}`` in the texts of the steps stands for; a list is for loops.
        seed: Steps that name no seed draw theirs from this one and their name.

    Raises:
        UsageError: A variable or the seed is of another type.
    """

    steps: tuple[Step, ...]
    variables: Mapping[str, Variable] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        if not self.steps or not all(isinstance(step, Step) for step in self.steps):
            raise UsageError("the chain has no steps")
        if type(self.seed) is not int or not 0 <= self.seed <= MAX_SEED:
            raise UsageError(
                f"the seed of the chain is {self.seed!r}, not a whole number from 0 to {MAX_SEED}"
            )
        if not isinstance(self.variables, Mapping) or len(self.variables) > MAX_ENTRIES:
            raise UsageError(f"the variables of the chain are not a table of at most {MAX_ENTRIES}")
        values: dict[str, Variable] = {}
        for name, value in self.variables.items():
            if not isinstance(name, str) or not _FIELD.fullmatch(name) or name == "index":
                raise UsageError(f"a variable cannot be named {str(name)[:40]!r}")
            values[name] = _variable(name, value)
        object.__setattr__(self, "variables", values)

    def with_variables(self, given: Mapping[str, object]) -> Chain:
        """The chain with other values of some of its variables; texts take the type of the value before.

        Raises:
            UsageError: There is no such variable, or a value is of another type.
        """
        values = dict(self.variables)
        for name, value in given.items():
            if name not in values:
                raise unknown("variable", name, sorted(values))
            values[name] = _variable(name, _typed(name, value, values[name]))
        return replace(self, variables=values)

    def resolved(self) -> tuple[Step, ...]:
        """The steps as they run: without variables, loops and lists of inputs, each after those it needs.

        Raises:
            UsageError: A variable or a step is missing, a name stands twice, steps go round in a circle, or
                there are too many.
        """
        plain: list[Step] = []
        for step in self.steps:
            plain += self._unrolled(step)
            if len(plain) > MAX_STEPS:
                raise UsageError(f"the chain has more than {MAX_STEPS} steps")
        _check_names(plain)
        single: list[Step] = []
        for index, step in enumerate(plain):
            single += _repeated(step, [other.name for other in plain[:index]])
        if len(single) > MAX_STEPS:
            raise UsageError(f"the chain has more than {MAX_STEPS} steps")
        _check_names(single)
        names = {step.name for step in single}
        for step in single:
            for source in step.sources:
                if source not in names:
                    error = unknown("step", source, sorted(names))
                    raise UsageError(f"step {step.name!r}: {error.message}", error.hint)
        return _ordered(single)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the chain as TOML, to be shown and run by ``gen chain``.

        Raises:
            OutputError: The file exists or cannot be written.
        """
        from gen.atomic import atomic_file
        from gen.chains.text import formatted

        with atomic_file(path, overwrite=overwrite) as file:
            file.write(formatted(self).encode())
        return Path(path)

    def run(
        self,
        folder: str | os.PathLike[str],
        *,
        start: str = "",
        report: Callable[[str], None] | None = None,
    ) -> dict[str, Path]:
        """Make what is not there yet; see ``gen.chains.running.run``.

        Returns:
            The files of the steps, by name.

        Raises:
            gen.errors.GenError: A step failed; the message names it. What was made stays.
        """
        from gen.chains.running import run

        return run(self, folder, start=start, report=report)

    def _unrolled(self, step: Step) -> Iterable[Step]:
        if not step.each:
            return [_filled(step, self.variables)]
        found = _EACH.fullmatch(step.each)
        assert found is not None
        name, listed = found.groups()
        values = self.variables.get(listed)
        if values is None:
            raise _missing(step, listed, self.variables)
        if not isinstance(values, tuple):
            raise UsageError(f"step {step.name!r}: {listed} is no list", f'{listed} = ["…", "…"]')
        return [
            _filled(step, {**self.variables, name: value, "index": number})
            for number, value in enumerate(values, 1)
        ]


def chain(*steps: Step, seed: int = 0, **variables: Any) -> Chain:
    """A chain of steps: ``gen.chain(gen.Step(name="hero", make="image", prompt="{who}"), who="a fox")``.

    Raises:
        UsageError: A variable or the seed is of another type.
    """
    return Chain(steps=steps, variables=variables, seed=seed)


def _variable(name: str, value: object) -> Variable:
    if isinstance(value, list | tuple):
        if len(value) > MAX_LIST or not all(isinstance(one, str | int | float) for one in value):
            raise UsageError(f"the variable {name} is not a list of at most {MAX_LIST} texts or numbers")
        return tuple(value)
    if not isinstance(value, str | int | float):
        raise UsageError(f"the variable {name} is {type(value).__name__}, not a text, a number or a list")
    return value


def _typed(name: str, value: object, before: Variable) -> object:
    """A value for a variable: texts, as the command line gives them, become what was there before."""
    from gen.config import convert

    if not isinstance(value, str) or isinstance(before, str | tuple):
        if isinstance(before, tuple) and isinstance(value, str):
            raise UsageError(f"the variable {name} is a list", "change it in the file")
        return value
    return convert(value, type(before), name, "")


def _missing(step: Step, name: str, variables: Mapping[str, Variable]) -> UsageError:
    error = unknown("variable", name, sorted(variables))
    return UsageError(f"step {step.name!r}: {error.message}", error.hint)


def _value_of(name: str, variables: Mapping[str, Variable]) -> Variable | None:
    """The value of a variable, or of ``NAME[index]`` in a loop; None where there is none."""
    listed, index = variables.get(name.removesuffix("[index]")), variables.get("index")
    if not name.endswith("[index]"):
        return listed
    if isinstance(listed, tuple) and isinstance(index, int) and index <= len(listed):
        return listed[index - 1]
    return None


def _filled(step: Step, variables: Mapping[str, Variable]) -> Step:
    """A step with the values of variables in its texts."""

    def fill(text: str) -> str:
        def value(match: re.Match[str]) -> str:
            found = _value_of(match[1], variables)
            if found is None:
                raise _missing(step, match[1], variables)
            if isinstance(found, tuple):
                raise UsageError(f"step {step.name!r}: {match[1]} is a list", "use it with `for`")
            return str(found)

        return _PLACE.sub(value, text)

    def option(value: Scalar) -> Scalar:
        whole = _PLACE.fullmatch(value) if isinstance(value, str) else None
        found = _value_of(whole[1], variables) if whole else None
        # A number stays one where a variable is all there is.
        if isinstance(found, int | float):
            return found
        return fill(value) if isinstance(value, str) else value

    return replace(
        step,
        name=fill(step.name),
        prompt=fill(step.prompt),
        inputs={
            role: fill(value) if isinstance(value, str) else tuple(map(fill, value))
            for role, value in step.inputs.items()
        },
        options={name: option(value) for name, value in step.options.items()},
        each="",
    )


def _check_names(steps: Iterable[Step]) -> None:
    seen: set[str] = set()
    for step in steps:
        if step.name in seen:
            raise UsageError(
                f"two steps are named {step.name!r}", "a step with `for` needs {index} in its name"
            )
        seen.add(step.name)


def _repeated(step: Step, before: list[str]) -> list[Step]:
    """A step for each of the steps that an input lists, one after another."""
    named = {name for value in step.inputs.values() if isinstance(value, str) for name in (value,)}
    several: dict[str, list[str]] = {}
    for role, value in step.inputs.items():
        if isinstance(value, str) and "*" not in value:
            continue
        found: list[str] = []
        for one in (value,) if isinstance(value, str) else value:
            matched = [name for name in before if fnmatchcase(name, one) and name not in named]
            if "*" in one and not matched:
                raise UsageError(f"step {step.name!r}: no step before it matches {one!r}")
            found += matched if "*" in one else [one]
        several[role] = found
    if not several:
        return [step]
    if len(several) > 1 or SOURCE in several or not step.to:
        raise UsageError(
            f"step {step.name!r}: only one further input of a conversion can be several steps",
            "name one step for each of the others",
        )
    (role, names), source = next(iter(several.items())), step.inputs[SOURCE]
    steps: list[Step] = []
    for number, name in enumerate(names, 1):
        last = number == len(names)
        label = step.name if last else f"{step.name}-part{number}"
        steps.append(replace(step, name=label, inputs={**step.inputs, SOURCE: source, role: name}))
        source = label
    return steps


def _ordered(steps: list[Step]) -> tuple[Step, ...]:
    """Steps after those they need; among those that can run, one with the model of the last comes first."""
    waiting = {step.name: step for step in steps}
    done: list[Step] = []
    while waiting:
        ready = [step for step in waiting.values() if not any(name in waiting for name in step.sources)]
        if not ready:
            raise UsageError(f"steps need each other in a circle: {' → '.join(_circle(waiting))}")
        last = done[-1] if done else ready[0]
        kin = (last.make, last.options.get("model"))
        chosen = next((step for step in ready if (step.make, step.options.get("model")) == kin), ready[0])
        done.append(waiting.pop(chosen.name))
    return tuple(done)


def _circle(waiting: Mapping[str, Step]) -> list[str]:
    path = [next(iter(waiting))]
    while path[-1] not in path[:-1]:
        path.append(next(name for name in waiting[path[-1]].sources if name in waiting))
    return path[path.index(path[-1]) :]
