"""Training on from a model: its codec and matte stay, and its denoiser is what the new one begins as."""

from __future__ import annotations

from gen.train import further
from gen_video.autoencoder import Autoencoder
from gen_video.denoiser import ClipTransformer, Shape
from gen_video.model import SUBWORDS_ARCHITECTURE


class Start(further.Start):
    """A model to train on, which reads subwords."""

    architecture = SUBWORDS_ARCHITECTURE

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
        network.load_state_dict(self.weights)
        return network
