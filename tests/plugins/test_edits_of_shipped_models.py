"""Every edit with the models that ship, one kind after another; and a loop of sound, whose ends meet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import gen

pytestmark = pytest.mark.slow

RATE = 22_050


@dataclass(frozen=True)
class Case:
    """What is edited of a kind, and what stays of it.

    Args:
        modality: Makes it.
        prompts: Of two things.
        array: Of the artifacts.
        mask, outside: A region, and what lies outside of it.
        expand, inside: An expansion, and where the input is in the result.
        options: That make it small.
    """

    modality: str
    prompts: tuple[str, str]
    array: str
    mask: str
    outside: Any
    expand: str = ""
    inside: Any = None
    options: dict[str, Any] = field(default_factory=dict)

    def make(self, *prompts: str, seed: int = 1, **options: Any) -> Any:
        return getattr(gen, self.modality)(*prompts, seed=seed, steps=2, **self.options, **options)

    def numbers(self, artifact: gen.Artifact) -> NDArray[np.float32]:
        return artifact.arrays[self.array]


CASES = [
    Case(
        "image",
        ("a red apple", "a banana"),
        "pixels",
        *("64,0,128,128", np.s_[:, :64]),
        *("16,0,0,16", np.s_[:128, 16:]),
    ),
    Case(
        "audio",
        ("heavy rain", "a flute melody"),
        "samples",
        *("1s:1.5s", np.s_[:, :RATE]),
        *("0.5s:", np.s_[:, RATE // 2 :]),
        options={"duration": 2.0},
    ),
    Case(
        "video",
        ("a ball bounces", "a heart moves left"),
        "frames",
        *("0:4@64,0,128,128", np.s_[:, :, :64]),
        *(":2", np.s_[:8]),
        options={"seconds": 1.0},
    ),
    Case(
        "mesh",
        ("a red mug", "a blue car"),
        "points",
        *("0,-0.5,-0.5,0.5,0.5,0.5", None),
        options={"representation": "points", "points": 512},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.modality for case in CASES])
def test_every_edit(case: Case) -> None:
    first, second = case.prompts
    made = case.make(first)
    own = case.numbers(made)

    begun = case.make(second, init=made, strength=0.5, seed=2)
    assert case.numbers(begun).shape == own.shape
    assert not np.array_equal(case.numbers(begun), own)

    masked = case.numbers(case.make(second, init=made, mask=case.mask, seed=2))
    if case.outside is None:
        # The cells of the box are those of the grid: points near its side belong to it.
        kept = {tuple(point) for point in own[own[:, 0] < -0.05]}
        assert kept
        assert kept <= {tuple(point) for point in masked}
    else:
        assert np.array_equal(masked[case.outside], own[case.outside])
        assert not np.array_equal(masked, own)

    if case.expand:
        options = {name: value for name, value in case.options.items() if name not in ("duration", "seconds")}
        wider = getattr(gen, case.modality)(second, init=made, expand=case.expand, seed=2, steps=2, **options)
        assert case.numbers(wider).shape != own.shape
        assert np.array_equal(case.numbers(wider)[case.inside], own)

    same, other = (case.make(vary=made, amount=amount, seed=2) for amount in (0, 0.5))
    assert np.array_equal(case.numbers(same), own)
    assert not np.array_equal(case.numbers(other), own)

    way = case.make(first, interpolate=second, count=2)
    assert np.array_equal(case.numbers(way[0]), own)
    assert not np.array_equal(case.numbers(way[1]), own)

    edited = case.make(init=made, edit=second, seed=2)
    assert edited.recipe.edits == {"source": first}
    assert not np.array_equal(case.numbers(edited), own)


@pytest.mark.parametrize("prompt", ["heavy rain", "a flute melody"])
def test_the_end_of_a_sound_meets_its_beginning(prompt: str) -> None:
    samples = gen.audio(prompt, duration=2.0, loop=True, seed=1, steps=4).arrays["samples"]
    change = np.abs(np.roll(samples[0], -1) - samples[0])
    assert change[-1] <= np.quantile(change, 0.999)
    # Nor does the level jump: 20 ms on both sides of the seam are as loud as their neighbours.
    around = np.roll(samples[0], RATE // 10)[: RATE // 5]
    powers = np.square(around[: 10 * (RATE // 50)].reshape(10, -1), dtype=np.float64).mean(1) + 1e-6
    steps = np.abs(np.diff(10 * np.log10(powers)))
    assert steps[4] <= np.delete(steps, 4).max() + 3


def test_a_clip_grows_and_its_blocks_keep_their_means() -> None:
    made = gen.video("a heart moves left", seed=1, steps=2, seconds=0.5)
    frames = made.arrays["frames"]
    small = np.ascontiguousarray(frames.reshape(len(frames), 64, 2, 64, 2, 3).mean((2, 4)), np.float32)
    large = gen.video(
        init=gen.Artifact("video", {"frames": small}, made.attributes), upscale=2, seed=2, steps=2
    )
    found = large.arrays["frames"]
    assert found.shape == frames.shape
    assert np.abs(found.reshape(len(frames), 64, 2, 64, 2, 3).mean((2, 4)) - small).max() < 0.02


def distortion(true: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """The ratio of signal to distortion in dB."""
    return float(10 * np.log10(np.square(true).sum() / np.square(true - found).sum()))


@pytest.mark.parametrize("prompt", ["a slow piano melody", "a rock drum beat"])
def test_a_declipped_sound_is_nearer_to_the_true_one(prompt: str) -> None:
    true = gen.audio(prompt, duration=2.0, seed=1, steps=4)
    samples = true.arrays["samples"]
    level = np.float32(0.3 * np.abs(samples).max())
    clipped = samples.clip(-level, level)
    given = gen.Artifact("audio", {"samples": clipped}, true.attributes)
    found = gen.audio(prompt, init=given, restore="declip", seed=2, steps=4).arrays["samples"]
    kept = np.abs(clipped) < 0.98 * level
    assert np.array_equal(found[kept], clipped[kept])
    assert distortion(samples, found) > distortion(samples, clipped) + 2


def test_a_noisy_clip_is_nearer_to_the_true_one() -> None:
    made = gen.video("a heart moves left on a blue background", seed=1, steps=4, seconds=0.5)
    frames = made.arrays["frames"]
    noisy = frames + np.random.default_rng(0).normal(0, 0.15, frames.shape)
    given = gen.Artifact("video", {"frames": noisy.clip(0, 1).astype(np.float32)}, made.attributes)
    prompt = "a heart moves left on a blue background"
    found = gen.video(prompt, init=given, restore="denoise:std=0.15", seed=2, steps=4).arrays["frames"]
    assert np.square(found - frames).mean() < 0.2 * np.square(noisy - frames).mean()
