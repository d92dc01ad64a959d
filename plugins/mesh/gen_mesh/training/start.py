"""Training on from a model: its codec stays, and its denoiser is what the new one begins as."""

from __future__ import annotations

from gen.train import further
from gen_mesh.autoencoder import Autoencoder
from gen_mesh.denoiser import Shape, WordShapeTransformer
from gen_mesh.model import WORDS_ARCHITECTURE


class Start(further.Start):
    """A model to train on, which reads the shared table of words."""

    architecture = WORDS_ARCHITECTURE

    @property
    def shape(self) -> Shape:
        """Sizes of its denoiser."""
        return Shape(**self.file.sizes("shape"))

    def codec(self) -> Autoencoder:
        """Its codec."""
        return self.file.module(lambda: Autoencoder(self.shape.channels), "codec.", "cpu", "float32")

    def denoiser(self) -> WordShapeTransformer:
        """A network with the weights of its denoiser."""
        network = WordShapeTransformer(self.shape)
        network.load_state_dict(self.weights)
        return network
