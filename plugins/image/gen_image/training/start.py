"""Training on from a model: its codec stays, and its denoiser is what the new one begins as."""

from __future__ import annotations

from gen.train import further
from gen_image.autoencoder import Autoencoder
from gen_image.denoiser import Shape, WordSceneTransformer
from gen_image.model import WORDS_ARCHITECTURE


class Start(further.Start):
    """A model to train on, which reads the shared table of words."""

    architecture = WORDS_ARCHITECTURE

    @property
    def shape(self) -> Shape:
        """Sizes of the network that is trained."""
        return Shape(**self.file.sizes("shape"))

    def codec(self) -> Autoencoder:
        """Its codec."""
        return self.file.module(lambda: Autoencoder(self.shape.channels), "codec.", "cpu", "float32")

    def denoiser(self) -> WordSceneTransformer:
        """A network that begins with its weights."""
        network = WordSceneTransformer(self.shape)
        network.load_state_dict(self.weights)
        return network
