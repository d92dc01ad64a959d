"""The denoiser's network: a transformer over few wide tokens of sound, with the text in its context."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen.diffusion import Conditioning
from gen.nn import TextTransformer, TextTransformerShape


@dataclass(frozen=True)
class Shape(TextTransformerShape):
    """Sizes of a ``SoundTransformer``.

    Args:
        channels: Numbers per token of sound.
        tokens: Most tokens of sound at once: 27 are 5.02 s.
        score: Numbers of the score per token, see ``gen_audio.score``; 0 where it reads none.
    """

    width: int = 256
    depth: int = 6
    heads: int = 4
    hidden: int = 512
    length: int = 20
    channels: int = 128
    tokens: int = 27
    score: int = 0


class SoundTransformer(TextTransformer[Shape]):
    """(x (B, C, T), c_noise (B,), conditioning) -> F of the same shape, T at most ``shape.tokens``.

    Beside the conditions of ``TextTransformer``: ``score`` (route "channels", (B, ``shape.score``, T)), the
    notes of music. One of zeros says no more than none.
    """

    def add_input(self) -> None:
        self.position = nn.Parameter(0.02 * torch.randn(self.shape.tokens, self.shape.width))
        self.sound_in = nn.Linear(2 * self.shape.channels + 1, self.shape.width)
        if self.shape.score:
            # It starts at zero: a network that has learned to do without may learn to read scores.
            self.score_in = nn.Linear(self.shape.score, self.shape.width, bias=False)
            nn.init.zeros_(self.score_in.weight)

    def add_output(self) -> nn.Linear:
        self.sound_out = nn.Linear(self.shape.width, self.shape.channels)
        return self.sound_out

    def read_state(self, x: Tensor, conditioning: Conditioning) -> Tensor:
        tokens = super().read_state(x, conditioning)
        score = conditioning.get("score")
        return tokens + self.score_in(score.value.to(x).transpose(1, 2)) if score else tokens

    def tokens(self, x: Tensor) -> Tensor:
        return self.sound_in(x.transpose(1, 2)) + self.position[: x.shape[2]]

    def state(self, tokens: Tensor) -> Tensor:
        return self.sound_out(tokens).transpose(1, 2)
