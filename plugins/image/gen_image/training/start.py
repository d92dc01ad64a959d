"""Training on from a model: its codec stays, and its denoiser is what the new one begins as."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gen.model import ModelFile
from gen_image.autoencoder import Autoencoder
from gen_image.denoiser import Shape, WordSceneTransformer
from gen_image.model import WORDS_ARCHITECTURE


@dataclass(frozen=True, eq=False)
class Start:
    """A model to train on.

    Args:
        path: Of its file, which reads the shared table of words.
    """

    path: Path

    @property
    def shape(self) -> Shape:
        """Sizes of the network that is trained."""
        return Shape(**self._file.sizes("shape"))

    @property
    def sha256(self) -> str:
        """Of the file."""
        return self._file.sha256

    @property
    def scale(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (C,) of its latents."""
        mean, std = self._file.latent_scale("cpu", dimensions=2)
        return mean.flatten(), std.flatten()

    def codec(self) -> Autoencoder:
        """Its codec."""
        return self._file.module(lambda: Autoencoder(self.shape.channels), "codec.", "cpu", "float32")

    def denoiser(self) -> WordSceneTransformer:
        """A network that begins with its weights."""
        network = WordSceneTransformer(self.shape)
        network.load_state_dict(self._file.tensors(dtype=torch.float32, prefix="denoiser."))
        return network

    @property
    def _file(self) -> ModelFile:
        file = ModelFile(self.path)
        file.require_architecture(WORDS_ARCHITECTURE)
        return file
