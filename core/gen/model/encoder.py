"""What turns prompts into the conditions of a network, and what it may say about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from gen.diffusion import Conditioning


class Encoder(Protocol):
    """Turns prompts into what the network is conditioned on."""

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:
        """Encode prompts.

        Args:
            prompts: One text per item; the empty text is the unconditional case.
            params: The modality's own parameters; one that is absent is for the model to decide.

        Returns:
            Conditioning of ``len(prompts)`` items, without its ``uncond``.
        """
        ...


@runtime_checkable
class VocabularyEncoder(Encoder, Protocol):
    """An encoder that knows some words and not others."""

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Words of a prompt that the model never met, in order of appearance."""
        ...

    def suggestions(self, prompt: str, count: int) -> tuple[str, ...]:
        """Up to ``count`` things that the model does know, those nearest to the prompt first."""
        ...


@runtime_checkable
class SettlingEncoder(Encoder, Protocol):
    """An encoder that decides parameters: how long a sentence takes, or how many atoms there are."""

    def settle(
        self, prompt: str, params: Mapping[str, object], seed: int
    ) -> Mapping[str, int | float | bool | str]:
        """Parameters that nobody has given and the prompt or chance decides; they go into the recipe.

        Items with equal ones are made together.

        Args:
            prompt: The prompt of an item.
            params: What has been given, and the defaults.
            seed: The item's own, for what chance decides: ``NoiseSource([seed]).child("size")``.

        Raises:
            UsageError: If the prompt cannot be made with the parameters given.
        """
        ...


@runtime_checkable
class LimitedEncoder(Encoder, Protocol):
    """An encoder that reads no more than the beginning of a long prompt."""

    def unread(self, prompt: str, params: Mapping[str, object]) -> str:
        """The end of a prompt that is too long for the network; empty where it reads all of it."""
        ...


@runtime_checkable
class RemarkingEncoder(Encoder, Protocol):
    """An encoder that reads some of what prompts hold otherwise than it is written."""

    def remarks(self, prompt: str, params: Mapping[str, object]) -> tuple[str, ...]:
        """One line about each part of a prompt that is read otherwise, or that a parameter overrides."""
        ...
