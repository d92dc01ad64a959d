"""Shap-E (Jun & Nichol 2023, arXiv 2305.02463): shapes from a text or a picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gen.artifact import Artifact
from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import CheckpointStage, called, sampled, two_sides
from gen.checkpoints.text import ClipPrompts
from gen.checkpoints.vision import ClipPictures
from gen.diffusion import Condition, Conditioning
from gen.diffusion.denoiser import Network
from gen.errors import UsageError
from gen.model import Model, Task
from gen_mesh.families import defaults
from gen_mesh.families.codec import FieldCodec


@dataclass(frozen=True, kw_only=True, eq=False)
class ShapEOfText(CheckpointStage):
    """A transformer on the weights of implicit functions, conditioned by the vector of CLIP.

    Args:
        text: CLIP.
    """

    text: ClipPrompts

    def encode(self, task: Task) -> Conditioning:
        """The vectors of the prompts; zeros stand for no negative prompt."""
        prompt = self._vectors(task.prompts)
        negative = torch.zeros_like(prompt) if task.negatives is None else self._vectors(task.negatives)
        return two_sides(prompt=Condition(torch.cat([prompt, negative]), "global"))

    def _vectors(self, texts: Sequence[str]) -> Tensor:
        """(B, D) of length sqrt(D)."""
        ids, _ = self.text.tokenizer.batch(texts)
        vectors: Tensor = self.text.network(ids.to(self.text.network.tokens.weight.device)).pooled
        return nn.functional.normalize(vectors, dim=-1) * math.sqrt(vectors.shape[-1])


@dataclass(frozen=True, kw_only=True, eq=False)
class ShapEOfPicture(CheckpointStage):
    """The same, conditioned by what CLIP sees in the squares of a picture.

    Args:
        vision: Loads CLIP's encoder of pictures, which stays only while it is used.
    """

    vision: Callable[[], ClipPictures]

    def encode(self, task: Task) -> Conditioning:
        """The states of the squares; guidance leads away from zeros.

        Raises:
            UsageError: There is no picture.
        """
        picture = task.params.get("picture")
        if not isinstance(picture, Artifact):
            raise UsageError("this model makes a shape of a picture", "add `picture=FILE`")
        squares = self.vision().of(picture.arrays["pixels"]).hidden[-1][:, 1:]
        states = squares.expand(len(task.prompts), -1, -1)
        both = torch.cat([states, torch.zeros_like(states)])
        return two_sides(prompt=Condition(both, "cross_attention"))


def network(prior: nn.Module) -> Network:
    """The transformer as a network of the core, without the variance that it returns as well."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        output = prior(x, timestep=t, proj_embedding=conditioning["prompt"].value, return_dict=False)
        return output[0][..., : x.shape[-1]]

    return called(prior, call)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of Shap-E, from a text.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    return _model(parts, ShapEOfText(**_sampled(parts), text=parts.clip()))


def load_of_picture(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of Shap-E, from a picture.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    vision = partial(parts.clip_vision, "image_processor")
    return _model(parts, ShapEOfPicture(**_sampled(parts), vision=vision))


def _sampled(parts: Parts) -> dict[str, Any]:
    return {**sampled(parts.schedule()), "network": network(parts.network("prior"))}


def _model(parts: Parts, stage: CheckpointStage) -> Model:
    config = parts.checkpoint["prior"].config
    rows, width = whole(config, "num_embeddings", 1024), whole(config, "embedding_dim", 1024)
    codec = FieldCodec(parts.autoencoder("shap_e_renderer"), rows, width)
    return parts.model("mesh", stage, codec, defaults.shap_e)
