"""Prompts as conditions of a network that reads subword ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from gen.diffusion import Condition, Conditioning
from gen.nn.caption_words import CaptionWords
from gen.nn.subwords import Subwords
from gen.words import WEIGHT, nearest, read


def text_conditions(ids: Tensor, known: Tensor | None = None, **channels: Tensor) -> Conditioning:
    """The conditions of a ``TextTransformer``.

    Args:
        ids: Subword ids (B, L) int64, 0 where a text has ended.
        known: (B, 1 + C, ...), a mask that is 1 where the state is given, and what it is there; None where
            nothing is.
        channels: Others that have numbers for every place of the state, (B, N, ...).
    """
    found = {"text": Condition(ids, "prepend", ids != 0)}
    if known is not None:
        found["known"] = Condition(known, "channels")
    found |= {name: Condition(value, "channels") for name, value in channels.items()}
    return Conditioning(found)


def unchanged(prompt: str, params: Mapping[str, object]) -> str:  # noqa: ARG001
    """The prompt, whatever the parameters."""
    return prompt


def unread_weights(prompt: str) -> tuple[str, ...]:
    """A line about each weight of a word, which no encoder here reads."""
    return tuple(
        f"weights of words are not read: {found[0].strip()!r} is left out"
        for found in WEIGHT.finditer(prompt)
    )


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """Prompts as subword ids, for networks that embed them; an encoder of ``gen.model.Model``.

    Args:
        subwords: The vocabulary.
        length: Most subwords that the network reads; a prompt that leaves no room for the words of the
            parameters is cut.
        names: What the model can make.
        words: Every word that its captions held.
        said: (prompt, params) -> the text that the network reads: with parameters in words, as in captions.
    """

    subwords: Subwords
    length: int
    names: tuple[str, ...]
    words: frozenset[str]
    said: Callable[[str, Mapping[str, object]], str] = unchanged

    @classmethod
    def of(
        cls,
        config: Mapping[str, object],
        length: int,
        said: Callable[[str, Mapping[str, object]], str] = unchanged,
    ) -> TextEncoder:
        """The encoder that a model file describes.

        Args:
            config: Of the file, with ``subwords`` (by ``Subwords.to_json``), ``names`` (divided by ``|``) and
                ``words`` (divided by spaces).
            length, said: See the class.

        Raises:
            KeyError: An entry is missing.
            ValueError: The vocabulary cannot be read.
        """
        names, words = str(config["names"]).split("|"), str(config["words"]).split()
        return cls(Subwords(str(config["subwords"])), length, tuple(names), frozenset(words), said)

    @property
    def entries(self) -> dict[str, str]:
        """What ``of`` reads."""
        return {
            "subwords": self.subwords.to_json(),
            "names": "|".join(self.names),
            "words": " ".join(sorted(self.words)),
        }

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:
        """Conditioning with ``text`` (route "prepend"): ids (B, L) int64, and their mask (B, L).

        The network reads what captions could say: known words, and the commas between them. Other
        punctuation, characters that no caption held and unknown words are left out, since their subwords
        spoil the effect of the known words. Where no word is known, it reads the unknown ones.
        """
        texts = [self.said(self._read(prompt, params), params) for prompt in prompts]
        ids, mask = self.subwords.batch(texts, self.length)
        longest = max(1, int(mask.sum(1).max()))
        return text_conditions(ids[:, :longest])

    def unread(self, prompt: str, params: Mapping[str, object]) -> str:
        """The end of a prompt that is too long; mostly empty."""
        text, places = self._captions.as_caption(prompt)
        read = self._read(prompt, params)
        return prompt[places[len(read)] :] if len(read) < len(text) else ""

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Words that no caption held in any form, and symbols such as emoji."""
        pieces = self._captions.pieces(prompt)
        return tuple(dict.fromkeys(piece.written for piece in pieces if not piece.known))

    def left_out(self, prompt: str, params: Mapping[str, object]) -> tuple[str, ...]:  # noqa: ARG002
        """Negations of which captions lack a word: "not a dog" where none holds "not"."""
        return tuple(part for part in read(prompt).left_out if self.unknown_words(part))

    def remarks(self, prompt: str, params: Mapping[str, object]) -> tuple[str, ...]:  # noqa: ARG002
        """A line about each weight of a word, which is left out."""
        return unread_weights(prompt)

    def suggestions(self, prompt: str, count: int) -> tuple[str, ...]:
        """The things that mean the nearest to the unknown words; at most ``count``."""
        return nearest(" ".join(self.unknown_words(prompt)), self.names, count)

    @cached_property
    def _captions(self) -> CaptionWords:
        return CaptionWords(self.names, self.words, self.subwords.plain)

    def _read(self, prompt: str, params: Mapping[str, object]) -> str:
        """The beginning of a prompt that fits beside the words of the parameters, as captions are written."""
        text, _ = self._captions.as_caption(prompt)
        added = len(self.subwords.ids(self.said(text, params))) - len(self.subwords.ids(text))
        return self.subwords.beginning(text, max(self.length - added, 0))
