"""Parts of a model that are in memory only while they are used."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from gen.hardware.memory import give_back

Part = TypeVar("Part")


class Resident(Generic[Part]):
    """A part of a model, loaded by the first ``with`` block that needs it and freed after the last::

        encoder = Resident(load_text_encoder)
        with encoder as network:
            embeddings = network(tokens)

    Blocks may be nested and entered by several threads; they share the part. Nothing may refer to it outside.

    Args:
        load: Loads it, fast enough to do so again: from a file that is mapped, for instance.
        keep: Whether it stays in memory after its first use: where all parts of a model fit at once.
    """

    def __init__(self, load: Callable[[], Part], *, keep: bool = False) -> None:
        self._load, self._keep = load, keep
        self._lock = threading.Lock()
        self._loaded: list[Part] = []
        self._users = 0

    @property
    def loaded(self) -> bool:
        """Whether it is in memory."""
        return bool(self._loaded)

    def __enter__(self) -> Part:
        with self._lock:
            if not self._loaded:
                self._loaded.append(self._load())
            self._users += 1
            return self._loaded[0]

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and not self._keep:
                self._free()

    def free(self) -> None:
        """Free a part that was kept, unless it is in use."""
        with self._lock:
            if not self._users:
                self._free()

    def _free(self) -> None:
        if self._loaded:
            self._loaded.clear()
            give_back()
