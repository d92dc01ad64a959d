"""Rendered sounds on disk: made once, read by every stage."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gen_audio import composition
from gen_audio.mel import HOP
from gen_audio.training.data import clips, effects, music, speech
from gen_audio.training.data.clips import Clip
from gen_audio.training.data.synthesis import RATE

FRAMES = 640
"""Frames of a clip on the shelf, 7.4 s: more than the model makes at once, so that it learns to go on."""

SAMPLES = FRAMES * HOP
_GROUP = 100
_KINDS: Mapping[str, tuple[Callable[..., Clip], Callable[[random.Random], Clip]]] = {
    "music": (composition.Tune, music.draw),
    "notes": (composition.Tune, music.draw_free),
    "effects": (effects.Clip, effects.draw),
}


@dataclass(frozen=True)
class Shelf:
    """Music, notes of no grammar, effects and speech in a folder.

    Args:
        folder: Where they are kept.
        counts: How many clips of "music", "notes", "effects" and "speech" are rendered.
        report: Called with lines of progress.
    """

    folder: Path
    counts: dict[str, int]
    report: Callable[[str], None]

    def sounds(self) -> list[Tensor]:
        """Samples of each kind, (N, 163840) int16; rendered where they are not yet."""
        for kind, count in self.counts.items():
            if not self._path(kind).exists():
                self._render(kind, count)
        # Read-only maps: a tensor of one warns unless it is told that nobody writes.
        maps = [np.load(self._path(kind), mmap_mode="c") for kind in self.counts]
        return [torch.from_numpy(found) for found in maps]

    def clips(self) -> dict[str, list[Clip]]:
        """What the clips of each kind but speech are, in the order of ``sounds``."""
        self.sounds()
        found: dict[str, list[Clip]] = {}
        for kind in self.counts:
            if kind in _KINDS:
                rows = json.loads(self._path(kind).with_suffix(".json").read_text())
                found[kind] = [_KINDS[kind][0](**row) for row in rows]
        return found

    def _path(self, kind: str) -> Path:
        return self.folder / f"{kind}.npy"

    def _render(self, kind: str, count: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        rng = random.Random(f"shelf {kind}")
        drawn: Sequence[Clip] = ()
        if kind in _KINDS:
            drawn = [_KINDS[kind][1](rng) for _ in range(count)]
            rows = json.dumps([dataclasses.asdict(clip) for clip in drawn])
            self._path(kind).with_suffix(".json").write_text(rows)
        path = self._path(kind).with_suffix(".part")
        target = np.lib.format.open_memmap(path, "w+", np.int16, (count, SAMPLES))
        for start in range(0, count, _GROUP):
            size = min(_GROUP, count - start)
            if drawn:
                sounds = clips.render(drawn[start : start + size], SAMPLES)
            else:
                said = speech.speak(size, SAMPLES / RATE, RATE, seed=start)
                sounds = np.stack([clips.levelled(row) for row in said])
            target[start : start + size] = np.rint(sounds * 32767).astype(np.int16)
            self.report(f"shelf: {start + size} of {count} clips of {kind} rendered")
        target.flush()
        path.rename(self._path(kind))
