"""A model of sounds: how its file becomes an encoder, a denoiser and a codec."""

from __future__ import annotations

import dataclasses
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from gen.artifact import Artifact
from gen.diffusion import Condition, Conditioning, NoiseSource, RectifiedFlow, Velocity
from gen.diffusion.noise import BlendedNoise
from gen.errors import UsageError
from gen.model import Model, ModelFile, Stage, Task, Window
from gen.nn import CaptionEncoder, TextEncoder, as_written, shortened
from gen.words import read, request, words_of
from gen_audio import notation, score
from gen_audio.artifacts import (
    beginning,
    composited,
    delivered,
    fitted,
    kept,
    mono,
    number,
    there_and_back,
)
from gen_audio.autoencoder import TOKEN_FRAMES, Autoencoder, CodecShape, decoder_noise
from gen_audio.captions import any_of, caption
from gen_audio.composition import DRUMS, TEMPI, Note, notes
from gen_audio.denoiser import Shape, SoundTransformer
from gen_audio.directions import Directions, directions
from gen_audio.loudness import LEVEL
from gen_audio.mel import HOP, RATE, around, log_mel
from gen_audio.playing import tune, usual
from gen_audio.plugin import KEYS
from gen_audio.score import TOKEN_SECONDS
from gen_audio.vocabulary import EFFECTS, INSTRUMENTS, KEYWORDS
from gen_audio.vocoder import GriffinLim, Vocoder, vocoder_of

ARCHITECTURE = "gen-audio/sound-transformer/1"
OVERLAP = 9
"""Tokens of the end of a piece that the next one is given: 1.7 s."""

DURATIONS = 1.0, 60.0
"""Seconds that a sound may last, the shortest and the longest."""

USUAL, DYING = 5.0, 0.4
"""Seconds of a sound of which no duration is given, and after the last note."""

_OTHERS = ("voice", "rate")
_TOKEN = TOKEN_FRAMES * HOP
_AROUND = 4
"""Tokens on either side that the decoder is given."""


_BARE = re.compile(rf"(?:(?:an?|the|on the) )?(?:{any_of(INSTRUMENTS)})?", re.IGNORECASE)
_PACE = {"slow": 70, "slowly": 70, "fast": 160, "quickly": 160}
UNNAMED = "piano"
"""What plays notes of which the prompt says no more."""

_SAID = re.compile(
    r"\b(?:say|said|speak|spoke|speech|talk|tell|whisper|shout|announc|narrat|voice ?over|reads? aloud)\w*",
    re.IGNORECASE,
)


def said(prompt: str, params: Mapping[str, object]) -> str:
    """The prompt, with the key and the tempo of the parameters in words, as captions say them."""
    if not prompt:
        return prompt
    key, tempo = KEYS.get(str(params.get("key", "")), ""), params.get("bpm")
    found = prompt + (f" in {key}" if key else "")
    return found + (f", {_in_captions(float(str(tempo)))} bpm" if tempo else "")


def _in_captions(tempo: float) -> int:
    """The tempo that captions have, which is the nearest to another."""
    return min(TEMPI, key=lambda bpm: abs(bpm - tempo))


@dataclass(frozen=True, eq=False)
class SoundEncoder(CaptionEncoder):
    """Prompts for sounds; the key and the tempo of the parameters take the place of those in a prompt.

    Args:
        plays: Whether the network reads scores, so that notes of prompts are played, and tunes composed.
    """

    plays: bool = False

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:
        """As ``CaptionEncoder`` does it."""
        return super().__call__([self._prepared(prompt, params) for prompt in prompts], params)

    def unread(self, prompt: str, params: Mapping[str, object]) -> str:
        """As ``CaptionEncoder`` does it."""
        return super().unread(self._prepared(prompt, params), params)

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """As ``CaptionEncoder`` does it."""
        return super().unknown_words(self._prepared(prompt, {}))

    def remarks(self, prompt: str, params: Mapping[str, object]) -> tuple[str, ...]:
        """Lines about weights, what parameters override, notes that are not played, and words to be said."""
        found = list(super().remarks(self._prepared(prompt, params), params))
        key, tempo, asked = KEYS.get(str(params.get("key"))), params.get("bpm"), directions(prompt)
        if key and asked.key not in ("", key):
            found.append(f"the prompt's {asked.key} gives way to the {key} of the parameter")
        if tempo and asked.bpm not in (0, tempo):
            found.append(f"the prompt's {asked.bpm:g} bpm gives way to the {tempo} bpm of the parameter")
        if not asked.rest and asked != Directions(prompt):
            found.append(f"no instrument is named: the {UNNAMED} plays")
        unknown = {word.lower() for word in self.encoder.unknown_words(prompt)}
        if any(set(match[0].lower().split()) & unknown for match in _SAID.finditer(prompt)):
            found.append("this model makes no speech; --model voice says the prompt aloud, word by word")
        return (*found, *self._about_notes(prompt, params))

    def settle(
        self,
        prompt: str,
        params: Mapping[str, object],
        seed: int,  # noqa: ARG002
    ) -> Mapping[str, int | float | bool | str]:
        """The duration, where it is left to the model: what the notes of a prompt take, or 5 s.

        Raises:
            UsageError: The notes take longer than a sound may last.
        """
        if params.get("duration") is not None:
            return {}
        takes = self._takes(prompt, params)
        if not takes:
            return {"duration": USUAL}
        start = params.get("extend")
        if isinstance(start, Artifact):
            takes += start.sizes["samples"] / int(start.attributes["sample_rate"])
        shortest, longest = DURATIONS
        if takes > longest:
            raise UsageError(
                f"the notes take {takes:.1f} s, and sounds at most {longest:g} s",
                "make them in parts, by extend",
            )
        if params.get("loop"):
            return {"duration": max(round(takes, 3), shortest)}
        return {"duration": min(max(math.ceil(10 * (takes + DYING)) / 10, shortest), longest)}

    def notes(
        self, prompt: str, params: Mapping[str, object], seed: int, seconds: float, compose: bool = True
    ) -> tuple[tuple[Note, ...], bool] | None:
        """What is played: the notes of a prompt, or else a tune as it describes it.

        Args:
            prompt: Of an item.
            params: The parameters.
            seed: Of what the prompt leaves open.
            seconds: What a tune fills.
            compose: Whether there are tunes beside the notes of prompts.

        Returns:
            The notes, and whether the drum kit plays them; None where nothing is.

        Raises:
            UsageError: A note is beyond those that a score holds.
        """
        if not self.plays or not prompt:
            return None
        written, _ = notation.read(prompt)
        if not written and not compose:
            return None
        asked = tune(said(self._caption(self._prepared(prompt, params)).text, params), random.Random(seed))
        if asked is None:
            return None
        found, alone = asked
        if written and found.instrument != DRUMS:
            return written.notes(_bpm(prompt, params), usual(found.instrument)), False
        if written and not compose:
            return None
        if alone:
            return (alone,), False
        if params.get("bpm") or directions(prompt).bpm:
            found = dataclasses.replace(found, bpm=_bpm(prompt, params))
        return notes(found, seconds), found.instrument == DRUMS

    def _prepared(self, prompt: str, params: Mapping[str, object]) -> str:
        """A prompt without notes, its key and tempo as captions say them, or those of the parameters."""
        written, rest = notation.read(prompt)
        played = self.plays and written
        asked = directions(rest if played else prompt)
        text = asked.rest
        if played:
            text = f"{text} melody" if _BARE.fullmatch(text) else text
            text = text if self._names_a_sound(asked.rest) else f"{UNNAMED} melody"
        elif prompt and not text:
            text = f"{UNNAMED} melody"
        if text != prompt and read(text).language != "en":
            # Beside a key in English, it would be taken for English.
            text = request(text).text
        if asked.key and not params.get("key"):
            text += f" in {asked.key}"
        if asked.bpm and not params.get("bpm"):
            text += f", {_in_captions(asked.bpm)} bpm"
        return text

    def _names_a_sound(self, prompt: str) -> bool:
        """Whether a prompt without its notes says what makes the sound."""
        text = self._caption(prompt).text
        return bool(text) and not self.encoder.unknown_words(text)

    def _about_notes(self, prompt: str, params: Mapping[str, object]) -> tuple[str, ...]:
        written, rest = notation.read(prompt)
        if not self.plays or not written:
            return ()
        takes = self._takes(prompt, params)
        if not takes:
            return ("notes are for instruments: those of the prompt are not played",)
        found = []
        if rest and not self._names_a_sound(rest):
            found.append(f"no instrument is known by {shortened(rest)!r}: the {UNNAMED} plays the notes")
        duration = params.get("duration")
        if isinstance(duration, int | float) and takes > duration:
            found.append(f"the notes take {takes:.1f} s, of which {duration:g} s are made")
        return tuple(found)

    def _takes(self, prompt: str, params: Mapping[str, object]) -> float:
        """Seconds that the notes of a prompt take; 0 where none are played."""
        written, _ = notation.read(prompt)
        if not written or self.notes(prompt, params, 0, 0.0, compose=False) is None:
            return 0.0
        return written.beats * 60 / _bpm(prompt, params)


def _bpm(prompt: str, params: Mapping[str, object]) -> float:
    """Beats per minute by the parameters, by the prompt's number, or by its words."""
    word = next((word for word in words_of(prompt.lower()) if word in _PACE), "")
    return number(params, "bpm", directions(prompt).bpm or _PACE.get(word, 120))


@dataclass(frozen=True, kw_only=True, eq=False)
class SoundStage(Stage):
    """The stage of a model of sounds: its network reads the score of the music that a prompt describes."""

    def encode(self, task: Task) -> Conditioning:
        """As by default, and the scores of the prompts; the empty or negative prompt has none.

        Where a sound is given that is changed or continued, only the notes of a prompt are played: a tune
        would be another than the sound's.
        """
        conditioning = super().encode(task)
        assert isinstance(self.encoder, SoundEncoder)
        if not self.encoder.plays:
            return conditioning
        asked = zip(task.prompts, _seeds(task.noise), strict=True)
        scores = torch.stack([self._score(prompt, seed, task) for prompt, seed in asked])
        found = conditioning.with_conditions(score=Condition(scores, "channels"))
        if conditioning.uncond is None:
            return found
        none = Condition(torch.zeros_like(scores), "channels")
        return found.with_uncond(conditioning.uncond.with_conditions(score=none))

    def _score(self, prompt: str, seed: int, task: Task) -> Tensor:
        assert isinstance(self.encoder, SoundEncoder)
        [_, tokens] = cast("tuple[int, ...]", task.shape)
        start = beginning(task.params, _TOKEN, tokens)
        first = start[1] if start else 0
        seconds = (tokens - first) * TOKEN_SECONDS
        pace = number(task.params, "duration") / seconds if task.params.get("loop") else 1.0
        compose = task.init is None and not start
        played = self.encoder.notes(prompt, task.params, seed, seconds * pace, compose)
        if played is None:
            return score.none(tokens)
        return torch.cat([score.none(first), score.written(*played, tokens - first, pace)], 1)


def _seeds(noise: NoiseSource) -> tuple[int, ...]:
    """The seed of each item; of noise between two, that of which there is more."""
    if not isinstance(noise, BlendedNoise):
        return noise.seeds
    pairs = zip(_seeds(noise.first), _seeds(noise.second), noise.weights, strict=True)
    return tuple(first if weight**2 < 0.5 else second for first, second, weight in pairs)


@dataclass(frozen=True, eq=False)
class SoundCodec:
    """Sounds as standardised latents, one token every 186 ms.

    Args:
        network: The autoencoder of log-mels.
        vocoder: From log-mels to samples.
        mean, std: (C, 1): latents are standardised by these.
    """

    network: Autoencoder
    vocoder: Vocoder | GriffinLim
    mean: Tensor
    std: Tensor

    def shape(self, task: Task) -> tuple[int, ...]:
        """(C, T) with as many tokens as the duration needs; of a loop, which is stretched to it, the nearest.

        Raises:
            UsageError: Something is asked for that only speech has, or a duration beyond ``DURATIONS``.
        """
        given = [name for name in _OTHERS if name in task.params]
        if given:
            raise UsageError(
                f"sounds have no {' or '.join(given)}: leave it out, or take `model='voice'` for speech"
            )
        duration, (shortest, longest) = number(task.params, "duration"), DURATIONS
        if not shortest <= duration <= longest:
            raise UsageError(f"sounds last {shortest:g} to {longest:g} s, not {duration:g} s")
        whole = round if task.params.get("loop") else math.ceil
        return (len(self.mean), whole(duration * RATE / _TOKEN))

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> Tensor:
        """Sounds of any rate and number of channels, cut or padded with silence to the duration."""
        length = self.shape(task)[1] * _TOKEN
        return self._encoded([fitted(mono(artifact), length) for artifact in artifacts])

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        """Latents (B, C, T) to sounds of the duration, rate, loudness and channels that are asked for.

        The end of a loop meets its beginning because every step, from latents to levelling, sees what lies
        beyond either end.
        """
        latents = state.to(self.mean) * self.std + self.mean
        return delivered(latents, task.params, lambda item: self._sound(item.to(self._dtype), task.params))

    def mask(self, mask: Artifact, task: Task) -> Tensor:
        """A sound, not silent where something is made anew, as (1, 1, T): 1 where latents are kept."""
        return kept(mask, self.shape(task)[1], _TOKEN).to(self.mean.device)

    def composite(self, made: Artifact, task: Task) -> Artifact:
        """The sound with the inputs' own samples where they are kept."""
        return composited(made, task.init, task.mask, task.params)

    def given(self, task: Task) -> tuple[Tensor, Tensor] | None:
        """The beginning, where the parameter ``extend`` gives it, as whole tokens.

        Raises:
            UsageError: It is not shorter than the duration, or shorter than a token.
        """
        tokens = self.shape(task)[1]
        found = beginning(task.params, _TOKEN, tokens)
        if found is None:
            return None
        start, count = found
        mask = (torch.arange(tokens, device=self.mean.device) < count).float()[None, None]
        return mask, self._encoded([there_and_back(mono(start), tokens * _TOKEN)])

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.network.parameters()).dtype

    def _encoded(self, sounds: Sequence[Tensor]) -> Tensor:
        """Samples (4096·T,) each, at any level, to latents (B, C, T)."""
        mel = log_mel(torch.stack([_levelled(sound) for sound in sounds]).to(self.mean.device))
        with torch.no_grad():
            latents = self.network.encode(mel.to(self._dtype)).float()
        return (latents - self.mean) / self.std

    def _sound(self, latents: Tensor, params: Mapping[str, object]) -> Tensor:
        """Latents (1, C, T) to samples (channels, L) at the model's rate; of a loop, whole frames."""
        loop, channels = bool(params.get("loop")), 2 if params.get("channels") == "stereo" else 1
        seconds = number(params, "duration")
        # Two channels share what the latents say, and differ in what they leave to chance.
        noise = decoder_noise(channels, latents.shape[2], torch.Generator("cpu").manual_seed(0)).to(latents)
        wide = around(_AROUND, loop)(latents.expand(channels, -1, -1))
        fine = _AROUND * (noise.shape[1] // latents.shape[2])
        mel = self.network.decode(wide, around(fine, loop)(noise.mT).mT).float()
        margin = _AROUND * TOKEN_FRAMES
        mel = mel[:, :, margin : mel.shape[2] - margin]
        if loop:
            # A frame of neighbours on either side keeps the period whole while it is stretched.
            mel = _stretched(around(1, True)(mel), round(seconds * RATE / HOP), mel.shape[2])
            return self.vocoder.sound(mel, loop=True)
        return _faded(self.vocoder.sound(mel[:, :, : math.ceil(seconds * RATE / HOP)]), round(seconds * RATE))


def _stretched(edge: Tensor, frames: int, period: int) -> Tensor:
    """A period of log-mel, with one more frame on either side, (B, 80, period + 2), at another length."""
    places = torch.arange(frames, dtype=torch.float32, device=edge.device) * (period / frames) + 1
    low = places.floor().long()
    part = (places - low).to(edge)
    return edge[:, :, low] * (1 - part) + edge[:, :, low + 1] * part


def _faded(samples: Tensor, length: int) -> Tensor:
    """The first samples, with an end that fades within 20 ms."""
    cut = samples[:, :length].clone()
    fade = min(length, round(0.02 * RATE))
    cut[:, -fade:] *= torch.linspace(1, 0, fade, dtype=cut.dtype, device=cut.device)
    return cut


def _levelled(sound: Tensor) -> Tensor:
    """Samples (L,) at the level of the sounds that the network was trained on."""
    window = min(len(sound), round(0.4 * RATE))
    power = functional.avg_pool1d(sound.square()[None, None], window, 1024)
    gain = LEVEL / (power.max().sqrt() + 1e-9)
    return sound * torch.minimum(gain, 0.97 / (sound.abs().max() + 1e-9))


def load(file: ModelFile, device: str, dtype: str) -> Model:
    """Load a model of sounds.

    Args:
        file: An open model file of this architecture.
        device: ``"cpu"``, ``"cuda"`` …
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``: of the networks.

    Raises:
        ModelError: The tensors do not fit the configuration.
    """
    with file.fitting():
        shape = Shape(**file.sizes("shape"))
        codec_shape = CodecShape(**file.sizes("codec"))
        texts = TextEncoder.of(file.config, shape.length, said)
        known = set(texts.names) <= {*INSTRUMENTS, *EFFECTS}
        encoder = SoundEncoder(texts, caption if known else as_written, KEYWORDS, shape.score > 0)
        codec = file.module(lambda: Autoencoder(codec_shape), "codec.", device, dtype)
        vocoder = vocoder_of(file, device)
        network = file.module(lambda: SoundTransformer(shape), "denoiser.", device, dtype)
        mean, std = file.latent_scale(device, dimensions=1)
    stage = SoundStage(
        process=RectifiedFlow(),
        parameterization=Velocity(),
        network=network,
        encoder=encoder,
        window=Window(axis=1, size=shape.tokens, overlap=OVERLAP),
    )
    return file.model(codec=SoundCodec(codec, vocoder, mean, std), stages=(stage,))
