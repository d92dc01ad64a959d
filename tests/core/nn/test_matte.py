"""Pictures that are taken apart: the network, and the way back."""

import torch

from gen.nn import Matte, laid, lifted


def test_the_network_is_small_and_keeps_to_its_ranges() -> None:
    torch.manual_seed(0)
    network = Matte()
    assert sum(parameter.numel() for parameter in network.parameters()) <= 350_000
    # A wild last layer, as a fresh one stays far from the ends of the ranges.
    torch.nn.init.normal_(network.leave.weight)
    pictures = torch.rand(2, 3, 128, 128) * 2 - 1
    with torch.no_grad():
        alpha, background = network(pictures)
    assert alpha.shape == (2, 1, 128, 128)
    assert background.shape == (2, 3, 128, 128)
    assert 0 <= alpha.min() < 0.01
    assert 0.99 < alpha.max() <= 1
    assert background.abs().max() <= 1
    things = lifted(pictures, alpha, background)
    assert things.shape == (2, 4, 128, 128)
    assert things.min() >= 0
    assert (things[:, :3] <= things[:, 3:]).all()


def test_every_corner_sees_the_one_across() -> None:
    torch.manual_seed(0)
    network = Matte()
    # Fresh blocks are the identity, and norms see everything: neither is to decide.
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.normal_(module.weight, std=0.1)
    for block in (*network.down, *network.middle, *network.up):
        block.norm1 = block.norm2 = torch.nn.Identity()
    pictures = torch.zeros(1, 3, 128, 128, requires_grad=True)
    network.double()(pictures.double())[1][..., -1, -1].sum().backward()
    assert pictures.grad is not None
    assert pictures.grad[..., :2, :2].abs().max() > 0


def test_laying_back_what_was_lifted_gives_the_picture() -> None:
    generator = torch.Generator().manual_seed(1)
    alpha = torch.rand(2, 1, 128, 128, generator=generator)
    colour = torch.rand(2, 3, 128, 128, generator=generator)
    background = torch.rand(2, 3, 128, 128, generator=generator) * 2 - 1
    over = torch.cat([colour * alpha, alpha], 1)
    pictures = laid(over, background)
    assert (lifted(pictures, alpha, background) - over).abs().max() < 1e-6
    assert (laid(lifted(pictures, alpha, background), background) - pictures).abs().max() < 1e-6


def test_what_alpha_forbids_is_held_back() -> None:
    pictures, background = torch.ones(1, 3, 4, 4), -torch.ones(1, 3, 4, 4)
    over = lifted(pictures, torch.full((1, 1, 4, 4), 0.25), background)
    assert torch.equal(over, torch.full((1, 4, 4, 4), 0.25))
    assert torch.equal(laid(over, background), torch.full((1, 3, 4, 4), -0.5))
