"""PPM files: "P6", comments with the recipe, width, height, 255, and bytes of red, green and blue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.metadata import Metadata


def write(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a picture, and what the metadata says.

    Raises:
        UsageError: The picture has transparent parts, which PPM cannot hold.
    """
    pixels = artifact.arrays["pixels"]
    if pixels.shape[2] == 4 and (pixels[..., 3] < 1).any():
        raise UsageError("PPM holds no transparent pictures", "choose png")
    colours = np.broadcast_to(pixels[..., :3], (*pixels.shape[:2], 3))
    comment = f"# gen: {metadata.recipe}\n" if metadata.recipe else ""
    file.write(f"P6\n{comment}{pixels.shape[1]} {pixels.shape[0]}\n255\n".encode())
    file.write(np.rint(colours * 255).astype(np.uint8).tobytes())


def read(file: BinaryIO) -> Artifact:
    """Read a picture.

    Raises:
        UsageError: It is no PPM of 8 bits, or is cut off.
    """
    if file.readline().strip() != b"P6":
        raise UsageError("it does not begin with P6")
    line = file.readline()
    while line.startswith(b"#"):
        line = file.readline()
    try:
        width, height = map(int, line.split())
        if int(file.readline()) != 255:
            raise UsageError("only 8 bits per channel are read")
        colours = np.frombuffer(file.read(), np.uint8).reshape(height, width, 3)
    except ValueError:
        raise UsageError("its size is not that of its content") from None
    return Artifact("image", {"pixels": colours.astype(np.float32) / 255})


def read_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The recipe, as text, under "gen"; empty where there is none."""
    file.readline()
    comment = file.readline().decode(errors="replace")
    return {"gen": comment.removeprefix("# gen: ").strip()} if comment.startswith("# gen: ") else {}
