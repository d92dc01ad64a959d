"""The model that ships: it installs with the package, works at once, and draws what it is asked for."""

import hashlib
import subprocess
import sys
from collections import Counter
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import gen
from gen.api import find_host
from gen.chains.running import plan
from gen.errors import UsageError
from gen.model import ModelFile
from gen.words import read
from gen_image.plugin import gen_models
from gen_image.things import SAID
from gen_image.training.data.scenes import COLOURS

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
    assert len(data) == SPEC.size <= 24_000_000
    assert hashlib.sha256(data).hexdigest() == SPEC.sha256


def test_the_card_says_what_it_is_made_of(tmp_path: Path) -> None:
    card = ModelFile(str(WEIGHTS)).card
    assert {"data", "data_licence", "licence", "training", "metrics", "held_out", "preset"} <= card.keys()
    page = (Path(__file__).parents[3] / "docs" / "models" / "emoji.md").read_text()
    assert SPEC.sha256 in page


def test_every_name_is_said_in_words_that_no_other_is() -> None:
    names = [name for name in ModelFile(str(WEIGHTS)).names if "skin tone" not in name]
    said = Counter(read(SAID.get(name, name)).rows for name in names)
    assert {rows for rows, count in said.items() if count > 1} == set()


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


def test_a_number_is_that_of_its_own_thing(emoji) -> None:
    picture = emoji("two green frogs right of a yellow bus", seed=1).arrays["pixels"]
    for half, count in ((picture[:, :64], 1), (picture[:, 64:], 2)):
        rows = ((half.min(-1) < 0.7).mean(1) > 0.15).astype(int)
        assert (np.diff(rows, prepend=0) == 1).sum() == count
    frogs = picture[:, 64:][picture[:, 64:].min(-1) < 0.7].mean(0)
    assert frogs.argmax() == 1


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
    arguments = [
        "image",
        "a red apple on a blue background",
        "-o",
        "apple.png",
        "--seed",
        "7",
        "--steps",
        "4",
    ]
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "apple.png\n"
    assert "Traceback" not in done.stderr
    again = gen.rerun(tmp_path / "apple.png")
    written = gen.formats.read(tmp_path / "apple.png", gen.plugin.host.Host.discover().formats())
    assert np.array_equal((again.arrays["pixels"] * 255).round(), (written.arrays["pixels"] * 255).round())


@pytest.fixture(scope="module")
def apple(emoji) -> gen.Artifact:
    """A picture made while the process is as it began."""
    return emoji("a red apple", seed=7, steps=1, threads=2)


@pytest.mark.parametrize("what", ["dtype", "threads", "oneDNN", "precision", "autocast", "inference"])
def test_what_the_process_carries_changes_no_pixel(emoji, apple: gen.Artifact, what: str) -> None:
    import torch

    states = {
        "dtype": (torch.get_default_dtype, torch.set_default_dtype, torch.float64),
        "threads": (torch.get_num_threads, torch.set_num_threads, 1 if torch.get_num_threads() > 1 else 2),
        "oneDNN": (
            lambda: torch.backends.mkldnn.enabled,
            lambda value: setattr(torch.backends.mkldnn, "enabled", value),
            False,
        ),
        "precision": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium"),
        "autocast": (
            lambda: torch.is_autocast_enabled("cpu"),
            lambda value: torch.set_autocast_enabled("cpu", value),
            True,
        ),
        "inference": (lambda: None, lambda value: None, None),
    }
    read, write, value = states[what]
    before = read()
    write(value)
    try:
        with torch.inference_mode(what == "inference"):
            made = [gen.rerun(apple), emoji("a red apple", seed=7, steps=1, threads=2)]
    finally:
        write(before)
    for artifact in made:
        assert np.array_equal(artifact.arrays["pixels"], apple.arrays["pixels"])


def test_an_edit_leaves_every_bit_outside_the_mask_in_its_file(emoji, tmp_path: Path) -> None:
    form = gen.plugin.host.Host.discover().formats()
    bits = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.float32)
    marks = np.zeros((128, 128, 1), np.float32)
    marks[40:80, 50:90] = 1
    for name, pixels in (("photo", bits / 255), ("mask", marks)):
        gen.Artifact("image", {"pixels": pixels}).save(tmp_path / f"{name}.png")
    edit = emoji("a yellow star", seed=5, steps=2, init=tmp_path / "photo.png", mask=tmp_path / "mask.png")
    edit.save(tmp_path / "edit.png")
    found = np.rint(gen.formats.read(tmp_path / "edit.png", form).arrays["pixels"] * 255)
    black = marks[..., 0] == 0
    assert np.array_equal(found[black], bits[black])
    assert np.abs(found[~black] - bits[~black]).mean() > 20


def test_the_edges_of_its_pictures_do_not_meet() -> None:
    """It draws single things: a seam that it draws anew is full of blots."""
    with pytest.raises(UsageError, match=r"model emoji does not let edges meet .*stable-diffusion"):
        gen.image("a fox", tile="xy")


def test_a_chain_of_it_can_be_planned(tmp_path: Path) -> None:
    """No device and no precision is chosen for a plan."""
    chain = gen.chain(gen.Step(name="hero", make="image", prompt="a fox"))
    assert [work.ready for work in plan(chain, tmp_path, find_host())] == [False]
