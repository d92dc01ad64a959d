"""Decoding in overlapping tiles, whose memory does not grow with what is made."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor


def decode_tiled(
    decode: Callable[[Tensor], Tensor],
    latents: Tensor,
    tile: Sequence[int],
    overlap: Sequence[int],
    scale: Sequence[int],
) -> Tensor:
    """Decode latents tile by tile, and blend the tiles where they overlap.

    At the edges of a tile, a decoder sees padding in place of neighbours. So the weight of a tile is 0 in the
    outer quarter of an overlap and rises linearly over the middle half; all weights at a place sum to 1. What
    depends only on latents nearer than a quarter of the overlap is as in the whole; decoders with global
    attention or normalisation differ from tile to tile.

    Args:
        decode: (B, C, *tile) -> (B, D, *tile × scale). Along an axis with a single tile the result may have
            any length: the first frame of a clip may stand for itself.
        latents: (B, C, *grid), of one to three dimensions.
        tile: Cells of a tile along each axis; more than the grid has means all.
        overlap: Cells that neighbours share along each axis, less than a tile.
        scale: How many values of the result stand for one cell along each axis.

    Returns:
        (B, D, *grid × scale) in the dtype that ``decode`` returns; where one tile holds all, that of
        ``decode(latents)``.

    Raises:
        ValueError: The sizes do not fit each other.
    """
    grid = latents.shape[2:]
    if not len(tile) == len(overlap) == len(scale) == len(grid):
        raise ValueError(f"tile, overlap and scale need {len(grid)} numbers each, one per axis")
    if not all(0 <= shared < size for shared, size in zip(overlap, tile, strict=True)):
        raise ValueError(f"an overlap must be 0 or more and less than a tile, not {overlap} of {tile}")
    sizes = [min(size, cells) for size, cells in zip(tile, grid, strict=True)]
    starts = [
        _starts(cells, size, size - shared)
        for cells, size, shared in zip(grid, sizes, map(min, overlap, (s - 1 for s in sizes)), strict=True)
    ]
    if all(len(places) == 1 for places in starts):
        return decode(latents)
    result: Tensor | None = None
    ramps: list[list[Tensor]] = []
    for corner in itertools.product(*map(range, map(len, starts))):
        begins = [places[number] for places, number in zip(starts, corner, strict=True)]
        piece = latents
        for axis, (begin, size) in enumerate(zip(begins, sizes, strict=True), 2):
            piece = piece.narrow(axis, begin, size)
        made = decode(piece)
        if result is None:
            lengths = [
                cells * factor if len(places) > 1 else made.shape[axis]
                for axis, (cells, factor, places) in enumerate(zip(grid, scale, starts, strict=True), 2)
            ]
            result = made.new_zeros(*made.shape[:2], *lengths, dtype=torch.float32)
            ramps = [
                _ramps(length, [begin * factor for begin in places], made.shape[axis])
                for axis, (length, factor, places) in enumerate(zip(lengths, scale, starts, strict=True), 2)
            ]
        weight = reduce(
            torch.mul,
            (
                ramps[axis][number].to(made.device).view(-1, *[1] * (len(grid) - 1 - axis))
                for axis, number in enumerate(corner)
            ),
        )
        target = result
        for axis, begin in enumerate(begins):
            place = begin * scale[axis] if len(starts[axis]) > 1 else 0
            target = target.narrow(axis + 2, place, made.shape[axis + 2])
        target.addcmul_(made.float(), weight)
        dtype = made.dtype
    assert result is not None
    return result.to(dtype)


def _starts(cells: int, size: int, step: int) -> list[int]:
    """Where tiles begin so that they cover an axis, with equal overlaps of at least ``size - step``."""
    count = 1 + math.ceil((cells - size) / step)
    return [round(number * (cells - size) / max(1, count - 1)) for number in range(count)]


def _ramps(length: int, begins: Sequence[int], size: int) -> list[Tensor]:
    """The weights of each tile along one axis, (size,) each; at every place they sum to 1."""
    raw = []
    for number, begin in enumerate(begins):
        place = torch.arange(size, dtype=torch.float64) + 0.5
        ones = torch.ones(size, dtype=torch.float64)
        before = begins[number - 1] + size - begin if number else 0
        after = begin + size - begins[number + 1] if number + 1 < len(begins) else 0
        rising = 2 * place / before - 0.5 if before > 0 else ones
        falling = 2 * (size - place) / after - 0.5 if after > 0 else ones
        raw.append(torch.minimum(rising, falling).clamp(0, 1))
    total = torch.zeros(length, dtype=torch.float64)
    for begin, weights in zip(begins, raw, strict=True):
        total[begin : begin + size] += weights
    return [
        (weights / total[begin : begin + size]).float() for begin, weights in zip(begins, raw, strict=True)
    ]
