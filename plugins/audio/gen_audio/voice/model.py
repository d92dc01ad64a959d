"""A model of a voice: how its file becomes an encoder, a denoiser and a codec."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gen.artifact import Artifact
from gen.diffusion import Conditioning, RectifiedFlow, Sample
from gen.errors import UsageError
from gen.model import Model, ModelFile, Task, Window
from gen_audio.artifacts import composited, delivered, fitted, kept, mono, number
from gen_audio.mel import BANDS, HOP, RATE, log_mel
from gen_audio.vocoder import GriffinLim, Vocoder, vocoder_of
from gen_audio.voice import phones, reading
from gen_audio.voice.alignment import CHANNELS, aligned
from gen_audio.voice.denoiser import Shape, SpeechTransformer, conditions
from gen_audio.voice.durations import Durations, DurationsShape
from gen_audio.voice.pronouncer import Pronouncer, PronouncerShape, Pronunciation, unpacked
from gen_audio.voice.speaking import Script, Speaking

ARCHITECTURE = "gen-audio/speech-transformer/1"
WINDOW, OVERLAP = 512, 128
"""Frames of a piece, 5.9 s, and those of its end that the next one is given."""

SHORTEST, LONGEST = 0.4, 600.0
"""Seconds that are spoken at once; loudness is measured over the shortest."""

SILENCE = 0.25
"""Seconds of the pauses that fill what is longer than the text."""

_LEVEL = 0.08
_OTHERS = ("bpm", "key", "loop", "extend")


@dataclass(frozen=True, eq=False)
class SpeechEncoder:
    """Texts as phones, frame by frame.

    Args:
        speaking: Turns texts into phones with their lengths.
        voices: Names of the voices.
        step: Frames that states are whole multiples of.
    """

    speaking: Speaking
    voices: tuple[str, ...]
    step: int

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:
        """Conditioning with ``phones`` (B, 4, F) and ``voice`` (B, voices), all 0 for an empty text."""
        frames = _frames(params, self.step)
        rows = [self._row(self._script(prompt, params), frames) for prompt in prompts]
        number = torch.tensor([self._voice(params)] * len(rows), device="cpu")
        voice = functional.one_hot(number, len(self.voices)).float()
        told = torch.tensor([[bool(prompt)] for prompt in prompts], device="cpu").float()
        return conditions(torch.stack(rows), voice * told)

    def settle(
        self,
        prompt: str,
        params: Mapping[str, object],
        seed: int,  # noqa: ARG002
    ) -> Mapping[str, int | float | bool | str]:
        """The duration that the text takes.

        Raises:
            UsageError: Nothing in the text can be read, or it takes longer than the duration given or than
                ``LONGEST``.
        """
        _only_speech(params)
        script = self._script(prompt, params)
        if not script.ids:
            raise UsageError("the text holds no word that can be read aloud: write it in Latin letters")
        takes = max(SHORTEST, math.ceil(script.duration * 100) / 100)
        duration = params.get("duration")
        if isinstance(duration, int | float):
            if duration > LONGEST:
                raise UsageError(f"speech lasts at most {LONGEST:g} s, not {duration:g} s")
            # A sound of that duration has a whole number of samples.
            if duration + 1 / RATE < takes:
                raise UsageError(
                    f"the text takes {takes:.2f} s, more than the duration of {duration:g} s: "
                    "give a higher rate, or no duration"
                )
            return {}
        if takes > LONGEST:
            raise UsageError(f"the text takes {takes:.0f} s; at most {LONGEST:.0f} s are spoken at once")
        return {"duration": takes}

    def unknown_words(self, prompt: str) -> tuple[str, ...]:  # noqa: ARG002
        """None: every English word can be said. Of what is no word, ``remarks`` tells."""
        return ()

    def suggestions(self, prompt: str, count: int) -> tuple[str, ...]:  # noqa: ARG002
        """None, as there are no unknown words."""
        return ()

    def remarks(self, prompt: str, params: Mapping[str, object]) -> tuple[str, ...]:  # noqa: ARG002
        """A line about what is left out: words in other alphabets than the Latin one, emoji and symbols."""
        unreadable = reading.read(prompt).unreadable
        return (f"left out, as it cannot be read aloud: {', '.join(unreadable)}",) if unreadable else ()

    def _script(self, prompt: str, params: Mapping[str, object]) -> Script:
        return self.speaking(prompt, self._voice(params), number(params, "rate", 1.0))

    def _voice(self, params: Mapping[str, object]) -> int:
        voice = str(params.get("voice") or self.voices[0])
        if voice not in self.voices:
            raise UsageError(f"the voice must be one of {', '.join(self.voices)}, not {voice!r}")
        return self.voices.index(voice)

    @staticmethod
    def _row(script: Script, frames: int) -> Tensor:
        if not script.ids:
            return torch.zeros(CHANNELS, frames, dtype=torch.float32, device="cpu")
        missing = frames * HOP / RATE - script.duration
        filling = max(0, math.ceil(missing / SILENCE))
        return aligned(
            [*script.ids, *phones.ids([phones.PAUSE] * filling)],
            [*script.first, *[False] * filling],
            [*script.seconds, *[SILENCE] * filling],
            frames,
        )


@dataclass(frozen=True, eq=False)
class SpeechCodec:
    """Speech as log-mel frames, standardised per band.

    Args:
        vocoder: From log-mels to samples.
        mean, std: (80, 1): bands are standardised by these.
        step: Frames that states are whole multiples of.
    """

    vocoder: Vocoder | GriffinLim
    mean: Tensor
    std: Tensor
    step: int

    def shape(self, task: Task) -> tuple[int, ...]:
        """(80, F) with as many frames as the duration needs."""
        _only_speech(task.params)
        return (BANDS, _frames(task.params, self.step))

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> Tensor:
        """Speech of any rate and number of channels, cut or padded with silence to the duration."""
        length = self.shape(task)[1] * HOP
        rows = []
        for artifact in artifacts:
            sound = fitted(mono(artifact), length)
            rows.append(sound * (_LEVEL / (sound.square().mean().sqrt() + 1e-9)).clamp(max=1e3))
        return (log_mel(torch.stack(rows).to(self.mean.device)) - self.mean) / self.std

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        """Frames (B, 80, F) to sounds of the duration, rate, loudness and channels that are asked for."""
        channels = 2 if task.params.get("channels") == "stereo" else 1
        length = round(number(task.params, "duration") * RATE)
        mels = state.to(self.mean) * self.std + self.mean

        def sound(mel: Tensor) -> Tensor:
            return self.vocoder.sound(mel)[:, :length].expand(channels, -1)

        return delivered(mels, task.params, sound)

    def mask(self, mask: Artifact, task: Task) -> Tensor:
        """A sound, not silent where something is said anew, as (1, 1, F): 1 where frames are kept."""
        return kept(mask, self.shape(task)[1], HOP).to(self.mean.device)

    def composite(self, made: Artifact, task: Task) -> Artifact:
        """The sound with the inputs' own samples where they are kept."""
        return composited(made, task.init, task.mask, task.params)


def load(file: ModelFile, device: str, dtype: str) -> Model:
    """Load a voice.

    Args:
        file: An open model file of this architecture.
        device: ``"cpu"``, ``"cuda"`` …
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``: of the denoiser.

    Raises:
        ModelError: The tensors do not fit the configuration.
    """
    with file.fitting():
        voices = tuple(str(name) for name in _list(file.config["voices"]))
        # The small networks stay where the text is; their answers decide how long the speech is.
        pronouncer = file.module(
            lambda: Pronouncer(PronouncerShape(**file.sizes("pronouncer"))), "pronouncer.", "cpu", "float32"
        )
        durations = file.module(
            lambda: Durations(DurationsShape(**file.sizes("durations"))), "durations.", "cpu", "float32"
        )
        shape = Shape(**file.sizes("denoiser"))
        network = file.module(lambda: SpeechTransformer(shape), "denoiser.", device, dtype)
        vocoder = vocoder_of(file, device)
        exceptions = unpacked(file.tensors("cpu", None, "exceptions")[""])
        mean, std = file.latent_scale(device, dimensions=1)
    speaking = Speaking(Pronunciation(pronouncer, exceptions), durations)
    step = 2 * shape.frames
    return file.model(
        process=RectifiedFlow(),
        parameterization=Sample(),
        network=network,
        encoder=SpeechEncoder(speaking, voices, step),
        codec=SpeechCodec(vocoder, mean, std, step),
        window=Window(axis=1, size=WINDOW, overlap=OVERLAP),
    )


def _frames(params: Mapping[str, object], step: int) -> int:
    """Frames for the duration, whole multiples of a step."""
    return step * max(1, math.ceil(number(params, "duration") * RATE / HOP / step))


def _only_speech(params: Mapping[str, object]) -> None:
    """Raise UsageError where something is asked for that speech does not have."""
    given = [name for name in _OTHERS if params.get(name)]
    if given:
        raise UsageError(f"speech has no {' or '.join(given)}: leave it out, or take `model='sounds'`")


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise TypeError("the voices are not a list")
    return value
