"""What this plugin declares. Imports nothing heavy."""

from gen.plugin import ModelSpec, hookimpl


@hookimpl
def gen_models() -> tuple[ModelSpec, ...]:
    """A model of `gen image`, of an architecture of its own."""
    return (
        ModelSpec(
            name="example",
            modality="image",
            summary="Fields of colour: red, green, blue, yellow.",
            source="package:gen_example/example.safetensors",
            sha256="SHA256",
            size=0,
            licence="CC0-1.0",
            loader="gen_example.model:load",
        ),
    )
