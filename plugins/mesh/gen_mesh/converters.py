"""From pictures to shapes, from shapes to pictures and turntables, and between surfaces and points."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gen.artifact import Artifact
from gen.errors import UsageError
from gen_mesh import cloud, surface
from gen_mesh.files import artifacts as files
from gen_mesh.files.pictures import camera

Array = NDArray[np.float32]
CELLS = 64
"""Cells per side of the grid in which shapes are made."""
LARGEST = 0.46
"""Half the longest side of a shape that is made of a picture."""
GROUND = 0.18
"""Colours that differ from the border's by less, in each channel, belong to the background."""
SMALLEST = 0.002
"""Share of a picture that something has to cover to be seen as a thing."""


def relief(artifact: Artifact, params: Mapping[str, Any]) -> Artifact:
    """A plate whose front rises where a picture is bright; closed, and in the colours of the picture.

    Args:
        artifact: A picture.
        params: ``depth``: the highest rise, in widths of the longer side; ``detail``: points along the longer
            side; ``invert``: whether dark parts rise in place of bright ones.
    """
    colours, alpha = _seen(artifact)
    colours = colours * alpha[..., None] + (1 - alpha[..., None])
    longer = max(colours.shape[:2])
    scale = min(1.0, params["detail"] / longer)
    rows, columns = (max(2, round(side * scale)) for side in colours.shape[:2])
    colours = _resized(colours, rows, columns)
    light = colours @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    light = ndimage.gaussian_filter(light, 0.7)
    height = (1 - light if params["invert"] else light) * params["depth"] * 2 * LARGEST
    step = 2 * LARGEST / (max(rows, columns) - 1)
    x = (np.arange(columns) - (columns - 1) / 2) * step
    y = ((rows - 1) / 2 - np.arange(rows)) * step
    flat = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    plate = params["depth"] * LARGEST
    middle = (height.max() - plate) / 2
    front = np.column_stack([flat, height.ravel() - middle])
    back = np.column_stack([flat, np.full(len(flat), -plate - middle)])
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    cells = np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])
    # Counter-clockwise seen from the front: down the left side, and back along the top.
    rim = np.concatenate([number[:, 0], number[-1, 1:], number[-2::-1, -1], number[0, -2::-1]])
    near, far = rim[:-1], rim[1:]
    below = rows * columns
    walls = np.concatenate(
        [np.stack([near, near + below, far], -1), np.stack([far, near + below, far + below], -1)]
    )
    faces = np.concatenate([cells, cells[:, ::-1] + below, walls])
    tints = np.tile(colours.reshape(-1, 3), (2, 1))
    return files.mesh(np.concatenate([front, back]), faces, tints)


def inflated(artifact: Artifact, params: Mapping[str, Any]) -> Artifact:
    """The thing in a picture as a round, closed shape: thick in the middle, thin at its outline.

    The thickness is that of a circle over the distance to the outline, as in "Teddy" (Igarashi, Matsuoka &
    Tanaka 1999), here by the distance transform of the silhouette.

    Args:
        artifact: A picture. What is not transparent is the thing; of one without alpha, what differs from the
            colour of the border.
        params: ``depth``: the thickness of the thickest part over its width.

    Raises:
        UsageError: Nothing stands out.
    """
    colours, alpha = _seen(artifact)
    inside = _silhouette(colours, alpha)
    rows, columns = np.nonzero(inside)
    low, high = (rows.min(), columns.min()), (rows.max() + 1, columns.max() + 1)
    box = slice(low[0], high[0]), slice(low[1], high[1])
    colours, inside = colours[box], inside[box]
    # The colour of the background must not show at the outline.
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    colours = colours[tuple(nearest)]
    middles = (np.arange(CELLS) + 0.5) / CELLS - 0.5
    longer = max(inside.shape)
    # Pixels at the middles of cells, x to the right and y upwards.
    at_x = middles / (2 * LARGEST) * longer + inside.shape[1] / 2 - 0.5
    at_y = -middles / (2 * LARGEST) * longer + inside.shape[0] / 2 - 0.5
    places = np.stack(np.meshgrid(at_x, at_y, indexing="ij")[::-1])
    padded = np.pad(inside, 1)
    depth = ndimage.distance_transform_edt(padded) - ndimage.distance_transform_edt(~padded)
    depth = ndimage.gaussian_filter(depth, longer / CELLS)
    cell = 2 * LARGEST / longer
    depth = ndimage.map_coordinates(depth, places + 1, order=1, mode="nearest").astype(np.float32) * cell
    if depth.max() <= 0:
        raise UsageError("the thing in the picture is too thin for a shape")
    radius = depth.max()
    within = depth.clip(0, radius)
    thickness = params["depth"] * np.sqrt(within * (2 * radius - within))
    distance = np.abs(middles)[None, None, :] - thickness[:, :, None]
    # Beside the outline the distance to it counts.
    distance = np.where(depth[:, :, None] > 0, distance, np.hypot(depth[:, :, None], middles))
    tints = np.stack(
        [ndimage.map_coordinates(colours[..., i], places, order=1, mode="nearest") for i in range(3)], -1
    )
    grid = np.broadcast_to(tints[:, :, None], (CELLS, CELLS, CELLS, 3))
    shape = surface.extract(distance.astype(np.float32), grid.astype(np.float32), 0.7, None)
    return files.mesh(shape.vertices, shape.faces, shape.colours.clip(0, 1))


def picture(artifact: Artifact, params: Mapping[str, Any]) -> Artifact:
    """A picture of a shape.

    Args:
        artifact: A mesh, or points.
        params: ``side`` in pixels; ``turn``: degrees about the vertical axis; ``elevation``: degrees that the
            camera looks down.
    """
    taken = camera(artifact, params["side"])(params["turn"], params["elevation"])
    return Artifact("image", {"pixels": taken.astype(np.float32) / np.float32(255)})


def turntable(artifact: Artifact, params: Mapping[str, Any]) -> Artifact:
    """A clip of one turn, which loops.

    Args:
        artifact: A mesh, or points.
        params: ``side`` in pixels, ``elevation`` in degrees, ``seconds`` of the turn, ``fps``.
    """
    count = max(1, round(params["seconds"] * params["fps"]))
    take = camera(artifact, params["side"])
    frames = np.stack([take(30 + 360 * index / count, params["elevation"]) for index in range(count)])
    rate = Fraction(params["fps"]).limit_denominator(1_000_000)
    return Artifact("video", {"frames": frames.astype(np.float32) / np.float32(255)}, {"fps": str(rate)})


def points(artifact: Artifact, params: Mapping[str, Any]) -> Artifact:
    """Evenly spread points on a surface, with normals and colours.

    Args:
        artifact: A mesh.
        params: ``points``: how many.

    Raises:
        UsageError: The faces have no area.
    """
    return files.points(*surface.points_on(*files.parts(artifact), params["points"]))


def surfaced(artifact: Artifact, params: Mapping[str, Any]) -> Artifact:
    """A closed surface around points.

    Args:
        artifact: Points with normals.
        params: ``cells``: per side of the grid of distances; ``smoothing``: in cells.

    Raises:
        UsageError: The points have no normals, or are too few or flat.
    """
    cells = params["cells"]
    distance, colours = cloud.grid(*cloud.oriented(artifact), cells, 3 / cells)
    shape = surface.extract(distance, colours, params["smoothing"], None)
    return files.mesh(shape.vertices, shape.faces, shape.colours.clip(0, 1))


def _seen(artifact: Artifact) -> tuple[Array, Array]:
    """Colours (H, W, 3) and alpha (H, W) of a picture."""
    pixels = artifact.arrays["pixels"]
    alpha = pixels[..., 3] if pixels.shape[2] == 4 else np.ones(pixels.shape[:2], np.float32)
    return np.repeat(pixels, 3, 2) if pixels.shape[2] == 1 else pixels[..., :3], alpha


def _silhouette(colours: Array, alpha: Array) -> NDArray[np.bool_]:
    """Where the thing in a picture is: without its holes, and without specks."""
    if alpha.min() < 0.5:
        inside = alpha > 0.5
    else:
        border = np.concatenate([colours[0], colours[-1], colours[:, 0], colours[:, -1]])
        inside = (np.abs(colours - np.median(border, 0)) > GROUND).any(-1)
    inside = ndimage.binary_fill_holes(inside)
    labels, count = ndimage.label(inside)
    sizes = np.bincount(labels.ravel())[1:]
    if not count or sizes.max() < max(9, SMALLEST * inside.size):
        raise UsageError("nothing stands out from the background of the picture", "use another converter")
    found: NDArray[np.bool_] = labels == 1 + sizes.argmax()
    return found


def _resized(colours: Array, rows: int, columns: int) -> Array:
    y, x = (
        np.linspace(0, side - 1, count)
        for side, count in zip(colours.shape[:2], (rows, columns), strict=True)
    )
    places = np.stack(np.meshgrid(y, x, indexing="ij"))
    blur = [
        max(0.0, (side / count - 1) / 2)
        for side, count in zip(colours.shape[:2], (rows, columns), strict=True)
    ]
    smooth = ndimage.gaussian_filter(colours, [*blur, 0])
    bands = [ndimage.map_coordinates(smooth[..., i], places, order=1, mode="nearest") for i in range(3)]
    return np.stack(bands, -1).clip(0, 1).astype(np.float32)
