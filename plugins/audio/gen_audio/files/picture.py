"""Spectrograms as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gen_audio.mel import CENTRE, FLOOR, SPREAD, log_mel

# Dark blue over violet and orange to pale yellow: (position, red, green, blue).
_STOPS = np.array(
    [
        (0.0, 4, 4, 20),
        (0.25, 66, 10, 104),
        (0.5, 170, 44, 92),
        (0.75, 240, 130, 28),
        (1.0, 252, 250, 190),
    ]
)


def coloured(mel: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Standardised log-mel (80, F) as a picture (80, F, 3), low tones at the bottom, 80 dB deep.

    Silence is dark: what is brightest lies at least as far above the floor.
    """
    depth = 80 / 20 * np.log(10) / SPREAD
    top = max(mel.max(), (np.log(FLOOR) - CENTRE) / SPREAD + depth)
    scaled = np.clip((mel[::-1] - top) / depth + 1, 0, 1)
    return np.stack([np.interp(scaled, _STOPS[:, 0], _STOPS[:, i]) for i in (1, 2, 3)], -1).astype(np.uint8)


def save_mels(rows: Sequence[Tensor], path: Path) -> None:
    """Write log-mels as one PNG: a row for each (B, 80, F)."""
    lines = [
        np.concatenate(
            [np.pad(coloured(mel.numpy()), ((2, 2), (2, 2), (0, 0))) for mel in row.float().cpu()], 1
        )
        for row in rows
    ]
    Image.fromarray(np.concatenate(lines)).save(path)


def save_rows(rows: Sequence[Tensor], path: Path) -> None:
    """Write the spectrograms of sounds as one PNG: a row for each (B, 256·F)."""
    with torch.no_grad():
        save_mels([log_mel(row.float().cpu()) for row in rows], path)
