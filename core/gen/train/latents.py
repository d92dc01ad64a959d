"""A bank of latents with several captions each, so that a denoiser's loop trains nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from gen.atomic import atomic_file
from gen.errors import ModelError
from gen.nn import Subwords, WordRows
from gen.words import word_table

CHUNK = 1024


@dataclass(frozen=True, eq=False)
class LatentBank:
    """Latents and what is said of them.

    Args:
        latents: (N, C, ...) float16, standardised per channel.
        ids: (N, captions, L) int16 subwords or rows of words, 0 where a caption has ended.
        mean, std: (C,) float32: what the latents were standardised by.
        vocabulary: Of the captions.
        kinds: Kind to its rows, a range; empty where there is one kind.
    """

    latents: Tensor
    ids: Tensor
    mean: Tensor
    std: Tensor
    vocabulary: Subwords | WordRows
    kinds: Mapping[str, range] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        latents: Tensor,
        captions: Sequence[str],
        vocabulary: Subwords | WordRows,
        length: int,
        kinds: Mapping[str, range] | None = None,
        scale: tuple[Tensor, Tensor] | None = None,
    ) -> LatentBank:
        """Standardise latents, and write captions in a vocabulary.

        Args:
            latents: (N, C, ...) as the codec gives them. Those in float16 are overwritten: they may fill half
                of the memory.
            captions: Equally many of every item, item by item.
            vocabulary: Of at most 32,767 subwords or words.
            length: Longest caption in them.
            kinds: As of the bank.
            scale: Mean and standard deviation (C,) to standardise by; None for those of the latents.
        """
        parts = latents.split(CHUNK)
        mean, std = scale or _statistics(latents)
        standard = latents.half()
        for into, part in zip(standard.split(CHUNK), parts, strict=True):
            into.copy_((part - _by_channel(mean, part)) / _by_channel(std, part))
        ids = vocabulary.batch(captions, length)[0].view(len(latents), -1, length).to(torch.int16)
        return cls(standard.contiguous(), ids, mean.float(), std.float(), vocabulary, kinds or {})

    @classmethod
    def load(cls, path: Path) -> LatentBank:
        """Read what ``save`` wrote.

        Raises:
            ModelError: Its captions are in words of another table.
        """
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in ("latents", "ids", "mean", "std")}
        kinds = {kind: range(*bounds) for kind, bounds in json.loads(metadata.get("kinds", "{}")).items()}
        if "subwords" in metadata:
            return cls(**tensors, vocabulary=Subwords(metadata["subwords"]), kinds=kinds)
        words = WordRows()
        if metadata["words"] != words.digest:
            raise ModelError(f"{path} is of another table of words", "delete it to build it again")
        return cls(**tensors, vocabulary=words, kinds=kinds)

    @classmethod
    def load_or_build(cls, path: Path, build: Callable[[], LatentBank]) -> LatentBank:
        """Read the bank at ``path``, a ``.safetensors`` file; where there is none, build and write it."""
        if path.exists():
            return cls.load(path)
        bank = build()
        bank.save(path)
        return bank

    def save(self, path: Path) -> None:
        """Write a ``.safetensors`` file; a crash leaves none."""
        tensors = {"latents": self.latents, "ids": self.ids, "mean": self.mean, "std": self.std}
        if isinstance(self.vocabulary, WordRows):
            metadata = {"words": self.vocabulary.digest}
        else:
            metadata = {"subwords": self.vocabulary.to_json()}
        if self.kinds:
            metadata["kinds"] = json.dumps({kind: [of.start, of.stop] for kind, of in self.kinds.items()})
        with atomic_file(path, overwrite=True) as file:
            file.write(serialise(tensors, metadata))

    def draw(
        self, count: int, generator: torch.Generator, shares: Mapping[str, float] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw items with one caption each; see ``draw_rows`` and ``described``."""
        return self.described(self.draw_rows(count, generator, shares), generator)

    def draw_rows(
        self, count: int, generator: torch.Generator, shares: Mapping[str, float] | None = None
    ) -> Tensor:
        """Draw items: their rows (B,).

        Args:
            count: Number of items B.
            generator: Source of randomness.
            shares: Kind to its share of the draws, which add up to 1; None where all items are drawn alike.
        """
        if shares is None:
            return torch.randint(len(self.latents), (count,), generator=generator)
        weights = torch.tensor(list(shares.values()))
        drawn = torch.multinomial(weights, count, True, generator=generator)
        starts = torch.tensor([self.kinds[kind].start for kind in shares])[drawn]
        sizes = torch.tensor([len(self.kinds[kind]) for kind in shares])[drawn]
        return starts + (torch.rand(count, generator=generator) * sizes).long()

    def described(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Items by their rows (B,), with one caption each that is drawn.

        Returns:
            Latents (B, C, ...) float32, and subword ids (B, L) int64.
        """
        captions = torch.randint(self.ids.shape[1], (len(rows),), generator=generator)
        return self.latents[rows].float(), self.ids[rows, captions].long()

    @property
    def subwords(self) -> Subwords:
        """The vocabulary of a bank whose captions are in subwords.

        Raises:
            TypeError: They are in words of the shared table.
        """
        if isinstance(self.vocabulary, WordRows):
            raise TypeError("the captions are in words of the shared table")
        return self.vocabulary

    @property
    def words(self) -> frozenset[str]:
        """The words of captions in words of the shared table, as a ``PromptEncoder`` takes them."""
        names = word_table().names
        return frozenset(names[row] for row in self.ids.unique().tolist() if row)

    @property
    def scale(self) -> dict[str, Tensor]:
        """What ``ModelFile.latent_scale`` reads: how a model file names ``mean`` and ``std``."""
        return {"latents.mean": self.mean, "latents.std": self.std}

    def restored(self, latents: Tensor) -> Tensor:
        """Standardised latents (B, C, ...) on the codec's scale."""
        return latents * _by_channel(self.std, latents) + _by_channel(self.mean, latents)


def _statistics(latents: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (C,) float64 of latents (N, C, ...)."""
    axes = [0, *range(2, latents.ndim)]
    count = latents[:, 0].numel()
    parts = latents.split(CHUNK)
    mean = torch.stack([part.sum(axes, dtype=torch.float64) for part in parts]).sum(0) / count
    errors = [(part - _by_channel(mean, part)).square().sum(axes) for part in parts]
    return mean, (torch.stack(errors).sum(0) / (count - 1)).sqrt()


def _by_channel(values: Tensor, latents: Tensor) -> Tensor:
    """One number per channel (C,), as it meets latents (N, C, ...)."""
    return values.view(-1, *[1] * (latents.ndim - 2))
