"""Notes: written in prompts, composed from captions, and as the score that the network reads."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gen.artifact import Artifact
from gen.diffusion import NoiseSource
from gen.diffusion.noise import BlendedNoise
from gen.errors import UsageError
from gen.model import Model, ModelFile, SettlingEncoder, Task
from gen_audio import composition, notation, score
from gen_audio.composition import FIGURES, FREE, RANGES, Note, Tune, notes
from gen_audio.model import SoundEncoder, SoundStage, load
from gen_audio.playing import tune
from gen_audio.training.data import music
from gen_audio.training.denoiser import dropped
from gen_audio.training.start import Start

DURATION = {"duration": 2.0}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, write_model: Callable[..., Path]) -> Model:
    path = write_model(tmp_path_factory.mktemp("plays") / "tiny.safetensors", plays=True)
    return load(ModelFile(path), "cpu", "float32")


@pytest.fixture
def encoder(model: Model) -> SoundEncoder:
    assert isinstance(model.encoder, SoundEncoder)
    return model.encoder


def scores(model: Model, *prompts: str, **task: object) -> torch.Tensor:
    """The scores (B, S, 11) of prompts, each of its own seed."""
    [stage] = model.path
    made = {"params": DURATION, "noise": NoiseSource(range(len(prompts))), **task}
    conditioning = stage.encode(Task(prompts=prompts, shape=(128, 11), **made))  # type: ignore[arg-type]
    assert conditioning.uncond is not None
    assert not conditioning.uncond["score"].value.any()
    assert conditioning["score"].route == "channels"
    return conditioning["score"].value


@pytest.mark.parametrize(
    ("prompt", "rest", "keys"),
    [
        ("piano: c4 d4 e4 g4, 120 bpm", "piano, 120 bpm", [60, 62, 64, 67]),
        ("flute playing c d e", "flute playing", [60, 62, 64]),
        ("C, D, E, F on the violin", "on the violin", [60, 62, 64, 65]),
        ("play c-d-e-c on a harp", "play on a harp", [60, 62, 64, 60]),
        ("c d e g, a slow harp", "a slow harp", [60, 62, 64, 67]),
        ("a c4 e4 arpeggio", "a arpeggio", [60, 64]),
        ("the notes c and e and g on the cello", "on the cello", [60, 64, 67]),
        ("c c g g a a g", "", [60, 60, 67, 67, 69, 69, 67]),
        ("F#4 G♯4 Bb5 e♭3 trumpet", "trumpet", [66, 68, 82, 51]),
        ("a violin plays e flat g b-flat", "a violin plays", [63, 67, 70]),
        ("organ: c4+e4+g4:2 rest a4", "organ", [60, 64, 67, 69]),
        ("c d e f g a b c", "", [60, 62, 64, 65, 67, 69, 71, 72]),
        ("e d c d e e e", "", [64, 62, 60, 62, 64, 64, 64]),
    ],
)
def test_notes_of_prompts_are_read(prompt: str, rest: str, keys: list[int]) -> None:
    written, left = notation.read(prompt)
    assert written is not None
    assert left == rest
    assert [note.pitch for note in written.notes(120, 60)] == keys


@pytest.mark.parametrize(
    "prompt",
    [
        "a piano melody in c major",
        "a d minor chord",
        "a single piano note, c 5",
        "a b flat clarinet",
        "vitamin c d",
        "r&b drums",
        "r2d2 beeps",
        "d.c. e",
        "a dog barking",
        "a a a a",
        "",
    ],
)
def test_other_words_are_no_notes(prompt: str) -> None:
    assert notation.read(prompt) == (None, prompt)


def test_beats_rests_and_chords_take_their_time() -> None:
    written, _ = notation.read("c4:2 rest e4+g4:0.5")
    assert written is not None
    found = [(note.start, note.pitch) for note in written.notes(60, 60)]
    assert found == [(0, 60), (3, 64), (3, 67)]
    assert written.beats == 3.5


def test_every_caption_of_music_becomes_the_tune_that_it_describes() -> None:
    rng = random.Random(2)
    for _ in range(300):
        drawn = music.draw(rng)
        found = tune(music.canonical(drawn), rng)
        assert found is not None
        made, alone = found
        assert (made.instrument, made.figure) == (drawn.instrument, drawn.figure)
        if drawn.figure == "note":
            assert alone is not None
            assert alone.pitch == drawn.pitch
        elif drawn.figure != "chord":
            assert made.bpm == drawn.bpm
        said = tune(music.caption(drawn, rng), rng)
        assert said is not None
        if drawn.mood in ("happy", "sad") and drawn.mood in music.caption(drawn, random.Random(1)):
            assert composition.MOODS[drawn.mood] == drawn.mode
    assert tune("heavy rain", rng) is None
    assert tune("a game over sound", rng) is None


def test_chance_decides_what_a_caption_leaves_open() -> None:
    found = [tune("a piano melody", random.Random(seed)) for seed in range(20)]
    assert len({made for made, _ in filter(None, found)}) == 20
    slow, fast = (tune(f"a {pace} piano melody", random.Random(1)) for pace in ("slow", "fast"))
    assert slow is not None
    assert fast is not None
    assert slow[0].bpm <= 80
    assert fast[0].bpm >= 140
    assert slow[0].seed == fast[0].seed


def test_tunes_stay_on_their_instrument() -> None:
    rng = random.Random(3)
    for name, low in RANGES.items():
        for figure in (*FIGURES, FREE):
            played = notes(Tune(name, figure, key=rng.randrange(12), seed=rng.getrandbits(32)), 5.0)
            assert played
            assert low - 5 <= min(note.pitch for note in played)
            assert max(note.pitch for note in played) <= min(low + 45, score.HIGHEST)
            for note in played:
                assert note.start >= 0
                assert note.length > 0


def test_a_score_says_when_and_what() -> None:
    half = score.TOKEN_SECONDS / 2
    written = score.written([Note(0, half, 60), Note(2 * half, 2 * half, 67)], drums=False, tokens=3)
    assert written.shape == (score.SIZE, 3)
    assert written[:2].eq(1).all()
    onsets = written[2:18].T.flatten()
    assert onsets[:2].sum() == onsets[15:18].sum() == 1
    assert onsets.sum() == 2
    roll = written[82:].reshape(-1, 4, 3).permute(0, 2, 1).flatten(1)
    assert roll[60 - score.LOWEST].tolist() == pytest.approx([1, 1, *[0] * 10])
    assert roll[67 - score.LOWEST].tolist() == pytest.approx([*[0] * 4, *[1] * 4, *[0] * 4], abs=1e-5)
    alone = score.onsets_alone(written)
    assert torch.equal(alone[2:18], written[2:18])
    assert alone[1].sum() == alone[18:].sum() == 0
    drums = score.written([Note(half, 0.1, 38)], drums=True, tokens=3)
    assert drums[18:82].sum() == pytest.approx(1)
    assert not drums[82:].any()


def test_what_is_faster_comes_earlier() -> None:
    written = [score.written([Note(0.5, 0.1, 60)], False, 9, pace)[2:18].T.flatten() for pace in (1.0, 2.0)]
    first, second = (float((one * torch.arange(144)).sum()) for one in written)
    assert (second + 0.5) * 2 == pytest.approx(first + 0.5)


def test_prompts_of_music_have_scores_and_others_none(model: Model) -> None:
    found = scores(model, "a piano melody", "rain", "", "piano: c4 e4 g4 c5", "rain: c d e")
    assert [bool(one.any()) for one in found] == [True, False, False, True, False]
    # Longer ones begin alike.
    [stage] = model.path
    task = Task(prompts=("piano: c4 e4 g4 c5",), params={"duration": 8.0}, shape=(128, 43))
    longer = stage.encode(task)["score"].value
    assert longer.shape == (1, score.SIZE, 43)
    assert torch.equal(longer[0, :, :11], found[3])


def test_the_seed_decides_a_tune_and_a_variation_keeps_it(model: Model) -> None:
    def of(noise: NoiseSource) -> torch.Tensor:
        return scores(model, "a piano melody", noise=noise)

    one, other = NoiseSource([1]), NoiseSource([2])
    assert not torch.equal(of(one), of(other))
    assert torch.equal(of(BlendedNoise(one, other, [0.3])), of(one))
    assert torch.equal(of(BlendedNoise(one, other, [0.9])), of(other))


def test_a_sound_that_is_given_is_no_tune_of_the_prompt(model: Model) -> None:
    given = Artifact("audio", {"samples": np.zeros((1, 22_050), np.float32)}, {"sample_rate": 22_050})
    assert not scores(model, "a piano melody", init=given).any()
    extended = {**DURATION, "extend": given}
    assert not scores(model, "a piano melody", params=extended).any()
    assert scores(model, "piano: c4 e4 g4 c5", init=given).any()
    later = scores(model, "piano: c4 e4 g4 c5", params=extended)[0]
    assert not later[:, :5].any()
    assert later[2, 5] > 0


def test_the_last_beat_of_a_loop_ends_where_it_begins_again(model: Model) -> None:
    [plain] = scores(model, "a piano scale, 120 bpm")
    [loop] = scores(model, "a piano scale, 120 bpm", params={**DURATION, "loop": True})
    assert not torch.equal(plain, loop)
    # Two seconds are eight notes, in eleven tokens of 2.04 s; a ninth would be the first once more.
    onsets = loop[2:18].T.flatten()
    assert float(onsets.sum()) == pytest.approx(8, abs=0.1)
    assert not onsets[-8:].any()


def test_tempo_and_key_of_parameters_are_played(encoder: SoundEncoder) -> None:
    played = encoder.notes("a piano scale, 60 bpm", {"bpm": 115, "key": "D"}, 0, 5.0)
    assert played is not None
    assert played[0][1].start == pytest.approx(30 / 115)
    assert [note.pitch % 12 for note in played[0][:3]] == [2, 4, 6]
    assert encoder._prepared("a piano scale at 67 bpm", {}) == "a piano scale, 70 bpm"


def test_notes_decide_the_duration_that_nobody_gave(encoder: SoundEncoder) -> None:
    assert isinstance(encoder, SettlingEncoder)
    assert encoder.settle("a piano melody", {}, 0) == {"duration": 5.0}
    assert encoder.settle("piano: c4 d4 e4 f4 g4 a4, 60 bpm", {}, 0) == {"duration": 6.4}
    assert encoder.settle("piano: c4 d4 e4", {"bpm": 300}, 0) == {"duration": 1.0}
    assert encoder.settle("slow piano: c4 d4 rest", {"loop": True}, 0) == {"duration": pytest.approx(2.571)}
    assert encoder.settle("piano: c4 d4 e4", {"duration": 3.0}, 0) == {}
    with pytest.raises(UsageError, match="at most 60 s"):
        encoder.settle("piano: " + "c4:40 " * 4, {}, 0)
    with pytest.raises(UsageError, match="from c1 to b7"):
        encoder.settle("piano: c9 d9", {}, 0)


def test_notes_that_are_not_played_are_remarked(encoder: SoundEncoder) -> None:
    assert encoder.remarks("piano: c4 d4 e4", {"duration": 5.0}) == ()
    assert encoder.remarks("c4 d4 e4", {}) == ()
    [line] = encoder.remarks("qwxz: c4 d4 e4", {})
    assert line == "no instrument is known by 'qwxz': the piano plays the notes"
    assert encoder.notes("qwxz: c4 d4 e4", {}, 0, 5.0) == encoder.notes("piano: c4 d4 e4", {}, 0, 5.0)
    [line] = encoder.remarks("piano: c4 d4 e4 f4", {"duration": 1.0})
    assert line == "the notes take 2.0 s, of which 1 s are made"
    assert "notes are for instruments: those of the prompt are not played" in encoder.remarks(
        "rain: c d e", {}
    )


def test_a_network_without_scores_plays_nothing(tmp_path: Path, write_model: Callable[..., Path]) -> None:
    path = write_model(tmp_path / "old.safetensors")
    model = load(ModelFile(path), "cpu", "float32")
    assert isinstance(model.encoder, SoundEncoder)
    [stage] = model.path
    assert isinstance(stage, SoundStage)
    task = Task(prompts=("piano: c4 d4 e4",), params=DURATION, shape=(128, 11))
    assert "score" not in stage.encode(task)
    assert model.encoder.settle("piano: c4 d4 e4", DURATION, 0) == {}
    # Training on begins with what the network says.
    begun = Start(path).denoiser()
    assert begun.shape.score == score.SIZE
    text = model.encoder(["a piano melody"], {})
    x, level = torch.randn(1, 128, 11), torch.full((1,), 0.5)
    torch.testing.assert_close(begun(x, level, text), stage.network(x, level, text), atol=1e-5, rtol=1e-4)


def test_the_network_hears_its_score(model: Model) -> None:
    [stage] = model.path
    x, level = torch.randn(1, 128, 11), torch.full((1,), 0.5)
    task = Task(prompts=("piano: c4 e4 g4",), params=DURATION, shape=(128, 11))
    played = stage.encode(task)
    plain = model.encoder(["piano melody"], {}) if model.encoder else played
    assert (stage.network(x, level, played.cond) - stage.network(x, level, plain)).abs().max() > 1e-3  # type: ignore[operator, arg-type]


def test_scores_are_dropped_more_often_without_a_caption() -> None:
    given = score.written([Note(0, 1, 60)], False, 4).expand(4000, -1, -1)
    ids = torch.ones(4000, 3, dtype=torch.long)
    ids[2000:] = 0
    left = dropped(given, ids, torch.Generator().manual_seed(0))
    silent = ~left.flatten(1).any(1)
    assert float(silent[:2000].float().mean()) == pytest.approx(0.2, abs=0.03)
    assert float(silent[2000:].float().mean()) == pytest.approx(0.6, abs=0.03)
    partly = ~silent & ~left[:, 1].any(1)
    assert float(partly.float().sum() / (~silent).float().sum()) == pytest.approx(0.1, abs=0.03)
