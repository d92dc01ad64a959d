"""What whole texts mean: vectors in which the word that a phrase is about counts most.

The table of words knows each word by itself. Here a small network reads them together: "a bride in a white
dress" is near to a bride, "cow giving milk" to a cow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gen.words.stored import stored

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from gen.words.sentence_network import SentenceNetwork

FILE = Path(__file__).parent / "sentences.safetensors"
BATCH = 256


@dataclass(frozen=True, eq=False)
class Sentences:
    """The network of sentences, and the names whose vectors are known.

    Args:
        network: Word pieces to vectors.
        split: Texts to word pieces.
        names: Text to a row of ``vectors``.
        vectors: (N, D) float32 of unit length; those of things that phrases were written for are learned
            from them.
    """

    network: SentenceNetwork
    split: Tokenizer
    names: dict[str, int]
    vectors: np.ndarray

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors (N, D) float32 of unit length; N may be 0."""
        found = np.empty((len(texts), self.vectors.shape[1]), np.float32)
        rows = [self.names.get(text.lower()) for text in texts]
        unknown = [at for at, row in enumerate(rows) if row is None]
        for at, row in enumerate(rows):
            if row is not None:
                found[at] = self.vectors[row]
        # Texts of like lengths go together, as all of a batch are padded to the longest.
        unknown.sort(key=lambda at: len(texts[at]))
        for start in range(0, len(unknown), BATCH):
            places = unknown[start : start + BATCH]
            found[places] = self.encode([texts[at] for at in places])
        return found

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors (N, D) float32 of unit length by the network alone; N is at least 1."""
        import torch

        from gen.torch_state import fresh_modes
        from gen.words.sentence_network import padded

        # Callers may have set autocast or another device for networks of their own.
        with fresh_modes(), torch.inference_mode():
            rows = [encoding.ids for encoding in self.split.encode_batch(list(texts))]
            return self.network(*padded(rows)).numpy()


@cache
def sentences() -> Sentences:
    """The network that comes with the package; read once, in some 50 ms.

    Raises:
        ModelError: Its file is missing or damaged.
    """
    import torch

    from gen.skeleton import skeleton
    from gen.torch_state import fresh_modes
    from gen.words.sentence_network import SentenceNetwork, Shape, splitter

    with stored(FILE) as tensors, fresh_modes():
        shape = Shape(*tensors["shape"].tolist())
        with skeleton():
            network = SentenceNetwork(shape).eval()
        state = {name: torch.from_numpy(restored(tensors, name)) for name in network.state_dict()}
        network.load_state_dict(state, assign=True)
        names = tensors["names"].tobytes().decode().split("\n")
        vectors = restored(tensors, "vectors")
        return Sentences(
            network.requires_grad_(False),
            splitter(tensors["pieces"].tobytes().decode().split("\n"), shape.length),
            {name: row for row, name in enumerate(names)},
            vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        )


def restored(tensors: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """A tensor as float32; matrices are stored as int8 rows with a scale each."""
    values = tensors[name].astype(np.float32)
    scales = tensors.get(f"{name}.scales")
    return values if scales is None else values * scales.astype(np.float32)[:, None]


@lru_cache(maxsize=4096)
def meaning(text: str) -> np.ndarray:
    """The vector (D,) float32 of a text, of unit length."""
    found: np.ndarray = sentences()((text,))[0]
    found.setflags(write=False)
    return found


@lru_cache(maxsize=16)
def meanings(names: tuple[str, ...]) -> np.ndarray:
    """Vectors (N, D) float32 of names, each of unit length."""
    return sentences()(names)
