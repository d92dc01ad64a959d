"""What this plugin declares. Imports nothing heavy."""

from gen.plugin import FormatSpec, hookimpl


@hookimpl
def gen_formats() -> tuple[FormatSpec, ...]:
    """PPM, which `gen image -o picture.ppm` writes and `--init picture.ppm` reads."""
    return (
        FormatSpec(
            name="example",
            kind="image",
            suffixes=(".ppm",),
            media_type="image/x-portable-pixmap",
            writer="gen_example.files:write",
            reader="gen_example.files:read",
            metadata_reader="gen_example.files:read_metadata",
        ),
    )
