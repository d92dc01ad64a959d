"""Models of several stages: each decides how it is sampled, and gets the end of the one before."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from models_by_hand import Arrays, Numbers, model, number, plan, thing
from torch import Tensor

from gen.diffusion import (
    ClassifierFree,
    Condition,
    Conditioning,
    RectifiedFlow,
    Sample,
    TimeGrid,
    Velocity,
    clipped,
    thresholded,
)
from gen.errors import PluginError, UsageError
from gen.model import Defaults, Edits, Stage, Task, Window
from gen.run import Progress, generate

FLOW = {"process": RectifiedFlow(), "parameterization": Sample()}


def smooth(x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
    """A prediction that depends on all that it is given."""
    return torch.tanh(x) * 0.5 + number(conditioning, x) + c_noise.view(-1, *[1] * (x.ndim - 1))


def made(*arguments: Any, **options: Any) -> np.ndarray[Any, Any]:
    """The state of the only item."""
    [artifact] = generate(*arguments, **options)
    return artifact.arrays[""]


class Decoder(Stage):
    """Its network gets the end of the stage before as a condition."""

    def encode(self, task: Task) -> Conditioning:
        assert isinstance(task.previous, Tensor)
        return Conditioning({"before": Condition(task.previous, "global")})


class Embedding(Stage):
    """A prior of two numbers, which no input of the codec describes."""

    def shape(self, _task: Task) -> tuple[int, ...]:
        return (2,)

    def edits(self, _task: Task, _edits: Edits) -> None:
        return None


def exact(x: Tensor, _c_noise: Tensor, conditioning: Conditioning) -> Tensor:
    return number(conditioning, x) + torch.arange(2.0)


def of_before(x: Tensor, _c_noise: Tensor, conditioning: Conditioning) -> Tensor:
    return conditioning["before"].value.sum(1).reshape(-1, *[1] * (x.ndim - 1)).expand_as(x)


PRIOR = Embedding(name="prior", network=exact, encoder=Numbers(), **FLOW)
DECODER = Decoder(name="decoder", network=of_before, **FLOW)


def test_a_decoder_follows_its_prior() -> None:
    two = model(Arrays((1, 4)), stages=(PRIOR, DECODER))
    np.testing.assert_allclose(made(plan("3"), two), np.full((1, 4), 3 + 4), atol=1e-6)


def test_an_input_enters_the_stage_whose_state_it_is() -> None:
    steps: list[tuple[int, int]] = []

    def note(progress: Progress) -> None:
        steps.append((progress.stage, progress.step.total))

    def keep(x: Tensor, _c_noise: Tensor, _conditioning: Conditioning) -> Tensor:
        return x

    two = model(Arrays((1, 4)), stages=(PRIOR, replace(DECODER, network=keep)))
    start = np.full((1, 4), 40, np.float32)
    found = made(plan("3", init=thing(state=start), strength=0.5), two, on_step=note)
    assert set(steps) == {(0, 4), (1, 2)}
    # Half noise and half of what is given, which the network leaves as it is.
    assert abs(found.mean() - 20) < 2


class Base(Stage):
    """The first part of the grid."""

    def grid(self, _task: Task, named: Any) -> TimeGrid | None:
        grid = named()
        return grid.until(0.5) if grid.times[0] > 0.5 else None


class Refiner(Stage):
    """The second part, from where the base ends."""

    def grid(self, _task: Task, named: Any) -> TimeGrid:
        times = [time for time in named().times if time <= 0.5]
        return TimeGrid(tuple(times))

    def prior(self, task: Task, _grid: TimeGrid) -> Tensor:
        assert isinstance(task.previous, Tensor)
        return task.previous


def pair(**parts: Any) -> tuple[Stage, Stage]:
    both = {"encoder": Numbers(), "network": smooth, **FLOW, **parts}
    return Base(**both), Refiner(**both)


def test_a_base_and_a_refiner_of_one_network_are_that_network_bit_for_bit() -> None:
    whole = model(Arrays((2, 3)), encoder=Numbers(), network=smooth, **FLOW)
    parts = model(Arrays((2, 3)), stages=pair())
    for options in ({}, {"guidance": 3.0}):
        request = plan("0.3", steps=8, **options)
        np.testing.assert_array_equal(made(request, whole), made(request, parts))


def test_a_base_and_a_refiner_share_an_input_and_a_mask() -> None:
    base, refiner = pair(network=lambda x, *_: torch.zeros_like(x))
    parts = model(Arrays((1, 4)), stages=(base, refiner))
    start = thing(state=np.array([[1, 2, 3, 4]], np.float32))
    mask = thing(state=np.array([[1, 0, 1, 0]], np.float32))
    found = made(plan("0", init=start, mask=mask, strength=1.0), parts)
    np.testing.assert_array_equal(found[0, [1, 3]], [2, 4])
    np.testing.assert_allclose(found[0, [0, 2]], 0, atol=1e-6)
    whole = model(Arrays((1, 4)), encoder=Numbers(), network=smooth, **FLOW)
    for options in ({"strength": 0.75}, {"strength": 1.0, "mask": mask}):
        request = plan("0.3", init=start, steps=8, **options)
        same = model(Arrays((1, 4)), stages=pair())
        np.testing.assert_array_equal(made(request, same), made(request, whole))


def test_a_weak_change_passes_the_base_over() -> None:
    stages: set[int] = set()

    def note(progress: Progress) -> None:
        stages.add(progress.stage)

    whole = model(Arrays((1, 4)), encoder=Numbers(), network=smooth, **FLOW)
    parts = model(Arrays((1, 4)), stages=pair())
    request = plan("0.3", init=thing(state=np.ones((1, 4), np.float32)), strength=0.5, steps=8)
    np.testing.assert_array_equal(made(request, parts, on_step=note), made(request, whole))
    assert stages == {1}


def test_a_model_that_passes_all_stages_over_is_at_fault() -> None:
    class Idle(Stage):
        def grid(self, _task: Task, _named: Any) -> None:
            return None

    with pytest.raises(PluginError, match="the model has no stage that does not pass the task over"):
        made(plan("1"), model(Arrays((2,)), stages=(Idle(network=smooth, encoder=Numbers(), **FLOW),)))


class Upscaler(Stage):
    """Four cells out of two, given these with a little noise; the level of that noise is a condition."""

    def encode(self, task: Task) -> Conditioning:
        assert isinstance(task.previous, Tensor)
        noise = task.noise.child("augmentation").normal(tuple(task.previous.shape[1:]), "low")
        low = (task.previous + 0.1 * noise).repeat_interleave(2, 2)
        return Conditioning({"low": Condition(low, "channels")})


class Small(Stage):
    """A base of half the size."""

    def shape(self, task: Task) -> tuple[int, ...]:
        assert isinstance(task.shape, tuple)
        return (task.shape[0], task.shape[1] // 2)


def test_an_upscaler_has_another_shape_and_draws_noise_of_its_own() -> None:
    base = Small(network=lambda x, _, conditioning: number(conditioning, x), encoder=Numbers(), **FLOW)
    upscaler = Upscaler(network=lambda _x, _, conditioning: conditioning["low"].value, **FLOW)
    both = model(Arrays((1, 8)), stages=(base, upscaler))
    one, other = made(plan("5", seeds=[1]), both), made(plan("5", seeds=[2]), both)
    assert one.shape == (1, 8)
    np.testing.assert_array_equal(one[:, ::2], one[:, 1::2])
    assert np.abs(one - 5).max() < 0.5
    assert not np.array_equal(one, other)


def test_a_stage_may_have_steps_of_its_own() -> None:
    steps: dict[int, int] = {}

    def note(progress: Progress) -> None:
        steps[progress.stage] = progress.step.total

    own = Defaults(solver="heun", grid="uniform", steps=9, guidance=1.0)
    made(plan("3"), model(Arrays((1, 4)), stages=(replace(PRIOR, defaults=own), DECODER)), on_step=note)
    assert steps == {0: 9, 1: 4}


def test_stages_are_called_one_after_another() -> None:
    """The weights that a stage loads can be freed when the next one starts."""
    calls: list[str] = []

    class Noting(Stage):
        def encode(self, task: Task) -> Conditioning:
            calls.append(f"encode {self.name}")
            return super().encode(task)

        def denoiser(self, task: Task) -> Any:
            calls.append(f"denoiser {self.name}")
            return super().denoiser(task)

    def network(name: str, x: Tensor, *_: object) -> Tensor:
        calls.append(f"network {name}")
        return x

    stages = [Noting(name=name, network=partial(network, name), encoder=Numbers(), **FLOW) for name in "ab"]
    made(plan("3", steps=1), model(Arrays((2,)), stages=tuple(stages)))
    order = ["encode a", "denoiser a", "network a", "encode b", "denoiser b", "network b"]
    assert calls == order


def test_a_stage_knows_the_shape_before_it_makes_its_grid() -> None:
    class Shifted(Stage):
        def grid(self, task: Task, named: Any) -> TimeGrid:
            assert task.shape == (2, 6)
            assert task.steps == 4
            return named().shift(3.0)

    times: list[float] = []

    def network(x: Tensor, c_noise: Tensor, _conditioning: Conditioning) -> Tensor:
        times.append(round(float(c_noise[0]), 6))
        return x

    made(plan("1"), model(Arrays((2, 6)), stages=(Shifted(network=network, encoder=Numbers(), **FLOW),)))
    assert times == [1.0, 0.9, 0.75, 0.5]


def test_the_scale_of_the_guidance_may_be_an_input_of_the_network() -> None:
    class Embedded(Stage):
        def encode(self, task: Task) -> Conditioning:
            scale = torch.full((len(task.prompts), 1), task.guidance)
            return Conditioning({"number": Condition(scale, "global")})

        def guidance(self, _task: Task, _chosen: Any) -> ClassifierFree:
            return ClassifierFree(1.0)

    rows: set[int] = set()

    def network(x: Tensor, _c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        rows.add(len(x))
        return number(conditioning, x)

    stage = Embedded(network=network, **FLOW)
    found = made(plan("1", guidance=3.5), model(Arrays((2,)), stages=(stage,)))
    np.testing.assert_allclose(found, 3.5, atol=1e-6)
    assert rows == {1}


def test_a_negative_prompt_differs_from_none() -> None:
    received: list[object] = []

    class Noting(Stage):
        def encode(self, task: Task) -> Conditioning:
            received.append(task.negatives)
            return super().encode(task)

    noting = model(Arrays((2,)), stages=(Noting(network=smooth, encoder=Numbers(), **FLOW),))
    made(plan("1"), noting)
    made(plan("1", negative="2"), noting)
    assert received == [None, ("2",)]


@pytest.mark.parametrize(
    ("clipping", "expected"), [(clipped, [1, 0.75]), (partial(thresholded, quantile=1.0, cap=1.5), [1, 0.5])]
)
def test_the_guided_prediction_is_clipped(clipping: Any, expected: list[float]) -> None:
    def network(x: Tensor, _c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        return number(conditioning, x) * torch.tensor([1.0, 0.25])

    stage = Stage(network=network, encoder=Numbers(), clipping=clipping, **FLOW)
    found = made(plan("1", guidance=3.0), model(Arrays((2,)), stages=(stage,)))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_learned_variance_is_split_off() -> None:
    def network(x: Tensor, _c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        return torch.cat([number(conditioning, x), torch.full_like(x, 0.5)], 1)

    stage = Stage(network=network, encoder=Numbers(), learned_variance=True, **FLOW)
    np.testing.assert_allclose(made(plan("2"), model(Arrays((1, 3)), stages=(stage,))), 2, atol=1e-5)


def test_a_refiner_of_a_long_state_gets_the_part_of_each_piece() -> None:
    def pieces(x: Tensor, _c_noise: Tensor, _conditioning: Conditioning) -> Tensor:
        assert x.shape[2] == 4
        return x

    base = Base(network=lambda x, _, conditioning: number(conditioning, x), encoder=Numbers(), **FLOW)
    refiner = Refiner(network=pieces, window=Window(axis=1, size=4, overlap=1), **FLOW)
    found = made(plan("4"), model(Arrays((1, 9)), stages=(base, refiner)))
    alone = made(plan("4"), model(Arrays((1, 9)), stages=(base,)))
    # What the second network leaves as it is are the cells of the first, each in its place.
    np.testing.assert_allclose(found, alone, atol=1e-5)


def test_inputs_in_pixels_reach_the_conditions() -> None:
    class Masked(Stage):
        def encode(self, task: Task) -> Conditioning:
            assert task.init is not None
            assert task.mask is not None
            hole = task.init.arrays[""] * (1 - task.mask.arrays[""])
            value = torch.from_numpy(hole).sum().reshape(1, 1)
            return Conditioning({"number": Condition(value, "global")})

        def edits(self, _task: Task, _edits: Edits) -> None:
            return None

    stage = Masked(network=lambda x, _, conditioning: number(conditioning, x), **FLOW)
    start = thing(state=np.array([[1, 2, 3]], np.float32))
    mask = thing(state=np.array([[1, 0, 0]], np.float32))
    found = made(plan("", init=start, mask=mask, strength=1.0), model(Arrays((1, 3)), stages=(stage,)))
    assert found[0, 0] == pytest.approx(5)


def test_a_codec_without_the_methods_refuses_inputs() -> None:
    class Plain:
        shape, decode = Arrays.shape, Arrays.decode
        _shape = (1, 3)

    only = model(Plain(), network=smooth, encoder=Numbers(), **FLOW)
    assert made(plan("1"), only).shape == (1, 3)
    with pytest.raises(UsageError, match="model toy starts from noise alone"):
        made(plan("1", init=thing(state=np.zeros((1, 3), np.float32)), strength=1.0), only)


def test_a_decoder_draws_from_the_seed_of_its_item() -> None:
    class Grainy(Arrays):
        def decode(self, state: Any, task: Task) -> Any:
            grain = task.noise.child("decode").normal(tuple(state.shape[1:]), "grain")
            return super().decode(state + grain, task)

    one = model(Grainy((3,)), network=lambda x, *_: torch.zeros_like(x), encoder=Numbers(), **FLOW)
    both = list(generate(plan("1", "1", seeds=[3, 4]), one, batch_size=2))
    [alone] = generate(plan("1", seeds=[4]), one)
    np.testing.assert_array_equal(both[1].arrays[""], alone.arrays[""])
    assert np.abs(both[0].arrays[""] - both[1].arrays[""]).min() > 1e-3


def test_a_model_has_stages_or_the_parts_of_one() -> None:
    with pytest.raises(ValueError, match="a model with stages has process"):
        model(Arrays((2,)), stages=(PRIOR,), process=RectifiedFlow())
    with pytest.raises(ValueError, match="a model needs a process and a network"):
        model(Arrays((2,)), parameterization=Velocity())
    assert model(Arrays((2,)), stages=(DECODER, PRIOR)).encoder is PRIOR.encoder
