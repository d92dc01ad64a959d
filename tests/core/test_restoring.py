"""Restoring sounds, clips and fields: the operators work on what a kind or a codec declares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.diffusion.inverse import Clipping, Decimation
from gen.kinds import KINDS
from gen.model import Task
from gen.run import waves
from gen.run.shrinking import shrunk
from gen.run.views import SignalView

RATE = 8000


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def tones(length: int = RATE) -> Tensor:
    time = torch.arange(length) / RATE
    return 0.3 * torch.sin(2 * torch.pi * 440 * time)[None, None] * torch.exp(-3 * time)


@pytest.mark.parametrize("kind", ["image", "audio", "video"])
def test_every_kind_of_arrays_declares_its_signal(kind: str) -> None:
    signal = KINDS[kind].signal
    assert signal is not None
    shape = next(one.shape for one in KINDS[kind].arrays if one.name == signal.array)
    view = SignalView(parts=Any, kind=KINDS[kind], signal=signal)  # type: ignore[arg-type]
    assert [shape[axis] for axis in view.axes] == list(signal.axes)


@pytest.mark.parametrize(
    ("kind", "given", "like", "expected"),
    [
        ("image", torch.tensor([1.0, 0, 0, 0.5]).expand(1, 2, 2, 4), (1, 2, 2, 3), [1, 0.5, 0.5]),
        ("image", torch.full((1, 2, 2, 1), 0.25), (1, 2, 2, 3), [0.25] * 3),
        ("video", torch.full((1, 5, 2, 2, 1), 0.25), (1, 5, 2, 2, 3), [0.25] * 3),
    ],
)
def test_channels_follow_what_is_made(
    kind: str, given: Tensor, like: Sequence[int], expected: list[float]
) -> None:
    signal = KINDS[kind].signal
    assert signal is not None
    view = SignalView(parts=Any, kind=KINDS[kind], signal=signal)  # type: ignore[arg-type]
    found = view.alike(given, torch.zeros(*like))
    assert found.shape == torch.Size(like)
    assert found.reshape(-1, like[-1])[0].tolist() == pytest.approx(expected)


def test_stereo_is_mixed_for_a_mono_model() -> None:
    signal = KINDS["audio"].signal
    assert signal is not None
    view = SignalView(parts=Any, kind=KINDS["audio"], signal=signal)  # type: ignore[arg-type]
    found = view.alike(torch.tensor([[[1.0, 0], [0, 1]]]), torch.zeros(1, 1, 2))
    assert found.tolist() == [[[0.5, 0.5]]]


def test_decimation_keeps_low_tones_and_its_inverse_returns_them() -> None:
    low = torch.sin(2 * torch.pi * 440 * torch.arange(RATE) / RATE)[None, None]
    operator = Decimation(2)
    fewer = operator(low)
    assert fewer.shape == (1, 1, RATE // 2)
    assert torch.allclose(fewer, low[..., ::2], atol=1e-3)
    again = operator.inverse(fewer)
    assert torch.allclose(operator(again), fewer, atol=1e-5)
    assert torch.allclose(again, low, atol=1e-3)


def test_waves_take_level_and_phases_from_the_measurement() -> None:
    given = tones()
    shifted = 5 * given.roll(7, -1)
    louder = waves.levelled(shifted, shifted, given, 0.0)
    assert float(louder.square().mean()) == pytest.approx(float(given.square().mean()), rel=1e-3)
    inner = slice(1024, -1024)
    before, after = (
        float((one - given)[..., inner].abs().mean()) for one in (louder, waves.aligned(louder, given))
    )
    assert after < 0.1 * before


def test_the_wiener_filter_takes_noise_away() -> None:
    clean, std = tones(), 0.05
    noisy = clean + std * noise(1, 1, RATE)
    found = waves.filtered(noisy, clean, std)
    assert float((found - clean).square().mean()) < 0.1 * float((noisy - clean).square().mean())


def test_what_is_projected_gives_the_clipped_measurement() -> None:
    sound, other = noise(2, 1, 500), 2 * noise(2, 1, 500, seed=1)
    clipping = Clipping(0.7)
    measured = clipping(sound)
    found = clipping.projected(other, measured)
    assert torch.allclose(clipping(found), measured, atol=0.7 * Clipping.TOLERANCE)
    assert torch.equal(found[~clipping.reached(measured)], measured[~clipping.reached(measured)])
    assert torch.equal(clipping.projected(sound, measured), sound), "what agrees already stays"


def test_values_near_the_level_count_as_cut_off() -> None:
    assert Clipping(0.5).reached(torch.tensor([-0.499, -0.4, 0, 0.5])).tolist() == [True, False, False, True]


@pytest.mark.parametrize("level", [0.0, -1.0, float("nan")])
def test_levels_that_are_none(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        Clipping(level)


def sdr(true: Tensor, found: Tensor) -> float:
    return float(10 * torch.log10(true.square().sum() / (true - found).square().sum()))


def test_a_declipped_sound_is_nearer_to_the_true_one_also_where_the_model_errs() -> None:
    time = torch.arange(RATE) / RATE
    true = sum(torch.sin(2 * torch.pi * pitch * time) / pitch for pitch in (440, 660, 1100))[None, None]
    clipping = Clipping(0.6 * float(true.abs().max()))
    measured = clipping(true)
    for made, gain in ((true, 15), (noise(*true.shape), 5)):
        found = waves.declipped(measured, made, clipping, 32)
        assert torch.equal(found[~clipping.reached(measured)], measured[~clipping.reached(measured)])
        assert sdr(true, found) > sdr(true, measured) + gain


@pytest.mark.parametrize(("shape", "axes"), [((1, 30, 17, 3), (-3, -2)), ((1, 1, 9, 20, 16), (-3, -2, -1))])
def test_nothing_is_lost_without_noise_and_noise_is_taken_out(
    shape: tuple[int, ...], axes: tuple[int, ...]
) -> None:
    values = noise(*shape)
    assert torch.allclose(shrunk(values, 0.0, axes), values, atol=1e-5)
    assert float(shrunk(values, 1.0, axes).std()) < 0.2


def test_edges_stand_out_of_noise() -> None:
    true = torch.zeros(1, 48, 64, 3)
    true[:, 10:30, 20:50] = 1
    found = shrunk(true + 0.2 * noise(*true.shape), 0.2, (-3, -2))
    assert float((found - true).square().mean()) < 0.25 * 0.2**2


def test_a_sound_shorter_than_a_window_is_aligned() -> None:
    short = noise(1, 1, 100)
    assert waves.aligned(short, short).shape == short.shape
    assert torch.allclose(waves.aligned(short, short), short, atol=1e-4)


class Field:
    """A codec of shapes whose states are half their fields."""

    def measured(self, artifact: Artifact, task: Task) -> Tensor:
        return torch.from_numpy(artifact.arrays["cells"])[None, None]

    def shape(self, task: Task) -> tuple[int, ...]:
        return (1, 4, 4, 4)

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> Tensor:
        return self.encode_field(self.measured(artifacts[0], task), task)

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        cells = self.decode_field(state, task)[0, 0].numpy()
        return [Artifact("cells", {"cells": np.ascontiguousarray(cells)})]

    def decode_field(self, state: Tensor, task: Task) -> Tensor:
        return state / 2

    def encode_field(self, field: Tensor, task: Task) -> Tensor:
        return field * 2


def test_a_prediction_of_a_field_follows_its_measurement() -> None:
    from gen.diffusion import RectifiedFlow
    from gen.diffusion.conditioning import Conditioning
    from gen.diffusion.denoiser import Memory, Prediction
    from gen.diffusion.inverse import Mask, Measurement
    from gen.model import Model
    from gen.model.parts import Parts
    from gen.model.stage import Defaults
    from gen.run.restoring import Restoration
    from gen.run.views import FieldView, view_of

    model = Model(
        name="cells",
        modality="cells",
        sha256="",
        codec=Field(),
        defaults=Defaults(solver="euler", grid="uniform", steps=4, guidance=1),
        process=RectifiedFlow(),
        network=lambda x, t, conditioning: x,
    )
    task = Task(shape=(1, 4, 4, 4))
    given = Artifact("cells", {"cells": np.full((4, 4, 4), 0.5, np.float32)})
    view = view_of(None, Parts(model, ""), given, task)
    assert isinstance(view, FieldView)
    restoration = Restoration(view, Measurement(Mask(torch.ones(1)), view.measured(given, task)))
    level = RectifiedFlow().level(0.5)

    def denoise(x: Tensor, *_: object) -> Prediction:
        return Prediction(torch.zeros_like(x))

    followed = restoration.following(denoise, task)
    found = followed(noise(1, 1, 4, 4, 4), level, Conditioning(), Memory())
    assert torch.allclose(found.x0, torch.ones_like(found.x0))
