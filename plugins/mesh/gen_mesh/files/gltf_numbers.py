"""Buffers and accessors of a glTF 2.0 as arrays (section 3.6)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gen.errors import UsageError
from gen_mesh.files.limits import bearable

_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_COUNTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}


@dataclass(frozen=True, eq=False)
class Numbers:
    """The numbers of a file.

    Args:
        document: The JSON.
        blob: The binary chunk of a GLB, which is its first buffer.
    """

    document: dict[str, Any]
    blob: bytes

    def __post_init__(self) -> None:
        for index, accessor in enumerate(self.document.get("accessors", [])):
            if not isinstance(accessor["count"], int) or accessor["count"] < 0:
                raise UsageError(f"its accessor {index} has the count {accessor['count']!r}")
            bearable(self.size(index))

    def size(self, index: int) -> int:
        """Bytes of an accessor."""
        accessor = self.document["accessors"][index]
        return int(accessor["count"] * _COUNTS[accessor["type"]] * _type(accessor).itemsize)

    def values(self, index: int) -> NDArray[np.float64]:
        """The numbers (N, C) of an accessor, or (N,) of scalars; normalised ones as fractions.

        Raises:
            UsageError: It reaches out of its buffer.
        """
        accessor, stored = self.document["accessors"][index], self._stored(index)
        values = stored.astype(np.float64)
        if accessor.get("normalized"):
            values = fraction(stored)
        return values

    def whole(self, index: int) -> NDArray[np.int64]:
        """The integers of an accessor, in the same shape.

        Raises:
            UsageError: They are not integers.
        """
        stored = self._stored(index)
        if stored.dtype.kind not in "iu":
            raise UsageError(f"its accessor {index} holds fractions in place of indices")
        return stored.astype(np.int64)

    def unit(self, index: int) -> NDArray[np.float64]:
        """The numbers of an accessor in which integers always stand for fractions, as in colours."""
        stored = self._stored(index)
        return stored.astype(np.float64) if stored.dtype.kind == "f" else fraction(stored)

    def bytes_of(self, view_index: int) -> bytes:
        """The content of a buffer view.

        Raises:
            UsageError: It reaches out of its buffer, which may be in another file.
        """
        view = self.document["bufferViews"][view_index]
        buffer = self._buffer(view["buffer"])
        start, length = view.get("byteOffset", 0), view["byteLength"]
        if not 0 <= start <= start + length <= len(buffer):
            raise UsageError(f"its buffer view {view_index} claims {start + length} bytes of {len(buffer)}")
        return buffer[start : start + length]

    def _stored(self, index: int) -> NDArray[Any]:
        """The numbers of an accessor as they are stored, with those that replace some (section 3.6.2.3)."""
        accessor = self.document["accessors"][index]
        count, width, kind = accessor["count"], _COUNTS[accessor["type"]], _type(accessor)
        if "bufferView" in accessor:
            found = self._rows(accessor["bufferView"], accessor.get("byteOffset", 0), kind, count, width)
        else:
            found = np.zeros((count, width), kind)
        if "sparse" in accessor:
            found, sparse = found.copy(), accessor["sparse"]
            where, values = sparse["indices"], sparse["values"]
            rows = self._rows(
                where["bufferView"], where.get("byteOffset", 0), _type(where), sparse["count"], 1
            )[:, 0].astype(np.int64)
            if len(rows) and rows.max() >= count:
                raise UsageError(f"its accessor {index} replaces row {rows.max()} of {count}")
            found[rows] = self._rows(
                values["bufferView"], values.get("byteOffset", 0), kind, sparse["count"], width
            )
        return found[:, 0] if width == 1 else found

    def _rows(
        self, view_index: int, offset: int, kind: np.dtype[Any], count: int, width: int
    ) -> NDArray[Any]:
        content = self.bytes_of(view_index)
        row = width * kind.itemsize
        stride = self.document["bufferViews"][view_index].get("byteStride", row)
        end = offset + (count - 1) * stride + row if count else 0
        if offset < 0 or stride < row or end > len(content):
            raise UsageError(f"it claims {end} bytes of numbers and holds {len(content)} bytes of them")
        return np.ndarray((count, width), kind, content, offset, (stride, kind.itemsize))

    def _buffer(self, index: int) -> bytes:
        buffer = self.document["buffers"][index]
        if "uri" in buffer:
            return data_of(buffer["uri"])
        if index != 0:
            raise UsageError(f"its buffer {index} has no content")
        return self.blob


def data_of(uri: object) -> bytes:
    """The content of a ``data:`` URI.

    Raises:
        UsageError: It names another file, or is damaged.
    """
    head, comma, text = str(uri).partition(",")
    if not head.startswith("data:"):
        raise UsageError("it refers to another file, which is not read")
    try:
        if not comma or not head.endswith(";base64"):
            raise ValueError(head)
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise UsageError("content within its description is damaged") from None


def fraction(stored: NDArray[Any]) -> NDArray[np.float64]:
    """Normalised integers as fractions (section 3.11); floats as they are."""
    if stored.dtype.kind == "f":
        return stored.astype(np.float64)
    return np.maximum(stored.astype(np.float64) / np.iinfo(stored.dtype).max, -1)


def _type(accessor: dict[str, Any]) -> np.dtype[Any]:
    return np.dtype(_TYPES[accessor["componentType"]])
