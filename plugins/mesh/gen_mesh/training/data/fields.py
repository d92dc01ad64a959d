"""Coloured signed-distance fields: primitives, and how they are put together on a grid.

A primitive maps coordinates (x, y, z), three arrays that broadcast against each other, to signed distances,
negative inside. Hart 1996, "Sphere tracing", appendix A, gives most of them; those of stretched balls and of
polyhedra away from their faces are bounds of the distance, exact at the surface.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gen_mesh.grids import Array

Point = tuple[float, float, float]
Distance = Callable[[Array, Array, Array], Array]
Operation = Literal["add", "cut", "paint"]

FAR = 1.0
"""The distance where no part is near."""


@dataclass(frozen=True, eq=False)
class Solid:
    """A primitive around its own origin.

    Args:
        distance: Signed distance at coordinates.
        reach: Half extents of its bounding box.
        middle: Where the middle of that box is.
    """

    distance: Distance
    reach: Point
    middle: Point = (0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Part:
    """A solid in its place.

    Args:
        solid: The primitive.
        centre: Where its origin is.
        turn: (3, 3) rotation from its own axes to those of the shape; None for none.
        colour: sRGB in [0, 1]; of a cut, that of the surface which the cut lays open.
        operation: ``add`` unites, ``cut`` takes away, ``paint`` only colours what lies inside.
        blend: Radius of the fillet where it meets what was there before.
    """

    solid: Solid
    centre: Point
    turn: NDArray[np.float64] | None
    colour: Point
    operation: Operation = "add"
    blend: float = 0.0

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper corner of a box around it."""
        reach, middle = np.asarray(self.solid.reach), np.asarray(self.solid.middle)
        if self.turn is not None:
            reach, middle = np.abs(self.turn) @ reach, self.turn @ middle
        middle = middle + np.asarray(self.centre)
        return middle - reach, middle + reach

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distances at coordinates of the shape."""
        x, y, z = (axis - np.float32(at) for axis, at in zip((x, y, z), self.centre, strict=True))
        if self.turn is not None:
            t = self.turn.astype(np.float32)
            x, y, z = (t[0, i] * x + t[1, i] * y + t[2, i] * z for i in range(3))
        return self.solid.distance(x, y, z)


def evaluate(
    parts: Sequence[Part], scale: float, shift: Point, size: int, band: float
) -> tuple[Array, Array]:
    """Signed distances and colours on a grid over the unit box.

    Args:
        parts: Put together in this order.
        scale, shift: A point p of the parts comes to lie at ``scale * p + shift``.
        size: Cells per side; values are those at the middles of the cells.
        band: Distances are right up to this one.

    Returns:
        Distances (size, size, size), x first, and sRGB colours (size, size, size, 3) of the nearest part.
    """
    middles = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5).astype(np.float32)
    axes = [(middles - np.float32(shift[i])) / np.float32(scale) for i in range(3)]
    distance = np.full((size, size, size), FAR / scale, dtype=np.float32)
    colours = np.full((size, size, size, 3), 0.5, dtype=np.float32)
    for part in parts:
        low, high = part.bounds()
        margin = band / scale + part.blend
        box = tuple(
            slice(*np.searchsorted(axes[i], (low[i] - margin, high[i] + margin)).tolist()) for i in range(3)
        )
        x, y, z = axes[0][box[0], None, None], axes[1][None, box[1], None], axes[2][None, None, box[2]]
        if not x.size * y.size * z.size:
            continue
        old = distance[box]
        new = np.broadcast_to(part.distance(x, y, z), old.shape)
        if part.operation == "paint":
            lead, result = -new, old
        elif part.operation == "cut":
            lead, result = -new - old, np.maximum(old, -new)
        else:
            lead, result = old - new, _united(old, new, part.blend)
        # Where two parts are alike far, a cell has something of both colours: their border is smooth.
        share = np.clip(0.5 + lead * np.float32(size * scale), 0, 1)[..., None]
        colours[box] += share * (np.asarray(part.colour, dtype=np.float32) - colours[box])
        distance[box] = result
    return distance * np.float32(scale), colours


def _united(a: Array, b: Array, blend: float) -> Array:
    """The smaller of two distances, rounded off where they are alike: a quadratic polynomial minimum."""
    if not blend:
        return np.minimum(a, b)
    share = np.clip(0.5 + 0.5 * (a - b) / np.float32(blend), 0, 1)
    return a + share * (b - a) - np.float32(blend) * share * (1 - share)


def rotation(degrees: Point) -> NDArray[np.float64]:
    """Turn about x, then y, then z."""
    a, b, c = np.radians(degrees)
    about_x = np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])
    about_y = np.array([[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]])
    about_z = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def box(half: Point, rounding: float = 0.0) -> Solid:
    """A box of half extents ``half`` with rounded edges."""
    inner = [extent - rounding for extent in half]

    def distance(x: Array, y: Array, z: Array) -> Array:
        a, b, c = np.abs(x) - inner[0], np.abs(y) - inner[1], np.abs(z) - inner[2]
        outside = np.sqrt(np.maximum(a, 0) ** 2 + np.maximum(b, 0) ** 2 + np.maximum(c, 0) ** 2)
        return outside + np.minimum(np.maximum(a, np.maximum(b, c)), 0) - np.float32(rounding)

    return Solid(distance, half)


def ellipsoid(radii: Point) -> Solid:
    """A stretched ball."""
    a, b, c = (np.float32(radius) for radius in radii)
    least = float(min(radii))

    def distance(x: Array, y: Array, z: Array) -> Array:
        k0 = np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2)
        k1 = np.sqrt((x / a**2) ** 2 + (y / b**2) ** 2 + (z / c**2) ** 2)
        return (k0 - 1) * np.where(k0 < 1e-3, np.float32(least), k0 / np.maximum(k1, 1e-9))

    return Solid(distance, radii)


def capsule(a: Point, b: Point, radius: float, end: float) -> Solid:
    """A stick from a to b with round ends, of ``radius`` at a and ``end`` at b."""
    start, along = np.asarray(a), np.asarray(b) - np.asarray(a)
    square = float(along @ along) or 1.0
    widest = max(radius, end)
    reach = np.maximum(np.abs(start), np.abs(start + along)) + widest

    def distance(x: Array, y: Array, z: Array) -> Array:
        p, q, r = x - np.float32(a[0]), y - np.float32(a[1]), z - np.float32(a[2])
        share = (p * np.float32(along[0]) + q * np.float32(along[1]) + r * np.float32(along[2])) / square
        share = np.clip(share, 0, 1).astype(np.float32)
        p, q, r = (v - share * np.float32(along[i]) for i, v in enumerate((p, q, r)))
        return np.sqrt(p * p + q * q + r * r) - (radius + share * np.float32(end - radius))

    return Solid(distance, (float(reach[0]), float(reach[1]), float(reach[2])))


def torus(radius: float, thickness: float) -> Solid:
    """A ring around y; ``thickness`` is the radius of its tube."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        return np.sqrt((np.sqrt(x * x + z * z) - radius) ** 2 + y * y) - np.float32(thickness)

    return Solid(distance, (radius + thickness, thickness, radius + thickness))


def lathe(profile: Sequence[tuple[float, float]], rounding: float = 0.0) -> Solid:
    """A closed outline of (radius, height) turned about y; its edges on the axis lie inside the solid."""
    outline = np.asarray(profile, dtype=np.float64)
    flat = _polygon(outline, turned=True)
    radius, low, high = (float(v) for v in (outline[:, 0].max(), outline[:, 1].min(), outline[:, 1].max()))

    def distance(x: Array, y: Array, z: Array) -> Array:
        return flat(np.sqrt(x * x + z * z), y) - np.float32(rounding)

    reach = (radius + rounding, (high - low) / 2 + rounding, radius + rounding)
    return Solid(distance, reach, (0.0, (low + high) / 2, 0.0))


def slab(outline: Sequence[tuple[float, float]], half: float, rounding: float = 0.0) -> Solid:
    """A closed outline of (x, y), ``half`` thick to both sides along z."""
    corners = np.asarray(outline, dtype=np.float64)
    flat = _polygon(corners)
    low, high = corners.min(0), corners.max(0)
    wide, tall = (float(extent) / 2 + rounding for extent in high - low)
    across, up = (float(at) / 2 for at in low + high)

    def distance(x: Array, y: Array, z: Array) -> Array:
        side, depth = flat(x, y), np.abs(z) - np.float32(half - rounding)
        outside = np.sqrt(np.maximum(side, 0) ** 2 + np.maximum(depth, 0) ** 2)
        return outside + np.minimum(np.maximum(side, depth), 0) - np.float32(rounding)

    return Solid(distance, (wide, tall, half), (across, up, 0.0))


def polyhedron(
    normals: NDArray[np.float64], inradius: float, reach: Point, middle: Point = (0, 0, 0)
) -> Solid:
    """The convex solid whose faces have these normals, all ``inradius`` from the origin.

    Args:
        normals: (F, 3), of any length.
        inradius: Distance of the faces.
        reach, middle: Of its bounding box.
    """
    units = (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32)

    def distance(x: Array, y: Array, z: Array) -> Array:
        result: Array = units[0, 0] * x + units[0, 1] * y + units[0, 2] * z
        for normal in units[1:]:
            result = np.maximum(result, normal[0] * x + normal[1] * y + normal[2] * z)
        return result - np.float32(inradius)

    return Solid(distance, reach, middle)


def _polygon(corners: NDArray[np.float64], *, turned: bool = False) -> Callable[[Array, Array], Array]:
    """Signed distance to a closed polygon: the nearest edge, and the parity of the edges that a ray meets.

    Args:
        corners: (N, 2).
        turned: The polygon is turned about x = 0, so that edges on this axis are no part of the surface.
    """

    def distance(x: Array, y: Array) -> Array:
        x, y = np.broadcast_arrays(x, y)
        nearest = np.full(x.shape, np.inf, dtype=np.float32)
        inside = np.zeros(x.shape, dtype=bool)
        for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, 0), strict=True):
            ex, ey = np.float32(bx - ax), np.float32(by - ay)
            px, py = x - np.float32(ax), y - np.float32(ay)
            if not (turned and ax == bx == 0):
                share = np.clip((px * ex + py * ey) / max(float(ex * ex + ey * ey), 1e-12), 0, 1)
                nearest = np.minimum(nearest, (px - share * ex) ** 2 + (py - share * ey) ** 2)
            if ey:
                crossing = (ay > y) != (by > y)
                inside ^= crossing & (px < py * (ex / ey))
        return np.where(inside, -1, 1).astype(np.float32) * np.sqrt(nearest)

    return distance
