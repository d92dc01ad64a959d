"""Decoding in tiles: equal to the whole where it can be, without seams, refused where sizes do not fit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gen.hardware.tiles import decode_tiled

UPSAMPLED = {
    1: (nn.Conv1d, (37,), (14,), (8,), (2,)),
    2: (nn.Conv2d, (20, 25), (12, 15), (8, 9), (2, 2)),
    3: (nn.Conv3d, (14, 10, 17), (11, 10, 12), (8, 0, 9), (2, 2, 2)),
}


@pytest.mark.parametrize("dimensions", UPSAMPLED)
def test_a_local_decoder_gives_the_whole(dimensions: int) -> None:
    torch.manual_seed(5)
    layer, grid, tile, overlap, scale = UPSAMPLED[dimensions]
    network = nn.Sequential(layer(2, 4, 3, padding=1), nn.Upsample(scale_factor=2), layer(4, 3, 3, padding=1))
    sizes: list[torch.Size] = []

    def decode(latents: Tensor) -> Tensor:
        sizes.append(latents.shape[2:])
        return network(latents)

    latents = torch.randn(2, 2, *grid)
    with torch.no_grad():
        whole = network(latents)
        tiled = decode_tiled(decode, latents, tile, overlap, scale)
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-5)
    assert set(sizes) == {torch.Size(tile)}
    assert len(sizes) == {1: 5, 2: 9, 3: 6}[dimensions]


def test_tiles_of_a_pointwise_decoder_have_no_seams() -> None:
    latents = torch.randn(1, 3, 30, 17)
    tiled = decode_tiled(lambda z: z.repeat_interleave(3, 2) + 1, latents, (8, 7), (2, 3), (3, 1))
    torch.testing.assert_close(tiled, latents.repeat_interleave(3, 2) + 1)


def test_tiles_are_blended_linearly() -> None:
    """Two tiles of different brightness meet in a ramp."""
    values = iter([0.0, 1.0])
    tiled = decode_tiled(
        lambda z: torch.full_like(z, next(values)), torch.zeros(1, 1, 12), tile=(8,), overlap=(4,), scale=(1,)
    )
    expected = torch.tensor([0, 0, 0, 0, 0, 0.25, 0.75, 1, 1, 1, 1, 1])
    torch.testing.assert_close(tiled[0, 0], expected)


def test_one_tile_is_the_decoder_itself() -> None:
    latents, results = torch.randn(1, 2, 6, 5), []

    def decode(z: Tensor) -> Tensor:
        assert z is latents
        results.append(z * 2)
        return results[-1]

    assert decode_tiled(decode, latents, (6, 99), (3, 3), (8, 8)) is results[0]


def test_an_axis_in_one_tile_may_have_any_length() -> None:
    """A clip's first cell in time is one frame, each further one four."""

    def decode(z: Tensor) -> Tensor:
        return torch.cat([z[:, :, :1], z[:, :, 1:].repeat_interleave(4, 2)], 2)

    latents = torch.randn(1, 2, 3, 10, 4)
    tiled = decode_tiled(decode, latents, (3, 4, 4), (0, 2, 2), (4, 1, 1))
    torch.testing.assert_close(tiled, decode(latents))


def test_the_dtype_is_the_decoders() -> None:
    tiled = decode_tiled(torch.Tensor.bfloat16, torch.randn(1, 1, 9), (4,), (2,), (1,))
    assert tiled.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("tile", "overlap", "scale"),
    [((4,), (2, 2), (1, 1)), ((4, 4), (4, 0), (1, 1)), ((4, 4), (-1, 0), (1, 1))],
)
def test_sizes_that_do_not_fit_are_refused(
    tile: tuple[int, ...], overlap: tuple[int, ...], scale: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="tile"):
        decode_tiled(lambda z: z, torch.zeros(1, 1, 9, 9), tile, overlap, scale)
