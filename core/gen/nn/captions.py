"""Prompts in free words as conditions of a network that was trained on captions of names.

Such a network makes a thing well by its name, and badly by other words. A modality says a prompt as a
caption; the network reads the caption, and remarks say what became of the prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from gen.diffusion import Conditioning
from gen.nn.prompt_encoder import PromptEncoder
from gen.nn.text import TextEncoder, unread_weights
from gen.words import Stock, base_forms, is_named, nearest, plain, read, single_words

SHOWN = 60
"""Characters of a part that a remark shows."""
LONGEST = 160
"""Characters of all parts that one remark shows."""


@dataclass(frozen=True)
class Caption:
    """What a network reads in place of a prompt.

    Args:
        text: The caption; the prompt itself where it is one.
        remarks: A line about each part of the prompt that was guessed or left out.
        absent: What shall not be made, as the prompt says it, where the caption says so, too.
    """

    text: str
    remarks: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CaptionEncoder:
    """Prompts in free words, which become captions of names; an encoder of ``gen.model.Model``.

    Args:
        encoder: Reads the captions.
        caption: (prompt, stock) -> the caption.
        keywords: Pairs of another word for a thing and its name.
    """

    encoder: TextEncoder | PromptEncoder
    caption: Callable[[str, Stock], Caption]
    keywords: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What the model can make."""
        return self.encoder.names

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:
        """The conditioning of the captions, as ``encoder`` gives it."""
        return self.encoder([self._caption(prompt).text for prompt in prompts], params)

    def unread(self, prompt: str, params: Mapping[str, object]) -> str:
        """The end of the caption that is too long; mostly empty."""
        return self.encoder.unread(self._caption(prompt).text, params)

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Words of the caption that no caption of the training held; those of names are known."""
        unknown = self.encoder.unknown_words(self._caption(prompt).text)
        absent = {word for part in read(prompt).left_out for word in part.split()}
        return tuple(
            word
            for word in unknown
            if word not in absent
            and self._named.isdisjoint((word, word.removesuffix("s"), *base_forms(word)))
        )

    def suggestions(self, prompt: str, count: int) -> tuple[str, ...]:
        """The things that mean the nearest to the unknown words; at most ``count``."""
        return nearest(" ".join(self.unknown_words(prompt)), self.names, count)

    def remarks(self, prompt: str, params: Mapping[str, object]) -> tuple[str, ...]:
        """A line about each weight, negation, part that was guessed, and a prompt that says nothing."""
        caption, reading = self._caption(prompt), read(prompt)
        unread = {plain(part) for part in self.encoder.left_out(caption.text, params)}
        text = plain(caption.text)
        negations = [
            repr(shortened(part))
            for part in reading.left_out
            if part not in caption.absent
            and not is_named(part, self.names)
            and (plain(part) not in text or plain(part) in unread)
        ]
        absence = (
            [f"the model cannot leave things out: {_listed(negations)} is not read"] if negations else []
        )
        words = read(text).words
        silent = prompt.strip() and all(word.known and not single_words(word.written) for word in words)
        nothing = ["no word of it says what to make"] if silent else []
        return (*unread_weights(prompt), *caption.remarks, *absence, *nothing)

    def _caption(self, prompt: str) -> Caption:
        return self.caption(prompt, self._stock)

    @cached_property
    def _named(self) -> frozenset[str]:
        """The words of all names."""
        return frozenset(word for name in self.names for word in name.split())

    @cached_property
    def _stock(self) -> Stock:
        return Stock(self.names, self.keywords)


def keywords_of(config: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """The entry ``keywords`` of a model file, name to words divided by ``|``, as pairs of word and name.

    Raises:
        KeyError, ValueError: It is missing, or something else.
    """
    entry = config["keywords"]
    if not isinstance(entry, Mapping):
        raise ValueError("its keywords are not a mapping of names to words")
    return tuple((word, name) for name, words in entry.items() for word in str(words).split("|"))


def as_written(prompt: str, stock: Stock) -> Caption:  # noqa: ARG001
    """A prompt as the caption that it is, for networks whose names are others than those of the grammar."""
    return Caption(prompt)


def read_as(part: str, name: str) -> str:
    """The remark that a part of a prompt became a name by guess."""
    return f"{shortened(part)!r} is read as {name!r}"


def not_read(parts: Iterable[str]) -> tuple[str, ...]:
    """One remark that parts of a prompt are not read, of at most some 200 characters; none for no parts."""
    said = _listed(map(shortened, parts))
    return (f"not read: {said}",) if said else ()


def _listed(parts: Iterable[str]) -> str:
    """Different parts in a row, as many as a remark shows."""
    said = ", ".join(dict.fromkeys(parts))
    return said if len(said) <= LONGEST else f"{said[:LONGEST].rpartition(', ')[0]} and more"


def shortened(part: str) -> str:
    """A part of a prompt as remarks show it."""
    return part if len(part) <= SHOWN else f"{part[: SHOWN - 1]}…"
