"""The transformer that every text-conditioned denoiser is made of, on states of one axis."""

import pytest
import torch
from line import Line, LineShape
from torch import nn

from gen.diffusion import Condition, Conditioning
from gen.nn import text_conditions


def fresh() -> Line:
    torch.manual_seed(0)
    return Line(LineShape(vocabulary=9, width=16, depth=2, heads=2, hidden=24, length=5, channels=3))


@pytest.fixture(scope="module")
def network() -> Line:
    line = fresh()
    for layer in (line.line_out, line.modulation.project):  # both start at zero
        nn.init.normal_(layer.weight, std=0.2)
    return line.eval().requires_grad_(False)


X, LEVEL = torch.linspace(-1, 1, 2 * 3 * 7).view(2, 3, 7), torch.tensor([0.2, 0.9])
IDS = torch.tensor([[2, 3, 4], [5, 0, 0]])


def test_a_fresh_network_says_zero_and_its_parameters_keep_their_order() -> None:
    line = fresh()
    assert not line(X, LEVEL, text_conditions(IDS)).any()
    names = [name for name, _ in line.named_children()]
    assert names == ["subwords", "line_in", "time", "modulation", "blocks", "norm", "line_out"]


def test_text_and_level_matter_and_padding_does_not(network: Line) -> None:
    out = network(X, LEVEL, text_conditions(IDS))
    assert out.shape == X.shape
    padded = torch.cat([IDS, torch.zeros(2, 2, dtype=torch.int64)], 1)
    torch.testing.assert_close(network(X, LEVEL, text_conditions(padded)), out, atol=1e-5, rtol=1e-4)
    for x, level, ids in ((X, LEVEL, IDS.flip(1)), (X, LEVEL.flip(0), IDS)):
        assert (network(x, level, text_conditions(ids)) - out).abs().amax((1, 2)).min() > 1e-3


def test_text_without_a_mask_is_present_throughout(network: Line) -> None:
    ids = torch.tensor([[2, 3], [5, 6]])
    bare = Conditioning({"text": Condition(ids, "prepend")})
    assert torch.equal(network(X, LEVEL, bare), network(X, LEVEL, text_conditions(ids)))


def test_nothing_known_is_the_same_as_no_condition(network: Line) -> None:
    out = network(X, LEVEL, text_conditions(IDS))
    nothing = torch.zeros(2, 4, 7)
    assert torch.equal(network(X, LEVEL, text_conditions(IDS, nothing)), out)
    part = torch.cat([torch.ones(2, 1, 7), X], 1)
    assert (network(X, LEVEL, text_conditions(IDS, part)) - out).abs().max() > 1e-3
