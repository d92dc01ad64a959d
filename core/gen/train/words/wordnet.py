"""WordNet as Debian installs it: lemmas, senses, hypernyms, glosses and irregular forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gen.train.data_files import locate

INDEX = Path("/usr/share/wordnet/index.noun")
PACKAGES = "wordnet-base"
PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
CONCRETE = {
    5: "animal",
    6: "artifact",
    8: "body",
    13: "food",
    17: "object",
    18: "person",
    19: "phenomenon",
    20: "plant",
    25: "shape",
    27: "substance",
}
"""Numbers of the files (``lexnames``) that hold nouns of things that can be seen."""
LOCATION = 15
"""Number of the file that holds places."""
PERTAINYM = "\\"
"""The pointer from an adjective to its noun."""
_EXAMPLE = re.compile(r'"([^"]{5,90})"')
_MARKER = re.compile(r"\((?:a|p|ip)\)$")


@dataclass(frozen=True)
class Synset:
    """Words of one meaning.

    Args:
        lemmas: In lower case, with spaces.
        file: Number of the lexicographer's file, e.g. 5 for animals.
        hypernyms: Keys of more general synsets.
        gloss: The definition, without examples.
        nouns: Keys of the synsets of nouns that an adjective belongs to: of "French", that of France.
        examples: Sentences and phrases that hold the word.
    """

    lemmas: tuple[str, ...]
    file: int
    hypernyms: tuple[str, ...]
    gloss: str
    nouns: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class WordNet:
    """The database.

    Args:
        synsets: Key (part of speech and offset) to synset.
        senses: (lemma, part of speech) to keys of synsets, the most frequent first.
        tags: (lemma, part of speech) to how many of its senses occur in the tagged corpus.
        irregular: Irregular form to lemma, e.g. "geese" to "goose".
    """

    synsets: dict[str, Synset]
    senses: dict[tuple[str, str], tuple[str, ...]]
    tags: dict[tuple[str, str], int]
    irregular: dict[str, str]

    @cached_property
    def lemmas(self) -> frozenset[str]:
        """All words and phrases."""
        return frozenset(lemma for lemma, _ in self.senses)

    def familiarity(self, lemma: str) -> int:
        """How many senses of a word occur in the tagged corpus."""
        return sum(self.tags.get((lemma, part), 0) for part in PARTS.values())

    def kind(self, lemma: str) -> int | None:
        """The file of a noun's most frequent sense; None for what is no noun."""
        found = self.senses.get((lemma, "n"))
        return self.synsets[found[0]].file if found else None

    def definition(self, lemma: str) -> str:
        """Of a word's most frequent sense, a noun's first."""
        keys = (self.senses.get((lemma, part), ()) for part in PARTS.values())
        return next((self.synsets[found[0]].gloss for found in keys if found), "")

    def concrete(self, lemma: str) -> bool:
        """Whether the word means a thing that can be seen."""
        return self.kind(lemma) in CONCRETE

    def of_place(self, name: str) -> Iterator[str]:
        """Other words for a place, and adjectives of it: of "france", also "french"."""
        words = {
            lemma: None
            for key in self.senses.get((name, "n"), ())
            if self.synsets[key].file == LOCATION
            for lemma in self.synsets[key].lemmas
        }
        yield from dict.fromkeys(
            [*words, *(each for word in words for each in self._adjectives.get(word, ()))]
        )

    @cached_property
    def _adjectives(self) -> dict[str, list[str]]:
        """Noun to its adjectives."""
        found: dict[str, list[str]] = {}
        for synset in self.synsets.values():
            for lemma in (lemma for noun in synset.nouns for lemma in self.synsets[noun].lemmas):
                found.setdefault(lemma, []).extend(synset.lemmas)
        return found

    def hypernyms(self, lemma: str) -> Iterator[str]:
        """Lemmas of the synsets above the first sense of a noun, the nearest first."""
        above = list(self.senses.get((lemma, "n"), ())[:1])
        while above:
            synset = self.synsets[above.pop(0)]
            for key in synset.hypernyms[:1]:
                yield self.synsets[key].lemmas[0]
                above.append(key)


def load(folder: Path | None = None) -> WordNet:
    """Read the database.

    Args:
        folder: Holds ``index.noun``, ``data.noun`` and so on; by default where Debian installs it.

    Raises:
        UsageError: It is not installed.
    """
    folder = folder or locate(INDEX, packages=PACKAGES).parent
    synsets: dict[str, Synset] = {}
    senses: dict[tuple[str, str], tuple[str, ...]] = {}
    tags: dict[tuple[str, str], int] = {}
    irregular: dict[str, str] = {}
    for name, part in PARTS.items():
        for line in _lines(folder / f"data.{name}"):
            key, synset = _synset(line, part)
            synsets[key] = synset
        for line in _lines(folder / f"index.{name}"):
            fields = line.split()
            lemma, pointers = fields[0].replace("_", " "), int(fields[3])
            senses[lemma, part] = tuple(part + offset for offset in fields[6 + pointers :])
            tags[lemma, part] = int(fields[5 + pointers])
        for line in (folder / f"{name}.exc").read_text().splitlines():
            form, lemma, *_ = line.replace("_", " ").split() if "_" not in line else line.split()
            irregular.setdefault(form.replace("_", " "), lemma.replace("_", " "))
    return WordNet(synsets, senses, tags, irregular)


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file behind its licence."""
    with path.open(encoding="utf-8") as file:
        yield from (line for line in file if not line.startswith(" "))


def _synset(line: str, part: str) -> tuple[str, Synset]:
    data, _, gloss = line.partition(" | ")
    fields = data.split()
    count = int(fields[3], 16)
    lemmas = tuple(_MARKER.sub("", word).replace("_", " ").lower() for word in fields[4 : 4 + 2 * count : 2])
    pointers = fields[5 + 2 * count :]
    each = [pointers[at : at + 3] for at in range(0, 4 * int(fields[4 + 2 * count]), 4)]
    hypernyms = tuple(part + offset for symbol, offset, _ in each if symbol in ("@", "@i"))
    nouns = tuple(f"n{offset}" for symbol, offset, to in each if symbol == PERTAINYM and to == "n")
    definition, *_ = gloss.split('; "')
    examples = tuple(_EXAMPLE.findall(gloss))
    return part + fields[0], Synset(lemmas, int(fields[1]), hypernyms, definition.strip(), nouns, examples)
