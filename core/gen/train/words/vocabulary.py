"""Which English words and phrases get a vector of their own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from gen.train.words import cldr
from gen.train.words.closed_words import closed_words
from gen.train.words.wordnet import WordNet

WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
COMMON_RANK = 20_000
"""Of the sentence model's vocabulary, which is in order of frequency: words of phrases rank before this."""
NEWER = (
    "smartphone",
    "hoodie",
    "webcam",
    "wifi",
    "emoji",
    "app",
    "drone",
    "anime",
    "manga",
    "cosplay",
    "steampunk",
    "cyberpunk",
    "chibi",
    "kawaii",
    "pixelated",
    "lowpoly",
    "synth",
    "dubstep",
    "techno",
    "chiptune",
    "lofi",
    "ebook",
    "laptop",
    "touchscreen",
    "earbuds",
    "headset",
    "gamepad",
    "smartwatch",
    "e-bike",
    "e-scooter",
    "suv",
    "quad",
    "quadcopter",
    "snowmobile",
    "jetpack",
    "lightsaber",
    "minecart",
    "boba",
    "latte",
    "smoothie",
    "emo",
    "goth",
    "zombie",
    "ninja",
    "velociraptor",
    "gameboy",
    "hashtag",
    "meme",
    "vlog",
    "podcast",
    "barista",
    "sneaker",
    "labradoodle",
    "corgi",
    "pug",
    "husky",
    "yoda",
    "covid",
    "vape",
    "eco",
    "sushi",
    "burrito",
    "quinoa",
    "tofu",
)
"""Words that WordNet is too old for."""
GLOSSES = 4
"""A word that the tagged corpus lacks is common when so many of WordNet's definitions hold it."""


def candidates(
    wordnet: WordNet, emoji: Mapping[str, cldr.Annotation], pieces: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Words and phrases that may become rows.

    Args:
        wordnet: WordNet.
        emoji: English names and keywords.
        pieces: The sentence model's vocabulary, in order of frequency.

    Returns:
        Single words, the most frequent first; phrases of two or three of them.
    """
    rank = {piece: index for index, piece in enumerate(pieces) if re.fullmatch("[a-z]{2,}", piece)}
    texts = [text for one in emoji.values() for text in (one.name, *one.keywords)]
    named = {word for text in texts for word in WORD.findall(text) if len(word) > 1}
    glosses = Counter(
        word for synset in wordnet.synsets.values() for word in set(WORD.findall(synset.gloss.lower()))
    )
    single = {lemma for lemma in wordnet.lemmas if re.fullmatch("[a-z]+(?:[-'][a-z]+)*", lemma)}
    chosen = (
        named
        | set(NEWER)
        | {
            word
            for word in single
            if word in rank
            or wordnet.familiarity(word)
            or (wordnet.concrete(word) and glosses[word] >= GLOSSES)
        }
    )
    chosen = {word for word in chosen if len(word) > 1 and not (word.endswith("ly") and word not in rank)}

    def frequency(word: str) -> tuple[int, int, str]:
        return rank.get(word, len(pieces)), -wordnet.familiarity(word) - glosses[word], word

    words = sorted(chosen, key=frequency)

    def common(phrase: str) -> bool:
        return all(rank.get(part, COMMON_RANK) < COMMON_RANK or part in named for part in phrase.split())

    phrases = {lemma for lemma in wordnet.lemmas if wordnet.concrete(lemma)} | set(texts)
    return words, sorted(
        phrase for phrase in phrases if re.fullmatch(r"[a-z'-]+(?: [a-z'-]+){1,2}", phrase) and common(phrase)
    )


def is_form(word: str, base: str, alike: float, wordnet: WordNet) -> bool:
    """Whether a word means no more than one that it may be a form of.

    Args:
        word, base: Both.
        alike: The cosine of their vectors.
        wordnet: Has things of their own, such as "glasses", and tells "swimming" from "bowling", as "bowl" is
            no verb first of all.
    """
    if wordnet.concrete(word):
        return False
    verbal = wordnet.tags.get((base, "v"), 0) > wordnet.tags.get((base, "n"), 0)
    return alike > (0.85 if word.endswith("ing") and not verbal else 0.7)


def others(wordnet: WordNet, chosen: Iterable[str]) -> list[str]:
    """Single words of WordNet that are no rows; each is to mean the row nearest to it."""
    kept = set(chosen)
    return sorted(
        lemma
        for lemma in wordnet.lemmas
        if re.fullmatch("[a-z]{3,}(?:-[a-z]+)*", lemma) and lemma not in kept
    )


def closed_rows() -> list[str]:
    """Names of the rows of closed classes, in order."""
    return [name for name in closed_words() if name]
