"""Pictures of a mesh that are only written: a still PNG, and a turntable as GIF or MP4."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from gen.artifact import Artifact
from gen.atomic import temporary_folder
from gen.metadata import Metadata
from gen_mesh import cloud, files, surface
from gen_mesh.files import render

STILL, MOVING = 512, 320
"""Pixels per side."""
GIF_FRAMES, GIF_DELAY = 30, 80
"""Frames of a turn, and milliseconds of each, which GIF counts in tens."""
MP4_FRAMES, MP4_FPS = 60, 24


def write_png(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a picture from the front right, a little from above.

    Args:
        artifact: A mesh, or points.
        file: Where to.
        metadata: Into text chunks, as for pictures.
    """
    from PIL import Image, PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add(b"sRGB", b"\0")
    for key, text in metadata.png_texts():
        info.add_itxt(key, text)
    Image.fromarray(camera(artifact, STILL)(30.0)).save(file, "PNG", pnginfo=info)


def write_gif(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write one turn as a GIF that repeats for ever.

    Args: See ``write_png``; the recipe is the comment, the rest is in XMP.
    """
    from PIL import Image

    frames = [Image.fromarray(frame) for frame in _turn(artifact, GIF_FRAMES)]
    # One palette for all, so that nothing flickers.
    strip = Image.fromarray(np.concatenate([np.asarray(frame) for frame in frames[::4]]))
    palette = strip.quantize(256, Image.Quantize.MEDIANCUT)
    coded = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    said = metadata.recipe.encode()
    content = io.BytesIO()
    coded[0].save(
        content,
        "GIF",
        save_all=True,
        append_images=coded[1:],
        duration=GIF_DELAY,
        loop=0,
        optimize=False,
        **({"comment": said} if said else {}),
    )
    file.write(metadata.in_gif(content.getvalue()))


def write_mp4(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write one turn as H.264 in MP4 (yuv420p, faststart, BT.709).

    Args: See ``write_png``; the metadata is the comment.
    """
    # To put its index in front, the library opens what it has written a second time, by name.
    with temporary_folder() as folder:
        path = folder / "turntable.mp4"
        _film(artifact, path, metadata)
        file.write(path.read_bytes())


def _film(artifact: Artifact, path: Path, metadata: Metadata) -> None:
    import av

    # Bit-exact, so that neither the time nor the library's version is written.
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(path, "w", format="mp4", container_options=options) as container:
        if metadata.recipe or metadata.software:
            container.metadata["comment"] = metadata.recipe or metadata.software
        coding = {"crf": "18", "mbtree": "0", "flags": "+bitexact"}
        stream = container.add_stream("libx264", rate=Fraction(MP4_FPS), options=coding)
        # One thread, so that the same artifact gives the same bytes.
        stream.codec_context.thread_count = 1
        stream.width = stream.height = MOVING
        stream.pix_fmt = "yuv420p"
        for name in ("color_primaries", "color_trc", "colorspace"):
            setattr(stream.codec_context, name, 1)
        stream.codec_context.color_range = 1
        for picture in _turn(artifact, MP4_FRAMES):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _turn(artifact: Artifact, frames: int) -> Iterator[NDArray[np.uint8]]:
    picture = camera(artifact, MOVING)
    for number in range(frames):
        yield picture(30.0 + 360.0 * number / frames)


def camera(artifact: Artifact, side: int) -> Callable[..., NDArray[np.uint8]]:
    """Takes pictures of an artifact that is turned by so many degrees, from an elevation; see ``render``."""
    if artifact.kind == "points":
        return partial(render.cloud_picture, *files.sampled(artifact), side)
    vertices, faces = cloud.fitted(artifact.arrays["vertices"]), artifact.arrays["faces"].astype(np.int64)
    colours = artifact.arrays.get("colours", np.full_like(vertices, cloud.GREY))
    facing = surface.normals(vertices, faces)
    return partial(render.picture, vertices, faces, colours, facing, side, cull=surface.closed(faces))
