"""The elements of a PLY as arrays: text, or binary of either byte order.

trimesh 5.2 reads polygons of one size alone in binary files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gen.errors import UsageError
from gen_mesh.files.texts import numbers

_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("int64",), "i8"),
    **dict.fromkeys(("uint64",), "u8"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
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
class _Header:
    order: str
    elements: tuple[tuple[str, int, tuple[_Property, ...]], ...]
    length: int


def elements_of(content: bytes) -> dict[str, Element]:
    """All elements of a file by name.

    Raises:
        UsageError: It is no PLY, or holds less than its header claims.
    """
    header = _header(content)
    if header.order:
        return _binary(content, header)
    return _text(content, header)


def _header(content: bytes) -> _Header:
    if not content:
        raise UsageError("it is empty")
    if not content.startswith(b"ply"):
        raise UsageError("it is no PLY")
    end = content.find(b"end_header")
    if end < 0:
        raise UsageError("its header has no end")
    order: str | None = None
    elements: list[tuple[str, int, list[_Property]]] = []
    for line in content[:end].decode("latin-1").splitlines():
        match line.split():
            case ["format", name, *_]:
                order = _ORDERS.get(name)
            case ["element", name, count] if count.isdecimal():
                elements.append((name, int(count), []))
            case ["property", "list", counted, kind, name] if elements:
                elements[-1][2].append(_Property(name, _type(kind), _type(counted)))
            case ["property", kind, name] if elements:
                elements[-1][2].append(_Property(name, _type(kind)))
            case ["element" | "property", *_]:
                raise UsageError(f"its header holds the line {line[:60]!r}, which is not understood")
    if order is None:
        raise UsageError("its header names no format that is read")
    start = end + len(b"end_header")
    # The line may end with spaces, and with \\n, \\r\\n or \\r.
    while content[start : start + 1] in (b" ", b"\t"):
        start += 1
    start += 2 if content[start : start + 2] == b"\r\n" else 1
    return _Header(order, tuple((name, count, tuple(held)) for name, count, held in elements), start)


def _type(name: str) -> str:
    if name not in _TYPES:
        raise UsageError(f"its header names the unknown type {name[:40]!r}")
    return _TYPES[name]


def _binary(content: bytes, header: _Header) -> dict[str, Element]:
    found, start = {}, header.length
    for name, count, properties in header.elements:
        least = sum(np.dtype(one.counted or one.kind).itemsize for one in properties)
        if count * least > len(content) - start:
            raise UsageError(f"it claims {count} of {name[:40]!r} and ends before them")
        lists = any(one.counted for one in properties)
        element, start = (_mixed if lists else _fixed)(
            content, start, header.order, (name, count, properties)
        )
        found[name] = element
    return found


def _fixed(
    content: bytes, start: int, order: str, described: tuple[str, int, tuple[_Property, ...]]
) -> tuple[Element, int]:
    name, count, properties = described
    kind = np.dtype([(f"{i}", order + one.kind) for i, one in enumerate(properties)])
    rows = np.frombuffer(content, kind, count, start) if properties else np.zeros(count, kind)
    columns = {one.name: rows[f"{i}"] for i, one in enumerate(properties)}
    return Element(name, count, columns), start + rows.nbytes


def _mixed(
    content: bytes, start: int, order: str, described: tuple[str, int, tuple[_Property, ...]]
) -> tuple[Element, int]:
    """Rows with lists: at once where all are as long as the first, else their beginnings one by one."""
    name, count, properties = described
    try:
        sizes = _sizes(content, start, order, properties) if count else [0] * len(properties)
        alike = _alike(content, start, order, described, sizes)
        return alike if alike is not None else _one_by_one(content, start, order, described)
    except (ValueError, IndexError):
        raise UsageError(f"it claims {count} of {name[:40]!r} and ends before them") from None


def _sizes(content: bytes, start: int, order: str, properties: tuple[_Property, ...]) -> list[int]:
    """Lengths of the lists of the row at ``start``; 1 for a plain value."""
    found = []
    for one in properties:
        size = 1
        if one.counted:
            size = int(np.frombuffer(content, order + one.counted, 1, start)[0])
            start += np.dtype(one.counted).itemsize
        if size < 0:
            raise ValueError(size)
        found.append(size)
        start += size * np.dtype(one.kind).itemsize
    return found


def _alike(
    content: bytes,
    start: int,
    order: str,
    described: tuple[str, int, tuple[_Property, ...]],
    sizes: list[int],
) -> tuple[Element, int] | None:
    name, count, properties = described
    fields: list[tuple[str, str, tuple[int, ...]]] = []
    for i, (one, size) in enumerate(zip(properties, sizes, strict=True)):
        fields += [(f"count {i}", order + one.counted, ())] if one.counted else []
        fields.append((f"{i}", order + one.kind, (size,)))
    row = sum(np.dtype(kind).itemsize * (shape[0] if shape else 1) for _, kind, shape in fields)
    if row * count > len(content) - start:
        return None
    rows = np.frombuffer(content, np.dtype(fields), count, start)
    element = Element(name, count)
    for i, (one, size) in enumerate(zip(properties, sizes, strict=True)):
        if not one.counted:
            element.columns[one.name] = rows[f"{i}"][:, 0]
        elif (rows[f"count {i}"] == size).all():
            element.lists[one.name] = rows[f"{i}"].reshape(-1), np.full(count, size, np.int64)
        else:
            return None
    return element, start + rows.nbytes


def _one_by_one(
    content: bytes, start: int, order: str, described: tuple[str, int, tuple[_Property, ...]]
) -> tuple[Element, int]:
    name, count, properties = described
    where: list[list[int]] = [[] for _ in properties]
    sizes: list[list[int]] = [[] for _ in properties]
    plan = [
        (
            places.append,
            lengths.append,
            np.dtype(one.counted).itemsize if one.counted else 0,
            np.dtype(one.kind).itemsize,
        )
        for places, lengths, one in zip(where, sizes, properties, strict=True)
    ]
    way = "big" if order == ">" else "little"
    for _ in range(count):
        for place, length, counted, width in plan:
            size = 1
            if counted:
                size = int.from_bytes(content[start : start + counted], way)  # type: ignore[arg-type]
                start += counted
            place(start)
            length(size)
            start += size * width
        if start > len(content):
            raise IndexError(start)
    element = Element(name, count)
    raw = np.frombuffer(content, np.uint8)
    for one, places, lengths in zip(properties, where, sizes, strict=True):
        width, held = np.dtype(one.kind).itemsize, np.array(lengths, np.int64)
        first = np.repeat(np.array(places, np.int64) - (np.cumsum(held) - held) * width, held)
        at = first + np.arange(len(first)) * width
        values = raw[at[:, None] + np.arange(width)].reshape(-1).view(order + one.kind)
        if one.counted:
            element.lists[one.name] = values, held
        else:
            element.columns[one.name] = values
    return element, start


def _text(content: bytes, header: _Header) -> dict[str, Element]:
    values, start, found = numbers(content[header.length :]), 0, {}
    for name, count, properties in header.elements:
        short = UsageError(f"it claims {count} of {name[:40]!r} and ends before them")
        if count * len(properties) > len(values) - start:
            raise short
        element = Element(name, count)
        if not any(one.counted for one in properties):
            rows = values[start : start + count * len(properties)].reshape(count, len(properties))
            start += rows.size
            for i, one in enumerate(properties):
                element.columns[one.name] = _as_type(rows[:, i], one.kind)
        else:
            start = _text_rows(values, start, element, properties, short)
        found[name] = element
    return found


def _text_rows(
    values: NDArray[np.float64],
    start: int,
    element: Element,
    properties: tuple[_Property, ...],
    short: UsageError,
) -> int:
    if (end := _text_alike(values, start, element, properties)) is not None:
        return end
    where: list[list[int]] = [[] for _ in properties]
    sizes: list[list[int]] = [[] for _ in properties]
    # A list is quicker to ask for single numbers than an array; what is no size is refused below.
    told = np.nan_to_num(values[start:], posinf=-1, neginf=-1, nan=-1).astype(np.int64).tolist()
    at = 0
    for _ in range(element.count):
        for places, lengths, one in zip(where, sizes, properties, strict=True):
            size = 1
            if one.counted:
                if at >= len(told) or told[at] < 0:
                    raise short
                size, at = told[at], at + 1
            places.append(at)
            lengths.append(size)
            at += size
        if at > len(told):
            raise short
    for one, places, lengths in zip(properties, where, sizes, strict=True):
        held = np.array(lengths, np.int64)
        first = np.repeat(np.array(places, np.int64) - (np.cumsum(held) - held), held)
        chosen = _as_type(values[start + first + np.arange(len(first))], one.kind)
        if one.counted:
            element.lists[one.name] = chosen, held
        else:
            element.columns[one.name] = chosen
    return start + at


def _text_alike(
    values: NDArray[np.float64], start: int, element: Element, properties: tuple[_Property, ...]
) -> int | None:
    """Fill an element whose lists are as long in all rows as in the first; None where they are not."""
    sizes, width = [], 0
    for one in properties:
        size = values[start + width] if one.counted and start + width < len(values) else 1
        if not 0 <= size <= len(values):
            return None
        sizes.append(int(size))
        width += int(size) + bool(one.counted)
    if start + element.count * width > len(values):
        return None
    rows = values[start : start + element.count * width].reshape(element.count, width)
    at, found = 0, {}
    for one, size in zip(properties, sizes, strict=True):
        if one.counted:
            if (rows[:, at] != size).any():
                return None
            at += 1
        found[one.name] = _as_type(rows[:, at : at + size].reshape(-1), one.kind)
        at += size
    for one, size in zip(properties, sizes, strict=True):
        if one.counted:
            element.lists[one.name] = found[one.name], np.full(element.count, size, np.int64)
        else:
            element.columns[one.name] = found[one.name]
    return start + rows.size


def _as_type(values: NDArray[np.float64], kind: str) -> NDArray[Any]:
    """Numbers in the type that the header names, as colours are measured by it."""
    if kind[0] == "f":
        return values
    limits = np.iinfo(kind)
    if not (np.isfinite(values).all() and (values >= limits.min).all() and (values <= limits.max).all()):
        raise UsageError("it holds numbers that are larger than their type")
    return values.astype(kind)
