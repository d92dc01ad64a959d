"""The model that ships: it installs with the package, works at once, and makes what it is asked for."""

import hashlib
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import gen
from gen.model import ModelFile
from gen_mesh import cloud, surface
from gen_mesh.grids import BAND, SIZE
from gen_mesh.plugin import gen_models
from gen_mesh.training import measures
from gen_mesh.training.data.builder import PALETTE

[SPEC] = gen_models()
WEIGHTS = files("gen_mesh") / "weights" / "shapes.safetensors"


@pytest.fixture(scope="module")
def shapes():
    return gen.load("shapes")


def test_the_file_is_the_one_declared_and_small_enough() -> None:
    data = WEIGHTS.read_bytes()
    assert len(data) == SPEC.size <= 24_000_000
    assert hashlib.sha256(data).hexdigest() == SPEC.sha256


def test_the_card_says_what_it_is_made_of() -> None:
    card = ModelFile(str(WEIGHTS)).card
    assert {"data", "data_licence", "licence", "training", "metrics", "held_out", "preset"} <= card.keys()
    page = (Path(__file__).parents[3] / "docs" / "models" / "shapes.md").read_text()
    assert SPEC.sha256 in page


@pytest.mark.parametrize("prompt", ["a red mug", "a green chair", "a blue car", "a yellow star"])
def test_a_surface_is_closed_and_has_the_colour_asked_for(shapes, prompt: str) -> None:
    arrays = shapes(prompt, seed=2).arrays
    assert surface.closed(arrays["faces"])
    _, _, tints = surface.points_on(
        arrays["vertices"], arrays["faces"].astype(np.int64), arrays["colours"], 512
    )
    nearest = np.linalg.norm(tints[:, None] - np.array(list(PALETTE.values()))[None], axis=-1).argmin(1)
    assert (nearest == list(PALETTE).index(prompt.split()[1])).mean() > 0.1


def test_tables_have_legs_and_tall_things_are_tall(shapes) -> None:
    table = shapes("a brown table with four legs", seed=1)
    inside = cloud.grid(*cloud.oriented(table), SIZE, BAND)[0] < 0
    assert measures.legs(inside) == 4
    tall, plain = (
        np.mean([measures.aspect(one.arrays["vertices"]) for one in shapes([prompt] * 3, seed=[0, 1, 2])])
        for prompt in ("a tall blue bottle", "a blue bottle")
    )
    assert tall > plain


def test_seed_and_prompt_decide(shapes) -> None:
    one, same, other, prompt = (
        shapes(text, seed=seed, steps=4).arrays["vertices"]
        for text, seed in (("a red mug", 1), ("a red mug", 1), ("a red mug", 2), ("a blue car", 1))
    )
    assert np.array_equal(one, same)
    assert one.shape != other.shape or not np.array_equal(one, other)
    assert one.shape != prompt.shape or not np.array_equal(one, prompt)


def test_points_can_be_asked_for_kept_and_started_from(shapes, tmp_path: Path) -> None:
    cloud = shapes("a chair", seed=1, steps=2, representation="points", points=3000)
    assert cloud.kind == "points"
    assert {name: array.shape for name, array in cloud.arrays.items()} == {
        name: (3000, 3) for name in ("points", "normals", "colours")
    }
    cloud.save(tmp_path / "chair.glb")
    for init in (cloud, tmp_path / "chair.glb"):
        assert shapes("a red chair", seed=1, steps=2, init=init, strength=0.5).kind == "mesh"


def test_a_file_that_cannot_be_started_from_is_named(shapes, tmp_path: Path) -> None:
    (tmp_path / "dots.xyz").write_text("0 0 0\n.1 .1 .1\n")
    with pytest.raises(gen.errors.UsageError, match=r"^dots\.xyz: the points have no normals"):
        shapes("a mug", init=tmp_path / "dots.xyz")
    with pytest.raises(gen.errors.UsageError, match=r"^the points have no normals"):
        shapes(
            "a mug", init=gen.formats.read(tmp_path / "dots.xyz", gen.plugin.host.Host.discover().formats())
        )


def test_what_is_left_out_of_a_file_is_reported_with_its_name(shapes, tmp_path: Path) -> None:
    rows = "v 0 0 0\nv .4 0 0\nv 0 .4 0\nv 0 0 .4\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\nl 1 2\n"
    (tmp_path / "lines.obj").write_text(rows)
    with pytest.warns(gen.errors.GenWarning, match=r"lines\.obj: its lines are left out"):
        shapes("a mug", seed=1, steps=1, init=tmp_path / "lines.obj")


def test_the_command_writes_a_mesh_and_a_picture(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("gen")), "mesh", "a red mug", "-o", "mug.glb"]
    done = subprocess.run(
        [*command, "--seed", "7", "--preview", "png", "--steps", "4"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["mug.glb", "mug.png"]
    again = gen.rerun(tmp_path / "mug.glb")
    written = gen.formats.read(tmp_path / "mug.glb", gen.plugin.host.Host.discover().formats())
    assert np.array_equal(again.arrays["faces"], written.arrays["faces"])
    np.testing.assert_allclose(again.arrays["vertices"], written.arrays["vertices"], atol=1e-6)
