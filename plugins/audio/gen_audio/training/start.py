"""Training on from a model: its codec and vocoder stay, and its denoiser is what the new one begins as."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from gen.model import ModelFile
from gen.nn import Subwords
from gen_audio import score
from gen_audio.autoencoder import Autoencoder, CodecShape
from gen_audio.denoiser import Shape, SoundTransformer
from gen_audio.model import ARCHITECTURE


@dataclass(frozen=True, eq=False)
class Start:
    """A model to train on.

    Args:
        path: Of its file.
    """

    path: Path

    @cached_property
    def file(self) -> ModelFile:
        """Its file."""
        file = ModelFile(self.path)
        file.require_architecture(ARCHITECTURE)
        return file

    @property
    def subwords(self) -> Subwords:
        """Of its captions."""
        return Subwords(str(self.file.config["subwords"]))

    @property
    def scale(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (C,) of its latents."""
        mean, std = self.file.latent_scale("cpu", dimensions=1)
        return mean.flatten(), std.flatten()

    @property
    def shape(self) -> Shape:
        """Sizes of the network that is trained: it reads scores."""
        return dataclasses.replace(Shape(**self.file.sizes("shape")), score=score.SIZE)

    def codec(self) -> Autoencoder:
        """Its codec."""
        shape = CodecShape(**self.file.sizes("codec"))
        return self.file.module(lambda: Autoencoder(shape), "codec.", "cpu", "float32")

    def denoiser(self) -> SoundTransformer:
        """A network that begins with its weights, whether it reads scores or not."""
        network = SoundTransformer(self.shape)
        tensors = self.file.tensors(dtype=torch.float32, prefix="denoiser.")
        network.load_state_dict({**network.state_dict(), **tensors})
        return network
