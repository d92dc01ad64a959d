"""Resampling at any rate, without torchaudio, which serves nothing but training and measuring."""

import builtins
import math
import subprocess
import sys

import pytest
import torch

from gen.errors import PluginError
from gen_audio.mel import RATE, mel_filters
from gen_audio.resampling import resampled, resampled_as_in_training
from gen_audio.training import measures


def tone(hertz: float, rate: int, seconds: float = 1.0) -> torch.Tensor:
    return 0.5 * torch.sin(2 * math.pi * hertz * torch.arange(round(seconds * rate)) / rate)


def torchaudio_or_skip() -> object:
    try:
        import torchaudio
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"torchaudio cannot be loaded: {str(error).splitlines()[0]}")
    return torchaudio


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchaudio's compiled part does not fit torch, whatever is installed."""
    real = builtins.__import__

    def load(name: str, *rest: object, **named: object) -> object:
        if name.partition(".")[0] == "torchaudio":
            raise OSError("Could not load this library: _torchaudio.so")
        return real(name, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", load)


@pytest.mark.parametrize("rate", [8000, 22_051, 48_000, 192_000, 399_989])
def test_a_tone_keeps_pitch_level_and_length_at_any_rate(rate: int) -> None:
    found = resampled(tone(440, rate), rate, RATE)
    assert found.shape == (RATE,)
    torch.testing.assert_close(found[500:-500], tone(440, RATE)[500:-500], atol=2e-3, rtol=0)
    assert abs(measures.pitch(found) - 440) < 1


@pytest.mark.parametrize("length", [1, 2, 99, 4097])
@pytest.mark.parametrize(("rate", "target"), [(22_050, 48_000), (48_000, 22_050), (44_100, 11_025), (3, 7)])
def test_the_length_is_that_of_the_duration_rounded_up(length: int, rate: int, target: int) -> None:
    assert resampled(torch.zeros(2, length), rate, target).shape == (2, math.ceil(length * target / rate))


def test_what_the_new_rate_cannot_hold_is_taken_out() -> None:
    both = tone(440, 48_000) + tone(15_000, 48_000)
    found = resampled(both, 48_000, RATE)
    torch.testing.assert_close(found[1000:-1000], tone(440, RATE)[1000:-1000], atol=2e-3, rtol=0)


def test_channels_stay_apart_and_the_type_stays() -> None:
    both = torch.stack([tone(440, 48_000), tone(880, 48_000)]).double()
    found = resampled(both, 48_000, RATE)
    assert found.dtype == torch.float64
    for row, alone in zip(found, both, strict=True):
        torch.testing.assert_close(row, resampled(alone, 48_000, RATE))


@pytest.mark.usefixtures("broken")
def test_without_torchaudio_one_line_says_what_to_do() -> None:
    with pytest.raises(PluginError) as raised:
        resampled_as_in_training(torch.zeros(9), 3, 2)
    line = str(raised.value)
    assert "\n" not in line
    assert f"beside torch {torch.__version__}" in line
    assert 'pip install --force-reinstall --no-deps "torchaudio==' in line


def test_both_resamplers_agree_below_the_highest_tones() -> None:
    torchaudio_or_skip()
    low = tone(440, 48_000) + tone(3000, 48_000)
    ours, theirs = resampled(low, 48_000, RATE), resampled_as_in_training(low, 48_000, RATE)
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours[500:-500], theirs[500:-500], atol=5e-3, rtol=0)


def test_the_mel_filters_are_torchaudios() -> None:
    torchaudio_or_skip()
    from torchaudio.functional import melscale_fbanks

    theirs = melscale_fbanks(513, 0.0, RATE / 2, 80, RATE, norm="slaney", mel_scale="slaney")
    assert torch.equal(mel_filters(), theirs.T)


def test_loudness_is_torchaudios() -> None:
    torchaudio_or_skip()
    from torchaudio.functional import loudness as theirs

    from gen_audio.loudness import loudness as ours

    generator = torch.Generator().manual_seed(0)
    for rate in (22_050, 44_100, 48_000):
        noise = 0.1 * torch.randn(2, 5 * rate, generator=generator)
        # Loud, then soft, so that the gate counts.
        noise[:, 3 * rate :] *= 0.05
        # torchaudio's filters only come near those of the standard's table.
        assert ours(noise, rate) == pytest.approx(float(theirs(noise, rate)), abs=0.12)


def test_nothing_that_makes_or_reads_sounds_imports_torchaudio() -> None:
    script = (
        "import sys, gen_audio.abilities, gen_audio.training.measures\n"
        "import gen_audio.files.sounds, gen_audio.files.picture\n"
        "print('torchaudio' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
