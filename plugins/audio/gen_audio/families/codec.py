"""Sound as the latents of a checkpoint's autoencoder of waves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.model import Task
from gen_audio.resampling import resampled

NOT_HERE = ("bpm", "key", "loop", "extend", "voice", "rate")
"""Parameters of the modality that checkpoints do not know."""


@dataclass(frozen=True, eq=False)
class WaveCodec:
    """An autoencoder of diffusers for waves.

    Args:
        network: The autoencoder.
        channels: Of the latents.
        cells: Of the latents, always as many; what is too long is cut off.
        hop: Samples to a cell.
        sample_rate: In Hz.
    """

    network: Any
    channels: int
    cells: int
    hop: int
    sample_rate: int

    def shape(self, task: Task) -> tuple[int, ...]:
        """(C, cells).

        Raises:
            UsageError: It would be too long, or a parameter is not for checkpoints.
        """
        for name in NOT_HERE:
            if task.params.get(name):
                raise UsageError(f"this model knows no {name}", f"leave out {name}")
        longest = self.cells * self.hop / self.sample_rate
        if self.duration(task) > longest:
            raise UsageError(f"this model makes at most {longest:.1f} s, not {self.duration(task):g} s")
        return (self.channels, self.cells)

    def duration(self, task: Task) -> float:
        """Seconds; by default as long as it can."""
        given = task.params.get("duration")
        return self.cells * self.hop / self.sample_rate if given is None else float(str(given))

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        """Sounds of latents (B, C, cells), at the rate and with the channels that are asked for."""
        waves = self.network.decode(state.to(next(self.network.parameters()))).sample
        count = int(self.duration(task) * self.sample_rate)
        rate = int(str(task.params.get("sample_rate") or self.sample_rate))
        made = []
        for wave in waves[..., :count].float().clamp(-1, 1).cpu():
            mixed = wave.mean(0, keepdim=True) if task.params.get("channels") == "mono" else wave
            samples = resampled(mixed, self.sample_rate, rate).clamp(-1, 1).numpy()
            arrays = {"samples": np.ascontiguousarray(samples, dtype=np.float32)}
            made.append(Artifact("audio", arrays, {"sample_rate": rate}))
        return made
