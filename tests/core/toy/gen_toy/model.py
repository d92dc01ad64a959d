"""The toy's model: words to colours, colours to pictures."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.diffusion import Condition, Conditioning, RectifiedFlow, Sample
from gen.errors import GenWarning, UsageError
from gen.evaluation import Trial
from gen.model import Model, ModelFile, Task


class Words:
    """Each known word is a colour; a prompt is their mean."""

    def __init__(self, names: Sequence[str], colours: Tensor) -> None:
        self.colours = dict(zip(names, colours, strict=True))

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:
        sign = -1.0 if params["invert"] else 1.0
        return Conditioning(
            {"colour": Condition(torch.stack([sign * self._mean(p) for p in prompts]), "global")}
        )

    def _mean(self, prompt: str) -> Tensor:
        found = [self.colours[word] for word in prompt.split() if word in self.colours]
        return torch.stack(found).mean(0) if found else torch.zeros(3)

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        return tuple(word for word in prompt.split() if word not in self.colours)

    def suggestions(self, _prompt: str, count: int) -> tuple[str, ...]:
        return tuple(self.colours)[:count]


class Pixels:
    """States (3, H, W) in [-1, 1] are the pixels themselves."""

    def shape(self, task: Task) -> tuple[int, ...]:
        width, height = task.params["width"], task.params["height"]
        if width == height == 64:
            raise UsageError("this model makes nothing of 64 x 64")
        return (3, height, width)

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> Tensor:
        for artifact in artifacts:
            _fits("the input", artifact, task.params)
        return self._states(artifacts)

    def _states(self, artifacts: Sequence[Artifact]) -> Tensor:
        pixels = torch.stack([torch.from_numpy(item.arrays["pixels"][..., :3]) for item in artifacts])
        return pixels.permute(0, 3, 1, 2) * 2 - 1

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        pixels = (state.permute(0, 2, 3, 1) / 2 + 0.5).clamp(0, 1) * task.params["gain"]
        return [Artifact("image", {"pixels": np.ascontiguousarray(item.numpy())}) for item in pixels]

    def given(self, task: Task) -> tuple[Tensor, Tensor] | None:
        if "left" not in task.params:
            return None
        left = self._states([task.params["left"]])
        keep, known = torch.zeros(1, 1, *self.shape(task)[1:]), torch.zeros(1, *self.shape(task))
        if left.shape[2] != known.shape[2] or left.shape[3] > known.shape[3]:
            raise UsageError(f"left does not fit: it is {left.shape[3]} x {left.shape[2]}")
        keep[..., : left.shape[3]], known[..., : left.shape[3]] = 1, left
        return keep, known

    def mask(self, mask: Artifact, task: Task) -> Tensor:
        _fits("the mask", mask, task.params)
        return 1 - torch.from_numpy(mask.arrays["pixels"][None, None, ..., 0])


def _fits(what: str, artifact: Artifact, params: Mapping[str, object]) -> None:
    width, height = artifact.sizes["width"], artifact.sizes["height"]
    if (width, height) != (params["width"], params["height"]):
        raise UsageError(f"{what} is {width} x {height}, not {params['width']} x {params['height']}")


def network(x: Tensor, _c_noise: Tensor, conditioning: Mapping[str, Condition]) -> Tensor:
    """x0 is the colour with a trace of the noise; what is known is copied."""
    if os.environ.get("TOY_FAILS"):
        raise RuntimeError(os.environ["TOY_FAILS"])
    print("toy: a plugin that talks", flush=True)
    if os.environ.get("TOY_WARNS"):
        category = GenWarning if "TOY_WARNING_IS_OURS" in os.environ else DeprecationWarning
        warnings.warn(os.environ["TOY_WARNS"], category, stacklevel=1)
    time.sleep(float(os.environ.get("TOY_SECONDS", "0")))
    x0 = conditioning["colour"].value[:, :, None, None] + 0.1 * torch.tanh(x)
    if os.environ.get("TOY_NAN"):
        x0 = x0 * float("nan")
    if "known" in conditioning:
        keep, kept = conditioning["known"].value[:, :1], conditioning["known"].value[:, 1:]
        x0 = torch.where(keep > 0.5, kept, x0)
    return x0


def load(file: ModelFile, device: str, dtype: str) -> Model:
    """Make the model of a file."""
    tensors = file.tensors(device, getattr(torch, dtype))
    return file.model(
        process=RectifiedFlow(),
        parameterization=Sample(),
        network=network,
        encoder=Words(file.config["words"], tensors["colours"].float()),
        codec=Pixels(),
    )


def evaluate(trial: Trial) -> dict[str, object]:
    """How many reds are red."""
    prompts = ["red"] * (1200 if trial.samples is None else trial.samples)
    made = trial.draw(prompts, range(len(prompts)))
    means = [float(one.arrays["pixels"][..., 0].mean()) for one in made]
    trial.report(f"measured {trial.model.name}")
    return {"red": sum(mean > 0.7 for mean in means), "of": len(means)}
