"""Parts of a model that come and go."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from torch import nn

from gen.hardware.residency import Resident


class Loader:
    """Loads a layer, and remembers the layers weakly."""

    def __init__(self) -> None:
        self.layers: list[weakref.ref[nn.Module]] = []

    def __call__(self) -> nn.Module:
        layer = nn.Linear(2, 2)
        self.layers.append(weakref.ref(layer))
        return layer

    @property
    def alive(self) -> int:
        gc.collect()
        return sum(layer() is not None for layer in self.layers)


def test_a_part_is_there_only_while_it_is_used() -> None:
    load = Loader()
    part = Resident(load)
    assert not load.layers
    for count in (1, 2):
        with part as layer:
            assert isinstance(layer, nn.Linear)
            del layer
            assert (load.alive, part.loaded) == (1, True)
        assert (len(load.layers), load.alive, part.loaded) == (count, 0, False)


def test_nested_blocks_share_a_part() -> None:
    load = Loader()
    part = Resident(load)
    with part as outer:
        with part as inner:
            assert inner is outer
        assert part.loaded
    assert len(load.layers) == 1


def test_a_part_is_freed_after_an_error_too() -> None:
    load = Loader()
    part = Resident(load)
    with pytest.raises(ValueError, match="no"), part:
        raise ValueError("no")
    assert load.alive == 0


def test_what_is_kept_is_loaded_once_and_freed_on_demand() -> None:
    load = Loader()
    part = Resident(load, keep=True)
    for _ in range(3):
        with part:
            part.free()
            assert part.loaded
    assert (len(load.layers), load.alive) == (1, 1)
    part.free()
    assert load.alive == 0


def test_a_part_that_fails_to_load_is_tried_again() -> None:
    results = iter([MemoryError(), nn.Linear(1, 1)])

    def load() -> nn.Module:
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result

    part = Resident(load)
    with pytest.raises(MemoryError), part:
        pass
    with part as layer:
        assert isinstance(layer, nn.Linear)
    assert not part.loaded


def test_threads_share_a_part() -> None:
    load = Loader()
    part, together = Resident(load), threading.Barrier(4)

    def use() -> None:
        with part:
            together.wait(timeout=10)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(load.layers) == 1
    assert load.alive == 0
