"""JSON holds artifacts of every kind, also of kinds that no plugin declares a format for."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

import gen
from gen import json_files
from gen.artifact import Artifact
from gen.errors import UsageError
from gen.metadata import Metadata


@pytest.mark.parametrize("dtype", json_files.DTYPES)
def test_arrays_come_back_as_they_are(dtype: str) -> None:
    values = np.random.default_rng(0).normal(size=(3, 5)) * 100
    made = Artifact("table", {"cells": values.astype(dtype), "none": np.zeros((0, 2), dtype)}, {"unit": "cm"})
    file = io.BytesIO()
    json_files.write(made, file, Metadata())
    file.seek(0)
    again = json_files.read(file)
    assert (again.kind, again.attributes) == ("table", {"unit": "cm"})
    for name, array in made.arrays.items():
        assert again.arrays[name].dtype == array.dtype
        assert np.array_equal(again.arrays[name], array)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"schema":"gen.artifact/1"}',
        b'{"schema":"gen.artifact/1","kind":"t","attributes":{},"arrays":{"a":{"dtype":"object","shape":[1],"data":[1]}}}',
        b'{"schema":"gen.artifact/1","kind":"t","attributes":{},"arrays":{"a":{"dtype":"uint8","shape":[2],"data":[1]}}}',
        b'{"schema":"gen.artifact/1","kind":"t","attributes":{},"arrays":{"a":{"dtype":"uint8","shape":[1],"data":[999]}}}',
        b"[" * 100_000,
    ],
)
def test_other_content_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError):
        json_files.read(io.BytesIO(content))


def test_a_picture_is_made_again_from_it_and_started_from(tmp_path: Path) -> None:
    path = tmp_path / "apple.json"
    gen.image("a red apple", steps=2, seed=1).save(path)
    assert json.loads(path.read_text())["gen"]["prompt"] == "a red apple"
    first, again = gen.rerun(path), gen.image("a red apple", steps=2, seed=1)
    assert np.array_equal(first.arrays["pixels"], again.arrays["pixels"])
    assert gen.image("a red apple", init=path, strength=0.5, steps=2, seed=1).recipe is not None


def test_another_kind_is_refused_where_one_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "rain.json"
    gen.audio("rain", duration=1, steps=1, seed=1).save(path)
    with pytest.raises(UsageError, match="must be image, not audio"):
        gen.image("a red apple", init=path, steps=1)
