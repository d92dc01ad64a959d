"""Modules without values."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from gen.skeleton import skeleton


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.Conv2d(4, 4, 3), nn.LayerNorm(4))
        self.free = nn.Parameter(torch.randn(3))
        nn.init.trunc_normal_(self.layers[1].weight)
        nn.init.xavier_uniform_(tensor=self.layers[1].weight)


def test_a_skeleton_is_filled_whole() -> None:
    torch.manual_seed(3)
    whole = Network()
    with skeleton():
        bare = Network()
    assert {name: value.shape for name, value in bare.state_dict().items()} == {
        name: value.shape for name, value in whole.state_dict().items()
    }
    bare.load_state_dict(whole.state_dict(), assign=True)
    assert all(torch.equal(value, whole.state_dict()[name]) for name, value in bare.state_dict().items())


def test_a_skeleton_draws_nothing() -> None:
    state = torch.get_rng_state()
    with skeleton():
        kept = torch.full((50, 50), 7.0)
        assert nn.init.normal_(kept) is kept
        assert nn.init.xavier_uniform_(kept) is kept
        Network()
    assert torch.equal(kept, torch.full((50, 50), 7.0))
    assert torch.equal(torch.get_rng_state(), state)


def test_outside_of_a_skeleton_values_are_drawn_as_ever() -> None:
    with skeleton():
        pass
    assert nn.Linear(4, 4).weight.std() > 0
    assert torch.zeros(1000).normal_().std() > 0.5


def test_a_skeleton_loads_no_compiler() -> None:
    script = (
        "import sys, torch\n"
        "from gen.skeleton import skeleton\n"
        "with skeleton():\n"
        "    torch.nn.Embedding(5, 4), torch.nn.Conv2d(4, 4, 3), 0.02 * torch.randn(3)\n"
        "print('torch._dynamo' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
