"""The file that shows the first item: when it is written, what it shows, and that no result changes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models_by_hand import Arrays, Numbers, model, number, plan
from torch import Tensor

import gen
from gen.artifact import Artifact
from gen.diffusion import Conditioning, RectifiedFlow, Sample
from gen.diffusion.categorical import Masked
from gen.errors import GenWarning, OutputError, UsageError
from gen.formats import read
from gen.model import Stage, Task, Window
from gen.plan import Request, resolve
from gen.plugin.host import Host
from gen.run import Progress, generate, load
from gen.run.watching import Watch

Cli = Callable[..., Any]


class Clock:
    """A clock that the test moves on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def smooth(x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
    return torch.tanh(x) * 0.5 + number(conditioning, x) + c_noise.view(-1, *[1] * (x.ndim - 1))


LINE = Stage(network=smooth, encoder=Numbers(), process=RectifiedFlow(), parameterization=Sample())


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Artifact]:
    """What is shown, in place of a file."""
    shown: list[Artifact] = []
    monkeypatch.setattr("gen.run.watching.write", lambda artifact, *_, **__: shown.append(artifact))
    return shown


def every_step() -> Any:
    """A watch to which each step is due."""
    clock = Clock()

    def later() -> float:
        clock.now += 10
        return clock.now

    return Watch(Path("live.png"), None, later)  # type: ignore[arg-type]


def watched_toy(watch: Watch, on_step: Any, **options: Any) -> list[Artifact]:
    host = Host.discover()
    planned = resolve(Request(modality="toy", prompts=("red",), seeds=(1,), **options), host)
    return list(generate(planned, load(planned, host), on_step=on_step, watch=watch))


def pictures() -> Any:
    return Host.discover().formats("image")


def test_a_preview_after_the_first_and_the_last_step_and_once_a_second(toy: Path) -> None:
    clock, live, shown = Clock(), toy / "live.png", list[int]()

    def note(progress: Progress) -> None:
        if live.exists():
            assert read(live, pictures()).sizes["width"] == 24
            assert [path.name for path in toy.iterdir()] == ["live.png"]
            shown.append(progress.step.index)
            live.unlink()
        clock.now += 0.4

    watched_toy(replace(Watch.of(live, pictures()), clock=clock), note, steps=8)
    assert shown == [0, 3, 6, 7]


def test_slow_previews_take_half_of_the_time_at_most(seen: list[Artifact]) -> None:
    """The decoder takes as long as six steps."""
    clock = Clock()

    class Slow(Arrays):
        def decode(self, state: Any, task: Task) -> list[Artifact]:
            clock.now += 6
            return super().decode(state, task)

    def note(_: Progress) -> None:
        clock.now += 1

    watch = Watch(Path("live.png"), None, clock)  # type: ignore[arg-type]
    list(generate(plan("1", steps=13), model(Slow((1, 2)), stages=(LINE,)), on_step=note, watch=watch))
    assert len(seen) == 3


def test_each_preview_is_a_new_file(toy: Path) -> None:
    """Who reads the one before has all of it."""
    live, opened = toy / "live.png", list[Any]()

    def note(_: Progress) -> None:
        opened.append(live.open("rb"))

    watched_toy(Watch.of(live, pictures(), ()), note, steps=2)
    first, last = (file.read() for file in opened)
    assert first.endswith(b"IEND\xaeB`\x82")
    assert last == live.read_bytes()
    for file in opened:
        file.close()


def test_no_bit_of_the_result_changes(seen: list[Artifact]) -> None:
    """Not even with a codec that works in place and draws from the random numbers of the process."""

    class Careless(Arrays):
        def decode(self, state: Any, task: Task) -> list[Artifact]:
            state.add_(torch.rand(()))
            return super().decode(state, task)

    one = model(Careless((1, 4)), stages=(LINE,))
    planned = plan("1", "2", solver="dpmpp_2m_sde", steps=6)
    for size in (1, 2):
        alone = list(generate(planned, one, batch_size=size))
        watched = list(generate(planned, one, batch_size=size, watch=every_step()))
        assert all(np.array_equal(a.arrays[""], b.arrays[""]) for a, b in zip(alone, watched, strict=True))
    assert len(seen) == 2 * 6


def test_the_first_item_comes_nearer_step_by_step(seen: list[Artifact]) -> None:
    made = list(generate(plan("1", "2", steps=6), model(Arrays((1, 4)), stages=(LINE,)), watch=every_step()))
    errors = [float(np.abs(one.arrays[""] - made[0].arrays[""]).max()) for one in seen]
    assert len(errors) == 6
    assert errors[-1] == 0 < errors[-2] < errors[0]


def test_stages_of_another_state_are_not_shown(seen: list[Artifact]) -> None:
    class Prior(Stage):
        def shape(self, _task: Task) -> tuple[int, ...]:
            return (2,)

    prior = Prior(network=smooth, encoder=Numbers(), process=RectifiedFlow(), parameterization=Sample())
    list(generate(plan("1", steps=3), model(Arrays((1, 4)), stages=(prior, LINE)), watch=every_step()))
    assert [one.arrays[""].shape for one in seen] == [(1, 4)] * 3


def test_numbers_and_tokens_are_shown_together(seen: list[Artifact]) -> None:
    def both(x: Mapping[str, Tensor], *_: object) -> dict[str, Tensor]:
        return {"age": torch.tanh(x["age"]), "kind": torch.ones(*x["kind"].shape, 4)}

    table = model(
        Arrays({"age": (3,), "kind": (2,)}),
        process={"age": RectifiedFlow(), "kind": Masked(4, mask_token=4)},
        parameterization={"age": Sample()},
        network=both,
        encoder=Numbers(),
    )
    list(generate(plan("1"), table, watch=every_step()))
    assert len(seen) == 4
    assert all((one.arrays["kind"] < 4).all() for one in seen)


def test_a_preview_that_fails_is_said_once_and_the_run_goes_on(toy: Path) -> None:
    gone = toy / "gone"
    gone.mkdir()
    watch = replace(Watch.of(gone / "live.png", pictures()), clock=every_step().clock)
    gone.rmdir()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        [made] = watched_toy(watch, None, steps=3)
    assert made.sizes["width"] == 24
    [line] = [str(one.message) for one in caught if one.category is GenWarning]
    assert "live.png: the folder does not exist" in line


def test_pieces_are_not_shown_and_it_is_said(seen: list[Artifact]) -> None:
    long = model(Arrays((1, 40)), stages=(replace(LINE, window=Window(axis=1, size=16, overlap=4)),))
    with pytest.warns(GenWarning, match="longer than the model makes at once"):
        list(generate(plan("1"), long, watch=every_step()))
    assert not seen


def test_what_shows_no_state_is_refused() -> None:
    def loop(*_: object) -> Tensor:
        raise AssertionError("it began")

    with pytest.raises(UsageError, match="another library, which shows no state"):
        list(generate(plan("1"), model(Arrays((1, 4)), loop=loop), watch=every_step()))


def test_a_file_that_cannot_be_written_is_refused_before_the_run(toy: Path, gen_cli: Cli) -> None:
    begun = list[Progress]()
    with pytest.raises(OutputError, match="the folder does not exist"):
        gen.toy("red", watch="nowhere/live.png", on_step=begun.append)
    with pytest.raises(UsageError, match="unknown file ending"):
        gen.toy("red", watch="live.wav", on_step=begun.append)
    gen.toy("red", seed=1).save("red.png")
    before = (toy / "red.png").read_bytes()
    with pytest.raises(UsageError, match="which is an input"):
        gen.toy("red", init="red.png", watch="./red.png", on_step=begun.append)
    assert not begun
    for code, *words in (
        (6, "--watch", "nowhere/live.png"),
        (2, "--watch", "red.png", "--init", "red.png"),
        (2, "--watch", "red.png", "-o", "red.png", "--overwrite"),
        (2, "--watch", "new.png", "-o", "new.webp", "--preview", "png"),
    ):
        ran = gen_cli("toy", "red", *words)
        assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1)
    assert (toy / "red.png").read_bytes() == before
    assert [path.name for path in toy.iterdir()] == ["red.png"]


def test_from_the_shell(toy: Path, gen_cli: Cli) -> None:
    ran = gen_cli("toy", "red", "-n", 2, "--seed", 1, "-o", "{seed}.png", "--watch", "live.png", "-q")
    assert (ran.code, ran.out.split()) == (0, ["1.png", "2.png"])
    live, first = (read(toy / name, pictures()) for name in ("live.png", "1.png"))
    assert np.array_equal(live.arrays["pixels"], first.arrays["pixels"])
    assert live.recipe is None
    assert "live" not in str(first.recipe)
