"""Words with the pronunciations that flite gives them."""

from __future__ import annotations

import json
import string
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from gen.atomic import atomic_file
from gen_audio.voice import phones
from gen_audio.voice.training.data import sentences, sphinx
from gen_audio.voice.training.data.flite import Flite

Lexicon = dict[str, tuple[str, ...]]


def load_or_build(path: Path, report: Callable[[str], None]) -> Lexicon:
    """Read the lexicon at ``path``, or ask flite for every word and write it.

    The words are those of our sentences and of the dictionary that the package pocketsphinx carries (CMUdict,
    126,000 words and names).

    Args:
        path: A ``.json`` file.
        report: Called with lines of progress.

    Raises:
        UsageError: flite, pocketsphinx or the texts are not installed.
    """
    if not path.exists():
        teacher = Flite()
        words = dict.fromkeys((*string.ascii_lowercase, *_dictionary(), *common()))
        found = {word: spoken for word in words if (spoken := _pronounced(teacher, word))}
        report(f"lexicon: {len(found)} words")
        with atomic_file(path, overwrite=True) as file:
            file.write(json.dumps({word: " ".join(of) for word, of in found.items()}).encode())
    return {word: tuple(of.split()) for word, of in json.loads(path.read_text()).items()}


def held_out(word: str) -> bool:
    """Whether a word is kept from training: one in twenty."""
    return zlib.crc32(word.encode()) % 20 == 0


def common() -> Counter[str]:
    """How often the words of our texts occur in them."""
    return Counter(
        word for text in (*sentences.prose(), *sentences.things()) for word in sentences.words(text)
    ) + (Counter(word for text in sentences.draw(3000, seed=2) for word in sentences.words(text)))


def _pronounced(teacher: Flite, word: str) -> tuple[str, ...]:
    if word.endswith("'s"):
        return phones.possessive(teacher.pronounce(word[:-2]))
    if "'" not in word:
        return teacher.pronounce(word)
    # Its lexicon has no contractions: they are put together only in sentences.
    return tuple(phone for phone in teacher.say(word, "female").phones if phone != phones.PAUSE)


def _dictionary() -> list[str]:
    found = (line.split()[0] for line in sphinx.dictionary().read_text().splitlines())
    return [word for word in found if sentences.WORD.fullmatch(word) and not word.endswith("'s")]
