"""Prompts in other words than names, with the names that are right for them, to measure by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from gen.train.emoji import Emoji
from gen.train.natural_prompts import natural_prompts
from gen.words import with_article, word_table

DATA = Path(__file__).parent / "data"


def natural() -> Mapping[str, tuple[str, ...]]:
    """Prompts as people write them, written beforehand and never trained on, to names that are right."""
    return natural_prompts(DATA / "natural_prompts.txt")


def development() -> Mapping[str, tuple[str, ...]]:
    """Prompts as people write them, whose wrong answers the reading of prompts was mended by."""
    return natural_prompts(DATA / "development_prompts.txt")


def held_out_words() -> Mapping[str, tuple[str, ...]]:
    """Words that are in no name, keyword, caption or phrase, to names that are right."""
    return natural_prompts(DATA / "held_out_words.txt")


def keyword_prompts(emoji: Sequence[Emoji]) -> Mapping[str, tuple[str, ...]]:
    """Keywords that mean things and are part of no name, with an article, to the names that have them."""
    table = word_table()
    said = {word for one in emoji for word in one.name.split()}
    found: dict[str, list[str]] = defaultdict(list)
    for one in emoji:
        for word in one.keywords:
            rows = table.find("en", word)
            thing = rows is not None and len(rows) == 1 and rows[0] >= table.closed and table.things[rows[0]]
            if thing and not said.intersection(word.split()):
                found[with_article(word)].append(one.name)
    return {prompt: tuple(dict.fromkeys(names)) for prompt, names in sorted(found.items())}
