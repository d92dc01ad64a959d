"""The networks of codecs: what comes out has the right shape and scale, and stored weights go on fitting."""

import pytest
import torch

from gen.nn import GridAutoencoder, picture_coders


@pytest.fixture(scope="module")
def network() -> GridAutoencoder:
    torch.manual_seed(0)
    return GridAutoencoder(*picture_coders(6, (8, 16, 24)))


def test_latents_have_unit_mean_square_everywhere(network: GridAutoencoder) -> None:
    pixels = torch.rand(2, 3, 32, 48) * 2 - 1
    latents = network.encode(pixels)
    assert latents.shape == (2, 6, 2, 3)
    torch.testing.assert_close(latents.square().mean(1), torch.ones(2, 2, 3), atol=1e-3, rtol=1e-3)
    assert network.decode(latents).shape == pixels.shape
    assert torch.equal(network(pixels), network.decode(latents))


@pytest.mark.parametrize("sides", [(5,), (3, 4), (2, 3, 4)])
def test_grids_may_have_any_dimension(sides: tuple[int, ...]) -> None:
    network = GridAutoencoder(torch.nn.Identity(), torch.nn.Identity())
    data = 7 * torch.randn(2, 512, *sides)
    torch.testing.assert_close(network(data), data / data.square().mean(1, keepdim=True).sqrt())


def test_weights_that_are_stored_go_on_fitting(network: GridAutoencoder) -> None:
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert len(shapes) == 80
    assert list(shapes)[:2] == ["encoder.1.weight", "encoder.1.bias"]
    assert shapes["encoder.4.weight"] == (16, 32, 1, 1)
    assert shapes["encoder.9.weight"] == (6, 24, 3, 3)
    assert shapes["decoder.0.weight"] == (24, 6, 3, 3)
    assert list(shapes)[-2:] == ["decoder.10.weight", "decoder.10.bias"]
