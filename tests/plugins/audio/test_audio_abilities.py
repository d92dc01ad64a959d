"""Sounds and speech through one command: which model does what, and what is refused with what advice."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import gen
from gen import formats
from gen.artifact import Artifact
from gen.checks import check_param
from gen.plugin.host import Host
from gen_audio.model import DURATIONS
from gen_audio.plugin import KEYS, gen_modality
from gen_audio.voice.model import LONGEST, SHORTEST
from gen_audio.voice.training import bank
from gen_audio.voice.training.data import lexicon, sentences, sphinx

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def models(folder: Path, write_model: Callable[..., Path], write_voice: Callable[..., Path]) -> Path:
    """The working folder, with both models and a sound beside it."""
    write_model(folder.parent / "sounds.safetensors")
    write_voice(folder.parent / "voice.safetensors")
    return folder


def made(path: Path) -> Artifact:
    return formats.read(path, Host.discover().formats("audio"))


def seconds(path: Path) -> float:
    sound = made(path)
    return sound.sizes["samples"] / float(sound.attributes["sample_rate"])


def test_what_is_declared_is_there(folder: Path) -> None:
    host = Host.discover()
    spec = host.modality("audio")
    params = {param.name: param for param in spec.params}
    assert params["voice"].choices == bank.VOICES
    # The models' limits differ: each says its own.
    for limit in (*DURATIONS, LONGEST):
        assert f"{limit:g}" in params["duration"].help
    for import_string in (spec.loader, spec.evaluation, *(recipe.factory for recipe in spec.recipes)):
        assert callable(host.resolve(import_string))
    recipe = next(recipe for recipe in spec.recipes if recipe.name == "voice")
    for preset in recipe.presets:
        stages = host.resolve(recipe.factory)(preset, folder, print).stages
        assert [stage.name for stage in stages] == ["pronouncer", "durations", "denoiser", "vocoder"]


def test_a_text_is_spoken_and_its_file_says_how(models: Path, gen_cli: Cli) -> None:
    text = "On 5/17/2024, a fox: 3!"
    voice = ("--model", "../voice.safetensors", "--seed", 7, "--sample-rate", 8000)
    assert gen_cli("audio", text, *voice, "--voice", "male", "--rate", 1.25, "-o", "story.wav")[0] == 0
    params = made(Path("story.wav")).recipe.params
    assert (params["voice"], params["rate"]) == ("male", 1.25)
    assert seconds(Path("story.wav")) == pytest.approx(params["duration"], abs=2e-4)
    code, out, err = gen_cli("rerun", "story.wav", "--check", "--model", "../voice.safetensors")
    assert (code, out) == (0, "story.wav: the same\n"), err

    slower = gen.audio(text, model="../voice.safetensors", voice="male", rate=0.625, sample_rate=8000)
    assert slower.recipe.params["duration"] == pytest.approx(2 * params["duration"], abs=0.02)


def test_the_first_voice_speaks_at_its_own_pace_unless_another_is_set(models: Path) -> None:
    voice = gen.load("../voice.safetensors")
    plain, named, other = (
        voice("A fox.", seed=7, **told).arrays["samples"]
        for told in ({}, {"voice": bank.VOICES[0], "rate": 1}, {"voice": bank.VOICES[1]})
    )
    assert np.array_equal(plain, named)
    assert plain.shape != other.shape or not np.allclose(plain, other)


def test_the_shortest_speech_can_be_made_again(models: Path, gen_cli: Cli) -> None:
    voice = ("--model", "../voice.safetensors")
    code, _, err = gen_cli("audio", "A", *voice, "--rate", 2, "-o", "a.wav")
    assert code == 0, err
    assert seconds(Path("a.wav")) == SHORTEST
    assert gen_cli("rerun", "a.wav", "--check", *voice)[0] == 0


def test_what_is_left_out_is_reported(models: Path, gen_cli: Cli) -> None:
    code, _, err = gen_cli("audio", "Привет, the ❤ fox!", "--model", "../voice.safetensors", "-o", "fox.wav")
    assert code == 0
    assert "warning: left out, as it cannot be read aloud: Привет, ❤\n" in err
    assert Path("fox.wav").exists()


USAGE, MODEL = 2, 4
CASES: list[tuple[str, list[object], int, str]] = [
    ("sounds", ["rain", "--voice", "male"], USAGE, "no voice: leave it out, or take --model voice"),
    ("sounds", ["rain", "--rate", 1], USAGE, "no rate: leave it out, or take --model voice"),
    ("sounds", ["rain", "--voice", "male", "--rate", 2], USAGE, "no voice or rate"),
    *(
        ("sounds", ["rain", "--duration", seconds], USAGE, f"sounds last 1 to 60 s, not {seconds} s")
        for seconds in (-1, 0.3, 0.5, 61, 601)
    ),
    ("sounds", ["rain", "--duration", "nan"], USAGE, "duration must be finite, not nan"),
    ("sounds", ["rain", "--key", "H"], USAGE, "unknown key 'H' (one of C, Cm, C#"),
    ("voice", ["the fox", "--bpm", 120], USAGE, "no bpm: leave it out, or take --model sounds"),
    ("voice", ["the fox", "--key", "Am"], USAGE, "no key: leave it out, or take --model sounds"),
    ("voice", ["the fox", "--loop"], USAGE, "no loop: leave it out, or take --model sounds"),
    ("voice", ["the fox", "--extend", "../a.wav"], USAGE, "no extend: leave it out, or take --model sounds"),
    ("voice", ["the fox", "--voice", "robot"], USAGE, "one of female, male"),
    ("voice", ["the fox", "--rate", 0], USAGE, "rate must be at least 0.5 and at most 2, not 0"),
    ("voice", ["the fox", "--rate", "nan"], USAGE, "rate must be at least 0.5"),
    ("voice", ["the fox", "--rate", "fast"], USAGE, "'fast'"),
    ("voice", ["the fox", "--duration", 0.4], USAGE, "more than the duration of 0.4 s: give a higher rate"),
    ("voice", ["the fox", "--duration", 1000], USAGE, "speech lasts at most 600 s, not 1000 s"),
    ("voice", ["狐 … 🦊"], USAGE, "no word that can be read aloud"),
    ("voice", ["Лиса бежит"], USAGE, "no word that can be read aloud"),
    ("voice", ["the fox " * 12_500], USAGE, "100,000 characters"),
    ("other", ["the fox"], MODEL, "has the architecture 'other/9', not 'gen-audio/sound"),
    ("listed", ["the fox"], MODEL, "has the architecture [], not 'gen-audio/sound"),
]


def test_bad_input_is_one_line_and_writes_nothing(
    models: Path, gen_cli: Cli, write_voice: Callable[..., Path]
) -> None:
    write_voice(models.parent / "other.safetensors", architecture="other/9")
    write_voice(models.parent / "listed.safetensors", architecture=[])
    gen.audio("fox", model="../voice.safetensors").save(models.parent / "a.wav")
    for model, arguments, code, message in CASES:
        found, out, err = gen_cli("audio", *arguments, "--model", f"../{model}.safetensors")
        errors = [line for line in err.splitlines() if "gen: error" in line]
        assert (found, out, len(errors)) == (code, "", 1), err
        assert message in errors[0]
        assert "Traceback" not in err
        assert not list(models.iterdir()), message


SPELLINGS = {
    "C#": ("C#", "Db", "db", "C♯", "c sharp", "C sharp major", "D flat Major", "DbM", "d-flat maj"),
    "C#m": ("C#m", "Dbm", "c#m", "C♯ minor", "c sharp min", "D♭m", "d  flat minor"),
    "Cm": ("Cm", "cm", "c minor", "C MINOR", "B#m"),
    "C": ("c", "CM", "cM", "C major", "Cmaj"),
    "Bb": ("bb", "B♭", "A# major"),
    "F#m": ("f#m", "F♯m", "gb minor"),
}


@pytest.mark.parametrize("key", SPELLINGS)
def test_a_key_is_known_in_all_spellings(key: str) -> None:
    [param] = [param for param in gen_modality().params if param.name == "key"]
    assert {check_param(param, spelling) for spelling in SPELLINGS[key]} == {key}
    assert all(check_param(param, name) == name for name in KEYS)


def test_a_batch_with_a_text_that_cannot_be_said_makes_nothing(models: Path, gen_cli: Cli) -> None:
    Path("texts.txt").write_text("The fox.\nПривет\nAn apple.\n")
    code, out, err = gen_cli("audio", "--prompt-file", "texts.txt", "--model", "../voice.safetensors")
    assert (code, out) == (USAGE, "")
    assert "'Привет'" in err.splitlines()[-1]
    assert "no word that can be read aloud" in err.splitlines()[-1]
    assert [path.name for path in models.iterdir()] == ["texts.txt"]


def test_each_ability_has_its_yardstick(models: Path, gen_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gen_audio.training.evaluate", "gen_audio.voice.training.evaluate"):
        monkeypatch.setattr(f"{name}.evaluate", lambda trial, name=name: {name: trial.model.name})
    for model, name in (
        ("sounds", "gen_audio.training.evaluate"),
        ("voice", "gen_audio.voice.training.evaluate"),
    ):
        code, out, err = gen_cli("eval", "audio", "--model", f"../{model}.safetensors")
        assert code == 0, err
        assert json.loads(out)["metrics"] == {name: model}


@pytest.mark.data("flite")
def test_a_voice_is_measured(models: Path, gen_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"fox": ("f", "aa1", "k", "s"), "apple": ("ae1", "p", "ax0", "l"), "a": ("ax0",)}
    monkeypatch.setattr(lexicon, "load_or_build", lambda path, report: words)
    monkeypatch.setattr(lexicon, "held_out", lambda word: word != "a")
    # To listen to the noise of an untrained voice takes long.
    monkeypatch.setattr(sphinx, "Ear", lambda rate: SimpleNamespace(words=lambda samples: ["the", "fox"]))
    texts = ["The fox runs.", "An apple."]
    monkeypatch.setattr(sentences, "draw", lambda count, seed, held: texts[:count])
    code, out, err = gen_cli("eval", "audio", "--model", "../voice.safetensors", "--samples", 2)
    assert code == 0, err
    metrics = json.loads(out)["metrics"]
    assert " % of 2 (95 %:" in metrics["pronunciation"]["held-out words right"]
    assert {"loudness, median", "highest true peak"} <= metrics["levels"].keys()
    assert metrics["word error rate"] == {"voice": "60.0%", "teacher": "60.0%"}
    lengths = [float(metrics["durations"][name].split()[0]) for name in list(metrics["durations"])[:2]]
    assert min(lengths) > 1
    apart = {name: float(value) for name, value in metrics["mel-cepstral distortion"].items()}
    assert apart["voice, dB"] > apart["teacher, another sentence, dB"] > 0
