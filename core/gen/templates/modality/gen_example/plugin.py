"""What this plugin declares. Imports nothing heavy: this file is read for every list of commands."""

from gen.plugin import FormatSpec, ModalitySpec, ModelSpec, Param, RecipeSpec, hookimpl


@hookimpl
def gen_modality() -> ModalitySpec:
    """The modality behind ``gen example``."""
    return ModalitySpec(
        name="example",
        kind="example",
        summary="Generate curves from words.",
        loader="gen_example.model:load",
        default_model="first",
        default_format="csv",
        params=(
            Param(name="scale", type=float, help="Largest value.", default=1.0, minimum=0.1, maximum=100),
        ),
        recipes=(
            RecipeSpec(
                name="first",
                summary="Half a minute on one core.",
                factory="gen_example.training:recipe",
                presets=("cpu",),
            ),
        ),
        examples=('gen example "a rising curve" -o curve.csv',),
    )


@hookimpl
def gen_models() -> tuple[ModelSpec, ...]:
    """The model that comes with the package."""
    return (
        ModelSpec(
            name="first",
            modality="example",
            summary="Curves of four forms.",
            source="package:gen_example/first.safetensors",
            sha256="SHA256",
            size=0,
            licence="CC0-1.0",
        ),
    )


@hookimpl
def gen_formats() -> tuple[FormatSpec, ...]:
    """One value per line; the recipe is in comments."""
    return (
        FormatSpec(
            name="csv",
            kind="example",
            suffixes=(".csv",),
            media_type="text/csv",
            writer="gen_example.files:write",
            reader="gen_example.files:read",
            metadata_reader="gen_example.files:read_metadata",
        ),
    )
