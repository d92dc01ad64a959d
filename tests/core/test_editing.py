"""Edits of files: regions in words, variations, ways between two, another prompt; and what is refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gen
from gen.diffusion import NoiseSource
from gen.diffusion.noise import BlendedNoise
from gen.errors import UsageError
from gen.plan.expansion import expanded
from gen.plan.regions import is_region, region_mask
from gen.run.inversion import between

pytestmark = pytest.mark.usefixtures("toy")


def pixels(artifact: gen.Artifact) -> np.ndarray[Any, Any]:
    return artifact.arrays["pixels"]


def toy(prompt: str | None = None, **options: Any) -> Any:
    return getattr(gen, "toy")(prompt, **options)  # noqa: B009


@pytest.fixture
def red(tmp_path: Path) -> Path:
    toy("red", seed=3).save(tmp_path / "red.png")
    return tmp_path / "red.png"


def sound(seconds: float) -> gen.Artifact:
    return gen.Artifact(
        "audio", {"samples": np.zeros((2, round(seconds * 100)), np.float32)}, {"sample_rate": 100}
    )


def clip(frames: int) -> gen.Artifact:
    return gen.Artifact("video", {"frames": np.zeros((frames, 4, 6, 3), np.float32)}, {"fps": "8"})


def picture() -> gen.Artifact:
    return gen.Artifact("image", {"pixels": np.zeros((16, 24, 3), np.float32)})


@pytest.mark.parametrize(
    ("text", "given", "name", "where"),
    [
        ("1.5s:3s", sound(4), "samples", np.s_[:, 150:300]),
        (":1", sound(4), "samples", np.s_[:, :100]),
        ("2s:", sound(4), "samples", np.s_[:, 200:]),
        ("2:5", clip(16), "frames", np.s_[2:5]),
        ("0.5s:1s", clip(16), "frames", np.s_[4:8]),
        ("1,0,3,2", clip(16), "frames", np.s_[:, 0:2, 1:3]),
        ("2:5@1,0,3,2", clip(16), "frames", np.s_[2:5, 0:2, 1:3]),
        ("4, 0, 8, 16", picture(), "pixels", np.s_[0:16, 4:8]),
    ],
)
def test_a_region_marks_what_lies_in_it(text: str, given: gen.Artifact, name: str, where: Any) -> None:
    assert is_region(text)
    marks = region_mask(text, given).arrays[name]
    expected = np.zeros_like(marks)
    expected[where] = 1
    assert np.array_equal(marks, expected)


def test_a_box_of_space_is_closed_and_faces_outwards() -> None:
    mesh = region_mask("-0.5,-0.25,0,0.5,0.25,0.5", gen.Artifact("mesh", {
        "vertices": np.eye(3, dtype=np.float32), "faces": np.array([[0, 1, 2]]),
    }))  # fmt: skip
    corners = mesh.arrays["vertices"][mesh.arrays["faces"]].astype(np.float64)
    volume = np.einsum("ni,ni->n", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume == pytest.approx(1 * 0.5 * 0.5)


@pytest.mark.parametrize("text", ["mask.png", "1.png", "", "a:b", "2024", "s"])
def test_names_of_files_are_no_regions(text: str) -> None:
    assert not is_region(text)


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        ("1s:2s", picture(), "is no region of image"),
        ("1,2,3", picture(), "is no region of image"),
        ("0,0,25,16", picture(), "lies outside of the input's 24 × 16"),
        ("5,0,5,16", picture(), "is empty"),
        ("3s:2s", sound(4), "is empty"),
        ("3s:5s", sound(4), "which has 4 s"),
        ("0:17", clip(16), "which has 16 frames"),
        ("0:2", gen.Artifact("palette", {}), "cannot be written"),
    ],
)
def test_regions_that_are_none(text: str, given: gen.Artifact, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        region_mask(text, given)


def test_outside_a_region_every_bit_stays_and_the_rerun_is_equal(red: Path) -> None:
    made = toy("blue", init=red, mask="4,0,8,16", seed=5)
    kept = np.ones((16, 24), bool)
    kept[:, 4:8] = False
    given = pixels(gen.rerun(red))
    stored = np.rint(given * 255) / np.float32(255)
    assert np.array_equal(pixels(made)[kept], stored.astype(np.float32)[kept])
    assert not np.array_equal(pixels(made), stored)
    assert made.recipe is not None
    assert made.recipe.edits == {"mask": "4,0,8,16"}
    assert np.array_equal(pixels(gen.rerun(made, init=red)), pixels(made))


@pytest.mark.parametrize(
    ("text", "given", "name", "where", "size"),
    [
        ("8,0,16,4", picture(), "pixels", np.s_[0:16, 8:32], (20, 48, 1)),
        ("1s:0.5s", sound(4), "samples", np.s_[:, 100:500], (1, 550)),
        (":1", sound(4), "samples", np.s_[:, :400], (1, 500)),
        ("2:0.5s", clip(16), "frames", np.s_[2:18], (22, 4, 6, 1)),
    ],
)
def test_an_expansion_keeps_all_of_the_input(
    text: str, given: gen.Artifact, name: str, where: Any, size: tuple[int, ...]
) -> None:
    init, mask = expanded(text, given)
    expected = np.ones(size, np.float32)
    expected[where] = 0
    assert np.array_equal(mask.arrays[name], expected)
    assert np.array_equal(init.arrays[name][where], given.arrays[name])


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        ("8,0,16", picture(), "is no expansion of image"),
        ("1s:2s", picture(), "is no expansion of image"),
        ("0,0,0,0", picture(), "adds nothing"),
        ("-8,0,0,0", picture(), "adds nothing"),
        ("0,0,99999,99999", picture(), "too large"),
        ("8,0,16,4", sound(4), "is no expansion of audio"),
        (":", clip(4), "adds nothing"),
        (
            "1,1,1,1",
            gen.Artifact("points", {"points": np.zeros((3, 3), np.float32)}),
            "points cannot be expanded",
        ),
    ],
)
def test_expansions_that_are_none(text: str, given: gen.Artifact, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        expanded(text, given)


def test_an_expanded_picture_holds_the_input_and_is_made_again(red: Path) -> None:
    made = toy("blue", init=red, expand="8,0,0,8", seed=5)
    stored = np.rint(pixels(gen.rerun(red)) * 255).astype(np.float32) / np.float32(255)
    assert pixels(made).shape == (24, 32, 3)
    assert np.array_equal(pixels(made)[:16, 8:], stored)
    assert np.array_equal(pixels(gen.rerun(made)), pixels(made))


def test_blended_noise_is_normal_and_begins_and_ends_at_its_sources() -> None:
    first, second = NoiseSource([1, 1, 1]), NoiseSource([2, 3, 4])
    noise = BlendedNoise(first, second, [0.0, 0.6, 1.0])
    drawn = noise.normal((4000,), "prior")
    assert torch.equal(drawn[0], first.normal((4000,), "prior")[0])
    assert torch.equal(drawn[2], second.normal((4000,), "prior")[2])
    assert float(drawn[1].std()) == pytest.approx(1, abs=0.05)
    correlation = float((drawn[1] * first.normal((4000,), "prior")[1]).mean())
    assert correlation == pytest.approx(0.8, abs=0.06)
    assert torch.equal(
        noise.select([1]).child("a").normal((9,), "s"), noise.child("a").normal((9,), "s")[1:2]
    )
    assert noise == BlendedNoise(first, second, [0.0, 0.6, 1.0]) != BlendedNoise(first, second, [0.0] * 3)


def test_a_way_on_the_sphere_keeps_the_length() -> None:
    first, second = torch.tensor([[3.0, 0.0]] * 3), torch.tensor([[0.0, 3.0]] * 3)
    places = between(first, second, [0, 0.5, 1])
    assert torch.equal(places[0], first[0])
    assert torch.equal(places[2], second[0])
    assert places[1].tolist() == pytest.approx([3 / 2**0.5] * 2)


def test_a_variation_of_amount_0_is_the_file_and_grows_with_the_amount(red: Path) -> None:
    original = pixels(toy("red", seed=3))
    same, near, far = (toy(vary=red, amount=amount, seed=8) for amount in (0, 0.1, 0.9))
    assert same.recipe.prompt == "red"
    assert np.array_equal(pixels(same), original)
    assert 0 < np.abs(pixels(near) - original).mean() < np.abs(pixels(far) - original).mean()
    assert np.array_equal(pixels(gen.rerun(far)), pixels(far))


def test_a_file_of_unknown_origin_is_inverted(red: Path) -> None:
    plain = gen.Artifact("image", {"pixels": pixels(toy("red", seed=3))})
    same, other = (toy("red", vary=plain, amount=amount, seed=8, steps=20) for amount in (0, 0.9))
    assert np.abs(pixels(same) - pixels(plain)).mean() < 0.02
    assert np.abs(pixels(other) - pixels(plain)).mean() > np.abs(pixels(same) - pixels(plain)).mean()
    assert np.array_equal(pixels(gen.rerun(other, inputs={"vary": plain})), pixels(other))


def test_a_way_between_prompts_begins_and_ends_at_them() -> None:
    way = toy("red", interpolate="blue", count=3, seed=4)
    assert [one.recipe.edits["share"] for one in way] == [0, 0.5, 1]
    assert {one.recipe.seed for one in way} == {4}
    assert np.array_equal(pixels(way[0]), pixels(toy("red", seed=4)))
    assert np.array_equal(pixels(way[2]), pixels(toy("blue", seed=4)))
    assert np.array_equal(pixels(gen.rerun(way[1])), pixels(way[1]))


def test_a_way_between_seeds_begins_and_ends_at_them() -> None:
    way = toy("red", interpolate="seed:9", count=3, seed=4)
    assert np.array_equal(pixels(way[0]), pixels(toy("red", seed=4)))
    assert np.array_equal(pixels(way[2]), pixels(toy("red", seed=9)))
    assert np.array_equal(pixels(gen.rerun(way[1])), pixels(way[1]))


def test_a_way_between_files_leads_from_one_to_the_other(red: Path) -> None:
    blue = toy("blue", seed=1)
    way = toy("red", init=red, interpolate=blue, count=3, seed=4, steps=8)
    assert np.array_equal(pixels(gen.rerun(way[1], init=red, inputs={"interpolate": blue})), pixels(way[1]))
    assert not np.array_equal(pixels(way[0]), pixels(way[2]))


def test_another_prompt_for_a_file_starts_with_its_own(red: Path) -> None:
    made = toy(init=red, edit="blue", seed=5, steps=12)
    assert (made.recipe.prompt, made.recipe.edits) == ("blue", {"source": "red"})
    assert pixels(made)[..., 2].mean() > 0.7
    assert np.array_equal(pixels(gen.rerun(made, init=red)), pixels(made))


def test_a_restored_picture_agrees_with_what_was_measured() -> None:
    values = np.random.default_rng(0).uniform(0.2, 0.8, (16, 24, 3)).astype(np.float32)
    small = values.reshape(8, 2, 12, 2, 3).mean((1, 3))
    made = toy("red", init=gen.Artifact("image", {"pixels": small}), restore="upscale", seed=2)
    assert made.recipe.edits == {"restore": "super_resolve"}
    assert pixels(made).shape == values.shape
    assert np.abs(pixels(made).reshape(8, 2, 12, 2, 3).mean((1, 3)) - small).max() < 1e-3
    again = gen.rerun(made, init=gen.Artifact("image", {"pixels": small}))
    assert np.array_equal(pixels(again), pixels(made))


def test_a_blurred_picture_becomes_sharper() -> None:
    from gen.diffusion.inverse import Blur

    sharp = torch.zeros(1, 3, 16, 24)
    sharp[..., 8:16] = 1
    blurred = Blur.gaussian(1.5, (-2, -1))(sharp).clamp(0, 1)[0].permute(1, 2, 0).contiguous().numpy()
    given = gen.Artifact("image", {"pixels": blurred})
    made = toy("red", init=given, restore="deblur:radius=1.5", seed=2, steps=12)
    true = sharp[0].permute(1, 2, 0).numpy()
    assert np.abs(pixels(made) - true).mean() < 0.7 * np.abs(blurred - true).mean()


def test_a_noisy_picture_is_nearer_to_the_true_one(red: Path) -> None:
    true = pixels(toy("red", seed=3))
    noisy = (true + 0.2 * np.random.default_rng(0).standard_normal(true.shape)).clip(0, 1)
    given = gen.Artifact("image", {"pixels": noisy.astype(np.float32)})
    made = toy("red", init=given, restore="denoise:std=0.2", seed=2)
    assert np.square(pixels(made) - true).mean() < 0.5 * np.square(noisy - true).mean()


def test_a_larger_picture_is_made_of_tiles_and_has_the_means_of_the_small_one() -> None:
    values = np.random.default_rng(0).uniform(0.3, 0.7, (12, 10, 3)).astype(np.float32)
    small = gen.Artifact("image", {"pixels": values})
    made = toy(init=small, upscale=3, seed=2)
    assert pixels(made).shape == (36, 30, 3)
    assert np.abs(pixels(made).reshape(12, 3, 10, 3, 3).mean((1, 3)) - values).max() < 1e-3
    assert (made.recipe.edits, made.recipe.strength) == ({"upscale": 3}, 0.4)
    assert made.recipe.provenance["edits"] == {"upscale": "measurement guidance, in tiles"}
    assert np.array_equal(pixels(gen.rerun(made, init=small)), pixels(made))


def test_the_alpha_of_a_picture_grows_with_it() -> None:
    values = np.full((8, 8, 4), 0.5, np.float32)
    made = toy(init=gen.Artifact("image", {"pixels": values}), upscale=2, seed=2)
    assert pixels(made).shape == (16, 16, 4)
    assert np.allclose(pixels(made)[..., 3], 0.5, atol=1e-6)


def test_what_is_lost_is_filled_and_the_rest_stays(red: Path) -> None:
    mask = np.zeros((16, 24, 1), np.float32)
    mask[4:8, 4:8] = 1
    made = toy("blue", init=red, mask=gen.Artifact("image", {"pixels": mask}), restore="fill", seed=5)
    stored = np.rint(pixels(gen.rerun(red)) * 255).astype(np.float32) / np.float32(255)
    kept = mask[..., 0] == 0
    assert np.array_equal(pixels(made)[kept], stored[kept])
    assert not np.array_equal(pixels(made), stored)
    assert made.recipe.provenance["edits"] == {"restore": "measurement guidance"}


def test_the_recipe_says_by_what_a_mask_is_kept(red: Path) -> None:
    made = toy("blue", init=red, mask="4,0,8,16", seed=5)
    assert made.recipe.provenance["edits"]["mask"].startswith("measurement guidance")


def test_progress_covers_the_inversion(red: Path) -> None:
    seen: list[float] = []
    toy(init=red, edit="blue", seed=5, steps=4, on_step=lambda progress: seen.append(progress.done))
    assert len(seen) == 8
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_circular_convolutions_move_with_the_picture() -> None:
    from gen.nn import circular

    torch.manual_seed(0)
    network = torch.nn.Sequential(*(torch.nn.Conv2d(2, 2, 3, padding=1) for _ in range(3)))
    x = torch.randn(1, 2, 8, 8)
    with torch.no_grad(), circular(network, "x"):
        assert torch.allclose(network(x.roll(3, -1)), network(x).roll(3, -1), atol=1e-6)
        assert not torch.allclose(network(x.roll(3, -2)), network(x).roll(3, -2), atol=1e-2)
    with torch.no_grad():
        assert not torch.allclose(network(x.roll(3, -1)), network(x).roll(3, -1), atol=1e-2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"upscale": 2}, "upscale needs something to start from"),
        ({"upscale": 9, "init": "red.png"}, "at least 2 and at most 8, not 9"),
        ({"upscale": 2, "init": "red.png", "mask": "0,0,4,4"}, "upscale and mask exclude each other"),
        ({"tile": "x"}, "does not let edges meet"),
        ({"style": "red.png"}, "takes no style of a file"),
        ({"restore": "fill", "init": "red.png"}, "restore fill needs a mask"),
        ({"vary": "red.png", "edit": "blue"}, "are two edits"),
        ({"amount": 0.5}, "amount needs something to vary"),
        ({"vary": "red.png", "amount": 2}, "amount must be at least 0 and at most 1, not 2"),
        ({"vary": "red.png", "init": "red.png"}, "both say what to start from"),
        ({"share": 0.5}, "share needs two ends"),
        ({"interpolate": "blue", "share": -1}, "share must be at least 0"),
        ({"interpolate": "seed:x"}, "interpolate must be a whole number"),
        ({"interpolate": "red.png"}, "begins with a file"),
        ({"edit": "blue"}, "edit needs something to start from"),
        ({"edit": "blue", "init": "red.png", "solver": "ddpm"}, "draws noise"),
        ({"expand": "8,0,0,0"}, "expand needs something to start from"),
        ({"expand": "8,0,0,0", "init": "red.png", "mask": "0,0,4,4"}, "a mask of its own"),
        ({"restore": "denoise"}, "restore needs something to start from"),
        ({"restore": "denoise", "init": "red.png", "mask": "0,0,4,4"}, "restore denoise needs no mask"),
        ({"restore": "dehaze", "init": "red.png"}, "unknown operator 'dehaze'"),
        ({"restore": "deblur:radius=99", "init": "red.png"}, "radius"),
        ({"restore": "declip", "init": "red.png"}, "declip does not damage image"),
        (
            {"restore": "super_resolve", "init": "red.png", "width": 24, "height": 16},
            "do not fit the 16 × 24 × 3 of the input",
        ),
        ({"mask": "0,0,4,4"}, "mask needs something to start from"),
        ({"init": "red.png", "strength": 0}, "above 0 and at most 1, not 0"),
        ({"init": "red.png", "strength": 2}, "above 0 and at most 1, not 2"),
        ({"vary": "nothing.png"}, "nothing.png"),
    ],
)
def test_what_does_not_go_together(
    red: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(red.parent)
    with pytest.raises(UsageError, match=message):
        toy("red", **options)


@pytest.mark.parametrize("edits", [{"mask": "/etc/passwd"}, {"interpolate": "red.png"}, {"open": "x"}])
def test_no_edit_of_a_recipe_is_taken_for_a_path(edits: dict[str, Any]) -> None:
    from dataclasses import replace

    recipe = toy("red", seed=3).recipe
    with pytest.raises(UsageError, match="has an edit"):
        gen.rerun(replace(recipe, edits=edits))


def test_frames_and_rates_are_fractions() -> None:
    film = gen.Artifact(
        "video", {"frames": np.zeros((30, 2, 2, 1), np.float32)}, {"fps": str(Fraction(30000, 1001))}
    )
    assert region_mask("0.5s:1s", film).arrays["frames"][:, 0, 0, 0].nonzero()[0][0] == 15
