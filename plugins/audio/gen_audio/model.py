"""A model of sounds: how its file becomes an encoder, a denoiser and a codec."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torchaudio import functional as audio

from gen.artifact import Artifact
from gen.diffusion import RectifiedFlow, Velocity
from gen.model import Model, ModelFile, Window
from gen.nn import TextEncoder
from gen_audio.autoencoder import TOKEN_FRAMES, Autoencoder, CodecShape, decoder_noise
from gen_audio.denoiser import Shape, SoundTransformer
from gen_audio.loudness import mastered
from gen_audio.mel import HOP, RATE, around, log_mel
from gen_audio.plugin import KEYS
from gen_audio.vocoder import Vocoder, VocoderShape

ARCHITECTURE = "gen-audio/sound-transformer/1"
OVERLAP = 9
"""Tokens of the end of a piece that the next one is given: 1.7 s."""

DURATIONS = 1.0, 60.0
"""Seconds that a sound may last, the shortest and the longest."""

_OTHERS = ("voice", "rate")
_TOKEN = TOKEN_FRAMES * HOP
_LOUDNESS = 0.12
_AROUND_TOKENS, _AROUND_SAMPLES = 4, 6174
"""What surrounds a loop, as tokens and samples: a multiple of 882, which any rate turns into whole ones."""


def said(prompt: str, params: Mapping[str, object]) -> str:
    """The prompt, with key and tempo in words, as captions say them."""
    if not prompt:
        return prompt
    key = KEYS.get(str(params.get("key", "")), "")
    return prompt + (f" in {key}" if key else "") + (f", {params['bpm']} bpm" if "bpm" in params else "")


@dataclass(frozen=True, eq=False)
class SoundCodec:
    """Sounds as standardised latents, one token every 186 ms.

    Args:
        network: The autoencoder of log-mels.
        vocoder: From log-mels to samples.
        mean, std: (C, 1): latents are standardised by these.
    """

    network: Autoencoder
    vocoder: Vocoder
    mean: Tensor
    std: Tensor

    def shape(self, params: Mapping[str, object]) -> tuple[int, ...]:
        """(C, T) with as many tokens as the duration needs.

        Raises:
            ValueError: Something is asked for that only speech has, or a duration beyond ``DURATIONS``.
        """
        given = [name for name in _OTHERS if name in params]
        if given:
            raise ValueError(
                f"sounds have no {' or '.join(given)}: leave it out, or take a model of a voice for speech"
            )
        duration, (shortest, longest) = _number(params, "duration"), DURATIONS
        if not shortest <= duration <= longest:
            raise ValueError(f"sounds last {shortest:g} to {longest:g} s, not {duration:g} s")
        return (len(self.mean), math.ceil(duration * RATE / _TOKEN))

    def encode(self, artifacts: Sequence[Artifact], params: Mapping[str, object]) -> Tensor:
        """Sounds of any rate and number of channels, cut or padded with silence to the duration."""
        length = self.shape(params)[1] * _TOKEN
        rows = [_fitted(artifact, length) for artifact in artifacts]
        mel = log_mel(torch.stack(rows).to(self.mean.device))
        with torch.no_grad():
            latents = self.network.encode(mel.to(self._dtype)).float()
        return (latents - self.mean) / self.std

    def decode(self, x0: Tensor, params: Mapping[str, object]) -> list[Artifact]:
        """Latents (B, C, T) to sounds of the duration, rate, loudness and channels that are asked for.

        The end of a loop meets its beginning because every step, from latents to levelling, sees what lies
        beyond either end.
        """
        latents = x0.to(self.mean) * self.std + self.mean
        with torch.no_grad():
            # One at a time: a batch may take another path through the kernels and differ in the last bit.
            sounds = [self._sound(item[None].to(self._dtype), params) for item in latents]
        rate = int(_number(params, "sample_rate"))
        return [
            Artifact("audio", {"samples": sound.cpu().numpy()}, {"sample_rate": rate}) for sound in sounds
        ]

    def mask(self, mask: Artifact, params: Mapping[str, object]) -> Tensor:
        """A sound, not silent where something is made anew, as (1, 1, T): 1 where latents are kept."""
        length = self.shape(params)[1] * _TOKEN
        loud = _resampled(mask, length).abs().reshape(-1, _TOKEN).amax(1) > 0.01
        return (~loud).float()[None, None].to(self.mean.device)

    def given(self, params: Mapping[str, object]) -> tuple[Tensor, Tensor] | None:
        """The beginning, where the parameter ``extend`` gives it, as whole tokens.

        Raises:
            ValueError: It is not shorter than the duration, or shorter than a token.
        """
        start = params.get("extend")
        if not isinstance(start, Artifact):
            return None
        tokens = self.shape(params)[1]
        seconds = start.sizes["samples"] / float(start.attributes["sample_rate"])
        count = int(seconds * RATE / _TOKEN)
        if not 0 < count < tokens:
            raise ValueError(
                f"extend needs a sound of at least {_TOKEN / RATE:.2f} s that is shorter than the duration, "
                f"not {seconds:.2f} s"
            )
        mask = (torch.arange(tokens) < count).float()[None, None].to(self.mean.device)
        return mask, self.encode([start], params)

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.network.parameters()).dtype

    def _sound(self, latents: Tensor, params: Mapping[str, object]) -> Tensor:
        """Latents (1, C, T) to samples (channels, L) in [-1, 1]."""
        loop, channels = bool(params.get("loop")), 2 if params.get("channels") == "stereo" else 1
        seconds, rate = _number(params, "duration"), int(_number(params, "sample_rate"))
        # Two channels share what the latents say, and differ in what they leave to chance.
        noise = decoder_noise(channels, latents.shape[2], torch.Generator().manual_seed(0)).to(latents)
        wide = around(_AROUND_TOKENS, loop)(latents.expand(channels, -1, -1))
        fine = _AROUND_TOKENS * (noise.shape[1] // latents.shape[2])
        mel = self.network.decode(wide, around(fine, loop)(noise.mT).mT).float()
        margin = _AROUND_TOKENS * TOKEN_FRAMES
        mel = mel[:, :, margin : mel.shape[2] - margin]
        if loop:
            # A frame of neighbours on either side keeps the period whole while it is stretched.
            mel = _stretched(around(1, True)(mel), round(seconds * RATE / HOP), mel.shape[2])
            samples = around(_AROUND_SAMPLES, True)(self.vocoder.sound(mel, loop=True)[None])[0]
            delivered = audio.resample(samples, RATE, rate)
            return mastered(delivered, rate, _AROUND_SAMPLES * rate // RATE).clamp(-1, 1).contiguous()
        samples = self.vocoder.sound(mel[:, :, : math.ceil(seconds * RATE / HOP)])
        faded = _faded(samples, round(seconds * RATE))
        return mastered(audio.resample(faded, RATE, rate), rate).clamp(-1, 1).contiguous()


def _stretched(edge: Tensor, frames: int, period: int) -> Tensor:
    """A period of log-mel, with one more frame on either side, (B, 80, period + 2), at another length."""
    places = torch.arange(frames, device=edge.device) * (period / frames) + 1
    low = places.floor().long()
    part = (places - low).to(edge)
    return edge[:, :, low] * (1 - part) + edge[:, :, low + 1] * part


def _faded(samples: Tensor, length: int) -> Tensor:
    """The first samples, with an end that fades within 20 ms."""
    cut = samples[:, :length].clone()
    fade = min(length, round(0.02 * RATE))
    cut[:, -fade:] *= torch.linspace(1, 0, fade, device=cut.device)
    return cut


def _resampled(artifact: Artifact, length: int) -> Tensor:
    """One channel at the model's rate, (length,)."""
    mono = torch.from_numpy(artifact.arrays["samples"]).mean(0)
    sound = audio.resample(mono, int(artifact.attributes["sample_rate"]), RATE)[:length]
    return functional.pad(sound, (0, length - len(sound)))


def _fitted(artifact: Artifact, length: int) -> Tensor:
    """One channel at the model's rate and level, (length,)."""
    sound = _resampled(artifact, length)
    power = functional.avg_pool1d(sound.square()[None, None], min(length, round(0.4 * RATE)), 1024)
    gain = _LOUDNESS / (power.max().sqrt() + 1e-9)
    return sound * torch.minimum(gain, 0.97 / (sound.abs().max() + 1e-9))


def _number(params: Mapping[str, object], name: str) -> float:
    value = params[name]
    assert isinstance(value, int | float)
    return float(value)


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
        vocoder_shape = VocoderShape(**file.sizes("vocoder"))
        encoder = TextEncoder.of(file.config, shape.length, said)
        codec = file.module(lambda: Autoencoder(codec_shape), "codec.", device, dtype)
        vocoder = file.module(lambda: Vocoder(vocoder_shape), "vocoder.", device, "float32")
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
