"""How far speech is from other speech: mel cepstra along the best alignment, and edits of words or phones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gen_audio.mel import BANDS, SPREAD

COEFFICIENTS = 13


def cepstra(mel: Tensor) -> NDArray[np.float64]:
    """Standardised log-mel (80, F) to mel cepstra (F, 13), natural units, without the one for loudness.

    An orthonormal cosine transform of the log magnitudes (Davis & Mermelstein 1980).
    """
    band = torch.arange(BANDS, dtype=torch.float64) + 0.5
    basis = torch.cos(math.pi / BANDS * band * torch.arange(1, COEFFICIENTS + 1)[:, None])
    found: NDArray[np.float64] = (math.sqrt(2 / BANDS) * basis @ (mel.double() * SPREAD)).T.numpy()
    return found


def distortion(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """How far cepstra (N, K) and (M, K) are apart in dB along their best alignment.

    The root mean square over bands of the difference of the two smoothed spectra, as the mel-cepstral
    distortion of Kubichek (1993) but for its constant, averaged over the path of dynamic time warping (Sakoe
    & Chiba 1978: the symmetric form with weights 1, 2, 1, divided by N + M).
    """
    scale = 20 / math.log(10) / math.sqrt(BANDS)
    local = scale * np.sqrt(((one[:, None] - other[None]) ** 2).sum(-1))
    rows, columns = local.shape
    # Cells of an antidiagonal depend on the two before it only; index 0 is outside.
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    for diagonal in range(2, rows + columns + 1):
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        here = local[i - 1, j - 1]
        best = np.minimum(total[i - 1, j] + here, total[i, j - 1] + here)
        total[i, j] = np.minimum(best, total[i - 1, j - 1] + 2 * here)
    return float(total[rows, columns]) / (rows + columns)


def edits(one: Sequence[str], other: Sequence[str]) -> int:
    """Fewest insertions, deletions and replacements that turn one sequence into the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, here in enumerate(one, 1):
        before, row = row, [i]
        for j, there in enumerate(other, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (here != there)))
    return row[-1]
