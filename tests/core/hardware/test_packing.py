"""Layers with reordered weights: the same bits as plain ones, gradients to the input, fall-backs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gen.hardware.packing import PackedConvolution, PackedLinear, packed, packing_available
from gen.hardware.precision import prepare

pytestmark = pytest.mark.skipif(not packing_available(), reason="this torch has no oneDNN")

LAYERS = {
    "linear": (lambda: nn.Linear(48, 32), (2, 7, 48)),
    "linear without bias": (lambda: nn.Linear(48, 32, bias=False), (5, 48)),
    "one row": (lambda: nn.Linear(9, 5), (9,)),
    "conv": (lambda: nn.Conv2d(8, 16, 3, padding=1), (2, 8, 9, 6)),
    "conv without bias": (lambda: nn.Conv2d(8, 16, 3, stride=2, bias=False), (1, 8, 9, 6)),
    "groups": (lambda: nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=4), (1, 16, 8, 8)),
    "depthwise": (lambda: nn.Conv2d(16, 16, 3, padding=1, groups=16), (2, 16, 8, 8)),
    "volume": (lambda: nn.Conv3d(8, 16, (1, 3, 3), padding=(0, 1, 1)), (2, 8, 3, 6, 6)),
    "one pixel": (lambda: nn.Conv2d(8, 16, 1), (2, 8, 5, 6)),
    "no batch": (lambda: nn.Conv2d(8, 16, 3), (8, 9, 6)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_packed_layer_returns_the_bits_of_the_plain_one(name: str) -> None:
    torch.manual_seed(1)
    build, shape = LAYERS[name]
    # Channels-last, as a prepared network has it.
    layer, x = prepare(build(), torch.bfloat16), torch.randn(shape).bfloat16()
    fast = packed(layer)
    assert isinstance(fast, PackedLinear | PackedConvolution)
    assert fast.weight.is_mkldnn
    with torch.no_grad():
        result, expected = fast(x), layer(x)
    assert torch.equal(result, expected)
    assert result.stride() == expected.stride()


@pytest.mark.parametrize("name", ["linear", "conv", "volume"])
def test_gradients_reach_the_input(name: str) -> None:
    torch.manual_seed(1)
    build, shape = LAYERS[name]
    layer = prepare(build(), torch.bfloat16)
    gradients = []
    for one in (layer, packed(layer)):
        x = torch.ones(shape, dtype=torch.bfloat16, requires_grad=True)
        one(x).float().square().sum().backward()
        gradients.append(x.grad)
    assert torch.equal(*gradients)
    assert gradients[0].abs().max() > 0


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"),
        nn.Conv1d(4, 4, 3),
        nn.ConvTranspose2d(4, 4, 3),
        nn.Embedding(4, 4),
        nn.MultiheadAttention(4, 1).out_proj,
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_what_cannot_be_packed_stays(layer: nn.Module) -> None:
    assert packed(layer) is layer
