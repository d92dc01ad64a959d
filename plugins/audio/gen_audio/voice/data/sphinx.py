"""The recogniser pocketsphinx, which carries an English dictionary and model: words to learn, and an ear."""

from __future__ import annotations

import importlib
from types import ModuleType

from gen.errors import UsageError


def module() -> ModuleType:
    """The package ``pocketsphinx``, which is needed for training and measuring only.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return importlib.import_module("pocketsphinx")
    except ModuleNotFoundError:
        raise UsageError(
            "training and measuring a voice need the package pocketsphinx", "pip install pocketsphinx"
        ) from None
