"""Networks in their fast form: dtypes, islands, layouts, packing, and what stays as it is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gen.errors import UsageError
from gen.hardware.packing import PackedConvolution, PackedLinear, packing_available
from gen.hardware.precision import check_dtype, islands, network_dtype, prepare

needs_packing = pytest.mark.skipif(not packing_available(), reason="this torch has no oneDNN")


class Network(nn.Module):
    """A network with an island, a shared weight, an own buffer and one that is in no file."""

    _keep_in_fp32_modules = ("clock",)

    def __init__(self) -> None:
        super().__init__()
        self.clock = nn.Linear(1, 8)
        self.inlet = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.words = nn.Embedding(5, 8)
        self.scores = nn.Linear(8, 5, bias=False)
        self.scores.weight = self.words.weight
        self.mix = nn.Linear(8, 8)
        self.register_buffer("offset", torch.ones(8))
        self.register_buffer("count", torch.arange(3))
        self.register_buffer("table", torch.ones(2), persistent=False)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = self.norm(self.inlet(x)) + self.clock(t[:, None])[:, :, None, None].to(x.dtype)
        return self.mix(h.movedim(1, -1)) + self.offset


@pytest.fixture
def network() -> Network:
    torch.manual_seed(2)
    return Network()


def test_float32_keeps_tensors_and_layout(network: Network) -> None:
    before = {name: (value, value.stride()) for name, value in network.state_dict(keep_vars=True).items()}
    assert prepare(network, torch.float32, pack=True) is network
    for name, value in network.state_dict(keep_vars=True).items():
        assert value is before[name][0]
        assert value.stride() == before[name][1]
    assert not network.training
    assert not any(value.requires_grad for value in network.parameters())


def test_sixteen_bits_leave_islands_integers_and_tables(network: Network) -> None:
    prepare(network, torch.bfloat16)
    dtypes = {name: value.dtype for name, value in network.state_dict().items()}
    low = torch.bfloat16
    assert dtypes == {
        "clock.weight": torch.float32,
        "clock.bias": torch.float32,
        "inlet.weight": low,
        "inlet.bias": low,
        "norm.weight": low,
        "norm.bias": low,
        "words.weight": low,
        "scores.weight": low,
        "mix.weight": low,
        "mix.bias": low,
        "offset": low,
        "count": torch.int64,
    }
    assert network.table.dtype == torch.float32
    assert network.scores.weight is network.words.weight
    assert network.inlet.weight.is_contiguous(memory_format=torch.channels_last)
    assert network_dtype(network) == low


def test_islands_of_a_part_are_found(network: Network) -> None:
    assert islands(nn.ModuleDict({"unet": network}), torch.bfloat16) == {
        "unet.clock.weight",
        "unet.clock.bias",
    }
    assert islands(network, torch.float32) == set()


def test_what_transformers_keep_in_float16_alone_is_no_island_in_bfloat16(network: Network) -> None:
    network._keep_in_fp32_modules_strict = {"norm"}
    assert islands(network, torch.bfloat16) == {"norm.weight", "norm.bias"}
    assert islands(network, torch.float16) == {"norm.weight", "norm.bias", "clock.weight", "clock.bias"}


@needs_packing
def test_packing_changes_no_bits_and_leaves_shared_weights(network: Network) -> None:
    torch.manual_seed(3)
    x, t = torch.randn(2, 3, 6, 5).bfloat16(), torch.rand(2)
    plain = prepare(network, torch.bfloat16)
    with torch.no_grad():
        expected = plain(x, t)
        fast = prepare(network, torch.bfloat16, pack=True)
        assert torch.equal(fast(x, t), expected)
    assert isinstance(fast.inlet, PackedConvolution)
    assert isinstance(fast.mix, PackedLinear)
    assert isinstance(fast.scores, nn.Linear)
    assert isinstance(fast.clock, nn.Linear)
    assert network_dtype(fast) == torch.bfloat16


@needs_packing
def test_packing_holds_no_plain_copy() -> None:
    layer = nn.Linear(256, 256, bias=False)
    network = prepare(nn.Sequential(layer), torch.bfloat16, pack=True)
    held = sum(value.numel() * value.element_size() for value in network.parameters())
    assert held == 2 * 256 * 256
    assert not hasattr(network[0], "plain")


@needs_packing
def test_a_single_layer_is_packed() -> None:
    assert isinstance(prepare(nn.Linear(4, 4), torch.bfloat16, pack=True), PackedLinear)


def test_two_runs_of_a_prepared_network_are_equal(network: Network) -> None:
    prepare(network, torch.bfloat16, pack=packing_available())
    x, t = torch.randn(1, 3, 8, 8).bfloat16(), torch.rand(1)
    with torch.no_grad():
        assert torch.equal(network(x, t), network(x, t))


def test_float16_is_refused_on_a_cpu() -> None:
    assert check_dtype("bfloat16", "cpu") == torch.bfloat16
    assert check_dtype("float16", "cuda:1") == torch.float16
    with pytest.raises(UsageError, match="no CPU"):
        check_dtype("float16", "cpu")
