"""The denoiser's network: a transformer over log-mel frames, told which phone each frame belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen.diffusion import Condition, Conditioning
from gen.nn import TimeEmbedding
from gen_audio.mel import BANDS
from gen_audio.voice.alignment import CHANNELS
from gen_audio.voice.layers import LocalTransformer
from gen_audio.voice.phones import PHONES


@dataclass(frozen=True)
class Shape:
    """Sizes of a ``SpeechTransformer``.

    Args:
        voices: Number of voices.
        frames: Frames in a token; the state's length is a multiple of it.
        phone: Numbers that stand for a phone.
        width, depth, heads, hidden: Of the transformer; ``hidden`` is inside the feed-forward networks.
    """

    voices: int
    frames: int = 4
    phone: int = 64
    width: int = 256
    depth: int = 6
    heads: int = 4
    hidden: int = 640


class SpeechTransformer(nn.Module):
    """(x (B, 80, F), c_noise (B,), conditioning) -> the same shape, F a multiple of ``shape.frames``.

    Conditions: ``phones`` (route "channels": (B, 4, F), see ``alignment.aligned``; all 0 where nothing is
    told), ``voice`` (route "global": (B, voices), 1 at who speaks), ``known`` (route "channels": (B, 1 + 80,
    F), a mask that is 1 where the spectrogram is given, and what it is there; absent when nothing is).
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width, frames = shape.width, shape.frames
        self.phones = nn.Embedding(len(PHONES) + 1, shape.phone)
        self.voice = nn.Linear(shape.voices, width, bias=False)
        self.speech_in = nn.Linear(frames * (2 * BANDS + 1), width)
        self.phones_in = nn.Sequential(
            nn.Linear(frames * (shape.phone + CHANNELS - 1), width), nn.SiLU(), nn.Linear(width, width)
        )
        self.time = TimeEmbedding(width)
        self.body = LocalTransformer(width, shape.depth, shape.heads, shape.hidden)
        self.speech_out = nn.Linear(width, frames * BANDS)
        nn.init.zeros_(self.speech_out.weight)
        nn.init.zeros_(self.speech_out.bias)

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        known = conditioning.get("known")
        given = known.value.to(x) if known else x.new_zeros(x.shape[0], 1 + x.shape[1], x.shape[2])
        told = conditioning["phones"].value
        phones = torch.cat([self.phones(told[:, 0].long()), told[:, 1:].transpose(1, 2).to(x)], -1)
        tokens = self.speech_in(self._tokens(torch.cat([x, given], 1).transpose(1, 2)))
        tokens = tokens + self.phones_in(self._tokens(phones))
        tokens = self.body(tokens, self.time(c_noise) + self.voice(conditioning["voice"].value.to(x)))
        return self.speech_out(tokens).unflatten(-1, (self.shape.frames, BANDS)).flatten(1, 2).transpose(1, 2)

    def _tokens(self, frames: Tensor) -> Tensor:
        """(B, F, C) to (B, F / frames, frames·C)."""
        return frames.unflatten(1, (-1, self.shape.frames)).flatten(2)


def conditions(aligned: Tensor, voice: Tensor, known: Tensor | None = None) -> Conditioning:
    """Frames' phones (B, 4, F), voices (B, voices), and what is given (B, 1 + 80, F), as conditioning."""
    found = {"phones": Condition(aligned, "channels"), "voice": Condition(voice, "global")}
    if known is not None:
        found["known"] = Condition(known, "channels")
    return Conditioning(found)
