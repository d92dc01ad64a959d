"""A self-test of about a second: which precision, layout and order of weights is fast on this CPU.

The result is kept in the user's cache folder, by CPU and version of torch. ``GEN_REMEASURE=1`` measures anew.
torch is imported only to measure.
"""

from __future__ import annotations

import copy
import hashlib
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, cast

from gen.plugin.cache import read_cache, write_cache

if TYPE_CHECKING:
    import torch

REMEASURE = "GEN_REMEASURE"
"""The variable of the environment that asks for a new measurement."""

LARGE = 100_000_000
"""Parameters from which on a network runs in bfloat16 by default, where that is faster."""

FASTER = 1.25
"""How many times as fast as float32 bfloat16 must be, to be worth its digits."""

_FILE = "machine-profiles.json"
_LIMIT = 16
_ROUNDS, _BUDGET = 8, 0.4
"""At most so many rounds of measuring a layer, and no further one after so many seconds."""


@dataclass(frozen=True)
class MachineProfile:
    """What the self-test has measured.

    Args:
        cpu: The CPU's name.
        torch: The version of torch.
        matrix: 10⁹ operations per second of a linear layer by form: ``"float32"``, ``"bfloat16"``, and
            ``"bfloat16 packed"`` (weights reordered once). A form that is missing, wrong or much slower than
            float32 has 0.
        convolution: Likewise of a 3 × 3 convolution, also ``"bfloat16 channels-last"``; the packed one is
            channels-last, too.
        accurate: Whether bfloat16 agrees with float32 up to its rounding in all cases that were tried.
        exact: Whether packed layers return the bits of plain ones in all cases that were tried.
    """

    cpu: str
    torch: str
    matrix: Mapping[str, float]
    convolution: Mapping[str, float]
    accurate: bool
    exact: bool

    @property
    def packs(self) -> bool:
        """Whether weights are to be reordered: the bits stay the same, and it is not slower."""
        return self.exact and self._time("bfloat16 packed") <= 1.05 * self._time("bfloat16 channels-last")

    @property
    def speedup(self) -> float:
        """How many times as fast as float32 bfloat16 is, in the form that is used; 0 where it is wrong."""
        form = "bfloat16 packed" if self.packs else "bfloat16 channels-last"
        return self._time("float32") / self._time(form) if self.accurate else 0.0

    def _time(self, form: str) -> float:
        """Seconds for 10⁹ operations of each kind."""
        # A matrix product knows no channels.
        rates = (self.matrix.get(form.removesuffix(" channels-last"), 0.0), self.convolution.get(form, 0.0))
        return sum(1 / rate if rate > 0 else float("inf") for rate in rates)


def choose_dtype(parameters: int, device: str, profile: Callable[[], MachineProfile]) -> str:
    """The precision of a network for which nobody has chosen one.

    Args:
        parameters: How many the network has.
        device: As torch spells it.
        profile: Gives the profile of the machine; called only where it decides.

    Returns:
        ``"float32"`` for all but large networks; for those ``"bfloat16"``, on a CPU only where it is faster.
        Never ``"float16"``: its range is too small for some networks, and no CPU runs it at a useful speed.
    """
    if parameters < LARGE:
        return "float32"
    fast = not device.startswith("cpu") or profile().speedup >= FASTER
    return "bfloat16" if fast else "float32"


def choose_packing(dtype: str, device: str, profile: Callable[[], MachineProfile]) -> bool:
    """Whether a network that is called often gets weights in oneDNN's order (``precision.prepare``).

    Args:
        dtype: Of the network.
        device: As torch spells it.
        profile: Gives the profile of the machine; called only where it decides.

    Returns:
        True on a CPU in bfloat16 where it changes no bits and is not slower; else False.
    """
    return dtype == "bfloat16" and device.startswith("cpu") and profile().packs


def machine_profile() -> MachineProfile:
    """The profile of this machine: from the cache, or measured now, which takes about a second."""
    found = None if os.environ.get(REMEASURE) else remembered_profile()
    if found is None:
        found = measure()
        entries = read_cache(_FILE)
        entries.pop(_key(), None)
        write_cache(_FILE, {**entries, _key(): asdict(found)}, _LIMIT)
    return found


def remembered_profile() -> MachineProfile | None:
    """The profile of this machine in the cache; None where there is none that can be read."""
    match read_cache(_FILE).get(_key()):
        case {
            "cpu": str(cpu),
            "torch": str(release),
            "matrix": {**matrix},
            "convolution": {**convolution},
            "accurate": bool(accurate),
            "exact": bool(exact),
        }:
            if all(isinstance(rate, float | int) for rate in (*matrix.values(), *convolution.values())):
                rates = cast(list[dict[str, float]], [matrix, convolution])
                return MachineProfile(cpu, release, rates[0], rates[1], accurate, exact)
    return None


def measure() -> MachineProfile:
    """Measure this machine, with as many threads as torch is set to."""
    import torch

    from gen.hardware.packing import packed, packing_available
    from gen.hardware.precision import prepare

    packing = packing_available()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        rows, linear = torch.randn(1024, 1280), torch.nn.Linear(1280, 1280)
        matrix = _rates(linear, rows, 2 * rows.numel() * 1280, packing)
        grid, conv = torch.randn(1, 320, 32, 32), torch.nn.Conv2d(320, 320, 3, padding=1)
        convolution = _rates(conv, grid, 2 * grid.numel() * 320 * 9, packing)
        accurate, exact = True, packing
        for layer, x in _cases():
            low, x_low = prepare(layer, torch.bfloat16), x.to(torch.bfloat16)
            plain = low(x_low)
            exact = exact and torch.equal(packed(low)(x_low), plain)
            expected = low.float()(x_low.float())
            accurate &= bool((plain.float() - expected).abs().max() <= expected.abs().max() / 64)
    return MachineProfile(_cpu_name(), torch.__version__, matrix, convolution, accurate, exact)


def _rates(layer: torch.nn.Module, x: torch.Tensor, operations: float, packing: bool) -> dict[str, float]:
    """10⁹ operations per second of a layer by form, the best of the rounds.

    A form that takes eight times as long as float32 for a sixteenth of the work is left out: some CPUs have
    no kernel for it, and would need minutes.
    """
    import torch

    from gen.hardware.packing import packed
    from gen.hardware.precision import prepare

    low, x_low = copy.deepcopy(layer).to(torch.bfloat16), x.to(torch.bfloat16)
    forms: dict[str, tuple[torch.nn.Module, torch.Tensor]] = {"float32": (layer, x), "bfloat16": (low, x_low)}
    if x.ndim == 4:
        low = prepare(copy.deepcopy(low), torch.bfloat16)
        x_low = x_low.contiguous(memory_format=torch.channels_last)
        forms["bfloat16 channels-last"] = (low, x_low)
    if packing:
        forms["bfloat16 packed"] = (packed(low), x_low)
    part = x.shape[-2] // 16
    trials = {form: _best(2, network, rows[..., :part, :]) for form, (network, rows) in forms.items()}
    forms = {form: run for form, run in forms.items() if trials[form] <= 8 * trials["float32"]}
    times = dict.fromkeys(forms, float("inf"))
    end = perf_counter() + _BUDGET
    # In turn, so that a burst of other work on the machine hits all forms alike.
    for number in range(_ROUNDS):
        if number and perf_counter() > end:
            break
        for form, (network, rows) in forms.items():
            times[form] = min(times[form], _best(1, network, rows))
    return {form: round(operations / 1e9 / seconds, 1) for form, seconds in times.items()}


def _best(count: int, network: torch.nn.Module, x: torch.Tensor) -> float:
    """Seconds of the fastest of several calls."""
    times = []
    for _ in range(count):
        started = perf_counter()
        network(x)
        times.append(perf_counter() - started)
    return min(times)


def _cases() -> Iterator[tuple[torch.nn.Module, torch.Tensor]]:
    """Layers of many shapes, some of which kernels have got wrong, with an input each."""
    from torch import nn, randn

    yield nn.Linear(96, 160), randn(2, 77, 96)
    yield nn.Linear(320, 1280, bias=False), randn(1, 320)
    yield nn.Linear(33, 7), randn(3, 5, 33)
    yield nn.Conv2d(4, 64, 3, padding=1), randn(2, 4, 16, 16)
    yield nn.Conv2d(64, 64, 3, padding=1, bias=False), randn(1, 64, 9, 7)
    yield nn.Conv2d(64, 96, 1), randn(1, 64, 2, 2)
    yield nn.Conv2d(64, 64, 3, stride=2, padding=1), randn(2, 64, 16, 16)
    yield nn.Conv2d(8, 8, 3, stride=3, padding=1), randn(1, 8, 9, 9)
    yield nn.Conv2d(16, 32, 3, padding=2, dilation=2, groups=8), randn(1, 16, 12, 12)
    yield nn.Conv2d(3, 64, 16, stride=16), randn(1, 3, 32, 32)
    yield nn.Conv3d(16, 16, 3, padding=1), randn(1, 16, 4, 8, 8)
    yield nn.Conv3d(16, 32, (1, 2, 2), stride=(1, 2, 2)), randn(1, 16, 3, 8, 8)


def _cpu_name() -> str:
    """The CPU's name as the system gives it."""
    return _cpu_entries().get("model name") or platform.processor() or platform.machine()


def _key() -> str:
    """Equal where kernels are the same: CPU, its instructions (a virtual one may lack some), torch."""
    entries = [f"{name}: {value}" for name, value in _cpu_entries().items()]
    marks = hashlib.sha256("\n".join([*entries, platform.machine()]).encode()).hexdigest()[:12]
    return f"{_cpu_name()}, {marks}, torch {version('torch')}"


def _cpu_entries() -> dict[str, str]:
    """What Linux says about the first processor, without what changes from boot to boot; else nothing."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return {}
    entries = dict(line.split(":", 1) for line in first.splitlines() if ":" in line)
    stripped = {name.strip(): value.strip() for name, value in entries.items()}
    wanted = ("model name", "cpu family", "model", "stepping", "flags", "Features", "CPU part")
    return {name: stripped[name] for name in wanted if name in stripped}
