"""Samplers, and objects built from the specs that declare them. No torch here."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from types import MappingProxyType
from typing import Any, TypeVar

from gen.plugin.specs import ChoiceSpec, Param
from gen.presets.settings import COMMON_CHANGES, COMMON_SETTINGS

S = TypeVar("S", bound=ChoiceSpec)


@dataclass(frozen=True)
class Sampler:
    """A process, a solver and a grid that go by one name.

    Args:
        process: Import string of the factory of the process; "" where the name implies none.
        solver: Name of a solver.
        grid: Name of a grid; "" where the name implies none.
        options: Keyword arguments of that factory.
    """

    process: str
    solver: str
    grid: str
    options: Mapping[str, object] = field(default_factory=dict)

    def build_process(self) -> Any:
        """The process; only where the name implies one."""
        return _imported(self.process)(**self.options)


def settings_of(spec: ChoiceSpec) -> tuple[Param, ...]:
    """The settings of a spec, its own and those that all of its kind have."""
    return (*spec.settings, *COMMON_SETTINGS.get(type(spec), ()))


def build(spec: ChoiceSpec, settings: Mapping[str, object] | None = None, **parts: object) -> Any:
    """The object that a spec declares.

    Args:
        spec: Of a solver, a grid, a guidance, a cache or a noise rule.
        settings: Values by name, checked; the others have their defaults.
        **parts: The further keyword arguments of the factory.
    """
    given = dict(settings or {})
    common = {param.name for param in COMMON_SETTINGS.get(type(spec), ())}
    own: dict[str, object] = {param.name: param.default for param in spec.settings}
    own |= {name: value for name, value in given.items() if name not in common}
    made = _imported(spec.factory)(
        **{name: value for name, value in own.items() if value is not None}, **parts
    )
    if changes := {name: value for name, value in given.items() if name in common}:
        made = _imported(COMMON_CHANGES[type(spec)])(made, **changes)
    return made


def table(specs: Iterable[S]) -> Mapping[str, S]:
    """The specs by their names, read-only."""
    return MappingProxyType({spec.name: spec for spec in specs})


def _imported(reference: str) -> Any:
    module, _, path = reference.partition(":")
    return reduce(getattr, path.split("."), importlib.import_module(module))
