"""Whole texts as vectors, by the network that comes with the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from gen.errors import ModelError
from gen.words import Stock, nearest, nearest_name
from gen.words.sentences import FILE, meaning, meanings, sentences

NAMES = (
    *("wedding", "person with veil", "cow", "glass of milk", "cook", "cookie", "canned food", "wastebasket"),
    *("flying saucer", "alien", "motor scooter", "bubble tea", "teacup without handle", "laptop", "tent"),
)


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a bride in a white dress", "person with veil"),
        ("a dairy cow giving milk", "cow"),
        ("chocolate chip cookies", "cookie"),
        ("trash can", "wastebasket"),
        ("ufo", "flying saucer"),
        ("vespa", "motor scooter"),
        ("my new macbook", "laptop"),
    ],
)
def test_a_whole_text_means_what_it_is_about(prompt: str, name: str) -> None:
    assert nearest_name(prompt, Stock(NAMES)) == name


def test_names_that_were_learned_have_the_vectors_of_the_file_and_others_the_networks() -> None:
    model = sentences()
    assert "cow" in model.names
    assert "no name of any model" not in model.names
    known, other = model(["cow", "no name of any model"])
    assert np.array_equal(known, model.vectors[model.names["cow"]])
    assert np.allclose(other, model.encode(["no name of any model"])[0])
    assert np.allclose(np.linalg.norm([known, other], axis=1), 1, atol=1e-2)


def test_texts_of_a_batch_do_not_touch_each_other() -> None:
    texts = ["a dog", "", "a very long text about a dog " * 80, "ÉCLAIR, please!"]
    together = sentences()(texts)
    assert np.isfinite(together).all()
    for text, vector in zip(texts, together, strict=True):
        assert np.allclose(meaning(text), vector, atol=1e-4)
    assert np.allclose(meaning("ÉCLAIR"), meaning("eclair"))
    assert meanings(()).shape == (0, together.shape[1])


def test_the_nearest_names_come_first_and_nothing_is_near_to_nothing() -> None:
    assert nearest("camping in the woods", NAMES, 1) == ("tent",)
    assert nearest("of the", NAMES, 3) == ()
    assert nearest("a cow", (), 3) == ()


def test_a_name_that_is_said_is_nearer() -> None:
    stock = Stock(("guitar", "violin"))
    assert nearest_name("someone fiddles", stock) == "violin"
    assert nearest_name("someone fiddles", stock, ("guitar",)) in stock.names
    assert nearest_name("a guitar or a violin", stock, ("guitar",)) == "guitar"


def test_words_alone_load_no_network() -> None:
    program = (
        "import sys, gen.words as w; w.read('a dog'); w.request('ein Hund'); print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False"]


@pytest.mark.parametrize("damage", ["missing", "truncated", "other tensors", "other sizes"])
def test_a_damaged_file_gives_one_clear_line(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FILE.name
    if damage == "truncated":
        path.write_bytes(FILE.read_bytes()[:100_000])
    elif damage == "other tensors":
        save_file({"x": np.zeros(3)}, path)
    elif damage == "other sizes":
        save_file({**load_file(FILE), "shape": np.ones(8, np.int64)}, path)
    monkeypatch.setattr("gen.words.sentences.FILE", path)
    with pytest.raises(ModelError, match=r"sentences\.safetensors cannot be read: ") as error:
        sentences.__wrapped__()
    assert "\n" not in str(error.value)


def test_settings_of_the_caller_change_no_vector() -> None:
    import torch

    before = sentences().encode(["a dog on the beach"])
    with torch.autocast("cpu", torch.bfloat16):
        assert np.allclose(sentences().encode(["a dog on the beach"]), before, atol=1e-6)
    torch.set_default_device("meta")
    try:
        assert np.allclose(sentences().encode(["a dog on the beach"]), before, atol=1e-6)
    finally:
        torch.set_default_device(None)
