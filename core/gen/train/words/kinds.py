"""What each word of the table is a sort of, by WordNet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gen.train.words.wordnet import CONCRETE, WordNet

TOO_GENERAL = frozenset(
    (
        *("entity", "physical entity", "abstraction", "object", "whole", "thing", "matter", "causal agent"),
        *("artifact", "instrumentality", "unit", "living thing", "organism", "psychological feature"),
        *("attribute", "relation", "group", "measure", "act", "part", "substance"),
    )
)
"""Words that say nothing of a thing's looks."""


def kinds(names: Sequence[str], closed: int, wordnet: WordNet) -> np.ndarray:
    """The row of the nearest hypernym of each word's first sense that is a word of the table too.

    Args:
        names: Of the table's rows.
        closed: How many rows are of closed classes, with row 0; they and verbs are sorts of nothing.
        wordnet: The database.

    Returns:
        (N,) uint16; 0 where a word means nothing that can be seen, or only something too general is above it.
    """
    rows = {name: row for row, name in enumerate(names) if row >= closed}
    return np.array([_kind(name, rows, wordnet) if name in rows else 0 for name in names], np.uint16)


def _kind(name: str, rows: dict[str, int], wordnet: WordNet) -> int:
    key = next(iter(wordnet.senses.get((name, "n"), ())), "")
    if not key or wordnet.synsets[key].file not in CONCRETE:
        return 0
    while wordnet.synsets[key].hypernyms:
        key = wordnet.synsets[key].hypernyms[0]
        for lemma in wordnet.synsets[key].lemmas:
            if lemma in TOO_GENERAL:
                return 0
            if lemma in rows and lemma != name:
                return rows[lemma]
    return 0
