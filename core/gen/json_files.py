"""Artifacts of any kind as JSON: what every kind can be stored in, also one that declares no format.

    {"schema": "gen.artifact/1", "kind": …, "arrays": {NAME: {"dtype": …, "shape": […], "data": […]}},
     "attributes": {…}, "gen": RECIPE}

``data`` holds the numbers in row-major order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.metadata import Metadata

Array = np.ndarray[Any, Any]
SCHEMA = "gen.artifact/1"
DTYPES = ("float32", "float64", "int32", "int64", "uint8", "bool")
"""Types of arrays that are read and written."""


def write(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write an artifact; floats have as many digits as they need to come back as they are.

    Raises:
        UsageError: An array is of another type than those of ``DTYPES``.
    """
    for name, array in artifact.arrays.items():
        if array.dtype.name not in DTYPES:
            raise UsageError(f"array {name!r} of {array.dtype.name} cannot be written as JSON")
    content = {
        "schema": SCHEMA,
        "kind": artifact.kind,
        "arrays": {
            name: {"dtype": array.dtype.name, "shape": array.shape, "data": _numbers(array)}
            for name, array in artifact.arrays.items()
        },
        "attributes": dict(artifact.attributes),
    }
    if metadata.recipe:
        content["gen"] = json.loads(metadata.recipe)
    file.write(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def read(file: BinaryIO) -> Artifact:
    """Read an artifact.

    Raises:
        UsageError: It is no such JSON, or an array does not fit its type and shape.
    """
    content = _content(file)
    try:
        arrays = {str(name): _array(entry) for name, entry in content["arrays"].items()}
        return Artifact(str(content["kind"]), arrays, dict(content["attributes"]))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise UsageError("an array does not fit its type and shape") from None


def read_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The recipe, as text, under "gen"; empty where there is none."""
    recipe = _content(file).get("gen")
    return {} if recipe is None else {"gen": json.dumps(recipe)}


def can_read(head: bytes) -> bool:
    """Whether a file that begins so is one of these."""
    return head.lstrip().startswith(b"{") and SCHEMA.encode() in head


def _content(file: BinaryIO) -> dict[str, Any]:
    try:
        content = json.load(file)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise UsageError(f"it is no JSON of the schema {SCHEMA}")
    return content


def _numbers(array: Array) -> list[object]:
    """The numbers of an array; nine digits tell all float32 apart."""
    flat = array.ravel()
    return [float(f"{value:.9g}") for value in flat] if array.dtype == np.float32 else flat.tolist()


def _array(entry: Mapping[str, Any]) -> Array:
    if entry["dtype"] not in DTYPES:
        raise ValueError(entry["dtype"])
    return np.array(entry["data"], entry["dtype"]).reshape(entry["shape"])
