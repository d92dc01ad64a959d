"""A model of sounds: how its file becomes an encoder, a denoiser and a codec."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gen.artifact import Artifact
from gen.diffusion import Conditioning, RectifiedFlow, Velocity
from gen.errors import UsageError
from gen.model import Model, ModelFile, Task, Window
from gen.nn import CaptionEncoder, TextEncoder, as_written
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
from gen_audio.captions import caption
from gen_audio.denoiser import Shape, SoundTransformer
from gen_audio.loudness import LEVEL
from gen_audio.mel import HOP, RATE, around, log_mel
from gen_audio.plugin import KEYS, spellings_of_keys
from gen_audio.vocabulary import EFFECTS, INSTRUMENTS, KEYWORDS
from gen_audio.vocoder import GriffinLim, Vocoder, vocoder_of

ARCHITECTURE = "gen-audio/sound-transformer/1"
OVERLAP = 9
"""Tokens of the end of a piece that the next one is given: 1.7 s."""

DURATIONS = 1.0, 60.0
"""Seconds that a sound may last, the shortest and the longest."""

_OTHERS = ("voice", "rate")
_TOKEN = TOKEN_FRAMES * HOP
_AROUND = 4
"""Tokens on either side that the decoder is given."""


_TEMPO = re.compile(r",?(?: at)? ?\b(\d+) ?bpm\b", re.IGNORECASE)
_KEY = re.compile(
    r" in (?:the key of )?\b([a-g](?:[#♯♭b]|[ -](?:sharp|flat))? (?:major|minor))\b", re.IGNORECASE
)
_SPELLINGS = dict(spellings_of_keys())
_SAID = re.compile(
    r"\b(?:say|said|speak|spoke|speech|talk|tell|whisper|shout|announc|narrat|voice ?over|reads? aloud)\w*",
    re.IGNORECASE,
)


def said(prompt: str, params: Mapping[str, object]) -> str:
    """The prompt, with the key and the tempo of the parameters in words, as captions say them."""
    if not prompt:
        return prompt
    key = KEYS.get(str(params.get("key", "")), "")
    return prompt + (f" in {key}" if key else "") + (f", {params['bpm']} bpm" if "bpm" in params else "")


@dataclass(frozen=True, eq=False)
class SoundEncoder(CaptionEncoder):
    """Prompts for sounds; the key and the tempo of the parameters take the place of those in a prompt."""

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:
        """As ``CaptionEncoder`` does it."""
        return super().__call__([_prepared(prompt, params) for prompt in prompts], params)

    def unread(self, prompt: str, params: Mapping[str, object]) -> str:
        """As ``CaptionEncoder`` does it."""
        return super().unread(_prepared(prompt, params), params)

    def remarks(self, prompt: str, params: Mapping[str, object]) -> tuple[str, ...]:
        """Lines about weights, a key or tempo that a parameter overrides, and words that are to be said."""
        found = list(super().remarks(_prepared(prompt, params), params))
        key, tempo = KEYS.get(str(params.get("key"))), params.get("bpm")
        if key and (named := _KEY.search(prompt)) and _in_words(named) != key:
            found.append(f"the prompt's {named[1]} gives way to the {key} of the parameter")
        if tempo and (named := _TEMPO.search(prompt)) and named[1] != str(tempo):
            found.append(f"the prompt's {named[1]} bpm gives way to the {tempo} bpm of the parameter")
        unknown = {word.lower() for word in self.encoder.unknown_words(prompt)}
        if any(set(match[0].lower().split()) & unknown for match in _SAID.finditer(prompt)):
            found.append("this model makes no speech; --model voice says the prompt aloud, word by word")
        return tuple(found)


def _prepared(prompt: str, params: Mapping[str, object]) -> str:
    """A prompt with its key as captions say it, and without a key and a tempo that the parameters have."""
    prompt = _KEY.sub(lambda key: "" if params.get("key") else f" in {_in_words(key)}", prompt)
    return _TEMPO.sub("", prompt) if params.get("bpm") else prompt


def _in_words(key: re.Match[str]) -> str:
    """What ``_KEY`` found as captions say it: "Db major" is "c sharp major"."""
    return KEYS[_SPELLINGS[key[1].lower()]]


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
        encoder = SoundEncoder(texts, caption if known else as_written, KEYWORDS)
        codec = file.module(lambda: Autoencoder(codec_shape), "codec.", device, dtype)
        vocoder = vocoder_of(file, device)
        network = file.module(lambda: SoundTransformer(shape), "denoiser.", device, dtype)
        mean, std = file.latent_scale(device, dimensions=1)
    return file.model(
        process=RectifiedFlow(),
        parameterization=Velocity(),
        network=network,
        encoder=encoder,
        codec=SoundCodec(codec, vocoder, mean, std),
        window=Window(axis=1, size=shape.tokens, overlap=OVERLAP),
    )
