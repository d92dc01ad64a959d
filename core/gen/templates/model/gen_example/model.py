"""The model: words to a condition, a convolutional network on pixels, and pictures to states and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, one_hot

from gen.artifact import Artifact
from gen.diffusion import Condition, Conditioning, RectifiedFlow, Sample
from gen.model import Model, ModelFile, Task

SIDE = 16
WORDS = ("red", "green", "blue", "yellow")


class Network(nn.Module):
    """(x (B, 3, SIDE, SIDE), c_noise (B,), conditioning) -> x0 of the same shape."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3 + 4 + 1 + len(WORDS), 32, 5, padding=2),
            nn.SiLU(),
            nn.Conv2d(32, 32, 5, padding=2),
            nn.SiLU(),
            nn.Conv2d(32, 3, 5, padding=2),
        )

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        size = x.shape[2:]
        known = conditioning["known"].value if "known" in conditioning else x.new_zeros(len(x), 4, *size)
        word = conditioning["word"].value.to(x)[:, :, None, None].expand(-1, -1, *size)
        time = c_noise.to(x)[:, None, None, None].expand(-1, 1, *size)
        output: Tensor = self.layers(torch.cat([x, known, time, word], 1))
        return output


class Encoder:
    """Prompts to the colours that they name."""

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:
        """The condition ``word``, (B, len(WORDS)): 1 for each colour that is named."""
        named = [[float(word in prompt.lower().split()) for word in WORDS] for prompt in prompts]
        return Conditioning({"word": Condition(torch.tensor(named), "global")})

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Words that are left out."""
        return tuple(word for word in prompt.lower().split() if word not in (*WORDS, "a", "field"))

    def suggestions(self, prompt: str, count: int) -> tuple[str, ...]:
        """Words that are known."""
        return WORDS[:count]


@dataclass(frozen=True)
class Codec:
    """Pictures of any size as states of SIDE x SIDE pixels in [-1, 1]."""

    def shape(self, task: Task) -> tuple[int, ...]:
        """(3, SIDE, SIDE)."""
        return (3, SIDE, SIDE)

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> Tensor:
        """Pictures as states (B, 3, SIDE, SIDE); ``--init`` works by it."""
        return torch.cat([_pooled(artifact) for artifact in artifacts]) * 2 - 1

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        """States as pictures of the width and height asked for."""
        size = int(str(task.params["height"])), int(str(task.params["width"]))
        pixels = ((interpolate(state, size, mode="bilinear") + 1) / 2).clamp(0, 1)
        return [Artifact("image", {"pixels": picture}) for picture in pixels.movedim(1, -1).cpu().numpy()]

    def mask(self, mask: Artifact, task: Task) -> Tensor:
        """1 where the picture is kept: where the mask is dark. ``--mask`` works by it."""
        return (_pooled(mask).mean(1, keepdim=True) < 0.5).float()


def load(file: ModelFile, device: str, dtype: str) -> Model:
    """Make the model of a file."""
    with file.fitting():
        return file.model(
            process=RectifiedFlow(),
            parameterization=Sample(),
            network=file.module(Network, "network.", device, dtype),
            encoder=Encoder(),
            codec=Codec(),
        )


def draw(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """What the model learns: fields (B, 3, SIDE, SIDE) in [-1, 1], and their words (B, len(WORDS)).

    A field is of one colour, darker towards one side.
    """
    colours = torch.tensor([[1.0, -0.8, -0.8], [-0.8, 0.8, -0.8], [-0.8, -0.6, 1.0], [1.0, 0.9, -0.8]])
    words = torch.randint(len(WORDS), (count,), generator=generator)
    angle = 2 * torch.pi * torch.rand(count, 1, 1, generator=generator)
    place = torch.linspace(-1, 1, SIDE)
    slope = torch.cos(angle) * place[:, None] + torch.sin(angle) * place
    light = (0.75 + 0.25 * slope)[:, None]
    fields = (colours[words][:, :, None, None] + 1) * light - 1
    return fields.clamp(-1, 1), one_hot(words, len(WORDS)).float()


def _pooled(artifact: Artifact) -> Tensor:
    """A picture's colours (1, 3, SIDE, SIDE) in [0, 1]."""
    pixels = torch.from_numpy(artifact.arrays["pixels"]).permute(2, 0, 1)[None, :3]
    return adaptive_avg_pool2d(pixels, SIDE).expand(1, 3, -1, -1)
