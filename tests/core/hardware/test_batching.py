"""Batches in parts: as many items as fit, equal results, and the same division in every run."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gen.diffusion import Condition, Conditioning
from gen.hardware.batching import FittingNetwork
from gen.hardware.memory import SCRATCH, SHARE


class Network(nn.Module):
    """Notes the sizes of batches; an item takes some tensors of its size."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0, dtype=torch.bfloat16), requires_grad=False)
        self.sizes: list[int] = []

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        self.sizes.append(x.shape[0])
        assert conditioning["size"].value.shape[0] == x.shape[0] == c_noise.shape[0]
        return x * self.scale + c_noise.view(-1, 1) + conditioning["size"].value


def batch(count: int) -> tuple[Tensor, Tensor, Conditioning]:
    torch.manual_seed(6)
    size = Condition(torch.arange(count, dtype=torch.float32)[:, None], "global")
    return torch.randn(count, 1000), torch.rand(count), Conditioning({"size": size})


# One item of 1,000 numbers takes two tensors of float32 at a time.
PEAK = 2 * 4000


@pytest.mark.parametrize(
    ("items", "first", "later"),
    [
        (1, [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]),
        (2, [1, 2, 2, 1], [2, 2, 1]),
        (4, [1, 4, 1], [4, 1]),
        (9, [1, 5], [5]),
    ],
)
def test_a_batch_is_divided_by_what_fits(items: int, first: list[int], later: list[int]) -> None:
    network = Network()
    fitting = FittingNetwork(network, held=1000, total=int((items + 0.5) * SCRATCH * PEAK / SHARE + 1250))
    results = []
    for expected in (first, later):
        network.sizes.clear()
        results.append(fitting(*batch(5)))
        assert network.sizes == expected
    assert torch.equal(*results)
    assert torch.equal(results[0], network(*batch(5)))


def test_one_item_needs_no_measuring() -> None:
    network = Network()
    FittingNetwork(network, held=0, total=1)(*batch(1))
    assert network.sizes == [1]


def test_it_has_the_dtype_of_the_network() -> None:
    assert FittingNetwork(Network()).dtype == torch.bfloat16
    assert FittingNetwork(lambda x, c_noise, conditioning: x).dtype is None
