"""The model: words to a condition, a network, and curves to states of shape (1, LENGTH) and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from gen.artifact import Artifact
from gen.diffusion import Condition, Conditioning, RectifiedFlow, Velocity
from gen.errors import UsageError
from gen.model import Model, ModelFile, Task

LENGTH = 32
WORDS = ("rising", "falling", "wave", "hill")
"""The words that the model knows; 0 is the number of the empty prompt."""


class Network(nn.Module):
    """(x (B, 1, LENGTH), c_noise (B,), conditioning) -> velocity of the same shape."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(len(WORDS) + 1, 32)
        self.layers = nn.Sequential(
            nn.Linear(3 * LENGTH + 33, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, LENGTH)
        )

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        word = self.words(conditioning["word"].value[:, 0])
        # A mask, 1 where the curve is given, and the curve there: what --init with --mask keeps.
        known = (
            conditioning["known"].value if "known" in conditioning else torch.zeros_like(x).repeat(1, 2, 1)
        )
        seen = torch.cat([x, known], 1).flatten(1)
        output: Tensor = self.layers(torch.cat([seen, word, c_noise[:, None].to(x)], 1))
        return output[:, None]


class Encoder:
    """Prompts to the number of the first word that is known."""

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:
        """The condition ``word``, (B, 1). The empty prompt is the unconditional case of guidance."""
        numbers = [
            [next((WORDS.index(w) + 1 for w in _words(prompt) if w in WORDS), 0)] for prompt in prompts
        ]
        return Conditioning({"word": Condition(torch.tensor(numbers), "global")})

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Words that are left out."""
        return tuple(word for word in _words(prompt) if word not in (*WORDS, "a", "curve"))

    def suggestions(self, prompt: str, count: int) -> tuple[str, ...]:
        """Words that are known."""
        return WORDS[:count]


@dataclass(frozen=True)
class Codec:
    """Curves as states; a state is a curve divided by its scale."""

    def shape(self, task: Task) -> tuple[int, ...]:
        """(1, LENGTH)."""
        return (1, LENGTH)

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> Tensor:
        """Curves of LENGTH values as states (B, 1, LENGTH); ``--init`` works by it.

        Raises:
            UsageError: A curve of another length.
        """
        for artifact in artifacts:
            if artifact.arrays["values"].shape != (LENGTH,):
                raise UsageError(f"a curve needs {LENGTH} values")
        curves = torch.from_numpy(np.stack([artifact.arrays["values"] for artifact in artifacts]))
        return curves[:, None] / float(str(task.params["scale"]))

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        """States (B, 1, LENGTH) as curves."""
        curves = (state[:, 0] * float(str(task.params["scale"]))).cpu().numpy()
        return [Artifact("example", {"values": curve}) for curve in curves]

    def mask(self, mask: Artifact, task: Task) -> Tensor:
        """1 where the curve is kept: where the mask is 0. ``--mask`` works by it."""
        return torch.from_numpy(mask.arrays["values"] < 0.5).float()[None, None]


def load(file: ModelFile, device: str, dtype: str) -> Model:
    """Make the model of a file."""
    with file.fitting():
        network = file.module(Network, "network.", device, dtype)
        return file.model(
            process=RectifiedFlow(),
            parameterization=Velocity(),
            network=network,
            encoder=Encoder(),
            codec=Codec(),
        )


def _words(prompt: str) -> list[str]:
    return prompt.lower().split()
