"""From text to phones with their lengths: all that is decided before there is sound."""

from __future__ import annotations

from dataclasses import dataclass

from gen_audio.voice import phones, reading
from gen_audio.voice.durations import Durations, seconds
from gen_audio.voice.pronouncer import LETTERS, Pronunciation


@dataclass(frozen=True)
class Script:
    """What is spoken, phone by phone.

    Args:
        ids: Numbers of the phones, see ``phones.ids``.
        first: Whether a phone begins a word.
        seconds: Length of each.
    """

    ids: tuple[int, ...]
    first: tuple[bool, ...]
    seconds: tuple[float, ...]

    @property
    def duration(self) -> float:
        """Seconds in all."""
        return sum(self.seconds)


@dataclass(frozen=True, eq=False)
class Speaking:
    """Turns text into a script.

    Args:
        pronunciation: Of words.
        durations: The lengths of phones.
    """

    pronunciation: Pronunciation
    durations: Durations

    def __call__(self, text: str, voice: int, rate: float) -> Script:
        """The script of a text, sentence by sentence; empty where nothing in it can be read.

        Args:
            text: English.
            voice: Number of the voice.
            rate: Speed; 2 is twice as fast.
        """
        ids: list[int] = []
        first: list[bool] = []
        lengths: list[float] = []
        for sentence in reading.read(text).sentences:
            spoken, begins = self._phones(sentence)
            numbers = phones.ids(spoken)
            ids += numbers
            first += begins
            lengths += [each / rate for each in seconds(self.durations, numbers, begins, voice)]
        return Script(tuple(ids), tuple(first), tuple(lengths))

    def _phones(self, sentence: tuple[str, ...]) -> tuple[list[str], list[bool]]:
        """The phones of a sentence between two pauses, and which of them begin a word."""
        spoken, begins = [phones.PAUSE], [False]
        words = [self._word(word) for word in sentence]
        for index, (word, sounds) in enumerate(zip(sentence, words, strict=True)):
            following = words[index + 1] if index + 1 < len(words) else ()
            if word == "the" and following and phones.is_vowel(following[0]):
                sounds = ("dh", "iy0")  # noqa: PLW2901 - "the apple"
            spoken += sounds
            begins += [word != reading.PAUSE and place == 0 for place in range(len(sounds))]
        return [*spoken, phones.PAUSE], [*begins, False]

    def _word(self, word: str) -> tuple[str, ...]:
        if word == reading.PAUSE:
            return (phones.PAUSE,)
        if word.endswith("'s") and word not in self.pronunciation.exceptions:
            return phones.possessive(self._word(word[:-2]))
        return self.pronunciation("".join(letter for letter in word if letter in LETTERS))
