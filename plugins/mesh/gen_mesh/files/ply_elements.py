"""The elements of a PLY as arrays: text, or binary of either byte order.

Read here, as trimesh 5.2 takes polygons of one size alone in binary files: mending a file means to walk all
of its rows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gen.errors import UsageError
from gen_mesh.files.texts import numbers

_CODES = {
    **dict.fromkeys(("char", "int8"), "b"),
    **dict.fromkeys(("uchar", "uint8"), "B"),
    **dict.fromkeys(("short", "int16"), "h"),
    **dict.fromkeys(("ushort", "uint16"), "H"),
    **dict.fromkeys(("int", "int32"), "i"),
    **dict.fromkeys(("uint", "uint32"), "I"),
    **dict.fromkeys(("int64",), "q"),
    **dict.fromkeys(("uint64",), "Q"),
    **dict.fromkeys(("float", "float32"), "f"),
    **dict.fromkeys(("double", "float64"), "d"),
}
"""Types as ``struct`` and numpy name them."""
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass(frozen=True, eq=False)
class Element:
    """One element: ``columns`` (N,) by name, and ``lists`` by name as all values and the sizes (N,)."""

    name: str
    count: int
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    lists: dict[str, tuple[NDArray[Any], NDArray[np.int64]]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Property:
    name: str
    kind: str
    counted: str = ""
    """Type of the size of a list; empty for a plain value."""


@dataclass(frozen=True)
class _Described:
    name: str
    count: int
    properties: list[_Property] = field(default_factory=list)


def elements_of(content: bytes) -> dict[str, Element]:
    """All elements of a file by name.

    Raises:
        UsageError: It is no PLY, or holds less than its header claims.
    """
    order, described, start = _header(content)
    types = [[one.kind for one in element.properties] for element in described]
    if not order:
        # Text is read as if it were binary and all of its numbers doubles.
        content, start, order = numbers(content[start:]).astype("<f8").tobytes(), 0, "<"
        for element in described:
            doubles = [_Property(one.name, "d", one.counted and "d") for one in element.properties]
            element.properties[:] = doubles
    found = {}
    for element, kinds in zip(described, types, strict=True):
        arrays, start = _arrays(content, start, order, element)
        read = found[element.name] = Element(element.name, element.count)
        for one, kind, (values, sizes) in zip(element.properties, kinds, arrays, strict=True):
            typed = values if one.kind == kind else _as_type(values, kind)
            if one.counted:
                read.lists[one.name] = typed, sizes
            else:
                read.columns[one.name] = typed
    return found


def _header(content: bytes) -> tuple[str, list[_Described], int]:
    """The byte order, empty for text, the elements, and where these begin."""
    if not content:
        raise UsageError("it is empty")
    if not content.startswith(b"ply"):
        raise UsageError("it is no PLY")
    end = content.find(b"end_header")
    if end < 0:
        raise UsageError("its header has no end")
    order: str | None = None
    elements: list[_Described] = []
    for line in content[:end].decode("latin-1").splitlines():
        match line.split():
            case ["format", name, *_]:
                order = _ORDERS.get(name)
            case ["element", name, count] if count.isdecimal():
                elements.append(_Described(name, int(count)))
            case ["property", "list", counted, kind, name] if elements:
                elements[-1].properties.append(_Property(name, _code(kind), _code(counted)))
            case ["property", kind, name] if elements:
                elements[-1].properties.append(_Property(name, _code(kind)))
            case ["element" | "property", *_]:
                raise UsageError(f"its header holds the line {line[:60]!r}, which is not understood")
    if order is None:
        raise UsageError("its header names no format that is read")
    start = end + len(b"end_header")
    # The line may end with spaces, and with \\n, \\r\\n or \\r.
    while content[start : start + 1] in (b" ", b"\t"):
        start += 1
    return order, elements, start + (2 if content[start : start + 2] == b"\r\n" else 1)


def _code(name: str) -> str:
    if name not in _CODES:
        raise UsageError(f"its header names the unknown type {name[:40]!r}")
    return _CODES[name]


def _arrays(
    content: bytes, start: int, order: str, element: _Described
) -> tuple[list[tuple[NDArray[Any], NDArray[np.int64]]], int]:
    """The values of each property and its sizes (N,), and where the element ends."""
    least = sum(struct.calcsize(order + (one.counted or one.kind)) for one in element.properties)
    try:
        if element.count * least > len(content) - start:
            raise ValueError(element.count)
        first = _walked(content, start, order, element.properties, min(element.count, 1))
        row, sizes = first[1] - start, [int(size.sum()) for _, size in first[0]]
        if (found := _alike(content, start, order, element, sizes, row)) is not None:
            return found, start + element.count * row
        walked, end = _walked(content, start, order, element.properties, element.count)
    except (ValueError, OverflowError, struct.error):
        raise UsageError(f"it claims {element.count} of {element.name[:40]!r} and ends before them") from None
    raw, found = np.frombuffer(content, np.uint8), []
    for one, (places, held) in zip(element.properties, walked, strict=True):
        width = struct.calcsize(order + one.kind)
        at = np.repeat(places - (np.cumsum(held) - held) * width, held) + np.arange(held.sum()) * width
        found.append((raw[at[:, None] + np.arange(width)].reshape(-1).view(order + one.kind), held))
    return found, end


def _alike(
    content: bytes, start: int, order: str, element: _Described, sizes: list[int], row: int
) -> list[tuple[NDArray[Any], NDArray[np.int64]]] | None:
    """What ``_arrays`` gives, where the lists of all rows are as long as those of the first."""
    count, found = element.count, []
    if row * count > len(content) - start:
        return None
    for one, size in zip(element.properties, sizes, strict=True):
        if one.counted:
            told = np.ndarray((count,), order + one.counted, content, start, (row,))
            if (told != size).any():
                return None
            start += told.itemsize
        width = struct.calcsize(order + one.kind)
        values = np.ndarray((count, size), order + one.kind, content, start, (row, width))
        found.append((values.reshape(-1), np.full(count, size, np.int64)))
        start += size * width
    return found


def _walked(
    content: bytes, start: int, order: str, properties: list[_Property], count: int
) -> tuple[list[tuple[NDArray[np.int64], NDArray[np.int64]]], int]:
    """Where the values of each property begin and how many they are, row by row, and where the rows end."""
    places: list[list[int]] = [[] for _ in properties]
    sizes: list[list[int]] = [[] for _ in properties]
    plan = [
        (at.append, size.append, struct.Struct(order + one.counted), struct.calcsize(order + one.kind))
        for at, size, one in zip(places, sizes, properties, strict=True)
    ]
    for _ in range(count):
        for place, told, counted, width in plan:
            size = 1
            if counted.size:
                size = int(counted.unpack_from(content, start)[0])
                start += counted.size
            if size < 0:
                raise ValueError(size)
            place(start)
            told(size)
            start += size * width
        if start > len(content):
            raise ValueError(start)
    pairs = zip(places, sizes, strict=True)
    return [(np.array(at, np.int64), np.array(size, np.int64)) for at, size in pairs], start


def _as_type(values: NDArray[np.float64], code: str) -> NDArray[Any]:
    """Numbers in the type that the header names, as colours are measured by it."""
    kind = np.dtype(code)
    if kind.kind == "f":
        return values
    limits = np.iinfo(kind)
    if not (np.isfinite(values).all() and (values >= limits.min).all() and (values <= limits.max).all()):
        raise UsageError("it holds numbers that are larger than their type")
    return values.astype(kind)
