"""Training on from a model: its codec and matte stay, and its denoiser is what the new one begins as."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from gen.model import ModelFile
from gen.nn import Subwords
from gen_video.autoencoder import Autoencoder
from gen_video.denoiser import ClipTransformer, Shape
from gen_video.model import SUBWORDS_ARCHITECTURE


@dataclass(frozen=True, eq=False)
class Start:
    """A model to train on, which reads subwords.

    Args:
        path: Of its file.
    """

    path: Path

    @cached_property
    def file(self) -> ModelFile:
        """Its file."""
        file = ModelFile(self.path)
        file.require_architecture(SUBWORDS_ARCHITECTURE)
        return file

    @property
    def subwords(self) -> Subwords:
        """Of its captions."""
        return Subwords(str(self.file.config["subwords"]))

    @property
    def scale(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (C,) of its states."""
        mean, std = self.file.latent_scale("cpu", dimensions=1)
        return mean.flatten(), std.flatten()

    def codec(self) -> Autoencoder:
        """Its codec."""
        return self.file.module(Autoencoder, "codec.", "cpu", "float32")

    @property
    def shape(self) -> Shape:
        """Sizes of its denoiser."""
        return Shape(**self.file.sizes("shape"))

    def denoiser(self) -> ClipTransformer:
        """A network with the weights of its denoiser."""
        network = ClipTransformer(self.shape)
        network.load_state_dict(self.file.tensors(dtype=torch.float32, prefix="denoiser."))
        return network
