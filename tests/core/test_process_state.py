"""What a process carries changes no result, and a run leaves the process as it was."""

from __future__ import annotations

import os
import random
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gen
from gen import process_state
from gen.process_state import fresh_process_state, kept_process_state

pytestmark = pytest.mark.usefixtures("toy")


@contextmanager
def setting(read: Callable[[], Any], write: Callable[[Any], object], value: object) -> Iterator[None]:
    before = read()
    write(value)
    try:
        yield
        assert read() == value, "the run has changed it"
    finally:
        write(before)


def flag(owner: Any, name: str, value: object) -> AbstractContextManager[None]:
    return setting(lambda: getattr(owner, name), lambda new: setattr(owner, name, new), value)


@contextmanager
def default_device(name: str) -> Iterator[None]:
    torch.set_default_device(name)
    try:
        yield
        assert torch.empty(0).device.type == name
    finally:
        torch.set_default_device(None)


@contextmanager
def random_numbers() -> Iterator[None]:
    def draws() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(5)
    expected = draws()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(5)
    yield
    assert draws() == expected


@contextmanager
def device_context() -> Iterator[None]:
    with torch.device("meta"):
        yield
        assert torch.empty(1).device.type == "meta"


@contextmanager
def filters() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("always", ResourceWarning)
        before = list(warnings.filters)
        yield
        assert list(warnings.filters) == before


POLLUTIONS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "default dtype": lambda: setting(torch.get_default_dtype, torch.set_default_dtype, torch.float64),
    "half default dtype": lambda: setting(torch.get_default_dtype, torch.set_default_dtype, torch.bfloat16),
    "default device": lambda: default_device("meta"),
    "device context": device_context,
    "threads": lambda: setting(torch.get_num_threads, torch.set_num_threads, 3),
    "deterministic": lambda: setting(
        torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode, 2
    ),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "matrix products": lambda: setting(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium"
    ),
    "oneDNN": lambda: flag(torch.backends.mkldnn, "enabled", False),
    "cuDNN": lambda: flag(torch.backends.cudnn, "allow_tf32", False),
    "attention": lambda: setting(
        torch.backends.cuda.flash_sdp_enabled, torch.backends.cuda.enable_flash_sdp, False
    ),
    "numpy's errors": lambda: np.errstate(all="raise"),
    "random numbers": random_numbers,
    "warnings": filters,
}


@pytest.mark.parametrize("pollution", POLLUTIONS.values(), ids=POLLUTIONS)
def test_a_run_neither_heeds_nor_changes_what_the_process_carries(
    pollution: Callable[[], AbstractContextManager[Any]],
) -> None:
    first = gen.toy("red", seed=4, solver="ddpm")
    loaded = gen.load("crayon")
    with pollution():
        made = [gen.toy("red", seed=4, solver="ddpm"), gen.load("crayon")("red", seed=4, solver="ddpm")]
        made += [loaded("red", seed=4, solver="ddpm"), gen.rerun(first)]
    for artifact in made:
        assert np.array_equal(artifact.arrays["pixels"], first.arrays["pixels"])


@pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="came with torch 2.9")
@pytest.mark.parametrize("owner", ["all", "matmul"])
def test_precisions_of_either_interface_are_set_and_put_back(owner: str) -> None:
    place: Any = torch.backends if owner == "all" else torch.backends.mkldnn.matmul
    with flag(place, "fp32_precision", "tf32"), fresh_process_state(seed=0):
        assert torch.get_float32_matmul_precision() == "highest"
        assert torch.backends.mkldnn.matmul.fp32_precision in ("none", "ieee")


def test_what_a_plugin_changes_is_put_back(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gen_toy.model

    honest = gen_toy.model.load
    expected = gen.toy("red", seed=4)
    threads = torch.get_num_threads()

    def load(*arguments: Any) -> Any:
        torch.set_default_dtype(torch.float16)
        torch.set_default_device("meta")
        torch.set_num_threads(threads + 1)
        torch.set_grad_enabled(False)
        torch.set_float32_matmul_precision("medium")
        torch.backends.mkldnn.enabled = False
        torch.set_autocast_enabled("cpu", True)
        torch.manual_seed(1)
        warnings.simplefilter("ignore")
        os.chdir(tmp_path)
        return honest(*arguments)

    monkeypatch.setattr(gen_toy.model, "load", load)
    torch.manual_seed(9)
    draw = torch.rand(())
    torch.manual_seed(9)
    filters_before = list(warnings.filters)
    made = gen.toy("red", seed=4)
    assert np.array_equal(made.arrays["pixels"], expected.arrays["pixels"])
    assert torch.equal(torch.rand(()), draw)
    assert (torch.get_default_dtype(), torch.empty(1).device.type) == (torch.float32, "cpu")
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (threads, True)
    assert torch.get_float32_matmul_precision() == "highest"
    assert torch.backends.mkldnn.enabled
    assert not torch.is_autocast_enabled("cpu")
    assert Path.cwd() == toy
    assert list(warnings.filters) == filters_before


def test_global_random_numbers_follow_the_seed() -> None:
    def draws(seed: int) -> tuple[float, ...]:
        with fresh_process_state(seed=seed):
            return random.random(), float(np.random.rand()), float(torch.rand(()))

    assert draws(2**63 - 1) == draws(2**63 - 1)
    assert len({*draws(1), *draws(2)}) == 6


def test_the_last_of_several_threads_puts_everything_back() -> None:
    entered, leave = threading.Barrier(2), threading.Barrier(2)
    seen: list[torch.dtype] = []

    def run() -> None:
        with fresh_process_state(seed=1):
            entered.wait(10)
            leave.wait(10)
            seen.append(torch.get_default_dtype())

    with setting(torch.get_default_dtype, torch.set_default_dtype, torch.float64):
        other = threading.Thread(target=run)
        other.start()
        with fresh_process_state(seed=2):
            entered.wait(10)
        assert torch.get_default_dtype() == torch.float32
        leave.wait(10)
        other.join(10)
        assert seen == [torch.float32]
        assert torch.get_default_dtype() == torch.float64


@pytest.mark.parametrize("fails", [False, True])
def test_a_rerun_takes_the_threads_of_the_recipe(monkeypatch: pytest.MonkeyPatch, *, fails: bool) -> None:
    import gen_toy.model

    seen: list[int] = []
    honest = gen_toy.model.network

    def network(*arguments: Any) -> Any:
        seen.append(torch.get_num_threads())
        if fails and len(seen) > 4:
            raise RuntimeError("a wire is loose")
        return honest(*arguments)

    monkeypatch.setattr(gen_toy.model, "network", network)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    before = torch.get_num_threads()
    made = gen.toy("red", threads=3)
    assert made.recipe.threads == 3
    with pytest.raises(gen.errors.GenError, match="wire") if fails else nullcontext():
        assert gen.rerun(made).recipe.threads == 3
    assert set(seen) == {3}
    assert torch.get_num_threads() == before
    if not fails:
        assert gen.toy("red").recipe.threads == before
        # A stranger's recipe cannot ask for more than the machine has.
        assert gen.toy("red", threads=1000).recipe.threads == max(4, before)
        with pytest.raises(gen.errors.UsageError, match="threads must be at least 1"):
            gen.toy("red", threads=0)


def test_what_a_text_decides_does_not_depend_on_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from gen_toy.model import Words

    def settle(_self: object, _prompt: str, _params: object, _seed: int) -> dict[str, int]:
        return {"height": 8 * torch.get_num_threads() if torch.ones(1).dtype == torch.float32 else 48}

    monkeypatch.setattr(Words, "settle", settle, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    with setting(torch.get_default_dtype, torch.set_default_dtype, torch.float64):
        assert gen.toy("red", threads=3).sizes["height"] == 24
        monkeypatch.setattr(Words, "settle", lambda *_: 1 / 0)
        with pytest.raises(gen.errors.GenError, match=r"toy .* ZeroDivisionError: division by zero"):
            gen.toy("red")


def test_what_garbage_collection_closes_may_enter_while_a_block_is_entered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A generator of a run that failed may be closed anywhere, also where the state is being kept."""
    folder, closed = process_state._folder, []

    def closes_a_generator() -> Callable[[], None]:
        if not closed:
            closed.append("")
            with fresh_process_state(seed=0):
                closed.append("entered")
        return folder()

    def block() -> None:
        with kept_process_state():
            monkeypatch.setenv("GEN_LEFT", "1")

    monkeypatch.setattr(process_state, "_folder", closes_a_generator)
    thread = threading.Thread(target=block, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert closed == ["", "entered"]
    assert "GEN_LEFT" not in os.environ
    assert not process_state._inside
