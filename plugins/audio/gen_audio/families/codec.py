"""Sound as the latents of a checkpoint: of any length, edited, and delivered as it is asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.model import Task
from gen_audio.artifacts import as_delivered, beginning, composited, kept, number, there_and_back
from gen_audio.resampling import resampled

RARE = ("bpm", "key", "loop", "voice", "rate")
"""Parameters of the modality that few checkpoints know."""


class Coder(Protocol):
    """Turns latents into waves, and waves into latents."""

    def waves(self, latents: Tensor) -> Tensor:
        """Samples (B, channels, L), L = hop · cells, of latents as they are sampled."""
        ...

    def latents(self, waves: Tensor) -> Tensor:
        """The latents of samples (B, channels, L)."""
        ...


@dataclass(frozen=True, eq=False)
class Oobleck:
    """The autoencoder of waves of Stable Audio (Evans et al. 2024, arXiv 2404.10301).

    Args:
        network: The ``AutoencoderOobleck`` of diffusers.
    """

    network: Any

    def waves(self, latents: Tensor) -> Tensor:
        """What it decodes."""
        found: Tensor = self.network.decode(latents.to(next(self.network.parameters()))).sample
        return found

    def latents(self, waves: Tensor) -> Tensor:
        """The mean of what it gives."""
        found: Tensor = self.network.encode(waves.to(next(self.network.parameters()))).latent_dist.mean
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class WaveCodec:
    """Sounds as latents along time.

    Args:
        coder: Of its latents.
        cell: What stands at one time: (C,) or (C, bands); states are (C, cells) or (C, cells, bands).
        hop: Samples to a cell.
        sample_rate: In Hz.
        channels: Of its waves.
        longest: Seconds at most.
        seconds: By default.
        whole: Whether every state is of the longest duration, whatever part of it is wanted.
        knows: Those of ``RARE`` that it knows.
    """

    coder: Coder
    cell: tuple[int, ...]
    hop: int
    sample_rate: int
    channels: int
    longest: float
    seconds: float
    whole: bool = False
    knows: tuple[str, ...] = ()

    def shape(self, task: Task) -> tuple[int, ...]:
        """(C, cells) or (C, cells, bands).

        Raises:
            UsageError: It would be too long, or a parameter is not for this model.
        """
        for name in RARE:
            if task.params.get(name) and name not in self.knows:
                raise UsageError(f"this model knows no {name}", f"leave out {name}")
        duration = self.duration(task)
        if duration > self.longest:
            raise UsageError(f"this model makes at most {self.longest:.1f} s, not {duration:g} s")
        return (self.cell[0], self.cells(task), *self.cell[1:])

    def duration(self, task: Task) -> float:
        """Seconds."""
        return number(task.params, "duration", self.seconds)

    def cells(self, task: Task) -> int:
        """Length of a state."""
        seconds = self.longest if self.whole else self.duration(task)
        return math.ceil(round(seconds * self.sample_rate / self.hop, 6))

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> Tensor:
        """Sounds of any rate and number of channels, cut or padded with silence."""
        size = (self.channels, self.cells(task) * self.hop)
        waves = np.stack([as_delivered(each, size, self.sample_rate) for each in artifacts])
        return self.coder.latents(torch.from_numpy(waves)).float()

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        """Sounds of latents, at the rate and with the channels that are asked for."""
        count = round(self.duration(task) * self.sample_rate)
        rate = int(number(task.params, "sample_rate", self.sample_rate))
        wanted = {"mono": 1, "stereo": 2}.get(str(task.params.get("channels")), self.channels)
        made = []
        for wave in self.coder.waves(state)[..., :count].float().clamp(-1, 1).cpu():
            mixed = wave if len(wave) == wanted else wave.mean(0, keepdim=True).expand(wanted, -1)
            samples = resampled(mixed, self.sample_rate, rate).clamp(-1, 1).contiguous().numpy()
            made.append(Artifact("audio", {"samples": samples}, {"sample_rate": rate}))
        return made

    def mask(self, mask: Artifact, task: Task) -> Tensor:
        """A sound, not silent where something is made anew, as (1, 1, cells …): 1 where latents are kept."""
        return self._across(kept(mask, self.cells(task), self.hop, self.sample_rate))

    def composite(self, made: Artifact, task: Task) -> Artifact:
        """The sound with the inputs' own samples where they are kept."""
        return composited(made, task.init, task.mask, task.params)

    def given(self, task: Task) -> tuple[Tensor, Tensor] | None:
        """The beginning, where the parameter ``extend`` gives it, as whole cells.

        Raises:
            UsageError: It is not shorter than the duration, or shorter than a cell.
        """
        cells = int(self.duration(task) * self.sample_rate / self.hop)
        found = beginning(task.params, self.hop, cells, self.sample_rate)
        if found is None:
            return None
        start, count = found
        size = start.sizes["samples"] * self.sample_rate // int(start.attributes["sample_rate"])
        sound = torch.from_numpy(as_delivered(start, (self.channels, size), self.sample_rate))
        waves = there_and_back(sound, self.cells(task) * self.hop)
        mask = (torch.arange(self.cells(task)) < count).float()[None, None]
        return self._across(mask), self.coder.latents(waves[None]).float()

    def _across(self, mask: Tensor) -> Tensor:
        """A mask (1, 1, cells) over the bands of its cells."""
        return mask if len(self.cell) == 1 else mask[..., None].expand(-1, -1, -1, self.cell[1])
