"""The model that ships: it installs with the package, works at once, and draws what it is asked for."""

import hashlib
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import gen
from gen.model import ModelFile
from gen_image.data.scenes import COLOURS
from gen_image.plugin import gen_models

[SPEC] = gen_models()
WEIGHTS = files("gen_image") / "weights" / "emoji.safetensors"


@pytest.fixture(scope="module")
def emoji():
    return gen.load("emoji")


def edge(pixels: np.ndarray) -> np.ndarray:
    """The median colour along the edge, 0 to 255."""
    frame = np.ones(pixels.shape[:2], bool)
    frame[6:-6, 6:-6] = False
    return np.median(pixels[frame], 0) * 255


def test_the_file_is_the_one_declared_and_small_enough() -> None:
    data = WEIGHTS.read_bytes()
    assert len(data) == SPEC.size <= 16_000_000
    assert hashlib.sha256(data).hexdigest() == SPEC.sha256


def test_the_card_says_what_it_is_made_of(tmp_path: Path) -> None:
    card = ModelFile(str(WEIGHTS)).card
    assert {"data", "data_licence", "licence", "training", "metrics", "held_out", "preset"} <= card.keys()
    page = (Path(__file__).parents[3] / "docs" / "models" / "emoji.md").read_text()
    assert SPEC.sha256 in page


@pytest.mark.parametrize("colour", ["red", "yellow", "green", "blue", "purple", "pink"])
def test_the_background_has_the_colour_asked_for(emoji, colour: str) -> None:
    picture = emoji(f"a dog face on a {colour} background", seed=3).arrays["pixels"]
    assert np.abs(edge(picture) - COLOURS[colour]).max() < 40


def test_a_thing_stands_on_the_side_asked_for(emoji) -> None:
    sides = {}
    for side in ("left", "right"):
        darkness = 1 - emoji(f"a red apple on the {side}", seed=5).arrays["pixels"].mean(-1)
        sides[side] = (darkness * np.arange(128)).sum() / darkness.sum()
    assert sides["left"] < 50
    assert sides["right"] > 78


def test_a_thing_has_its_colour(emoji) -> None:
    for prompt, channel in (("a red apple", 0), ("broccoli", 1), ("a blue heart", 2)):
        middle = emoji(prompt, seed=1).arrays["pixels"][40:88, 40:88].reshape(-1, 3).mean(0)
        assert middle.argmax() == channel, prompt


def test_seed_and_prompt_decide(emoji) -> None:
    one, same, other, prompt = (
        emoji(text, seed=seed, steps=4).arrays["pixels"]
        for text, seed in (("a red apple", 1), ("a red apple", 1), ("a red apple", 2), ("a car", 1))
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert np.abs(one - prompt).mean() > np.abs(one - other).mean()


def test_the_command_writes_a_picture_and_imports_no_foreign_framework(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from gen.cli.main import main\n"
        "try:\n    main()\n"
        "finally:\n"
        "    found = {'diffusers', 'transformers'} & set(sys.modules)\n"
        "    assert not found, found\n"
    )
    arguments = ["image", "a red apple on a blue background", "-o", "apple.png", "--seed", "7"]
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "apple.png\n"
    assert "Traceback" not in done.stderr
    again = gen.rerun(tmp_path / "apple.png")
    written = gen.formats.read(tmp_path / "apple.png", gen.plugin.host.Host.discover().formats())
    assert np.array_equal((again.arrays["pixels"] * 255).round(), (written.arrays["pixels"] * 255).round())
