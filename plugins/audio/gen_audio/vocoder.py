"""The vocoder: a small network says the magnitudes that a log-mel leaves open; phases are found for them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.model import ModelFile
from gen_audio.mel import BANDS, BINS, around, log_magnitudes
from gen_audio.phases import sounding

ITERATIONS, ITERATIONS_ALONE = 7, 32
"""Rounds that look for phases: with the network's magnitudes, and without."""

PIECE = 2048
"""Frames that the network is given at once, 24 s: their tokens hold 64 MB."""

PATCH = 16
"""Bins that one token stands for."""

PATCHES = -(-BINS // PATCH)
CONTEXT = 2
"""Frames on either side that a token is made of."""

_SILENT = -9.0


@dataclass(frozen=True)
class VocoderShape:
    """Sizes of a ``Vocoder``.

    Args:
        width, depth, hidden: Of its blocks.
    """

    width: int = 96
    depth: int = 4
    hidden: int = 192

    @property
    def margin(self) -> int:
        """Frames on either side that a magnitude depends on."""
        return CONTEXT + self.depth * (self.depth + 1) // 2


class Vocoder(nn.Module):
    """Log-mel (B, 80, F) to log magnitudes (B, 513, F).

    What it says is added to the least squares of the bands, which know the level of every band but not where
    in it the partials stand. A token is 16 bins of one frame, as sharpening is the same task all over the
    spectrum; what harmonics have to do with each other is learned by mixing all tokens of a frame.
    """

    def __init__(self, shape: VocoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.stem = nn.Linear(3 * PATCH * (2 * CONTEXT + 1) + 1, shape.width)
        self.place = nn.Parameter(0.1 * torch.randn(PATCHES, shape.width))
        self.frame = nn.Conv1d(BANDS, shape.width, 2 * CONTEXT + 1, padding=CONTEXT)
        self.blocks = nn.ModuleList(
            Block(shape.width, shape.hidden, number + 1) for number in range(shape.depth)
        )
        self.norm = nn.LayerNorm(shape.width)
        self.head = nn.Linear(shape.width, PATCH)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, mel: Tensor) -> Tensor:
        # In training, too: bfloat16 would round the level of logs, and what stands out of it with it.
        with torch.autocast(mel.device.type, enabled=False):
            logs = log_magnitudes(mel)
            x = self._tokens(logs)
        x += self.place
        x += self.frame(mel).mT.contiguous()[:, :, None]
        for block in self.blocks:
            x = block(x)
        sharpened = self.head(self.norm(x)).float().flatten(2)[:, :, :BINS]
        return logs + sharpened.transpose(1, 2)

    def _tokens(self, logs: Tensor) -> Tensor:
        """Log magnitudes (B, 513, F) to tokens (B, F, 33, width).

        The stem is a layer for three patches of five frames, from which their mean level was taken, and for
        a quarter of that level. As a convolution it takes logs as they lie. Silence is all around them.
        """
        bands = 3 * PATCH * (2 * CONTEXT + 1)
        shape, level = self.stem.weight.split([bands, 1], 1)
        kernel = shape + (level / 4 - shape.sum(1, keepdim=True)) / bands
        kernel = kernel.unflatten(1, (3, PATCH, 2 * CONTEXT + 1)).permute(0, 2, 3, 1)
        bias = self.stem.bias + level[:, 0] / 4 * _SILENT
        heard = functional.pad((logs - _SILENT).clamp(min=0).transpose(1, 2), (0, PATCHES * PATCH - BINS))
        patches = heard.unflatten(2, (PATCHES, PATCH)).permute(0, 3, 1, 2)
        return functional.conv2d(patches, kernel, bias, padding=(CONTEXT, 1)).permute(0, 2, 3, 1)

    def sound(self, mel: Tensor, loop: bool = False) -> Tensor:
        """Samples (B, 256·F) of a log-mel (B, 80, F); what follows the end of a loop is its beginning."""
        margin = self.shape.margin
        wide = around(margin, loop)(mel)
        logs = [
            self(wide[:, :, start : start + PIECE + 2 * margin])[:, :, margin:-margin]
            for start in range(0, mel.shape[2], PIECE)
        ]
        return sounding(torch.cat(logs, 2).exp(), ITERATIONS, loop)


class GriffinLim:
    """What stands in for a vocoder where there is none: the least squares of the bands and no more."""

    def sound(self, mel: Tensor, loop: bool = False) -> Tensor:
        """As ``Vocoder.sound``."""
        return sounding(log_magnitudes(mel).exp(), ITERATIONS_ALONE, loop)


def vocoder_of(file: ModelFile, device: str) -> Vocoder | GriffinLim:
    """The vocoder of a model file; Griffin–Lim where its configuration names none.

    Args:
        file: An open model file.
        device: ``"cpu"``, ``"cuda"`` …

    Raises:
        ModelError, RuntimeError, TypeError, ValueError: The vocoder does not fit; see ``ModelFile.fitting``.
    """
    if "vocoder" not in file.config:
        return GriffinLim()
    shape = VocoderShape(**file.sizes("vocoder"))
    return file.module(lambda: Vocoder(shape), "vocoder.", device, "float32")


class Block(nn.Module):
    """Neighbours in time and frequency, all of a frame, and a feed-forward network: (B, F, N, width) -> same.

    Args:
        width, hidden: Of tokens, and inside the feed-forward network.
        reach: How many frames away the neighbours in time are.
    """

    def __init__(self, width: int, hidden: int, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.norm = nn.LayerNorm(width)
        self.near = nn.Parameter(0.3 * torch.randn(5, width))
        self.across = nn.Linear(PATCHES, PATCHES)
        self.inner_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.gain = nn.Parameter(torch.full((width,), 0.3))
        nn.init.zeros_(self.across.weight)
        nn.init.zeros_(self.across.bias)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        mixed = self._near(h)
        # The bias of ``across`` is the same for all channels of a token, which no norm lets through.
        mixed += self.across.weight @ h
        x = x + mixed
        # The shipped weights learned with the tanh in its place, which is within 5e-4 of it, and slower.
        fed = self.down(functional.gelu(self.up(self.inner_norm(x))))
        return torch.addcmul(x, self.gain, fed)

    def _near(self, h: Tensor) -> Tensor:
        """A cross of five neighbours: before and after in time, below and above in frequency."""
        here, before, after, below, above = self.near
        none = torch.zeros_like(here)
        cross = torch.stack([none, before, none, below, here, above, none, after, none], 1)
        kernel, away = cross.view(-1, 1, 3, 3), (self.reach, 1)
        # Not in bfloat16: oneDNN's gradients of such kernels are wrong there.
        with torch.autocast(h.device.type, enabled=False):
            near = functional.conv2d(
                h.permute(0, 3, 1, 2), kernel, padding=away, dilation=away, groups=len(kernel)
            )
        return near.permute(0, 2, 3, 1)
