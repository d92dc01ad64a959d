"""The self-test of the machine: what is chosen from a profile, and how a profile is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gen.hardware import profile as module
from gen.hardware.profile import MachineProfile, choose_dtype, choose_packing


def profile(
    *,
    low: float = 100.0,
    last: float = 100.0,
    packed: float = 100.0,
    accurate: bool = True,
    exact: bool = True,
) -> MachineProfile:
    matrix = {"float32": 100.0, "bfloat16": low, "bfloat16 packed": packed}
    return MachineProfile("a CPU", "9.9", matrix, {**matrix, "bfloat16 channels-last": last}, accurate, exact)


FAST = profile(low=300, last=300, packed=400)


@pytest.mark.parametrize(
    ("parameters", "device", "measured", "expected"),
    [
        (module.LARGE, "cpu", FAST, "bfloat16"),
        (module.LARGE - 1, "cpu", FAST, "float32"),
        (10**9, "cpu", profile(), "float32"),
        (10**9, "cpu", profile(low=300, last=300, packed=400, accurate=False), "float32"),
        (10**9, "cuda:0", profile(), "bfloat16"),
        (10**6, "cuda", FAST, "float32"),
    ],
)
def test_large_networks_get_the_fast_dtype(
    parameters: int, device: str, measured: MachineProfile, expected: str
) -> None:
    assert choose_dtype(parameters, device, lambda: measured) == expected


def test_the_machine_is_measured_only_where_it_decides() -> None:
    def never() -> MachineProfile:
        raise AssertionError

    assert choose_dtype(10**6, "cpu", never) == "float32"
    assert choose_dtype(10**10, "cuda", never) == "bfloat16"


def test_packing_needs_equal_bits_and_speed() -> None:
    assert FAST.packs
    assert FAST.speedup == pytest.approx(4)
    assert not profile(low=300, last=300, packed=200).packs
    inexact = profile(low=300, last=200, packed=400, exact=False)
    assert not inexact.packs
    assert inexact.speedup == pytest.approx(2 / (1 / 3 + 1 / 2))


def test_weights_are_packed_in_bfloat16_on_a_cpu_alone() -> None:
    assert choose_packing("bfloat16", "cpu", lambda: FAST)
    assert not choose_packing("float32", "cpu", lambda: FAST)
    assert not choose_packing("bfloat16", "cuda:0", lambda: FAST)
    assert not choose_packing("bfloat16", "cpu", lambda: profile(exact=False))


def test_a_form_without_kernels_is_never_chosen() -> None:
    missing = MachineProfile("a CPU", "9.9", {"float32": 100.0}, {"float32": 100.0}, True, False)
    assert missing.speedup == 0
    assert not missing.packs


def test_a_profile_is_kept_by_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEN_CACHE", str(tmp_path))
    monkeypatch.delenv(module.REMEASURE, raising=False)
    results = iter([FAST, profile(), profile(low=7)])
    monkeypatch.setattr(module, "measure", lambda: next(results))
    assert module.remembered_profile() is None
    assert module.machine_profile() == FAST
    assert module.machine_profile() == module.remembered_profile() == FAST
    monkeypatch.setenv(module.REMEASURE, "1")
    assert module.machine_profile() == profile()
    monkeypatch.delenv(module.REMEASURE)
    assert module.machine_profile() == profile()
    monkeypatch.setattr(module, "_cpu_name", lambda: "another CPU")
    assert module.machine_profile() == profile(low=7)


@pytest.mark.parametrize("entry", [{}, [], {"cpu": "a"}, {**vars(FAST), "matrix": {"float32": "fast"}}])
def test_a_spoilt_entry_is_measured_anew(
    entry: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GEN_CACHE", str(tmp_path))
    (tmp_path / "machine-profiles.json").write_text(json.dumps({module._key(): entry}))
    assert module.remembered_profile() is None


def test_the_self_test_measures_every_form_and_leaves_no_trace() -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    measured = module.measure()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert measured.matrix["float32"] > 0
    assert measured.convolution["float32"] > 0
    assert measured.torch == torch.__version__
    if measured.exact:
        assert measured.accurate


def test_a_profile_is_read_without_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEN_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "measure", lambda: FAST)
    module.machine_profile()
    script = (
        "import sys\n"
        "from gen.hardware.profile import choose_dtype, machine_profile\n"
        "print(choose_dtype(10**9, 'cpu', machine_profile), 'torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "bfloat16 False\n"
