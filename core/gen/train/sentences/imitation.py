"""A smaller network learns from a sentence model what texts mean, and from phrases which thing they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from gen.train.recipe import Task
from gen.words.sentence_network import BEGIN, END, UNKNOWN, SentenceNetwork, Shape, padded, splitter

NARROW = 192
OUT = 256
LENGTH = 48
LAYERS = (0, 2, 5)
"""Of the sentence model's blocks those that the network begins with."""
PADDING = "[PAD]"
IMITATION = 10.0
"""How much 1 - cos to the sentence model's vector counts beside the cross-entropy of the things."""
KEYWORD = 0.3
"""How much a keyword, which may be of many things, counts against a phrase."""
SHARPNESS = 20.0
LEARNED_SHARPNESS = 30.0
"""Where a first training ends, and a further one begins."""
LARGEST_SHARPNESS = 40.0
OWN_NAME = 4.0
"""As so many phrases a thing's own name counts."""
PROMPT = 3.0
"""As so many phrases a prompt counts: some half of what is drawn are prompts so."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is to be learned.

    Args:
        texts: N texts to imitate the sentence model on.
        targets: (N, OUT) float16, of unit length: what it says of them.
        phrases: M phrases, names, keywords and prompts.
        things: (M, R) int64, the things that each may mean, of which any is right; some may stand twice.
        weights: (M,) float32, how often each is drawn, and how much it counts in the vector that the first
            of its things begins with.
        stocks: (M,) int64, the stock that each was written for.
        stocked: (S, K) bool, which of the K things each of S stocks has.
        beginnings: (K, OUT) of unit length: where the vectors of the things begin.
    """

    texts: Sequence[str]
    targets: Tensor
    phrases: Sequence[str]
    things: Tensor
    weights: Tensor
    stocks: Tensor
    stocked: Tensor
    beginnings: Tensor


class Reader(nn.Module):
    """The network, and the vector of each thing.

    Args:
        network: Texts to vectors.
        beginnings: (K, OUT).
        sharpness: What it begins with to multiply cosines by.
    """

    def __init__(self, network: SentenceNetwork, beginnings: Tensor, sharpness: float = SHARPNESS) -> None:
        super().__init__()
        self.network = network
        self.things = nn.Parameter(beginnings.clone())
        self.sharpness = nn.Parameter(torch.tensor(sharpness).log())

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Logits (B, K) of the things."""
        alike = self.network(ids, mask).float() @ functional.normalize(self.things, dim=-1).T
        return alike * self.sharpness.exp().clamp(max=LARGEST_SHARPNESS)


def pieces_of(vocabulary: Mapping[str, int]) -> list[str]:
    """The word pieces that are kept, in the sentence model's order: those of ASCII characters."""
    special = {PADDING, UNKNOWN, BEGIN, END}
    ordered = sorted(vocabulary, key=lambda piece: vocabulary[piece])
    return [
        piece
        for piece in ordered
        if piece in special or (piece.isascii() and not (piece.startswith("[") and piece.endswith("]")))
    ]


def beginning(model: Path, heads: int, rows: Sequence[int], axes: Tensor) -> SentenceNetwork:
    """A network that begins with some layers of a sentence model of BERT's form.

    Args:
        model: Its folder.
        heads: Of its attentions.
        rows: Of its embeddings, those of the pieces that are kept.
        axes: (width, OUT), orthonormal: what becomes of its vectors.
    """
    weights = {
        name.removeprefix("bert."): tensor.float()
        for name, tensor in load_file(model / "model.safetensors").items()
    }
    embeddings = weights["embeddings.word_embeddings.weight"][list(rows)]
    left, sizes, right = torch.linalg.svd(embeddings, full_matrices=False)
    hidden, width = weights["encoder.layer.0.intermediate.dense.weight"].shape
    narrow = min(NARROW, width)
    shape = Shape(len(rows), narrow, width, len(LAYERS), heads, hidden, LENGTH, axes.shape[1])
    network = SentenceNetwork(shape)
    state = {
        "pieces.weight": left[:, :narrow] * sizes[:narrow],
        "widen.weight": right[:narrow].T,
        "places.weight": weights["embeddings.position_embeddings.weight"][:LENGTH]
        + weights["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": weights["embeddings.LayerNorm.weight"],
        "norm.bias": weights["embeddings.LayerNorm.bias"],
        "out.weight": axes.T,
    }
    for number, chosen in enumerate(LAYERS):
        state |= {
            f"layers.{number}.{name}": tensor
            for name, tensor in _layer(weights, f"encoder.layer.{chosen}.").items()
        }
    network.load_state_dict(state)
    return network


def _layer(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """A block of BERT under the names of ``nn.TransformerEncoderLayer``."""
    found = {}
    for kind in ("weight", "bias"):
        found[f"self_attn.in_proj_{kind}"] = torch.cat(
            [weights[f"{prefix}attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
        )
        for name, theirs in (
            ("self_attn.out_proj", "attention.output.dense"),
            ("linear1", "intermediate.dense"),
            ("linear2", "output.dense"),
            ("norm1", "attention.output.LayerNorm"),
            ("norm2", "output.LayerNorm"),
        ):
            found[f"{name}.{kind}"] = weights[f"{prefix}{theirs}.{kind}"]
    return found


def axes_of(vectors: Tensor) -> Tensor:
    """The axes (width, OUT) that keep most of vectors (N, width), orthonormal, so that cosines stay."""
    values = vectors.double()
    basis = torch.linalg.eigh(values.T @ values).eigenvectors.flip(1)[:, :OUT].float()
    # The sign of an axis is free; this one does not depend on the machine.
    return basis * basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()


def task(reader: Reader, pieces: Sequence[str], lesson: Lesson, batch: int) -> Task:
    """Distillation (Hinton et al. 2015; on cosines as by Reimers & Gurevych 2020) and classification.

    Args:
        reader: Trained in place.
        pieces: Of its vocabulary.
        lesson: What it learns.
        batch: Phrases of a step, and half as many texts.
    """
    split = splitter(pieces, LENGTH)
    rows = [encoding.ids for encoding in split.encode_batch(list(lesson.texts))]
    phrases = [encoding.ids for encoding in split.encode_batch(list(lesson.phrases))]
    # Neighbours of this order are of one length, so that little of a batch is padding.
    order = torch.tensor([len(row) for row in rows]).argsort(stable=True)

    def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
        assert isinstance(module, Reader)
        first = int(torch.randint(max(1, len(rows) - batch // 2), (), generator=generator))
        at = order[first : first + batch // 2]
        vectors = module.network(*padded([rows[place] for place in at.tolist()]))
        imitated = 1 - (vectors.float() * lesson.targets[at].float()).sum(1).mean()
        drawn = torch.multinomial(lesson.weights, batch, replacement=True, generator=generator)
        logits = module(*padded([phrases[place] for place in drawn.tolist()]))
        # A phrase chooses among the things of its stock: clips have a plane, pictures an airplane.
        logits = logits.masked_fill(~lesson.stocked[lesson.stocks[drawn]], -torch.inf)
        right = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, lesson.things[drawn], True)
        surprise = logits.logsumexp(1) - logits.masked_fill(~right, -torch.inf).logsumexp(1)
        return IMITATION * imitated + surprise.mean()

    return Task(module=reader, loss=loss)
