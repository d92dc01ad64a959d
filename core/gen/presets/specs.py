"""What a named solver, grid or sampler is. No torch here."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from types import MappingProxyType
from typing import Any, Protocol, TypeVar


@dataclass(frozen=True)
class Call:
    """Something to build, later.

    Args:
        factory: Import string, "module:qualified.name".
        options: Keyword arguments; a ``Call`` or ``Entry`` among them is built first.
    """

    factory: str
    options: Mapping[str, object] = field(default_factory=dict)

    def build(self, **more: object) -> Any:
        """The object. ``more`` are further keyword arguments."""
        made = _imported(self.factory)
        options = {k: v.build() if isinstance(v, Call | Entry) else v for k, v in self.options.items()}
        return made(**options, **more)


@dataclass(frozen=True)
class Entry:
    """An entry of a mapping, looked up later.

    Args:
        mapping: Import string, "module:qualified.name".
        key: Of the entry.
    """

    mapping: str
    key: str

    def build(self) -> Any:
        """The entry."""
        return _imported(self.mapping)[self.key]


class Preset(Protocol):
    """What can be looked up by name."""

    @property
    def name(self) -> str: ...

    @property
    def aliases(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class SolverPreset:
    """A named solver.

    Args:
        name: The name that is listed.
        aliases: Other names of the same thing.
        summary: One line.
        make: Builds it.
        order: Order of convergence of its steps; where it draws noise, that for each path of it.
        evaluations: Of the network per step; 0 where it depends on the data.
        stochastic: Whether it draws noise.
        limit: What the first steps, which have no history, leave of the order over a whole run.
        guidance: Name in ``gen.diffusion`` of the guidance that belongs to it.
    """

    name: str
    aliases: tuple[str, ...]
    summary: str
    make: Call
    order: int
    evaluations: int = 1
    stochastic: bool = False
    limit: int = 4
    guidance: str = "ClassifierFree"

    @property
    def run_order(self) -> int:
        """Order of convergence of whole runs."""
        return min(self.order, self.limit)


@dataclass(frozen=True)
class GridPreset:
    """A named time grid.

    Args:
        name: The name that is listed.
        aliases: Other names of the same thing.
        summary: One line.
        make: Builds it from ``steps`` and, where ``of_process``, ``process``.
        of_process: Whether it spaces the levels of a process.
    """

    name: str
    aliases: tuple[str, ...]
    summary: str
    make: Call
    of_process: bool = False


@dataclass(frozen=True)
class Sampler:
    """A process, a solver and a grid that go by one name.

    Args:
        process: Import string of what builds the process; "" where the name implies none.
        solver: Name of a solver.
        grid: Name of a grid; "" where the name implies none.
        options: Keyword arguments of what builds the process.
    """

    process: str
    solver: str
    grid: str
    options: Mapping[str, object] = field(default_factory=dict)

    def build_process(self) -> Any:
        """The process; only where the name implies one."""
        return Call(self.process, self.options).build()


P = TypeVar("P", bound=Preset)


def table(presets: Iterable[P]) -> Mapping[str, P]:
    """The presets by their names, read-only."""
    return MappingProxyType({preset.name: preset for preset in presets})


def _imported(reference: str) -> Any:
    module, _, path = reference.partition(":")
    return reduce(getattr, path.split("."), importlib.import_module(module))
