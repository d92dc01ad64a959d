"""Texts read aloud by the shipped voice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gen
from gen.artifact import Artifact


def spoken(artifact: Artifact, params: Mapping[str, Any]) -> Artifact:
    """A text as speech.

    Args:
        artifact: A text of at most 2,000 characters.
        params: ``voice``, ``rate`` and ``seed``, as ``gen audio`` takes them.

    Raises:
        UsageError: It cannot be said.
    """
    made = gen.audio(str(artifact.attributes["text"]).strip(), model="voice", **params)
    return Artifact("audio", made.arrays, made.attributes)
