"""What is kept of an input is the same bits in what comes out, whatever the codec loses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

import gen
from gen.artifact import Artifact
from gen.run.compositing import FADE, keep_outside, keep_pixels, keep_samples, marked, sounding
from solvers_on_flows import ON_FLOWS
from thinning import thinned

RATE = 8000


def noise(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray[Any, Any]:
    return (np.random.default_rng(seed).random(shape, np.float32) * scale).astype(np.float32)


@pytest.mark.parametrize("feather", [0, 1, 4])
@pytest.mark.parametrize("shape", [(20, 30), (3, 20, 30)])
def test_pixels_outside_stay_and_the_seam_lies_inside(shape: tuple[int, ...], feather: int) -> None:
    made, given = noise(*shape, 3), noise(*shape, 3, seed=1)
    changed = np.zeros(shape, bool)
    changed[..., 5:15, 10:22] = True
    kept = keep_pixels(made, given, changed, feather)
    assert np.array_equal(kept[~changed], given[~changed])
    deep = (..., slice(5 + feather, 15 - feather), slice(10 + feather, 22 - feather))
    assert np.array_equal(kept[deep], made[deep])
    assert kept.dtype == np.float32
    if not feather:
        assert np.array_equal(kept[changed], made[changed])


@pytest.mark.parametrize("place", [(), (2,)])
def test_what_a_mask_marks(place: tuple[int, ...]) -> None:
    square = np.zeros((*place, 8, 8), np.float32)
    square[..., 2:5, 3:7] = 1

    def layered(colour: tuple[float, ...], behind: tuple[float, ...], alpha: np.ndarray[Any, Any]) -> Any:
        pixels = np.where(square[..., None] > 0, np.float32(colour), np.float32(behind))
        return marked(np.concatenate([pixels, alpha[..., None]], -1).astype(np.float32))

    white, black, red = (1, 1, 1), (0, 0, 0), (0.9, 0.1, 0.1)
    opaque = np.ones_like(square)
    for mask in (
        marked(square[..., None]),
        marked(np.repeat(square[..., None], 3, -1)),
        layered(white, black, opaque),
        # A brush of any colour on a transparent layer, whatever colour hides in what is transparent.
        layered(white, black, square),
        layered(white, white, square),
        layered(black, black, square),
        layered(black, white, square),
        layered(red, black, square),
        # White and black on a layer that is transparent elsewhere.
        layered(white, black, np.where(np.arange(8) < 7, opaque, 0)),
    ):
        assert np.array_equal(mask, square)
    assert not layered(white, white, 0 * opaque).any()
    assert not layered(black, black, 0.99 * opaque).any()
    # A lossy file and soft edges leave a colour nearly one.
    noisy = np.concatenate([red + noise(*square.shape, 3, scale=0.08), square[..., None]], -1)
    assert np.array_equal(marked(noisy.astype(np.float32)), square)


def test_a_stroke_thinner_than_the_seam_is_drawn() -> None:
    made, given = np.ones((9, 9, 3), np.float32), np.zeros((9, 9, 3), np.float32)
    changed = np.zeros((9, 9), bool)
    changed[:, 4] = True
    assert keep_pixels(made, given, changed, 3)[:, 4].min() == 1


@pytest.mark.parametrize("channels", [1, 2])
def test_samples_outside_stay_and_the_level_of_the_rest_fits(channels: int) -> None:
    time = np.arange(RATE) / RATE
    given = np.tile(0.1 * np.sin(2 * np.pi * 200 * time), (channels, 1)).astype(np.float32)
    made = np.tile(0.8 * np.sin(2 * np.pi * 200 * time + 1), (channels, 1)).astype(np.float32)
    changed = np.zeros(RATE, bool)
    changed[3000:6000] = True
    kept = keep_samples(made, given, changed, RATE)
    assert np.array_equal(kept[:, ~changed], given[:, ~changed])
    inside = kept[:, 3200:5800]
    assert np.sqrt((inside**2).mean()) == pytest.approx(0.1 / np.sqrt(2), rel=0.02)
    # No click: neighbouring samples differ by no more than those of the two sounds.
    assert np.abs(np.diff(kept)).max() < 1.5 * np.abs(np.diff(given)).max()


@pytest.mark.parametrize("span", [(0, 1), (0, RATE), (0, 100), (RATE - 1, RATE), (10, 12)])
def test_any_span_of_a_sound_can_change(span: tuple[int, int]) -> None:
    made, given = noise(1, RATE), noise(1, RATE, seed=1, scale=0.01)
    changed = np.zeros(RATE, bool)
    changed[slice(*span)] = True
    kept = keep_samples(made, given, changed, RATE)
    assert np.array_equal(kept[:, ~changed], given[:, ~changed])
    assert np.abs(kept).max() <= 1
    fade = round(FADE * RATE)
    if span == (0, RATE):
        assert np.array_equal(kept, made)
    elif span[1] - span[0] > 2 * fade:
        assert np.abs(kept[:, span[0] + fade : span[1] - fade]).max() > 0


def test_what_sounds_in_a_mask_has_no_holes_at_its_zero_crossings() -> None:
    mask = np.zeros((1, RATE), np.float32)
    mask[:, 2000:4000] = np.sin(np.arange(2000) * 0.3)
    where = np.flatnonzero(sounding(mask, RATE))
    assert (where[0], where[-1]) == (2001, 3999)
    assert len(where) == 1999
    assert not sounding(np.zeros((2, 50), np.float32), RATE).any()


@pytest.mark.parametrize("kind", ["image", "video", "audio"])
def test_the_core_composes_what_has_one_size(kind: str) -> None:
    name, shape = {"image": ("pixels", (8, 8, 3)), "video": ("frames", (2, 8, 8, 3)),
                   "audio": ("samples", (1, 64))}[kind]  # fmt: skip
    attributes: Mapping[str, Any] = {"video": {"fps": "8"}, "audio": {"sample_rate": RATE}}.get(kind, {})
    mask = np.zeros(shape, np.float32)
    if kind == "audio":
        mask[:, :40] = 1
    else:
        mask[..., :4, :, :] = 1
    made, given, marks = (
        Artifact(kind, {name: array}, attributes)
        for array in (noise(*shape), noise(*shape, seed=1, scale=0.5), mask)
    )
    found = keep_outside(made, given, marks).arrays[name]
    black = mask == 0
    assert np.array_equal(found[black], given.arrays[name][black])
    assert not np.array_equal(found[~black], given.arrays[name][~black])
    other = Artifact(kind, {name: noise(*(size * 2 for size in shape[:-1]), shape[-1])}, attributes)
    assert keep_outside(made, other, marks) is made


class TestToy:
    """A stranger's codec that knows nothing of compositing and loses half of what it is given."""

    @pytest.fixture(autouse=True)
    def _lossy(self, toy: object, monkeypatch: pytest.MonkeyPatch) -> None:
        from gen_toy.model import Pixels

        plain = Pixels.decode

        def decode(codec: Any, x0: torch.Tensor, params: Mapping[str, object]) -> list[Artifact]:
            return plain(codec, 0.5 * x0 + 0.1, params)

        monkeypatch.setattr(Pixels, "decode", decode)

    @pytest.mark.parametrize("solver", thinned(ON_FLOWS, 6))
    def test_pixels_outside_the_mask_are_those_of_the_input(self, solver: str) -> None:
        start = gen.Artifact("image", {"pixels": np.rint(noise(16, 24, 3) * 255).astype(np.float32) / 255})
        mask = np.zeros((16, 24, 3), np.float32)
        mask[4:12, 4:12] = 1
        black = mask[..., 0] == 0
        made = gen.toy("red", seed=1, solver=solver, init=start, mask=gen.Artifact("image", {"pixels": mask}))
        assert np.array_equal(made.arrays["pixels"][black], start.arrays["pixels"][black])
        assert not np.array_equal(made.arrays["pixels"][~black], start.arrays["pixels"][~black])

    def test_a_codec_may_compose_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from gen_toy.model import Pixels

        def composite(_self: object, made: Artifact, task: Any) -> Artifact:
            if "left" not in task.params:
                return made
            if task.params["left"].sizes["width"] == 16:
                raise gen.errors.UsageError("left is too wide")
            assert task.mask is None
            pixels = made.arrays["pixels"].copy()
            pixels[:, :8] = task.params["left"].arrays["pixels"]
            return Artifact("image", {"pixels": pixels})

        monkeypatch.setattr(Pixels, "composite", composite, raising=False)
        left = gen.toy("blue", width=8)
        made = gen.toy("red", left=left, init=gen.toy("green"), strength=0.5)
        assert np.array_equal(made.arrays["pixels"][:, :8], left.arrays["pixels"])
        with pytest.raises(gen.errors.UsageError, match="too wide"):
            gen.toy("red", left=gen.toy("blue", width=16))


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("solver", thinned(ON_FLOWS, 6))
def test_what_a_parameter_gives_is_kept_with_every_solver(solver: str) -> None:
    left = gen.toy("blue", width=8)
    made = gen.toy("red", solver=solver, left=left)
    assert np.allclose(made.arrays["pixels"][:, :8], left.arrays["pixels"], atol=1e-6)


@pytest.mark.usefixtures("toy")
def test_plugins_are_tested_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from gen_toy.model import Pixels

    from gen.testing import ModalityConformance

    class Toy(ModalityConformance):
        name = "toy"
        prompt = "red"

    Toy().test_an_edit_keeps_what_the_mask_leaves_dark()

    def careless(_self: object, made: Artifact, *_inputs: object) -> Artifact:
        return Artifact("image", {"pixels": made.arrays["pixels"] * np.float32(0.9)})

    monkeypatch.setattr(Pixels, "composite", careless, raising=False)
    with pytest.raises(AssertionError):
        Toy().test_an_edit_keeps_what_the_mask_leaves_dark()


def test_of_kinds_of_plugins_each_number_is_kept_where_that_of_the_mask_is_0() -> None:
    made, init, mask = (
        Artifact("table", {"numbers": np.float32(numbers), "words": np.array(words), "rest": np.zeros(rest)})
        for numbers, words, rest in (([[1, 2]], [3], 1), ([[5, 6]], [7], 2), ([[0, 1]], [0], 1))
    )
    kept = keep_outside(made, init, mask)
    assert kept.arrays["numbers"].tolist() == [[5, 2]]
    assert kept.arrays["words"].tolist() == [7]
    assert kept.arrays["rest"].shape == (1,)
