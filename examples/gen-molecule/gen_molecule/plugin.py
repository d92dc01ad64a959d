"""What molecules declare. Imports nothing heavy."""

from gen.plugin import FormatSpec, ModalitySpec, ModelSpec, Param, hookimpl


@hookimpl
def gen_modality() -> ModalitySpec:
    """The modality behind ``gen molecule``."""
    return ModalitySpec(
        name="molecule",
        kind="molecule",
        summary="Generate small molecules, their elements and places together.",
        loader="gen_molecule.model:load",
        default_model="small",
        default_format="xyz",
        prompt="optional",
        abilities=(),
        params=(
            Param(name="atoms", type=int, help="Atoms; drawn by the seed by default.", minimum=3, maximum=5),
        ),
        examples=("gen molecule -n 4 -o '{index}.xyz'", "gen molecule water -o water.xyz"),
    )


@hookimpl
def gen_models() -> tuple[ModelSpec, ...]:
    """Eight molecules."""
    return (
        ModelSpec(
            name="small",
            modality="molecule",
            summary="Eight molecules of three to five atoms.",
            source="package:gen_molecule/small.safetensors",
            sha256="6a5759ef548dfa34a165012a491a881dfa1791e15b7dd9e7223722ce3a741f39",
            size=1432,
            licence="CC0-1.0",
        ),
    )


@hookimpl
def gen_formats() -> tuple[FormatSpec, ...]:
    """XYZ, as chemists know it."""
    return (
        FormatSpec(
            name="xyz",
            kind="molecule",
            suffixes=(".xyz",),
            media_type="chemical/x-xyz",
            writer="gen_molecule.files:write",
            reader="gen_molecule.files:read",
            metadata_reader="gen_molecule.files:read_metadata",
            can_read="gen_molecule.files:can_read",
        ),
    )
