"""States longer than a network takes: every window is given the end of the last, and a loop closes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gen.diffusion import Condition, Conditioning
from gen.model import Window
from gen.plan import Request, resolve
from gen.plugin.host import Host
from gen.run import Progress, generate, load
from gen.run.windows import Cut, assemble, cuts

WINDOW = Window(axis=1, size=16, overlap=4)
HEADED = Window(axis=1, size=16, overlap=4, head=6)


@pytest.mark.parametrize("total", [5, 16, 17, 28, 40, 41])
@pytest.mark.parametrize("loop", [False, True])
def test_every_cell_is_made_and_windows_overlap(total: int, *, loop: bool) -> None:
    runs = cuts(total, WINDOW, loop=loop)
    plain = [run for run in runs if not run.shift]
    assert plain[0].start == 0
    assert plain[-1].start + plain[-1].size == total
    for one, after in itertools.pairwise(plain):
        assert one.start + one.size - after.start >= WINDOW.overlap
    assert len(runs) - len(plain) == loop


def test_a_window_is_given_what_was_made_and_nothing_else() -> None:
    seen: list[Tensor] = []

    def draw(run: Cut, keep: Tensor, known: Tensor) -> Tensor:
        seen.append(keep.clone())
        return torch.where(keep > 0, known, float(run.index + 1))

    made = assemble(draw, cuts(40, WINDOW, loop=False), WINDOW, torch.zeros(2, 1, 40), torch.zeros(2, 3, 40))
    assert seen[0].sum() == 0
    assert seen[1][..., :4].min() == 1
    assert seen[1][..., 4:].max() == 0
    assert made[:, :, :16].unique().tolist() == [1.0]
    assert made[:, :, 16:28].unique().tolist() == [2.0]


def test_the_seam_of_a_loop_is_drawn_anew_and_what_was_given_stays() -> None:
    def draw(run: Cut, keep: Tensor, known: Tensor) -> Tensor:
        return torch.where(keep > 0, known, 9.0 if run.shift else 1.0)

    keep, known = torch.zeros(1, 1, 40), torch.zeros(1, 2, 40)
    keep[..., 0], known[..., 0] = 1, 5.0
    made = assemble(draw, cuts(40, WINDOW, loop=True), WINDOW, keep, known)
    assert made[0, 0, :4].tolist() == [5.0, 9.0, 1.0, 1.0]
    assert made[0, 0, -4:].tolist() == [1.0, 1.0, 9.0, 9.0]


@pytest.mark.parametrize("total", [3, 4, 5, 7])
def test_both_sides_of_the_seam_of_a_short_loop_are_given(total: int) -> None:
    seams: list[Tensor] = []

    def draw(run: Cut, keep: Tensor, known: Tensor) -> Tensor:
        if run.shift:
            seams.append(keep.clone())
        return known

    assemble(draw, cuts(total, WINDOW, loop=True), WINDOW, torch.zeros(1, 1, total), torch.zeros(1, 2, total))
    (keep,) = seams
    assert keep[..., 0] == keep[..., -1] == 1
    assert keep.min() == 0


def test_conditions_along_the_axis_are_cut_and_others_are_whole() -> None:
    along = Condition(torch.arange(40.0).reshape(1, 1, 40), "channels")
    whole = Condition(torch.ones(1, 8), "global")
    conditioning = Cut(1, 2, 12, 16).conditioning(
        Conditioning({"a": along, "b": whole}, Conditioning({"a": along, "b": whole}))
    )
    assert conditioning["a"].value.flatten().tolist() == list(range(12, 28))
    assert conditioning["b"].value.shape == (1, 8)
    assert conditioning.uncond is not None
    assert conditioning.uncond["a"].value.shape == (1, 1, 16)


@pytest.mark.parametrize("total", [1, 2, 5, 16, 17, 40, 41])
@pytest.mark.parametrize("loop", [False, True])
def test_behind_a_head_the_runs_are_those_of_a_state_without_one(total: int, *, loop: bool) -> None:
    behind = [replace(run, head=0) for run in cuts(6 + total, HEADED, loop=loop)]
    assert tuple(behind) == cuts(total, WINDOW, loop=loop)


def test_every_piece_has_the_head_that_the_first_has_drawn() -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    def draw(run: Cut, keep: Tensor, known: Tensor) -> Tensor:
        seen.append((keep, known))
        return torch.full_like(known, run.index + 1.0)

    keep, known = torch.zeros(2, 1, 46), torch.zeros(2, 3, 46)
    made = assemble(draw, cuts(46, HEADED, loop=False), HEADED, keep, known)
    assert [mask.shape[-1] for mask, _ in seen] == [22] * 3
    assert seen[0][0].sum() == 0
    for mask, given in seen[1:]:
        assert given[..., :6].unique().tolist() == [1.0]
        assert mask[..., :6].min() == 1
    assert seen[1][0][0, 0].tolist() == [1.0] * 10 + [0.0] * 12
    assert seen[1][1][0, 0, 6:10].tolist() == [1.0] * 4
    # What the later pieces draw in the head is not taken.
    assert made[..., :18].unique().tolist() == [1.0]
    assert made[..., 18:30].unique().tolist() == [2.0]
    assert made[..., 30:].unique().tolist() == [3.0]
    assert keep.sum() == known.sum() == 0


def test_a_head_that_is_given_is_given_to_the_first_piece_too() -> None:
    def draw(run: Cut, keep: Tensor, known: Tensor) -> Tensor:
        return torch.where(keep > 0, known, run.index + 1.0)

    keep, known = torch.zeros(1, 1, 46), torch.zeros(1, 2, 46)
    keep[..., :2], known[..., :2] = 1, 7.0
    made = assemble(draw, cuts(46, HEADED, loop=False), HEADED, keep, known)
    assert made[0, 0, :8].tolist() == [7.0, 7.0, *[1.0] * 6]


def test_the_seam_of_a_loop_is_behind_the_head() -> None:
    order = torch.arange(46.0).reshape(1, 1, 46)

    def draw(run: Cut, keep: Tensor, known: Tensor) -> Tensor:
        if not run.shift:
            return run.of(order)
        assert known.flatten().tolist() == [*range(6), *range(38, 46), *range(6, 14)]
        assert (keep == 0).nonzero()[:, -1].tolist() == [12, 13, 14, 15]
        return torch.where(keep > 0, known, -1.0)

    runs = cuts(46, HEADED, loop=True)
    made = assemble(draw, runs, HEADED, torch.zeros(1, 1, 46), torch.zeros(1, 1, 46))
    assert made.flatten().tolist() == [*range(6), -1, -1, *range(8, 44), -1, -1]


@pytest.mark.parametrize("behind", [1, 2, 3, 5, 16])
@pytest.mark.parametrize("loop", [False, True])
def test_what_fits_one_piece_is_made_in_one(behind: int, *, loop: bool) -> None:
    order = torch.arange(6.0 + behind).reshape(1, 1, -1)
    runs = cuts(6 + behind, HEADED, loop=loop)
    assert len(runs) == 1 + loop
    assert runs[0].of(order).equal(order)
    made = assemble(
        lambda run, _keep, _known: run.of(order),
        runs,
        HEADED,
        torch.zeros_like(order),
        -torch.ones_like(order),
    )
    assert made.equal(order)


def test_conditions_along_the_axis_have_the_head() -> None:
    along = Condition(torch.arange(46.0).reshape(1, 1, 46), "channels")
    for run in cuts(46, HEADED, loop=False):
        conditioning = run.conditioning(Conditioning({"a": along}, Conditioning({"a": along})))
        cells = [*range(6), *range(6 + run.start, 22 + run.start)]
        assert conditioning["a"].value.flatten().tolist() == cells
        assert conditioning.uncond is not None
        assert conditioning.uncond["a"].value.flatten().tolist() == cells


@pytest.mark.parametrize("arguments", [(0, 4, 1, 0), (1, 4, 4, 0), (1, 4, 0, 0), (1, 4, 1, -1)])
def test_a_window_that_makes_no_sense_is_refused(arguments: tuple[int, int, int, int]) -> None:
    axis, size, overlap, head = arguments
    with pytest.raises(ValueError, match="overlap < size and head >= 0"):
        Window(axis=axis, size=size, overlap=overlap, head=head)


def test_a_state_that_is_all_head_is_refused() -> None:
    with pytest.raises(ValueError, match="none behind its head of 6"):
        cuts(6, HEADED, loop=False)


@pytest.mark.usefixtures("toy")
def test_the_road_makes_windows_and_tells_how_far_it_is() -> None:
    host = Host.discover()
    plan = resolve(Request(modality="toy", prompts=("red",), seeds=(1,), params={"width": 40}), host)
    model = replace(load(plan, host), window=Window(axis=2, size=16, overlap=4))
    parts: list[tuple[int, int]] = []

    def note(progress: Progress) -> None:
        parts.append((progress.part, progress.parts))

    (made,) = generate(plan, model, on_step=note)
    assert made.sizes["width"] == 40
    assert made.arrays["pixels"][..., 0].min() > 0.7
    assert sorted(set(parts)) == [(0, 3), (1, 3), (2, 3)]
    (again,) = generate(plan, model)
    assert (made.arrays["pixels"] == again.arrays["pixels"]).all()


@pytest.mark.usefixtures("toy")
def test_the_road_makes_windows_with_a_head() -> None:
    host = Host.discover()
    plan = resolve(Request(modality="toy", prompts=("red",), seeds=(1,), params={"width": 40}), host)
    plain = load(plan, host)
    widths: set[int] = set()

    def network(x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        widths.add(x.shape[-1])
        return plain.network(x, c_noise, conditioning)

    window = Window(axis=2, size=16, overlap=4, head=8)
    (made,) = generate(plan, replace(plain, network=network, window=window))
    (first,) = generate(plan, replace(plain, window=Window(axis=2, size=24, overlap=4)))
    assert widths == {24}
    assert made.sizes["width"] == 40
    assert made.arrays["pixels"][..., 0].min() > 0.7
    # The first piece is the same with a head and without: no later one has changed the head.
    assert (made.arrays["pixels"][:, :20] == first.arrays["pixels"][:, :20]).all()


@pytest.mark.usefixtures("toy")
def test_what_a_text_decides_is_in_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    from gen_toy.model import Words

    def settle(_self: object, prompt: str, params: Mapping[str, object], _seed: int) -> dict[str, int]:
        return {} if params["height"] != 16 else {"height": 8 * len(prompt.split())}

    monkeypatch.setattr(Words, "settle", settle, raising=False)
    host = Host.discover()
    plan = resolve(Request(modality="toy", prompts=("red", "red blue red"), seeds=(1,)), host)
    short, long = generate(plan, load(plan, host), batch_size=2)
    assert (short.sizes["height"], long.sizes["height"]) == (8, 24)
    assert long.recipe is not None
    assert long.recipe.params["height"] == 24
