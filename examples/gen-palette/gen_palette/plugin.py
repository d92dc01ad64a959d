"""What palettes declare. Imports nothing heavy: this file is read for every list of commands."""

from gen.plugin import ModalitySpec, ModelSpec, Param, hookimpl


@hookimpl
def gen_modality() -> ModalitySpec:
    """The modality behind ``gen palette``."""
    return ModalitySpec(
        name="palette",
        kind="image",
        summary="Generate palettes of five colours from words.",
        loader="gen_palette.pipeline:load",
        default_model="paints",
        default_format="png",
        params=(
            Param(name="width", type=int, help="Width of the picture.", default=320, minimum=5, maximum=4096),
            Param(
                name="height", type=int, help="Height of the picture.", default=64, minimum=1, maximum=4096
            ),
        ),
        examples=('gen palette "ocean sunset" -o palette.png',),
    )


@hookimpl
def gen_models() -> tuple[ModelSpec, ...]:
    """The model that comes with the package."""
    return (
        ModelSpec(
            name="paints",
            modality="palette",
            summary="Eight moods.",
            source="package:gen_palette/paints.safetensors",
            sha256="75d4c71bafcb8291f29ffc2d14c9cce4dbfa1159b1b15ccd9ba36e1f3546e9fc",
            size=1240,
            licence="CC0-1.0",
        ),
    )
