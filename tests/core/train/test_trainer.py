"""The trainer: the same losses after a kill, checkpoints that are whole, optimisers that do what they say."""

import os
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from gen.errors import ModelError, OutputError, PluginError, UsageError
from gen.train import Muon, Recipe, Settings, Stage, Task, run
from gen.train.optimiser import orthogonal, rate_factor

STEPS = 60
PROGRAM = """
import sys, time
from pathlib import Path
import torch
from torch import nn
from gen.train import Recipe, Settings, Stage, Task, run

pause, save_seconds = float(sys.argv[2]), float(sys.argv[3])

def start(modules, device):
    network = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 8))
    def loss(module, generator):
        time.sleep(pause)
        x = torch.randn(32, 8, generator=generator)
        return (module(x) - x.flip(-1)).square().mean()
    return Task(module=network, loss=loss, matrix=lambda name: name == "2.weight", preview=lambda m, p: None)

settings = Settings(steps=60, rate=1e-2, matrix_rate=1e-2, warmup=5)
recipe = Recipe(name="tiny", stages=(Stage(name="only", settings=settings, start=start),),
                export=lambda modules, history, path: path.write_bytes(b"done"))
folder = Path(sys.argv[1])
run(recipe, folder, resume=(folder / "only.safetensors").exists(), save_seconds=save_seconds)
"""


def losses(folder: Path) -> list[float]:
    log = EventAccumulator(
        str(folder / "log" / "only"), size_guidance={"scalars": 0}, purge_orphaned_data=True
    )
    log.Reload()
    return [event.value for event in log.Scalars("loss")]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.py"
    path.write_text(PROGRAM)
    return path


@pytest.mark.slow
def test_killed_run_resumes_with_the_same_losses(program: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    command = [sys.executable, str(program)]
    subprocess.run([*command, str(whole), "0", "60"], check=True, capture_output=True)
    # Only the run that is killed saves after every step: writing to the disk takes most of the time.
    process = subprocess.Popen([*command, str(broken), "0.1", "0"], stderr=subprocess.DEVNULL)
    checkpoint = broken / "only.safetensors"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (broken / "tiny.safetensors").exists()
    again = subprocess.run([*command, str(broken), "0", "60"], check=True, capture_output=True, text=True)
    assert "resumed at step" in again.stderr
    assert (broken / "tiny.safetensors").read_bytes() == b"done"
    expected, got = losses(whole), losses(broken)
    assert len(expected) == STEPS
    assert expected[-1] < 0.7 * expected[0]
    # The log of the killed run may lack what was not flushed, but its last part is the same to the bit.
    assert len(got) >= 20
    assert got[-20:] == expected[-20:]


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """Also what draws from global random numbers, such as dropout, and the loss that is averaged."""

    def recipe(seen: list[float], history: dict[str, float], stop: int | None = None) -> Recipe:
        def start(modules, device):
            def loss(module, generator):
                if len(seen) == stop:
                    raise KeyboardInterrupt
                x = torch.randn(8, 4, generator=generator) * random.random() * np.random.rand()
                value = module(x).square().mean()
                seen.append(value.item())
                return value

            module = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.3), nn.Linear(4, 4))
            return Task(module=module, loss=loss, matrix=lambda name: False, preview=lambda m, p: None)

        settings = Settings(steps=130, rate=1e-2, matrix_rate=0.0)
        return Recipe(
            name="r",
            stages=(Stage(name="net", settings=settings, start=start),),
            export=lambda modules, told, path: (history.update(told["net"]), path.touch())[1],
        )

    quiet = {"report": lambda line: None, "save_seconds": 0.0}
    whole, first, second = [], [], []
    expected, found = {}, {}
    run(recipe(whole, expected), tmp_path / "whole", **quiet)
    with pytest.raises(KeyboardInterrupt):
        run(recipe(first, {}, stop=110), tmp_path / "broken", **quiet)
    torch.rand(7), random.random(), np.random.rand()
    run(recipe(second, found), tmp_path / "broken", resume=True, **quiet)
    assert first + second == whole
    assert found["loss"] == expected["loss"]


def test_global_draws_are_independent_of_the_steps_generator(tmp_path: Path) -> None:
    def loss(module, generator):
        assert not torch.equal(torch.rand(5), torch.rand(5, generator=generator))
        return module(torch.ones(1, 3)).sum()

    run(tiny(2, loss), tmp_path, report=lambda line: None)


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "other network", "another file"])
def test_a_checkpoint_that_cannot_be_used_is_named(tmp_path: Path, damage: str) -> None:
    run(tiny(3), tmp_path, report=lambda line: None)
    path = tmp_path / "one.safetensors"
    content = path.read_bytes()
    width = 5 if damage == "other network" else 3
    if damage == "another file":
        from safetensors.torch import save

        content = save({"a": torch.zeros(2)})
    short = {"truncated": content[:200], "empty": b"", "text": b"hello" * 9}
    path.write_bytes(short.get(damage, content))
    with pytest.raises(ModelError) as raised:
        run(tiny(9, width=width), tmp_path, resume=True, report=lambda line: None)
    assert f"the checkpoint {path}" in raised.value.message
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 4


def test_there_must_be_something_to_resume(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no checkpoint to resume from"):
        run(tiny(3), tmp_path / "typo", resume=True, report=lambda line: None)
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize("place", ["file", "file/below", "\0"])
def test_a_folder_that_cannot_be_is_an_output_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError) as raised:
        run(tiny(3), tmp_path / place, report=lambda line: None)
    assert raised.value.exit_code == 6
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_may_not_be_written_to_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_arguments, **_options: False)
    with pytest.raises(OutputError, match="cannot write into the folder"):
        run(tiny(3), tmp_path, report=lambda line: None)


def test_no_empty_folder_is_left_where_data_is_missing(tmp_path: Path) -> None:
    def missing(module, generator):
        raise UsageError("the font is not installed")

    def start(modules, device):
        raise UsageError("the font is not installed")

    stage = Stage(name="one", settings=Settings(steps=2, rate=1e-2, matrix_rate=0.0), start=start)
    nothing = Recipe(name="tiny", stages=(stage,), export=lambda modules, history, path: None)
    with pytest.raises(UsageError, match="font"):
        run(nothing, tmp_path / "runs" / "tiny", report=lambda line: None)
    assert not (tmp_path / "runs").exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(UsageError, match="font"):
        run(nothing, tmp_path / "mine", report=lambda line: None)
    assert (tmp_path / "mine").exists()
    # What was written is never taken away.
    with pytest.raises(UsageError, match="font"):
        run(tiny(3, missing), tmp_path / "begun", report=lambda line: None)
    assert (tmp_path / "begun" / "log").exists()


def tiny(steps: int, loss=None, width: int = 3) -> Recipe:
    def start(modules, device):
        def square(module, generator):
            return module(torch.randn(4, 3, generator=generator)).square().mean()

        return Task(
            module=nn.Linear(3, width),
            loss=loss or square,
            matrix=lambda name: False,
            preview=lambda m, p: p.touch(),
        )

    stage = Stage(name="one", settings=Settings(steps=steps, rate=1e-2, matrix_rate=0.0), start=start)
    return Recipe(name="tiny", stages=(stage,), export=lambda modules, history, path: path.touch())


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    run(tiny(3), tmp_path, preview_every=2, report=lambda line: None)
    assert (tmp_path / "one-000002.png").exists()
    with pytest.raises(UsageError, match="--resume"):
        run(tiny(3), tmp_path, report=lambda line: None)


def test_a_stage_can_be_given_other_steps(tmp_path: Path) -> None:
    said: list[str] = []
    run(tiny(3), tmp_path, steps={"one": 5}, report=said.append)
    assert any("5 steps" in line for line in said)
    with pytest.raises(UsageError, match="tiny has no stage 'two'"):
        run(tiny(3), tmp_path, steps={"two": 5}, resume=True, report=said.append)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    def broken(module, generator):
        return module(torch.ones(1, 3)).sum() * float("nan")

    with pytest.raises(Exception, match="loss is nan at step 0"):
        run(tiny(3, broken), tmp_path, report=lambda line: None)


def test_what_is_counted_along_reaches_the_average(tmp_path: Path) -> None:
    made: dict[str, nn.Module] = {}

    def start(modules, device):
        network = nn.Sequential(nn.BatchNorm1d(3))

        def loss(module, generator):
            return module(4 + torch.randn(8, 3, generator=generator)).square().mean()

        return Task(module=network, loss=loss, matrix=lambda name: False, preview=lambda m, p: None)

    stage = Stage(name="one", settings=Settings(steps=3, rate=1e-2, matrix_rate=0.0), start=start)
    recipe = Recipe(
        name="tiny",
        stages=(stage,),
        export=lambda modules, history, path: (made.update(modules), path.touch()),
    )
    run(recipe, tmp_path, report=lambda line: None)
    norm = made["one"][0]
    assert norm.num_batches_tracked == 3
    assert (norm.running_mean > 0.5).all()


def test_without_the_extra_the_line_for_pip_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(PluginError, match=r"TensorBoard is not installed.*gen-toolkit\[train\]"):
        run(tiny(3), tmp_path, report=lambda line: None)


def test_the_rate_rises_stays_and_falls_to_zero() -> None:
    settings = Settings(steps=100, rate=1.0, matrix_rate=1.0, warmup=10, decay=0.4)
    factors = [rate_factor(step, settings) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9:60] == [1.0] * 51
    assert all(a > b for a, b in pairwise(factors[60:]))
    assert factors[100] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("shape", [(8, 32), (32, 8), (16, 16)])
def test_orthogonal_brings_singular_values_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert values.min() > 0.5
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    cosine = (orthogonal(matrix) * (left @ right)).sum() / (orthogonal(matrix).norm() * (left @ right).norm())
    assert cosine > 0.97


def test_muon_minimises_a_matrix_problem() -> None:
    torch.manual_seed(0)
    weight, target = nn.Parameter(torch.zeros(8, 8)), torch.randn(8, 8)
    optimiser = Muon([weight], lr=0.1)
    first = (weight - target).square().mean().item()
    for step in range(200):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / 200)
        loss = (weight - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.01 * first
