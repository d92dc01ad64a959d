"""What a 3MF builds (core specification 1.3; colours of materials, parts of production).

Read here, as trimesh 5.2 reads no colours, leaves the unit aside, finds the model by its name instead of its
relationship, puts all shapes of a part together where a component names one, and passes over what is missing.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gen.errors import UsageError
from gen_mesh.files.limits import bearable
from gen_mesh.files.threemf_package import Package

Doubles = NDArray[np.float64]
_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
_MATERIAL = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
_PRODUCTION = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06"
_TRIANGLE_SETS = "http://schemas.microsoft.com/3dmanufacturing/trianglesets/2021/07"
_KNOWN = {_CORE, _MATERIAL, _PRODUCTION, _TRIANGLE_SETS}
_PATH = f"{_PRODUCTION} path"
_MILLIMETRES = {
    "micron": 0.001,
    "millimeter": 1.0,
    "centimeter": 10.0,
    "inch": 25.4,
    "foot": 304.8,
    "meter": 1000.0,
}
_NONE = -1


@dataclass(frozen=True)
class _Use:
    """An object that is put somewhere: by a component or by an item to build."""

    part: str
    number: str
    matrix: Doubles


@dataclass(frozen=True, eq=False)
class _Object:
    vertices: array[float] = field(default_factory=lambda: array("d"))
    triangles: array[int] = field(default_factory=lambda: array("q"))
    """Seven numbers each: three vertices, three colours within a group, and which group, or -1."""
    components: list[_Use] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes, at least one."""
        return 8 * (len(self.vertices) + len(self.triangles)) + 1


@dataclass(eq=False)
class _Model:
    objects: dict[str, _Object] = field(default_factory=dict)
    items: list[_Use] = field(default_factory=list)
    groups: list[list[tuple[float, float, float]]] = field(default_factory=list)
    scale: float = 1.0


def built(package: Package) -> tuple[Doubles, NDArray[np.int64], Doubles]:
    """Vertices (V, 3) in millimetres, faces (F, 3), and sRGB colours (F, 3, 3) of corners, NaN for none.

    Raises:
        UsageError: Damaged, standing for too much, or in need of an extension that is not read.
    """
    models = {package.root: _model(package, package.root)}
    root = models[package.root]
    uses = root.items
    if not uses:
        inner = {one.number for held in root.objects.values() for one in held.components}
        uses = [_Use(package.root, number, np.eye(4)) for number in root.objects if number not in inner]
    sizes: dict[tuple[str, str], int] = {}
    bearable(sum(_size(package, models, use, sizes, ()) for use in uses))
    places, faces, tints, first = [np.zeros((0, 3))], [np.zeros((0, 3), np.int64)], [np.zeros((0, 3, 3))], 0
    waiting = [(use, np.eye(4)) for use in reversed(uses)]
    while waiting:
        use, above = waiting.pop()
        matrix, model = use.matrix @ above, models[use.part]
        held = model.objects[use.number]
        waiting += [(one, matrix) for one in reversed(held.components)]
        if not held.triangles:
            continue
        points = np.array(held.vertices).reshape(-1, 3)
        rows = np.array(held.triangles).reshape(-1, 7)
        corners = rows[:, :3]
        if not 0 <= corners.min() <= corners.max() < len(points):
            raise UsageError(f"its object {use.number} names a vertex that it does not hold")
        shades = _shades(model, rows)
        if np.linalg.det(matrix[:3, :3]) < 0:
            corners, shades = corners[:, ::-1], shades[:, ::-1]
        places.append((points @ matrix[:3, :3] + matrix[3, :3]) * root.scale)
        faces.append(corners + first)
        tints.append(shades)
        first += len(points)
    return np.concatenate(places), np.concatenate(faces), np.concatenate(tints)


def _size(
    package: Package,
    models: dict[str, _Model],
    use: _Use,
    sizes: dict[tuple[str, str], int],
    above: tuple[tuple[str, str], ...],
) -> int:
    """Bytes that an object stands for with its components, whose models are read where they are named."""
    key = (use.part, use.number)
    if key in above or len(above) > 100:
        raise UsageError(f"its object {use.number} holds itself")
    if key not in sizes:
        if use.part not in models:
            models[use.part] = _model(package, use.part)
        held = models[use.part].objects.get(use.number)
        if held is None:
            raise UsageError(f"it names the object {use.number[:40]!r}, which it does not hold")
        inner = (_size(package, models, one, sizes, (*above, key)) for one in held.components)
        sizes[key] = held.size + sum(inner)
    return sizes[key]


def _shades(model: _Model, rows: NDArray[np.int64]) -> Doubles:
    """sRGB colours (F, 3, 3) of the corners, NaN where there are none."""
    found = np.full((len(rows), 3, 3), np.nan)
    for number in np.unique(rows[:, 6]).tolist():
        if number == _NONE or not model.groups[number]:
            continue
        palette = np.array(model.groups[number])
        chosen = rows[:, 6] == number
        index = rows[chosen, 3:6]
        if not 0 <= index.min() <= index.max() < len(palette):
            raise UsageError(f"a triangle names colour {index.max()} of {len(palette)}")
        found[chosen] = palette[index]
    return found


def _model(package: Package, part: str) -> _Model:
    try:
        reading = _Reading(part)
        package.parse(part, reading.start, reading.name_space)
    except (KeyError, ValueError, OverflowError):
        raise UsageError(f"its part {part[:100]!r} is damaged: an element lacks a number") from None
    return reading.model


class _Reading:
    """Takes the elements of a model as they come."""

    def __init__(self, part: str) -> None:
        self.model = _Model()
        self._part = part
        self._spaces: dict[str, str] = {}
        self._object = _Object()
        self._own: tuple[str | None, int] = (None, 0)
        self._group: list[tuple[float, float, float]] = []
        self._groups: dict[str, int] = {}
        self._takes: dict[str, Callable[[dict[str, str]], None]] = {
            f"{_CORE} model": self._begin,
            f"{_CORE} object": self._begin_object,
            f"{_CORE} vertex": self._vertex,
            f"{_CORE} triangle": self._triangle,
            f"{_CORE} component": self._component,
            f"{_CORE} item": self._item,
            f"{_CORE} basematerials": self._begin_group,
            f"{_CORE} base": self._base,
            f"{_MATERIAL} colorgroup": self._begin_group,
            f"{_MATERIAL} color": self._colour,
        }

    def name_space(self, prefix: str | None, uri: str) -> None:
        self._spaces[prefix or ""] = uri

    def start(self, name: str, said: dict[str, str]) -> None:
        take = self._takes.get(name)
        if take is not None:
            take(said)

    def _vertex(self, said: dict[str, str]) -> None:
        self._object.vertices.extend((float(said["x"]), float(said["y"]), float(said["z"])))

    def _triangle(self, said: dict[str, str]) -> None:
        corners = int(said["v1"]), int(said["v2"]), int(said["v3"])
        group, own = said.get("pid", self._own[0]), self._own[1]
        if group is None:
            self._object.triangles.extend((*corners, 0, 0, 0, _NONE))
            return
        if "p1" in said:
            own = int(said["p1"])
        colours = own, int(said.get("p2", own)), int(said.get("p3", own))
        self._object.triangles.extend((*corners, *colours, self._groups.get(group, _NONE)))

    def _begin_object(self, said: dict[str, str]) -> None:
        self._object = self.model.objects[said["id"]] = _Object()
        self._own = said.get("pid"), int(said.get("pindex", 0))

    def _component(self, said: dict[str, str]) -> None:
        self._object.components.append(self._use(said))

    def _item(self, said: dict[str, str]) -> None:
        self.model.items.append(self._use(said))

    def _begin_group(self, said: dict[str, str]) -> None:
        self._group = []
        self._groups[said["id"]] = len(self.model.groups)
        self.model.groups.append(self._group)

    def _colour(self, said: dict[str, str]) -> None:
        self._group.append(_fractions(said["color"]))

    def _base(self, said: dict[str, str]) -> None:
        self._group.append(_fractions(said["displaycolor"]))

    def _begin(self, said: dict[str, str]) -> None:
        unit = said.get("unit", "millimeter")
        if unit not in _MILLIMETRES:
            raise UsageError(f"its unit is {unit[:40]!r}, which 3MF does not know")
        self.model.scale = _MILLIMETRES[unit]
        for prefix in said.get("requiredextensions", "").split():
            uri = self._spaces.get(prefix, prefix)
            if uri not in _KNOWN:
                raise UsageError(f"it requires the extension {uri}, which is not read")

    def _use(self, said: dict[str, str]) -> _Use:
        matrix = np.eye(4)
        if "transform" in said:
            matrix[:, :3] = np.array([float(word) for word in said["transform"].split()]).reshape(4, 3)
        return _Use(said.get(_PATH, self._part), said["objectid"], matrix)


def _fractions(text: str) -> tuple[float, float, float]:
    """Of ``#RRGGBB`` or ``#RRGGBBAA``."""
    digits = text.strip().removeprefix("#")
    if len(digits) not in (6, 8):
        raise ValueError(text)
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue
