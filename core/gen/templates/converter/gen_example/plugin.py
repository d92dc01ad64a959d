"""What this plugin declares. Imports nothing heavy."""

from gen.plugin import ConverterSpec, Param, hookimpl


@hookimpl
def gen_converters() -> tuple[ConverterSpec, ...]:
    """A way from sounds to pictures that `gen convert --via example` takes."""
    width, height = (
        Param(
            name=name,
            type=int,
            help=f"{name.capitalize()} of the picture.",
            default=size,
            minimum=16,
            unit="px",
        )
        for name, size in (("width", 512), ("height", 128))
    )
    return (
        ConverterSpec(
            name="example",
            source="audio",
            target="image",
            summary="The wave of a sound.",
            convert="gen_example.converter:wave",
            params=(width, height),
        ),
    )
