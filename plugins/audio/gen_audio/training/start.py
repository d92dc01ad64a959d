"""Training on from a model: its codec and vocoder stay, and its denoiser is what the new one begins as."""

from __future__ import annotations

import dataclasses

from gen.train import further
from gen_audio import score
from gen_audio.autoencoder import Autoencoder, CodecShape
from gen_audio.denoiser import Shape, SoundTransformer
from gen_audio.model import ARCHITECTURE


class Start(further.Start):
    """A model to train on."""

    architecture = ARCHITECTURE

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
        network.load_state_dict({**network.state_dict(), **self.weights})
        return network
