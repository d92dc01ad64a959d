"""What the rude plugin declares."""

from __future__ import annotations

from collections.abc import Iterator

import rude_case

from gen.plugin import FormatSpec, ModalitySpec, ModelSpec, Param, RecipeSpec, hookimpl

rude_case.act("import", None)


@hookimpl
def gen_modality() -> ModalitySpec:
    return ModalitySpec(
        name="rude",
        kind="rude",
        summary="Misbehave.",
        loader="rude_work:load",
        default_model="tiny",
        default_format="rude",
        params=(Param(name="size", type=int, help="Values.", default=4, minimum=1, maximum=8),),
        recipes=(RecipeSpec(name="quick", summary="None.", factory="rude_work:recipe", presets=("s",)),),
        evaluation="rude_work:evaluate",
    )


@hookimpl
def gen_models() -> Iterator[ModelSpec]:
    rude_case.act("hook", None)
    yield ModelSpec(
        name="tiny",
        modality="rude",
        summary="Tiny.",
        source=rude_case.MODEL,
        sha256=rude_case.SHA256,
        size=1,
        licence="CC0-1.0",
    )


@hookimpl
def gen_formats() -> tuple[FormatSpec, ...]:
    return (
        FormatSpec(
            name="rude",
            kind="rude",
            suffixes=(".rude",),
            media_type="text/plain",
            writer="rude_work:write",
            reader="rude_work:read",
            metadata_reader="rude_work:read_metadata",
        ),
        FormatSpec(
            name="ruder",
            kind="rude",
            suffixes=(".rude",),
            media_type="text/plain",
            writer="rude_work:write",
            reader="rude_work:read",
            can_read="rude_work:can_read",
        ),
    )
