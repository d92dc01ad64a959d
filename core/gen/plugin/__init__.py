"""Plugins: what they declare, and the host that finds, checks and isolates them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gen.plugin.specs import (
    API,
    CHECKPOINT,
    ArrayLayout,
    CacheSpec,
    CommandSpec,
    ConverterSpec,
    FamilySpec,
    FormatSpec,
    GridSpec,
    GuidanceSpec,
    KindSpec,
    ModalitySpec,
    ModelSpec,
    NoiseSpec,
    Param,
    RecipeSpec,
    RunSpec,
    Signal,
    SolverSpec,
)

if TYPE_CHECKING:
    from gen.plugin.hookspecs import hookimpl

__all__ = [
    "API",
    "CHECKPOINT",
    "ArrayLayout",
    "CacheSpec",
    "CommandSpec",
    "ConverterSpec",
    "FamilySpec",
    "FormatSpec",
    "GridSpec",
    "GuidanceSpec",
    "KindSpec",
    "ModalitySpec",
    "ModelSpec",
    "NoiseSpec",
    "Param",
    "RecipeSpec",
    "RunSpec",
    "Signal",
    "SolverSpec",
    "hookimpl",
]


def __getattr__(name: str) -> object:
    """Import pluggy with the first plugin that is loaded; listing plugins does without."""
    if name == "hookimpl":
        from gen.plugin.hookspecs import hookimpl

        return hookimpl
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
