"""What the rude plugin declares."""

from __future__ import annotations

from collections.abc import Iterator

import rude_case

from gen.plugin import (
    ArrayLayout,
    CacheSpec,
    CommandSpec,
    ConverterSpec,
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
    SolverSpec,
    hookimpl,
)

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
        FormatSpec(
            name="polite",
            kind="polite",
            suffixes=(".polite",),
            media_type="text/plain",
            writer="rude_work:write",
        ),
    )


@hookimpl
def gen_solvers() -> list[SolverSpec]:
    return [SolverSpec(name="rude", summary="None.", factory="rude_work:make_solver", order=1)]


@hookimpl
def gen_grids() -> list[GridSpec]:
    return [GridSpec(name="rude", summary="None.", factory="rude_work:make_grid")]


@hookimpl
def gen_guidances() -> list[GuidanceSpec]:
    return [
        GuidanceSpec(name="rude", summary="None.", factory="rude_work:make_guidance"),
        GuidanceSpec(name="ruder", summary="None.", factory="rude_work:make_modifier", role="modifier"),
    ]


@hookimpl
def gen_caches() -> list[CacheSpec]:
    return [CacheSpec(name="rude", summary="None.", factory="rude_work:make_cache")]


@hookimpl
def gen_noises() -> list[NoiseSpec]:
    return [NoiseSpec(name="rude", summary="None.", factory="rude_work:make_noise")]


@hookimpl
def gen_kinds() -> list[KindSpec]:
    values = ArrayLayout(name="values", shape=("values",))
    checks = {"validate": "rude_work:validate", "distance": "rude_work:distance"}
    return [
        KindSpec(name="rude", summary="None.", arrays=(values,), preview="rude", **checks),
        KindSpec(name="polite", summary="None.", arrays=(values,)),
    ]


@hookimpl
def gen_converters() -> list[ConverterSpec]:
    return [
        ConverterSpec(
            name="rude", source="rude", target="polite", summary="None.", convert="rude_work:convert"
        )
    ]


@hookimpl
def gen_run() -> list[RunSpec]:
    hooks = {"before": "rude_work:before", "around": "rude_work:around", "after": "rude_work:after"}
    return [RunSpec(name="rude", summary="None.", **hooks)]


@hookimpl
def gen_commands() -> list[CommandSpec]:
    return [CommandSpec(name="rude", summary="None.", run="rude_work:command")]
