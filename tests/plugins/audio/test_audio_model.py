"""The model's file, encoder and codec, with a tiny network that was never trained."""

import io
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gen.artifact import Artifact
from gen.errors import ModelError, UsageError
from gen.metadata import Metadata
from gen.model import CompletingCodec, CompositingCodec, Model, ModelFile, RemarkingEncoder, Task, save_model
from gen.nn import text_conditions
from gen_audio.artifacts import downmixed, turned
from gen_audio.autoencoder import Autoencoder
from gen_audio.mel import HOP, RATE, SPREAD, log_mel
from gen_audio.model import SoundCodec, load
from gen_audio.training.denoiser import cut

PARAMS = {"duration": 2.0, "sample_rate": 22_050, "channels": "mono", "loop": False}
TOKEN = 4096


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, write_model: Callable[..., Path]) -> Model:
    path = write_model(tmp_path_factory.mktemp("model") / "tiny.safetensors")
    return load(ModelFile(path), "cpu", "float32")


@pytest.fixture
def quiet(model: Model) -> SoundCodec:
    """The codec with nothing left to chance: without noise in the decoder."""
    codec = model.codec
    assert isinstance(codec, SoundCodec)
    network = Autoencoder(codec.network.shape)
    network.load_state_dict(codec.network.state_dict())
    with torch.no_grad():
        network.noise.weight.zero_()
    return SoundCodec(network.eval(), codec.vocoder, codec.mean, codec.std)


def latents(tokens: int, count: int = 1) -> torch.Tensor:
    return torch.randn(count, 128, tokens, generator=torch.Generator().manual_seed(1))


def tone(seconds: float, rate: int = 22_050, channels: int = 1) -> Artifact:
    wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    return Artifact(
        "audio", {"samples": np.tile(wave.astype(np.float32), (channels, 1))}, {"sample_rate": rate}
    )


def test_another_shape_is_refused(tmp_path: Path, write_model: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="does not fit its architecture"):
        load(ModelFile(write_model(tmp_path / "b.safetensors", shape={"vocabulary": 9})), "cpu", "float32")
    with pytest.raises(ModelError, match="does not fit its architecture"):
        load(ModelFile(write_model(tmp_path / "c.safetensors", codec=7)), "cpu", "float32")


def test_unknown_words_and_what_is_like_them(model: Model) -> None:
    assert model.encoder.unknown_words("qwxz vrblk") == ("qwxz", "vrblk")
    assert isinstance(model.encoder, RemarkingEncoder)
    assert model.encoder.remarks("a PIANO melody with zithers", {}) == ("not read: zithers",)
    assert model.encoder.remarks("a pianno", {}) == ("'pianno' is read as 'piano'",)


def test_key_and_tempo_are_said_as_captions_say_them(model: Model) -> None:
    said = model.encoder(["a piano melody"], {"key": "Dm", "bpm": 120})
    written = model.encoder(["a piano melody in d minor, 120 bpm"], {})
    assert torch.equal(said["text"].value, written["text"].value)
    assert not model.encoder([""], {"key": "Dm", "bpm": 120})["text"].value.any()


def test_parameters_override_the_prompt_and_say_so(model: Model) -> None:
    def told(prompt: str, **params: object) -> list[list[int]]:
        return model.encoder([prompt], params)["text"].value.tolist()

    assert isinstance(model.encoder, RemarkingEncoder)
    written = told("a piano melody in d minor, 120 bpm")
    for prompt in (
        "a piano melody in c major at 90 bpm",
        "a piano melody at 90 BPM in C sharp minor",
        "a piano melody, 90bpm, in the key of c major",
    ):
        assert told(prompt, key="Dm", bpm=120) == written
        remarks = model.encoder.remarks(prompt, {"key": "Dm", "bpm": 120})
        assert "the prompt's 90 bpm gives way to the 120 bpm of the parameter" in remarks
        assert any(remark.endswith("gives way to the d minor of the parameter") for remark in remarks)
    assert model.encoder.remarks("a piano melody in d minor, 120 bpm", {"key": "Dm", "bpm": 120}) == ()
    assert model.encoder.remarks("a piano melody in d minor, 120 bpm", {}) == ()


@pytest.mark.parametrize(
    "key", ["Db minor", "C# minor", "c♯ Minor", "D-flat minor", "the key of C sharp minor"]
)
def test_a_key_in_the_prompt_is_worded_as_in_captions(model: Model, key: str) -> None:
    encoder = model.encoder
    given = encoder(["a piano melody"], {"key": "C#m"})["text"].value
    # The tiny vocabulary has no "sharp", which the prompt loses and the parameter keeps.
    inner = encoder.encoder
    words = replace(encoder, encoder=replace(inner, words=inner.words | {"sharp"}))
    assert torch.equal(words([f"a piano melody in {key}"], {})["text"].value, given)
    assert words.remarks(f"a piano melody in {key}", {"key": "C#m"}) == ()


@pytest.mark.parametrize("prompt", ["a man says hello", "somebody reads aloud", "An announcer SPEAKING"])
def test_words_that_are_to_be_said_are_for_the_voice(model: Model, prompt: str) -> None:
    assert isinstance(model.encoder, RemarkingEncoder)
    hint = "this model makes no speech; --model voice says the prompt aloud, word by word"
    assert hint in model.encoder.remarks(prompt, {})
    assert hint not in model.encoder.remarks("a piano melody, rain", {})


def test_padding_does_not_change_an_item_and_known_parts_do(model: Model) -> None:
    x, noise = torch.randn(1, 128, 27), torch.full((1,), 0.7)
    alone = model.path[0].network(x, noise, model.encoder(["rain"], {}))
    padded = model.encoder(["rain", "a piano melody in c major"], {}).select([0])
    torch.testing.assert_close(model.path[0].network(x, noise, padded), alone, atol=1e-5, rtol=1e-4)
    known = text_conditions(model.encoder(["rain"], {})["text"].value, torch.ones(1, 129, 27))
    assert (model.path[0].network(x, noise, known) - alone).abs().max() > 1e-4


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("channels", ["mono", "stereo"])
def test_a_sound_is_as_long_and_wide_as_it_is_asked_to_be(
    model: Model, rate: int, loop: bool, channels: str
) -> None:
    params = {"duration": 1.7, "sample_rate": rate, "channels": channels, "loop": loop}
    _, tokens = model.codec.shape(Task(params=params))
    [sound] = model.codec.decode(latents(tokens), Task(params=params))
    assert sound.attributes["sample_rate"] == rate
    assert sound.arrays["samples"].shape == (2 if channels == "stereo" else 1, 1.7 * rate)


@pytest.mark.parametrize("seconds", [1.0, 1.3, 1.7, 2.04, 5.0])
def test_a_loop_is_stretched_by_half_a_token_at_most(model: Model, seconds: float) -> None:
    _, tokens = model.codec.shape(Task(params={**PARAMS, "duration": seconds, "loop": True}))
    assert abs(tokens - seconds * RATE / TOKEN) <= 0.5


def test_a_loop_is_delivered_without_a_seam(quiet: SoundCodec) -> None:
    params = {**PARAMS, "duration": 2.03, "loop": True, "sample_rate": 16_000}
    [sound] = quiet.decode(latents(quiet.shape(Task(params=params))[1]), Task(params=params))
    [samples] = sound.arrays["samples"]
    steps = np.abs(np.diff(np.append(samples, samples[0])))
    assert steps[-1] < np.quantile(steps, 0.99)


def test_a_batch_is_its_items_bit_for_bit_and_so_is_a_second_time(model: Model) -> None:
    states = latents(11, 3)
    together = model.codec.decode(states, Task(params=PARAMS))
    for state, sound in zip(states, together, strict=True):
        [alone] = model.codec.decode(state[None], Task(params=PARAMS))
        assert np.array_equal(alone.arrays["samples"], sound.arrays["samples"])


def test_a_loop_begins_wherever_one_likes(quiet: SoundCodec) -> None:
    """Rolled latents give the rolled spectrogram: nothing marks where the end meets the beginning."""
    params = {**PARAMS, "duration": 10 * TOKEN / RATE, "loop": True}
    states = latents(10)
    straight, rolled = (
        quiet.decode(state, Task(params=params))[0].arrays["samples"] for state in (states, states.roll(3, 2))
    )

    def mel(samples: np.ndarray) -> torch.Tensor:
        found = log_mel(torch.from_numpy(np.tile(samples, 3)))[0]
        return found[:, found.shape[1] // 3 : -(found.shape[1] // 3)]

    # Phases begin elsewhere, so that samples differ where spectrograms agree.
    error = (mel(np.roll(straight, 3 * TOKEN, 1)) - mel(rolled)).abs().mean(0)
    decibels = 20 / math.log(10) * SPREAD
    for seam in (0, 3 * TOKEN // HOP):
        assert decibels * error.roll(2 - seam)[:4].mean() < 1
    once = quiet.decode(states.roll(3, 2), Task(params={**params, "loop": False}))[0].arrays["samples"]
    assert (mel(once) - mel(rolled)).abs().mean(0)[-2:].mean() > 3 / decibels


def test_stereo_differs_in_its_noise_alone(model: Model, quiet: SoundCodec) -> None:
    params = {**PARAMS, "channels": "stereo"}
    left, right = quiet.decode(latents(11), Task(params=params))[0].arrays["samples"]
    np.testing.assert_allclose(left, right, atol=1e-5)
    left, right = model.codec.decode(latents(11), Task(params=params))[0].arrays["samples"]
    assert np.abs(left - right).max() > 1e-3


def test_sounds_of_any_rate_and_width_become_states(model: Model) -> None:
    shape = model.codec.shape(Task(params=PARAMS))
    states = [
        model.codec.encode([tone(1.0, rate, channels)], Task(params=PARAMS))
        for rate, channels in ((22_050, 1), (48_000, 2))
    ]
    for state in states:
        assert state.shape == (1, *shape)
    torch.testing.assert_close(states[0][:, :, :4], states[1][:, :, :4], atol=0.05, rtol=0.05)


def test_channels_that_cancel_out_are_still_heard(model: Model) -> None:
    [wave] = torch.from_numpy(tone(1.0).arrays["samples"])
    other = torch.roll(wave, 700) * torch.randn(len(wave), generator=torch.Generator().manual_seed(0))
    silent = torch.zeros_like(wave)
    for channels, expected in (
        ([wave], wave),
        ([wave, wave], wave),
        ([wave, silent], wave / 2),
        ([wave, other], (wave + other) / 2),
        ([wave, -wave], wave),
        ([0.9 * wave, -wave], -wave),
        ([wave, wave, wave, 9 * other, wave, wave], wave),
        ([silent, silent], silent),
    ):
        torch.testing.assert_close(downmixed(torch.stack(channels)), expected)
    inverted = Artifact("audio", {"samples": torch.stack([wave, -wave]).numpy()}, {"sample_rate": 22_050})
    assert torch.equal(
        model.codec.encode([inverted], Task(params=PARAMS)),
        model.codec.encode([tone(1.0)], Task(params=PARAMS)),
    )


def test_a_period_keeps_its_amplitude_at_any_length() -> None:
    wave = torch.sin(2 * math.pi * 5 * torch.arange(900) / 900)[None]
    for length in (451, 900, 1300):
        expected = torch.sin(2 * math.pi * 5 * torch.arange(length) / length)[None]
        torch.testing.assert_close(turned(wave, length), expected, atol=1e-5, rtol=0)


def test_a_model_without_a_vocoder_sounds_by_griffin_lim(
    tmp_path: Path, write_model: Callable[..., Path]
) -> None:
    whole = ModelFile(write_model(tmp_path / "whole.safetensors"))
    bare = tmp_path / "bare.safetensors"
    save_model(
        bare,
        {name: value for name, value in whole.tensors().items() if not name.startswith("vocoder.")},
        {key: value for key, value in whole.config.items() if key not in ("vocoder", "format")},
        {"licence": "Apache-2.0"},
    )
    codec = load(ModelFile(bare), "cpu", "float32").codec
    for loop in (False, True):
        [sound] = codec.decode(latents(11), Task(params={**PARAMS, "loop": loop}))
        assert np.abs(sound.arrays["samples"]).max() > 0.1


def test_a_mask_keeps_what_it_leaves_silent(model: Model) -> None:
    mask = np.zeros((1, 2 * RATE), np.float32)
    mask[:, 2 * TOKEN : 4 * TOKEN] = 1
    kept = model.codec.mask(Artifact("audio", {"samples": mask}, {"sample_rate": RATE}), Task(params=PARAMS))
    assert kept.shape == (1, 1, 11)
    assert kept[0, 0].tolist() == [1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1]


def test_a_beginning_is_given_as_whole_tokens(model: Model) -> None:
    codec = model.codec
    assert isinstance(codec, CompletingCodec)
    assert codec.given(Task(params=PARAMS)) is None
    given = codec.given(Task(params={**PARAMS, "extend": tone(1.0)}))
    assert given is not None
    assert given[0][0, 0].tolist() == [1] * 5 + [0] * 6
    [samples] = tone(1.0).arrays["samples"]
    mirrored = np.concatenate([samples, samples[::-1], samples])[None]
    there_and_back = Artifact("audio", {"samples": mirrored}, {"sample_rate": RATE})
    assert torch.equal(given[1], codec.encode([there_and_back], Task(params=PARAMS)))
    # Ten tokens are ten, whatever rounding makes of their seconds.
    whole = codec.given(Task(params={**PARAMS, "extend": tone(10 * TOKEN / RATE)}))
    assert whole is not None
    assert whole[0].sum() == 10
    for seconds in (0.1, 2.5):
        with pytest.raises(UsageError, match="extend needs a sound of at least"):
            codec.given(Task(params={**PARAMS, "extend": tone(seconds)}))


def test_training_gives_parts_and_cuts_the_rest_at_the_beginning() -> None:
    clips = torch.arange(40.0).expand(400, 3, 40)
    pieces, known, _ = cut(clips, 27, torch.Generator().manual_seed(0))
    mask = known[:, :1]
    assert torch.equal(known[:, 1:], mask * pieces)
    given = mask.flatten(1).any(1)
    assert 0.1 < given.float().mean() < 0.4
    assert (pieces[~given][:, 0, 0] == 0).all()
    assert pieces[given][:, 0, 0].unique().numel() > 5
    assert (pieces.diff(dim=2) == 1).all()


@pytest.mark.parametrize(("channels", "rate"), [("mono", 22_050), ("stereo", 22_050), ("stereo", 44_100)])
def test_what_is_kept_of_a_sound_is_the_same_16_bits(model: Model, channels: str, rate: int) -> None:
    from gen_audio.files.sounds import read_plain, write_wav

    codec, wide = model.codec, 2 if channels == "stereo" else 1
    assert isinstance(codec, CompositingCodec)
    params = {**PARAMS, "channels": channels, "sample_rate": rate}
    bits = np.random.default_rng(0).integers(-32_768, 32_768, (wide, 2 * rate)).astype(np.int16)
    init = Artifact("audio", {"samples": (bits / 32_768).astype(np.float32)}, {"sample_rate": rate})
    marks = np.zeros((1, 2 * rate), np.float32)
    marks[:, rate // 2 : rate] = np.sin(np.arange(rate - rate // 2) + 1)
    mask = Artifact("audio", {"samples": marks}, {"sample_rate": rate})
    (made,) = codec.decode(latents(11), Task(params=params))
    found = codec.composite(made, Task(params=params, init=init, mask=mask))
    start = Artifact("audio", {"samples": init.arrays["samples"][:, : rate // 2]}, {"sample_rate": rate})
    extended = codec.composite(made, Task(params={**params, "extend": start}))
    for artifact, kept in ((found, [slice(0, rate // 2), slice(rate, None)]), (extended, [slice(rate // 2)])):
        file = io.BytesIO()
        write_wav(artifact, file, Metadata())
        again = np.rint(read_plain(io.BytesIO(file.getvalue())).arrays["samples"] * 32_768)
        for part in kept:
            assert np.array_equal(again[:, part], bits[:, part])
    middle = (slice(None), slice(rate // 2 + rate // 10, rate - rate // 10))
    assert not np.array_equal(found.arrays["samples"][middle], init.arrays["samples"][middle])
    assert codec.composite(made, Task(params=params)).arrays["samples"] is made.arrays["samples"]


def test_inputs_of_any_rate_and_width_are_brought_to_what_was_made(model: Model) -> None:
    codec = model.codec
    assert isinstance(codec, CompositingCodec)
    (made,) = codec.decode(latents(11), Task(params=PARAMS))
    for start in (tone(0.5, 44_100, 2), tone(0.5, 8_000), tone(3.0)):
        found = codec.composite(made, Task(params={**PARAMS, "extend": start})).arrays["samples"]
        assert found.shape == made.arrays["samples"].shape
        np.testing.assert_allclose(found[:, 2000:9000], tone(2.0).arrays["samples"][:, 2000:9000], atol=0.01)
