"""Texts whose meaning the network learns from a sentence model: WordNet's, and sentences of its words."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from gen.train.words import cldr
from gen.train.words.vocabulary import WORD
from gen.train.words.wordnet import CONCRETE, WordNet

MADE = 170_000
OTHER_GLOSSES = 40_000
"""Definitions of words that mean nothing that can be seen; of those that do, all are taken."""
RARE = 12_000
"""Rare things among those of which sentences are made."""
LONGEST = 140
"""Characters."""
_NUMBER = re.compile(r".*\d")
SENTENCES = (
    *("{d} {a} {n}", "{d} {n} with {d} {n}", "{d} {n} in the {t}", "{d} {n} on {d} {n}", "{d} {n} {v}"),
    *("{d} {n} {v} {d} {n}", "{d} {a} {n} {v} in the {t}", "{n} for {t}", "{n} and {n}", "{d} {n} of {t}"),
    *("{a} {a} {n}", "{n} {n}", "{v} {d} {n}", "{v} the {n} at the {n}", "picture of {d} {a} {n}"),
    *("{d} {n} and {d} {a} {n}", "{t} {n}", "{a} {n} with {a} {n}", "{n} full of {n}", "someone {v} {d} {n}"),
)
"""Forms of sentences: d is an article or none, n a thing, t any noun, a an adjective, v a verb in -ing."""
_ARTICLES = ("a", "the", "my", "", "")


def texts(wordnet: WordNet, seed: int) -> list[str]:
    """About 390,000 texts in lower case, each once, in no order.

    Lemmas, definitions and examples of WordNet, and ``MADE`` sentences of its words and of CLDR's names and
    keywords.

    Args:
        wordnet: WordNet, with its examples.
        seed: Of what is drawn.
    """
    rng = random.Random(seed)
    things, others = _lemmas(wordnet)
    seen, unseen = _glosses(wordnet)
    rng.shuffle(unseen)
    made = MadeSentences(wordnet, things, rng)
    found = [
        *things,
        *others,
        *seen,
        *unseen[:OTHER_GLOSSES],
        *(example for synset in wordnet.synsets.values() for example in synset.examples),
        *(made.draw() for _ in range(MADE)),
    ]
    unique = list(dict.fromkeys(" ".join(text.lower().split()) for text in found))
    unique = [text for text in unique if 0 < len(text) <= LONGEST]
    rng.shuffle(unique)
    return unique


def _lemmas(wordnet: WordNet) -> tuple[list[str], list[str]]:
    """Things that can be seen, and other words that occur in the tagged corpus."""
    plain = sorted(lemma for lemma in wordnet.lemmas if not _NUMBER.match(lemma))
    things = [lemma for lemma in plain if wordnet.concrete(lemma)]
    return things, [lemma for lemma in plain if not wordnet.concrete(lemma) and wordnet.familiarity(lemma)]


def _glosses(wordnet: WordNet) -> tuple[list[str], list[str]]:
    """Definitions of things that can be seen, and of all else."""
    found: tuple[list[str], list[str]] = ([], [])
    for key, synset in wordnet.synsets.items():
        found[not (key.startswith("n") and synset.file in CONCRETE)].append(synset.gloss)
    return found


class MadeSentences:
    """Draws sentences that mean nothing in particular, but whose words stand to each other as in prompts.

    Args:
        wordnet: Gives nouns, adjectives and verbs.
        things: Lemmas of things that can be seen.
        rng: Source of randomness.
    """

    def __init__(self, wordnet: WordNet, things: Sequence[str], rng: random.Random) -> None:
        def tagged(part: str) -> list[str]:
            return sorted(lemma for (lemma, kind), count in wordnet.tags.items() if kind == part and count)

        named = {text for one in cldr.names_and_keywords("en").values() for text in (one.name, *one.keywords)}
        common = [lemma for lemma in things if wordnet.tags.get((lemma, "n"))]
        words = [text for text in sorted(named) if WORD.fullmatch(text.replace(" ", ""))]
        rare = rng.sample(list(things), min(RARE, len(things)))
        self._rng = rng
        self._draws: dict[str, Callable[[], str]] = {
            "d": lambda: rng.choice(_ARTICLES),
            "n": lambda: rng.choice(self._things),
            "t": lambda: rng.choice(self._topics),
            "a": lambda: rng.choice(self._adjectives),
            "v": lambda: present_participle(rng.choice(self._verbs)),
        }
        self._things = [*common * 2, *words * 4, *rare]
        self._topics = tagged("n")
        self._adjectives = [lemma for lemma in tagged("a") if " " not in lemma]
        self._verbs = [lemma for lemma in tagged("v") if lemma.isalpha()]

    def draw(self) -> str:
        """A sentence."""
        return re.sub(r"\{(\w)\}", lambda at: self._draws[at[1]](), self._rng.choice(SENTENCES))


def present_participle(verb: str) -> str:
    """The form in -ing of a verb in lower case: "taking", "running", "seeing"."""
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return f"{verb[:-1]}ing"
    if re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", verb) and len(verb) > 2:
        return f"{verb}{verb[-1]}ing"
    return f"{verb}ing"
