"""A voice's file, encoder and codec, with tiny networks that were never trained."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gen.artifact import Artifact
from gen.diffusion import Condition
from gen.errors import ModelError, UsageError
from gen.model import Model, ModelFile, SettlingEncoder, Task
from gen_audio.mel import BANDS, HOP, RATE
from gen_audio.voice.denoiser import Shape, conditions
from gen_audio.voice.layers import LocalTransformer
from gen_audio.voice.model import OVERLAP, SHORTEST, WINDOW, load
from gen_audio.voice.phones import PHONES, ids
from gen_audio.voice.pronouncer import Pronouncer, PronouncerShape, guess, packed, unpacked

PARAMS = {"sample_rate": RATE, "channels": "mono", "loop": False}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, write_voice: Callable[..., Path]) -> Model:
    path = write_voice(tmp_path_factory.mktemp("model") / "tiny.safetensors")
    return load(ModelFile(path), "cpu", "float32")


def test_another_shape_is_refused(tmp_path: Path, write_voice: Callable[..., Path]) -> None:
    path = write_voice(tmp_path / "wrong.safetensors", voices="female")
    with pytest.raises(ModelError, match="does not fit its architecture"):
        load(ModelFile(path), "cpu", "float32")


def test_the_list_of_exceptions_survives_packing() -> None:
    words = {"fox": ("f", "aa1", "k", "s"), "foxes": ("f", "aa1", "k", "s", "ax0", "z"), "a": ("ax0",)}
    assert unpacked(packed(words)) == words
    assert unpacked(packed({})) == {}
    with pytest.raises(ValueError, match="damaged"):
        unpacked(packed(words)[:-6])
    with pytest.raises(ValueError, match="damaged"):
        unpacked(torch.tensor([0, 97, 255], dtype=torch.uint8))


def test_padding_never_changes_how_a_word_is_pronounced() -> None:
    torch.manual_seed(1)
    network = Pronouncer(PronouncerShape(width=32, depth=2, heads=2, hidden=48)).eval()
    words = ["fox", "incomprehensibilities", "a", "don't"]
    assert guess(network, words) == [guess(network, [word])[0] for word in words]
    assert {phone for word in guess(network, words) for phone in word} <= set(PHONES)


def test_absent_tokens_do_not_reach_the_others() -> None:
    torch.manual_seed(0)
    body = LocalTransformer(32, 3, 2, 48).eval()
    x, condition = torch.randn(1, 9, 32), torch.randn(1, 32)
    present = torch.arange(9)[None] < 6
    changed = torch.where(present[..., None], x, torch.randn(1, 9, 32))
    one, other = (body(each, condition, present)[:, :6] for each in (x, changed))
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(one, body(x[:, :6], condition))


def test_the_text_decides_how_long_it_takes(model: Model) -> None:
    encoder = model.encoder
    assert isinstance(encoder, SettlingEncoder)
    seconds = {
        rate: float(encoder.settle("The fox. An apple.", {**PARAMS, "rate": rate}, 0)["duration"])
        for rate in (0.5, 1.0, 2.0)
    }
    assert seconds[0.5] == pytest.approx(2 * seconds[1.0], abs=0.02)
    assert seconds[2.0] == pytest.approx(seconds[1.0] / 2, abs=0.02)
    longer = float(encoder.settle("The fox. An apple. The fox, the fox.", PARAMS, 0)["duration"])
    assert longer > 1.5 * seconds[1.0]
    assert encoder.settle("A.", {**PARAMS, "rate": 2.0}, 0) == {"duration": SHORTEST}
    # What is settled is enough when it is given, as by a recipe that is run again.
    assert encoder.settle("The fox. An apple.", {**PARAMS, "duration": seconds[1.0]}, 0) == {}
    # So is the duration of the sound of it, in whole samples.
    whole = int(seconds[1.0] * 22050) / 22050
    assert encoder.settle("The fox. An apple.", {**PARAMS, "duration": whole}, 0) == {}
    with pytest.raises(UsageError, match="the text takes"):
        encoder.settle("The fox. An apple.", {**PARAMS, "duration": seconds[1.0] - 0.05}, 0)
    with pytest.raises(UsageError, match="no word"):
        encoder.settle("… 狐", PARAMS, 0)
    with pytest.raises(UsageError, match="at most 600 s"):
        encoder.settle("The fox. " * 150, {**PARAMS, "rate": 0.05}, 0)
    with pytest.raises(UsageError, match="female, male"):
        encoder.settle("The fox.", {**PARAMS, "voice": "robot"}, 0)
    with pytest.raises(UsageError, match="no bpm or key"):
        encoder.settle("The fox.", {**PARAMS, "bpm": 120, "key": "C"}, 0)


def test_the_is_spoken_as_what_follows_wants_it(model: Model) -> None:
    phones = model.encoder(["The fox.", "The apple."], {**PARAMS, "duration": 4.0})["phones"].value
    spoken = [[int(phone) for phone in row[0].unique_consecutive()] for row in phones]
    pause = ids(["pau"])[0]
    assert spoken[0][:4] == [pause, *ids(["dh", "ax0", "f"])]
    assert spoken[1][:4] == [pause, *ids(["dh", "iy0", "ae1"])]
    assert spoken[0][-1] == spoken[1][-1] == pause


def test_an_empty_text_tells_nothing(model: Model) -> None:
    conditioning = model.encoder(["The fox.", ""], {**PARAMS, "duration": 3.0, "voice": "male"})
    assert conditioning["phones"].value.shape[2] == model.codec.shape(Task(params={"duration": 3.0}))[1]
    assert not conditioning["phones"].value[1].any()
    assert conditioning["voice"].value.tolist() == [[0.0, 1.0], [0.0, 0.0]]
    assert model.encoder.remarks("The fox said 狐", {}) == ("left out, as it cannot be read aloud: 狐",)


def test_states_become_sounds_of_the_duration_rate_and_channels(model: Model) -> None:
    params = {**PARAMS, "duration": 1.5, "sample_rate": 16_000, "channels": "stereo"}
    shape = model.codec.shape(Task(params=params))
    assert shape[0] == BANDS
    assert shape[1] % 8 == 0
    assert 0 <= shape[1] * HOP / RATE - 1.5 < 8 * HOP / RATE
    assert dataclasses.replace(model.codec, step=12).shape(Task(params=params))[1] % 12 == 0
    states = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    both = model.codec.decode(states, Task(params=params))
    assert both[0].arrays["samples"].shape == (2, 24_000)
    alone = model.codec.decode(states[1:], Task(params=params))[0]
    np.testing.assert_array_equal(both[1].arrays["samples"], alone.arrays["samples"])


def test_sounds_become_states_whatever_their_level(model: Model) -> None:
    params = {**PARAMS, "duration": 1.0}
    tone = 0.2 * np.sin(np.arange(RATE) * 0.1).astype(np.float32)[None]
    states = model.codec.encode(
        [
            Artifact("audio", {"samples": gain * tone}, {"sample_rate": RATE})
            for gain in (1.0, np.float32(0.05))
        ],
        Task(params=params),
    )
    assert states.shape == (2, *model.codec.shape(Task(params=params)))
    torch.testing.assert_close(states[0], states[1], atol=0.01, rtol=0)
    half = np.concatenate([np.zeros((1, RATE // 2), np.float32), tone[:, : RATE // 2]], 1)
    kept = model.codec.mask(Artifact("audio", {"samples": half}, {"sample_rate": RATE}), Task(params=params))[
        0, 0
    ]
    assert kept[:42].all()
    assert not kept[44:80].any()


def test_the_network_takes_any_length_and_hears_every_condition(model: Model) -> None:
    generator = torch.Generator().manual_seed(0)
    for frames in (8, 256, WINDOW):
        x = torch.randn(2, BANDS, frames, generator=generator)
        conditioning = model.encoder(["The fox.", "An apple."], {**PARAMS, "duration": frames * HOP / RATE})
        level = torch.tensor([0.3, 0.3])
        plain = model.network(x, level, conditioning)
        assert plain.shape == x.shape
        known = torch.cat([torch.ones(2, 1, frames), x], 1)
        for other in (
            conditioning.with_conditions(known=Condition(known, "channels")),
            conditions(conditioning["phones"].value.roll(1, 0), conditioning["voice"].value),
            conditions(conditioning["phones"].value, 1 - conditioning["voice"].value),
        ):
            assert not torch.allclose(model.network(x, level, other), plain, atol=1e-4)


def test_windows_fall_on_whole_tokens() -> None:
    frames = Shape(2).frames
    assert WINDOW % frames == OVERLAP % frames == 0
