"""What calls need, what the machine has, and what follows from both."""

from __future__ import annotations

import sys

import torch
from torch import nn

from gen.hardware.memory import SCRATCH, SHARE, held_bytes, items_at_once, total_memory, with_peak

MEGABYTE = 2**20 // 4


def test_the_peak_counts_what_is_alive_at_a_time() -> None:
    def call() -> torch.Tensor:
        for _ in range(5):
            first = torch.ones(MEGABYTE) + 1
            second = first * 2
            del first
            second += 1
        return second.sum()

    result, peak = with_peak(call)
    assert result == 5 * MEGABYTE
    # The ones, the first, and the second of the turn before.
    assert peak == 3 * 2**20


def test_views_and_inputs_count_once() -> None:
    x = torch.ones(MEGABYTE)
    _, peak = with_peak(lambda: x.view(-1, 4).transpose(0, 1)[1:].add_(1))
    assert peak == 0
    _, peak = with_peak(lambda: [x.clone().view(4, -1), x.view(2, -1)])
    assert peak == 2**20


def test_the_peak_of_a_network_grows_with_its_batch() -> None:
    network = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.SiLU(), nn.Conv2d(32, 3, 3, padding=1))
    with torch.inference_mode():
        (one, single), (two, double) = (
            with_peak(lambda b=b: network(torch.ones(b, 3, 32, 32))) for b in (1, 2)
        )
        assert torch.equal(one, network(torch.ones(1, 3, 32, 32)))
    assert two.shape[0] == 2
    assert double == 2 * single
    assert single >= 2 * 32 * 32 * 32 * 4


def test_as_many_items_as_fit() -> None:
    assert items_at_once(peak=100, held=0, total=1000) == int(SHARE * 1000 / (SCRATCH * 100))
    assert items_at_once(peak=100, held=800, total=1000) == 1
    assert items_at_once(peak=100, held=5000, total=1000) == 1
    assert items_at_once(peak=100, held=0, total=None) == sys.maxsize


def test_the_machine_has_memory() -> None:
    total = total_memory()
    assert total is None or total > 2**28


def test_shared_weights_are_held_once() -> None:
    first, second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    second.weight = first.weight
    assert held_bytes(nn.Sequential(first, second, nn.BatchNorm1d(4))) == 4 * (16 + 4 * 4) + 8
