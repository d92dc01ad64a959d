"""Training on from a model: its codec stays, and its denoiser is what the new one begins as."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.model import ModelFile
from gen.nn import Subwords
from gen.nn.word_encoder import WordEncoder
from gen.train import LatentBank, Settings, Stage, Task, block_matrix
from gen.words import word_table
from gen_image.autoencoder import Autoencoder
from gen_image.denoiser import Shape, WordSceneTransformer
from gen_image.model import SUBWORDS_ARCHITECTURE, WORDS_ARCHITECTURE


@dataclass(frozen=True, eq=False)
class Start:
    """A model to train on.

    Args:
        path: Of its file, of either architecture.
    """

    path: Path

    @property
    def reads_words(self) -> bool:
        """Whether its denoiser reads the shared table of words; else it reads subwords."""
        architecture = self._file.require_architecture(SUBWORDS_ARCHITECTURE, WORDS_ARCHITECTURE)
        return architecture == WORDS_ARCHITECTURE

    @property
    def shape(self) -> Shape:
        """Sizes of the network that is trained."""
        return dataclasses.replace(Shape(**self._file.sizes("shape")), vocabulary=0)

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

    def denoiser(self, words: nn.Module | None) -> WordSceneTransformer:
        """A network that begins with its weights.

        Args:
            words: The ``WordEncoder``, where the model reads subwords; None where it has one itself.
        """
        network = WordSceneTransformer(self.shape)
        tensors = self._file.tensors(dtype=torch.float32, prefix="denoiser.")
        if words is not None:
            tensors = {key: value for key, value in tensors.items() if key not in SUBWORDS}
            tensors |= {f"words.{key}": value for key, value in words.state_dict().items()}
        network.load_state_dict(tensors)
        return network

    def words_stage(self, settings: Settings, batch: int, bank: Callable[[], LatentBank]) -> Stage:
        """The stage that trains a ``WordEncoder`` to give what the model's subwords gave for the same words.

        So the denoiser's weights are of use from its first step. Words that the model's captions lacked are
        left out.

        Args:
            settings: How it is optimised.
            batch: Captions per step.
            bank: Gives the captions.
        """

        def start(_: Mapping[str, nn.Module], device: torch.device) -> Task:
            kept, shape = bank(), self.shape
            vectors, known = (each.to(device) for each in self._subword_vectors())
            places = self._file.tensors(dtype=torch.float32, prefix="denoiser.")["text_position"].to(device)

            def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
                rows = kept.draw(batch, generator)[1].to(device)
                rows = rows[:, : max(1, int((rows != 0).sum(1).max()))]
                counted = known[rows]
                wanted = vectors[rows] * counted[..., None]
                mean = wanted.sum(1) / counted.sum(1, keepdim=True).clamp(min=1)
                tokens, _ = module(rows)
                words = functional.mse_loss(tokens[:, 1:], wanted + places[: rows.shape[1]], reduction="none")
                whole = functional.mse_loss(tokens[:, 0], mean, reduction="none")
                return words[counted].mean() + whole[counted.any(1)].mean()

            module = WordEncoder(shape.width, shape.heads, shape.length)
            # Tokens begin as long as subwords were: a norm learns its scale slowly.
            nn.init.constant_(module.norm.weight, float(vectors[known].square().mean().sqrt()))
            return Task(module=module, loss=loss, matrix=block_matrix)

        return Stage(name="words", settings=settings, start=start)

    def _subword_vectors(self) -> tuple[Tensor, Tensor]:
        """The mean of each word's subwords (N, width), and whether the model's captions held the word."""
        subwords = Subwords(str(self._file.config["subwords"]))
        held = frozenset(str(self._file.config["words"]).split())
        embedding = self._file.tensors(dtype=torch.float32, prefix="denoiser.")["subwords.weight"]
        names = word_table().names
        vectors = torch.zeros(len(names), embedding.shape[1])
        known = torch.zeros(len(names), dtype=torch.bool)
        for row, name in enumerate(names):
            words = name.split()
            if row and words and held.issuperset(words):
                vectors[row] = embedding[torch.tensor(subwords.ids(name))].mean(0)
                known[row] = True
        return vectors, known

    @property
    def _file(self) -> ModelFile:
        return ModelFile(self.path)


SUBWORDS = ("subwords.weight", "text_position")
"""Parameters of a network that reads subwords, which one that reads words lacks."""
