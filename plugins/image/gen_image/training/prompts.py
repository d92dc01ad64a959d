"""Prompts in other words than names, with the names that are right for them, to measure by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from gen.train.captions import with_article
from gen.train.emoji import Emoji
from gen.train.natural_prompts import natural_prompts
from gen.train.thesaurus import held_out_word
from gen.words import word_table

NATURAL = Path(__file__).parent / "data" / "natural_prompts.txt"


def natural() -> Mapping[str, tuple[str, ...]]:
    """Prompts as people write them, written beforehand and never trained on, to names that are right."""
    return natural_prompts(NATURAL)


def keyword_prompts(emoji: Sequence[Emoji], *, held_out: bool) -> Mapping[str, tuple[str, ...]]:
    """Keywords that mean things and are part of no name, with an article, to the names that have them.

    Args:
        emoji: All of them.
        held_out: Whether keywords that no caption holds are wanted, or the others.
    """
    table = word_table()
    said = {word for one in emoji for word in one.name.split()}
    found: dict[str, list[str]] = defaultdict(list)
    for one in emoji:
        for word in one.keywords:
            rows = table.find("en", word)
            thing = rows is not None and len(rows) == 1 and rows[0] >= table.closed and table.things[rows[0]]
            if thing and not said.intersection(word.split()) and held_out_word(word) == held_out:
                found[with_article(word)].append(one.name)
    return {prompt: tuple(dict.fromkeys(names)) for prompt, names in sorted(found.items())}
