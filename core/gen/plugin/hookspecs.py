"""The hooks that a plugin module may implement. All are optional, keyword-only and must stay light."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from gen.plugin.specs import FormatSpec, ModalitySpec, ModelSpec

PROJECT = "gen"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def gen_modality() -> ModalitySpec:  # type: ignore[empty-body]
    """Declare the modality that this plugin brings."""


@hookspec
def gen_models() -> Iterable[ModelSpec]:  # type: ignore[empty-body]
    """Declare models that ``--model`` can name."""


@hookspec
def gen_formats() -> Iterable[FormatSpec]:  # type: ignore[empty-body]
    """Declare file formats."""
