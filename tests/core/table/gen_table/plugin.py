"""What tables declare."""

from __future__ import annotations

from gen.plugin import FormatSpec, ModalitySpec, ModelSpec, Param, hookimpl

SHA256 = "{sha256}"


@hookimpl
def gen_modality() -> ModalitySpec:
    return ModalitySpec(
        name="table",
        kind="row",
        summary="Generate rows of a table.",
        loader="gen_table.model:load",
        default_model="pets",
        default_format="csv",
        prompt="none",
        abilities=("init", "mask"),
    )


@hookimpl
def gen_models() -> tuple[ModelSpec, ...]:
    common = {"modality": "table", "sha256": SHA256, "size": 1, "licence": "CC0-1.0"}
    source = "package:gen_table/pets.safetensors"
    kinds = Param(name="only", type=str, help="The kind of all rows.", choices=("cat", "dog"))
    return (
        ModelSpec(name="pets", summary="Cats and dogs.", source=source, **common),
        ModelSpec(
            name="asked",
            summary="Cats or dogs, as asked.",
            source=source,
            prompt="optional",
            abilities=("guidance",),
            params=(kinds,),
            loader="gen_table.model:load_asked",
            **common,
        ),
    )


@hookimpl
def gen_formats() -> tuple[FormatSpec, ...]:
    return (
        FormatSpec(
            name="csv",
            kind="row",
            suffixes=(".csv",),
            media_type="text/csv",
            writer="gen_table.model:write",
            reader="gen_table.model:read",
            metadata_reader="gen_table.model:read_metadata",
        ),
    )
