"""What tables of irises declare. Imports nothing heavy."""

from gen.plugin import ModalitySpec, ModelSpec, Param, hookimpl


@hookimpl
def gen_modality() -> ModalitySpec:
    """The modality behind ``gen iris``."""
    return ModalitySpec(
        name="iris",
        kind="iris",
        summary="Generate rows of measured irises, or fill in missing cells.",
        loader="gen_iris.model:load",
        default_model="fisher",
        default_format="json",
        prompt="none",
        abilities=("init", "mask"),
        params=(
            Param(name="rows", type=int, help="Rows of the table.", default=1, minimum=1, maximum=10_000),
        ),
        examples=("gen iris --rows 10 -o irises.json",),
    )


@hookimpl
def gen_models() -> tuple[ModelSpec, ...]:
    """Normal distributions of each species."""
    return (
        ModelSpec(
            name="fisher",
            modality="iris",
            summary="Three species, with the means and deviations of Fisher's table.",
            source="package:gen_iris/fisher.safetensors",
            sha256="10310fe3a6d8226559e8f11308f433460cd550a37804c375360a2f56f5a1b81b",
            size=512,
            licence="CC0-1.0",
        ),
    )
