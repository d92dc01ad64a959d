"""The core's own declarations, made as by any plugin: the choices of a run, kinds, and formats."""

from __future__ import annotations

from collections.abc import Iterable

from gen.kinds import KINDS
from gen.plugin.hookspecs import hookimpl
from gen.plugin.specs import (
    ANY_KIND,
    CacheSpec,
    FormatSpec,
    GridSpec,
    GuidanceSpec,
    KindSpec,
    NoiseSpec,
    SolverSpec,
)
from gen.presets.caches import CACHES
from gen.presets.default import DEFAULT_GRID, DEFAULT_SOLVER
from gen.presets.grids import GRIDS, MODEL_GRID
from gen.presets.guidances import GUIDANCES
from gen.presets.noises import NOISES
from gen.presets.solvers import SOLVERS


@hookimpl
def gen_solvers() -> Iterable[SolverSpec]:
    """Ways to step."""
    return (*SOLVERS.values(), DEFAULT_SOLVER)


@hookimpl
def gen_grids() -> Iterable[GridSpec]:
    """Where to step."""
    return (*GRIDS.values(), DEFAULT_GRID, MODEL_GRID)


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


@hookimpl
def gen_formats() -> Iterable[FormatSpec]:
    """JSON, for artifacts of every kind, and plain texts."""
    return (
        FormatSpec(
            name="txt",
            kind="text",
            suffixes=(".txt",),
            media_type="text/plain",
            writer="gen.text_files:write_text",
            reader="gen.text_files:read_text",
        ),
        FormatSpec(
            name="json",
            kind=ANY_KIND,
            suffixes=(".json",),
            media_type="application/json",
            writer="gen.json_files:write",
            reader="gen.json_files:read",
            metadata_reader="gen.json_files:read_metadata",
            can_read="gen.json_files:can_read",
        ),
    )


@hookimpl
def gen_kinds() -> Iterable[KindSpec]:
    """Pictures, sounds, clips, points and surfaces."""
    return KINDS.values()
