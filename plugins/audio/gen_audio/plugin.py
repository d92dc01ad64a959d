"""What audio declares to the host: the modality, its models and its file formats. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator

from gen.plugin import (
    CommandSpec,
    ConverterSpec,
    FamilySpec,
    FormatSpec,
    ModalitySpec,
    ModelSpec,
    Param,
    RecipeSpec,
    hookimpl,
)

_TONICS = {
    "C": "c",
    "C#": "c sharp",
    "D": "d",
    "Eb": "e flat",
    "E": "e",
    "F": "f",
    "F#": "f sharp",
    "G": "g",
    "Ab": "a flat",
    "A": "a",
    "Bb": "b flat",
    "B": "b",
}
KEYS = {
    f"{short}{sign}": f"{name} {mode}"
    for short, name in _TONICS.items()
    for sign, mode in (("", "major"), ("m", "minor"))
}
"""Keys as they are given, "C" or "Am", and as captions say them."""

_ENHARMONIC = {
    **{"Db": "C#", "D#": "Eb", "Gb": "F#", "G#": "Ab", "A#": "Bb"},
    **{"Cb": "B", "B#": "C", "Fb": "E", "E#": "F"},
}
_ACCIDENTALS = {"": ("",), "#": ("#", "♯", " sharp", "-sharp"), "b": ("b", "♭", " flat", "-flat")}
_MODES = {"": ("", "M", "maj", " maj", " major"), "m": ("m", "min", " m", " min", " minor")}


def spellings_of_keys() -> Iterator[tuple[str, str]]:
    """Other spellings of ``KEYS``, each with the key that it means: "Db", "c minor", "B flat major"."""
    for tonic, plain in ({name: name for name in _TONICS} | _ENHARMONIC).items():
        for letter in (tonic[0], tonic[0].lower()):
            for accidental in _ACCIDENTALS[tonic[1:]]:
                for mode, endings in _MODES.items():
                    spelled = (f"{letter}{accidental}{ending}" for ending in endings)
                    yield from ((spelling, plain + mode) for spelling in spelled if spelling not in KEYS)


@hookimpl
def gen_modality() -> ModalitySpec:
    """The modality behind ``gen audio``."""
    return ModalitySpec(
        name="audio",
        kind="audio",
        summary="Generate music phrases, sound effects and speech from text.",
        loader="gen_audio.abilities:load",
        default_model="sounds",
        default_format="wav",
        params=(
            Param(
                name="duration",
                type=float,
                default=5.0,
                help="Seconds: sounds last 1 to 60, speech up to 600; notes and speech decide it themselves.",
            ),
            Param(
                name="sample_rate",
                type=int,
                default=22_050,
                help="Samples per second.",
                minimum=8000,
                maximum=48_000,
                multiple_of=25,
                unit="Hz",
            ),
            Param(
                name="channels",
                type=str,
                default="mono",
                help="Mono, or stereo: of sounds with wide noise, of speech alike on both sides.",
                choices=("mono", "stereo"),
            ),
            Param(
                name="bpm",
                type=int,
                help="Tempo of music.",
                minimum=20,
                maximum=300,
            ),
            Param(
                name="key",
                type=str,
                help="Key of music, also as 'c minor' or Db.",
                choices=tuple(KEYS),
                aliases=tuple(spellings_of_keys()),
            ),
            Param(name="loop", type=bool, default=False, help="Let the end run on into the beginning."),
            Param(
                name="extend",
                type=str,
                help="A sound to begin with, which is continued; the duration includes it.",
                kind="audio",
            ),
            Param(
                name="voice",
                type=str,
                help="Who speaks; the model's first by default.",
                choices=("female", "male"),
            ),
            Param(
                name="rate", type=float, help="Speed of speech; 2 is twice as fast.", minimum=0.5, maximum=2
            ),
        ),
        recipes=(
            RecipeSpec(
                name="sounds",
                summary="Music and effects: a vocoder, a latent codec and a text-to-sound transformer.",
                factory="gen_audio.training.recipe:sounds_recipe",
                presets=("cpu", "gpu", "further"),
            ),
            RecipeSpec(
                name="voice",
                summary="Speech: pronunciation, phones and their lengths, a phones-to-speech transformer.",
                factory="gen_audio.voice.training.recipe:voice_recipe",
                presets=("cpu", "gpu"),
            ),
        ),
        evaluation="gen_audio.abilities:evaluate",
        requires=("soxr", "soundfile", "av", "PIL"),
        extra="audio",
        examples=(
            'gen audio "a slow piano melody in c major" -o melody.wav',
            'gen audio "piano: c4 d4 e4 g4, 120 bpm" -o notes.wav',
            'gen audio "heavy rain" --duration 20 --loop -o rain.ogg',
            'gen audio "Once upon a time, there was a fox." --model voice -o story.wav',
        ),
    )


def _delivery(channels: str) -> tuple[Param, ...]:
    """Length, rate and channels of what a checkpoint makes: its own by default."""
    return (
        Param(name="duration", type=float, help="Seconds; the model's own by default.", minimum=0.1),
        Param(
            name="sample_rate",
            type=int,
            help="Samples per second; the model's own by default.",
            minimum=8000,
            maximum=96_000,
            multiple_of=25,
            unit="Hz",
        ),
        Param(
            name="channels",
            type=str,
            help="Mono or stereo.",
            default=channels,
            choices=("mono", "stereo"),
        ),
    )


@hookimpl
def gen_families() -> tuple[FamilySpec, ...]:
    """Checkpoints of other programs that make sound."""
    return (
        FamilySpec(
            name="stable-audio",
            modality="audio",
            summary="Stable Audio Open: music and sounds from text.",
            pipelines=("StableAudioPipeline",),
            adapter="gen_audio.families.stable_audio:load",
            defaults="gen_audio.families.defaults:stable_audio",
            params=_delivery("stereo"),
        ),
        FamilySpec(
            name="audioldm-2",
            modality="audio",
            summary="AudioLDM 2: sounds and music from text.",
            pipelines=("AudioLDM2Pipeline",),
            adapter="gen_audio.families.audioldm_2:load",
            defaults="gen_audio.families.defaults:audioldm_2",
            params=_delivery("mono"),
        ),
        FamilySpec(
            name="ace-step",
            modality="audio",
            summary="ACE-Step 1.5: music from a description and lyrics.",
            pipelines=("AceStepPipeline",),
            adapter="gen_audio.families.ace_step:load",
            defaults="gen_audio.families.defaults:ace_step",
            params=(
                *_delivery("stereo"),
                Param(name="lyrics", type=str, help="What is sung, with [verse] and [chorus]."),
                Param(name="language", type=str, help="Of the lyrics, as en or de.", default="en"),
                Param(name="timesignature", type=str, help="Beats of a bar.", choices=("2", "3", "4", "6")),
            ),
        ),
    )


@hookimpl
def gen_formats() -> tuple[FormatSpec, ...]:
    """WAV, FLAC, Ogg Vorbis, MP3, Opus, and the spectrogram as a picture."""
    coded = (
        ("wav", (".wav",), "audio/wav"),
        ("flac", (".flac",), "audio/flac"),
        ("ogg", (".ogg", ".oga"), "audio/ogg"),
        ("mp3", (".mp3",), "audio/mpeg"),
        ("opus", (".opus",), "audio/opus"),
    )
    return (
        *(
            FormatSpec(
                name=name,
                kind="audio",
                suffixes=suffixes,
                media_type=media_type,
                writer=f"gen_audio.files.sounds:write_{name}",
                reader=f"gen_audio.files.sounds:read_{'coded' if name in ('mp3', 'opus') else 'plain'}",
                metadata_reader=f"gen_audio.files.sounds:read_{'wav' if name == 'wav' else 'coded'}_metadata",
            )
            for name, suffixes, media_type in coded
        ),
        FormatSpec(
            name="png",
            kind="audio",
            suffixes=(".png",),
            media_type="image/png",
            writer="gen_audio.files.sounds:write_png",
        ),
    )


@hookimpl
def gen_models() -> tuple[ModelSpec, ...]:
    """The models that ship in the package."""
    return (
        ModelSpec(
            name="sounds",
            modality="audio",
            summary="Music phrases and sound effects, 22,050 samples per second.",
            source="package:gen_audio/weights/sounds.safetensors",
            sha256="75e5c7501f886a372e8fcf8ee614c43a90d08ce6a90d0e1d535051a8952f1e72",
            size=12727360,
            licence="Apache-2.0",
            solver="default",
        ),
        ModelSpec(
            name="voice",
            modality="audio",
            summary="English speech by a female or a male voice, 22,050 samples per second.",
            source="package:gen_audio/weights/voice.safetensors",
            sha256="afa89b33d5c06706a6d671cedd389ea2101221baac6973cd62b9eba402764e57",
            size=11817943,
            licence="Apache-2.0",
        ),
    )


@hookimpl
def gen_commands() -> tuple[CommandSpec, ...]:
    """A meter of loudness."""
    return (
        CommandSpec(
            name="loudness",
            summary="Measure loudness (LUFS) and true peak (dBTP) of a sound.",
            run="gen_audio.levels:measured",
            params=(
                Param(name="sound", type=str, help="The sound.", kind="audio"),
                Param(
                    name="target",
                    type=float,
                    help="Loudness that the gain leads to.",
                    default=-14.0,
                    minimum=-70,
                    maximum=0,
                    unit="LUFS",
                ),
            ),
            arguments=("sound",),
            examples=("gen x loudness melody.wav",),
        ),
    )


@hookimpl
def gen_converters() -> tuple[ConverterSpec, ...]:
    """Sounds as pictures and back, and a voice over a score."""
    fft = Param(
        name="fft",
        type=int,
        help="Samples of a frame, a power of two.",
        default=1024,
        minimum=64,
        maximum=8192,
    )
    rate = Param(
        name="sample_rate",
        type=int,
        help="Samples per second, where the picture does not tell it; else 22,050.",
        minimum=1000,
        maximum=192_000,
        unit="Hz",
    )
    return (
        ConverterSpec(
            name="speak",
            source="text",
            target="audio",
            summary="The text read aloud.",
            convert="gen_audio.narration:spoken",
            params=(
                Param(
                    name="voice", type=str, help="Who speaks.", default="female", choices=("female", "male")
                ),
                Param(
                    name="rate",
                    type=float,
                    help="Speed; 2 is twice as fast.",
                    default=1.0,
                    minimum=0.5,
                    maximum=2,
                ),
                Param(name="seed", type=int, help="Seed of the voice.", default=0, minimum=0),
            ),
        ),
        ConverterSpec(
            name="spectrogram",
            source="audio",
            target="image",
            summary="Magnitude (red) and phase (green, blue) of each frequency and time.",
            convert="gen_audio.spectrogram:to_picture",
            params=(fft,),
        ),
        ConverterSpec(
            name="sound-of-spectrogram",
            source="image",
            target="audio",
            summary="The sound of a spectrogram.",
            convert="gen_audio.spectrogram:to_sound",
            params=(rate,),
        ),
        ConverterSpec(
            name="mix",
            source="audio",
            target="audio",
            summary="A voice over a score, which is lower while it speaks; -14 LUFS.",
            convert="gen_audio.mixing:mixed",
            params=(
                Param(name="score", type=str, help="The score.", kind="audio"),
                Param(
                    name="duck",
                    type=float,
                    help="How much lower the score is under the voice.",
                    default=15.0,
                    minimum=0,
                    maximum=60,
                    unit="dB",
                ),
                Param(
                    name="level",
                    type=float,
                    help="Loudness of the score beside that of the voice.",
                    default=0.0,
                    minimum=-60,
                    maximum=12,
                    unit="dB",
                ),
            ),
        ),
    )
