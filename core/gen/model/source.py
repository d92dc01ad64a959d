"""Where a model comes from: a file of ours, or a checkpoint of another program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gen.model.stage import Defaults
from gen.plugin.specs import FamilySpec


class ModelSource(Protocol):
    """What is known of a model before its tensors are loaded."""

    @property
    def name(self) -> str:
        """What the model is called."""
        ...

    @property
    def modality(self) -> str:
        """Name of the modality that drives it."""
        ...

    @property
    def loader(self) -> str:
        """Import string of ``(source, device, dtype) -> gen.model.Model``; empty for the modality's own."""
        ...

    @property
    def plugin(self) -> str:
        """Label of the plugin that brings ``loader``; empty without one."""
        ...

    @property
    def sha256(self) -> str:
        """Hex digest of all that it is made of."""
        ...

    @property
    def size(self) -> int:
        """Bytes of its files."""
        ...

    @property
    def parameters(self) -> int:
        """How many numbers its largest network has.

        Raises:
            ModelError: A file cannot be read.
        """
        ...

    @property
    def defaults(self) -> Defaults:
        """How it is sampled when nobody says otherwise.

        Raises:
            ModelError: The source does not say it.
        """
        ...

    @property
    def family(self) -> FamilySpec | None:
        """The family of checkpoints that it belongs to; None for a file of ours."""
        ...

    @property
    def params(self) -> Mapping[str, object]:
        """Its own values of its modality's parameters; may be empty."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """What it can make, where it says so."""
        ...

    @property
    def card(self) -> Mapping[str, object]:
        """Data, licence and metrics; may be empty."""
        ...

    def check(self, sha256: str) -> None:
        """Refuse it if its bytes are not the expected ones.

        Raises:
            ModelError: The digests differ.
        """
        ...
