"""The recogniser pocketsphinx, which carries an English dictionary and model: words to learn, and an ear."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from gen.errors import UsageError


class Ear:
    """Writes down what it hears.

    Args:
        rate: Samples per second of what it is given.

    Raises:
        UsageError: pocketsphinx is not installed.
    """

    def __init__(self, rate: int) -> None:
        self._decoder = _module().Decoder(samprate=rate, loglevel="FATAL")

    def words(self, samples: NDArray[np.int16]) -> list[str]:
        """The words of an utterance (N,)."""
        self._decoder.start_utt()
        self._decoder.process_raw(samples.tobytes(), full_utt=True)
        self._decoder.end_utt()
        heard = self._decoder.hyp()
        return heard.hypstr.split() if heard else []


def dictionary() -> Path:
    """The file of CMUdict: a word and its phones on every line.

    Raises:
        UsageError: pocketsphinx is not installed.
    """
    return Path(_module().get_model_path("en-us/cmudict-en-us.dict"))


def _module() -> ModuleType:
    try:
        return importlib.import_module("pocketsphinx")
    except ModuleNotFoundError:
        raise UsageError(
            "training and measuring a voice need the package pocketsphinx",
            'pip install "gen-toolkit[train]"',
        ) from None
