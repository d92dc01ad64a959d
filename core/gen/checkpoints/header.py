"""The header of a safetensors file: names, types and shapes of its tensors, read without torch.

Eight bytes hold the length of a JSON object (little endian); the object follows, then the tensors' bytes.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gen.errors import ModelError

MAX_HEADER_BYTES = 64 * 2**20
BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip
"""Bytes of one number, by the names of the format."""


@dataclass(frozen=True)
class Entry:
    """A tensor as the header describes it.

    Args:
        dtype: ``"F32"``, ``"F16"``, ``"BF16"`` …
        shape: Its shape.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """How long it is in the file; of a type that is not in ``BYTES``, its count of numbers."""
        return math.prod(self.shape) * BYTES.get(self.dtype, 1)


@dataclass(frozen=True)
class Header:
    """What a safetensors file holds.

    Args:
        tensors: Name to entry.
        metadata: The texts that the writer left.
    """

    tensors: Mapping[str, Entry]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """The header of a file, checked against its size.

    Raises:
        ModelError: The file is missing, unreadable, truncated, or no safetensors file.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size > 8 and 2 <= length <= MAX_HEADER_BYTES and length + 8 > size:
                raise _truncated(path)
            if size <= 8 or not 2 <= length <= MAX_HEADER_BYTES:
                raise _foreign(path)
            text = file.read(length)
    except FileNotFoundError:
        raise ModelError(f"there is no file {path}", "copy or download the checkpoint again") from None
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read: {error.strerror}", "check the file and its rights"
        ) from None
    try:
        header = dict(json.loads(text))
        metadata = {str(key): str(value) for key, value in dict(header.pop("__metadata__", {})).items()}
        spans = {name: tuple(map(int, entry["data_offsets"])) for name, entry in header.items()}
        tensors = {
            name: Entry(str(entry["dtype"]), tuple(map(int, entry["shape"])))
            for name, entry in header.items()
        }
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise _foreign(path) from None
    needed = 8 + length + max((end for _, end in spans.values()), default=0)
    if size < needed:
        raise _truncated(path)
    for name, entry in tensors.items():
        start, end = spans[name]
        expected = math.prod(entry.shape) * BYTES.get(entry.dtype, 0)
        if size > needed or (entry.dtype in BYTES and end - start != expected):
            raise ModelError(f"{path.name} is damaged at its tensor {name[:60]!r}", "download it again")
    return Header(tensors, metadata)


def _truncated(path: Path) -> ModelError:
    return ModelError(f"{path.name} is truncated", "copy or download it again")


def _foreign(path: Path) -> ModelError:
    return ModelError(f"{path.name} is not a safetensors file", "gen reads weights in the format safetensors")
