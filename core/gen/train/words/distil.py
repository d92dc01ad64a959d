"""The rows of the table: a sentence model's vectors of single words and phrases, in fewer numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gen.train.words import cldr, vocabulary
from gen.train.words.closed_words import closed_words
from gen.train.words.lexicon import bases
from gen.train.words.sentences import SentenceModel
from gen.train.words.wordnet import WordNet

WIDTH = 256
PHRASES = 4000
CHUNK = 2048
TAXON = re.compile(r".*\d{3}|(a |the type )?(genus|family|order|class) ")
"""Definitions of living things' scientific names, and of people of history, which nobody asks for."""
NEAR = 0.4
"""A rare word means the row that is nearest to it, if their cosine is so high."""
CLOSED_WEIGHT = 0.15
"""How much a number, a colour or a preposition counts beside a frequent noun, which counts about 1."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of the table.

    Args:
        names: Of N rows; the first is empty.
        vectors: (N, WIDTH) of unit length; zeros in row 0.
        weights: (N,).
        things: (N,) bool.
        closed: Rows of closed classes, with row 0.
        others: Words that are no rows, to the row that each is nearest to.
    """

    names: Sequence[str]
    vectors: Tensor
    weights: Tensor
    things: Tensor
    closed: int
    others: Mapping[str, str]


def rows(model: SentenceModel, wordnet: WordNet) -> Rows:
    """Choose the words and compute their vectors."""
    emoji = cldr.names_and_keywords("en")
    words, phrases = vocabulary.candidates(wordnet, emoji, model.pieces)
    closed = vocabulary.closed_rows()
    vectors = dict(zip([*words, *phrases], [*model(words), *model(phrases)], strict=True))
    vectors |= dict(zip(closed, model(closed), strict=True))
    taken = {word for name in closed for word in (name, *closed_words()[name]["en"])}
    forms = bases(words, wordnet)
    words = [
        word
        for word in words
        if word not in taken
        and not (
            word in forms
            and vocabulary.is_form(word, forms[word], float(vectors[word] @ vectors[forms[word]]), wordnet)
        )
    ]
    single = torch.stack([vectors[word] for word in words])
    mean = single.mean(0)
    # Colours and numbers are to stay words of their own, except where the whole means another thing.
    bound = set(closed[closed.index("one") : closed.index("turquoise") + 1])
    named = {text for one in emoji.values() for text in (one.name, *one.keywords)}

    def novelty(phrase: str) -> float:
        """How far a phrase is from its words; what emoji are called comes first."""
        parts = functional.normalize(
            sum((vectors[w] - mean for w in phrase.split() if w in vectors), -mean), dim=0
        )
        alike = float(parts @ functional.normalize(vectors[phrase] - mean, dim=0))
        return 1 - alike + 0.35 * (phrase in named and not bound.intersection(phrase.split()))

    phrases = sorted((phrase for phrase in phrases if phrase not in taken), key=novelty, reverse=True)[
        :PHRASES
    ]
    names = [*closed, *words, *sorted(phrases)]
    centred = torch.stack([vectors[name] for name in names]) - mean
    covariance = torch.cov((single - mean).T)
    basis = torch.linalg.eigh(covariance.double()).eigenvectors.flip(1)[:, :WIDTH].float()
    # The sign of an axis is free; this one does not depend on the machine.
    basis = basis * basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()
    short = functional.normalize(centred @ basis, dim=-1)
    frequency = [math.log(2 + number) for number in range(len(words))]
    longest = max(frequency)
    weights = [
        *[CLOSED_WEIGHT] * len(closed),
        *[each / longest for each in frequency],
        *[1.0 for _ in phrases],
    ]
    things = [False] * len(closed) + [
        name in named or wordnet.concrete(name) for name in names[len(closed) :]
    ]
    others = vocabulary.others(wordnet, {*names, *taken, *forms})
    rare = dict(zip(others, model(others), strict=True))
    # The pieces that a rare word falls into mislead the model; its definition does not.
    seen = [word for word in others if wordnet.concrete(word) and not TAXON.match(wordnet.definition(word))]
    texts = [f"{word}: {wordnet.definition(word)}" for word in seen]
    rare |= dict(zip(seen, model(texts), strict=True))
    described = torch.stack([rare[word] for word in others])
    return Rows(
        names=["", *names],
        vectors=torch.cat([torch.zeros(1, WIDTH), short]),
        weights=torch.tensor([0.0, *weights]),
        things=torch.tensor([False, *things]),
        closed=len(closed) + 1,
        others=_nearest(others, functional.normalize((described - mean) @ basis, dim=-1), names, short),
    )


def _nearest(others: Sequence[str], vectors: Tensor, names: Sequence[str], rows: Tensor) -> dict[str, str]:
    """Words to the names of the rows that their vectors are nearest to, where one is near."""
    found = {}
    for words, part in zip(_chunks(others), vectors.split(CHUNK), strict=True):
        alike, places = (part @ rows.T).max(1)
        for word, cosine, place in zip(words, alike.tolist(), places.tolist(), strict=True):
            if cosine > NEAR:
                found[word] = names[place]
    return found


def _chunks(texts: Sequence[str]) -> list[Sequence[str]]:
    return [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
