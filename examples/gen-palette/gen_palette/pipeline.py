"""The model of palettes: words to five colours each, and five colours to a striped picture.

There is nothing to train: the colours of a mood are normally distributed about those in the table, and for
normal data the best denoiser is known in closed form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from gen.artifact import Artifact
from gen.diffusion import Condition, Conditioning, RectifiedFlow, Sample
from gen.model import Model, ModelFile, Task

STRIPES = 5
SPREAD = 0.12
"""Standard deviation of the colours, in the units of the state."""


class Words:
    """Prompts to mean colours (B, 3 * STRIPES): the average over the words that are known.

    Args:
        moods: Mean colours (3, STRIPES) in [-1, 1] by word.
    """

    def __init__(self, moods: Mapping[str, Tensor]) -> None:
        self.moods = moods

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:  # noqa: ARG002
        """The condition ``mood``."""
        means = torch.stack([self._mean(prompt) for prompt in prompts])
        return Conditioning({"mood": Condition(means.flatten(1), "global")})

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Words that stand for no colours."""
        return tuple(word for word in prompt.lower().split() if word not in self.moods)

    def suggestions(self, prompt: str, count: int) -> tuple[str, ...]:  # noqa: ARG002
        """Words that do."""
        return tuple(self.moods)[:count]

    def _mean(self, prompt: str) -> Tensor:
        known = [self.moods[word] for word in prompt.lower().split() if word in self.moods]
        return torch.stack(known or list(self.moods.values())).mean(0)


class Stripes:
    """Pictures with STRIPES vertical stripes; the state (3, STRIPES) holds their colours in [-1, 1]."""

    def shape(self, task: Task) -> tuple[int, ...]:  # noqa: ARG002
        """(3, STRIPES), whatever the size of the picture."""
        return (3, STRIPES)

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> Tensor:  # noqa: ARG002
        """Mean colours of the stripes of any pictures: (B, 3, STRIPES)."""
        return torch.stack([_pooled(artifact) for artifact in artifacts]) * 2 - 1

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        """Striped pictures of the size asked for."""
        width, height = int(str(task.params["width"])), int(str(task.params["height"]))
        stripe = np.arange(width) * STRIPES // width
        colours = ((state + 1) / 2).clamp(0, 1).cpu().numpy()
        rows = [item.T[stripe][None] for item in colours]
        return [Artifact("image", {"pixels": np.repeat(row, height, axis=0)}) for row in rows]

    def mask(self, mask: Artifact, task: Task) -> Tensor:  # noqa: ARG002
        """1 where a stripe is kept: where the mask is dark."""
        return (_pooled(mask).mean(0) < 0.5).float()[None, None]


def denoise(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
    """The expected colours, given noisy ones: E[x0 | x] of normal data, x = (1 - t) x0 + t eps.

    Args:
        x: Noisy colours (B, 3, STRIPES).
        t: Times (B,).
        conditioning: ``mood``, and ``known`` where some stripes are given.

    Returns:
        mean + a s² / (a² s² + t²) (x - a mean) with a = 1 - t and s = SPREAD.
    """
    mean, time = conditioning["mood"].value.view_as(x), t.view(-1, 1, 1)
    alpha, variance = 1 - time, SPREAD**2
    x0 = mean + alpha * variance / (alpha**2 * variance + time**2) * (x - alpha * mean)
    if "known" in conditioning:
        keep, known = conditioning["known"].value.split([1, 3], dim=1)
        x0 = torch.where(keep > 0, known, x0)
    return x0


def load(file: ModelFile, device: str, dtype: str) -> Model:  # noqa: ARG001
    """Make the model of a file. The arithmetic is so small that it stays in float32."""
    return file.model(
        process=RectifiedFlow(),
        parameterization=Sample(),
        network=denoise,
        encoder=Words(file.tensors("cpu")),
        codec=Stripes(),
    )


def _pooled(artifact: Artifact) -> Tensor:
    """Mean colours (3, STRIPES) in [0, 1] of a picture's stripes."""
    pixels = torch.from_numpy(artifact.arrays["pixels"]).permute(2, 0, 1)
    return adaptive_avg_pool2d(pixels[:3], (1, STRIPES)).expand(3, 1, STRIPES)[:, 0]
