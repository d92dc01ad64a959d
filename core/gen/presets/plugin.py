"""The solvers, grids, guidances, caches and noise rules of the core, declared as by any plugin."""

from __future__ import annotations

from collections.abc import Iterable

from gen.plugin.hookspecs import hookimpl
from gen.plugin.specs import CacheSpec, GridSpec, GuidanceSpec, NoiseSpec, SolverSpec
from gen.presets.caches import CACHES
from gen.presets.grids import GRIDS
from gen.presets.guidances import GUIDANCES
from gen.presets.noises import NOISES
from gen.presets.solvers import SOLVERS


@hookimpl
def gen_solvers() -> Iterable[SolverSpec]:
    """Ways to step."""
    return SOLVERS.values()


@hookimpl
def gen_grids() -> Iterable[GridSpec]:
    """Where to step."""
    return GRIDS.values()


@hookimpl
def gen_guidances() -> Iterable[GuidanceSpec]:
    """Rules of guidance and their modifiers."""
    return GUIDANCES.values()


@hookimpl
def gen_caches() -> Iterable[CacheSpec]:
    """Evaluations that are skipped."""
    return CACHES.values()


@hookimpl
def gen_noises() -> Iterable[NoiseSpec]:
    """Where noise comes from."""
    return NOISES.values()
