"""Caches of blocks: what they skip, what that costs, and what their papers promise."""

from __future__ import annotations

import math
import pickle

import pytest
import torch
from torch import Tensor, nn

from gen.diffusion import (
    DDIM,
    ClassifierFree,
    Condition,
    Conditioning,
    Heun,
    Memory,
    ModelDenoiser,
    NoiseSource,
    RectifiedFlow,
    Sample,
    TimeGrid,
    Velocity,
    guided,
    iterate,
    prior,
)
from gen.diffusion.cache import BlockStack, cache_report, first_block_cached, taylor_cached, tea_cached
from gen.diffusion.guidance import LossGuidance
from gen.nn.text_transformer import TextTransformer, TextTransformerShape

FLOW = RectifiedFlow()
GRID = TimeGrid.uniform(24)
STACK = BlockStack(("blocks.0", "blocks.1", "blocks.2"), "blocks.0.mix")


class Mix(nn.Module):
    """A matrix, multiplied so that no row depends on the size of the batch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(width, width) / 2), nn.Parameter(torch.randn(width))

    def forward(self, h: Tensor) -> Tensor:
        return (h[:, None] * self.weight).sum(-1) + self.bias


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = Mix(width)
        self.rows: list[int] = []

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        self.rows.append(len(h))
        return h + torch.tanh(self.mix(h + time)) * 0.5


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(4) for _ in range(3))

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        h = x * 0.3
        if "bias" in conditioning:
            h = h + conditioning["bias"].value
        for block in self.blocks:
            h = block(h, torch.sin(2 * c_noise)[:, None].to(x))
        return h


def _model() -> ModelDenoiser:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return ModelDenoiser(Network().double(), FLOW, Velocity())


def _rows(model_or_cached) -> list[list[int]]:
    """The sizes of the batches that each block of the cached network was evaluated on."""
    return [block.layer.rows for block in model_or_cached.model.network.blocks]


def _steps(denoiser, seeds=(0,), solver=None, **options):
    noise = NoiseSource(seeds)
    x = options.pop("x", prior(FLOW, GRID, noise, (4,)).double())
    with torch.no_grad():
        return list(iterate(denoiser, FLOW, GRID, solver or DDIM(), x=x, noise=noise, **options))


def _prompts(count: int) -> Conditioning:
    bias = torch.linspace(-2, 2, count)[:, None].double()
    uncond = Conditioning({"bias": Condition(torch.zeros(count, 1).double(), "global")})
    return Conditioning({"bias": Condition(bias, "global")}, uncond)


KINDS = {
    "first": lambda model, tolerance=0.1, **o: first_block_cached(model, STACK, tolerance, **o),
    "tea": lambda model, tolerance=0.1, **o: tea_cached(model, STACK, tolerance, **o),
}
EVERY = KINDS | {"taylor": lambda model, **o: taylor_cached(model, STACK, 3, **o)}


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_where_the_input_does_not_change_all_but_one_in_n_calls_are_skipped(kind) -> None:
    cached, memory = KINDS[kind](_model(), longest=3), Memory()
    x, level = torch.randn(2, 4).double(), FLOW.level(0.5)
    found = [cached(x, level, Conditioning(), memory).x0 for _ in range(9)]
    first, *rest = _rows(cached)
    assert all(rows == [2, 2, 2] for rows in rest)  # calls 1, 5 and 9
    assert len(first) == 9 + 2  # the first block runs at every call, and again where all are evaluated
    for x0 in found[1:]:
        torch.testing.assert_close(x0, found[0])
    report = cache_report(memory)
    assert (report.evaluated, report.skipped) == (6, 12)
    assert report.estimated == 0


@torch.no_grad()
@pytest.mark.parametrize("kind", EVERY)
def test_skips_are_exact_where_the_residual_does_not_change(kind) -> None:
    """Blocks that add what does not depend on the state, the time or the level."""

    class Constant(Network):
        def __init__(self) -> None:
            super().__init__()
            for block in self.blocks:
                nn.init.zeros_(block.mix.weight)

    model = ModelDenoiser(Constant().double(), FLOW, Velocity())
    tolerance = {} if kind == "taylor" else {"tolerance": 9.0}
    *_, last = _steps(EVERY[kind](model, **tolerance))
    *_, expected = _steps(model)
    assert cache_report(last.memory).skipped > 10
    torch.testing.assert_close(last.x, expected.x)


@pytest.mark.parametrize("kind", KINDS)
def test_less_tolerance_means_more_evaluations_and_less_error(kind) -> None:
    model = _model()
    exact = _steps(model)[-1].x
    runs = [_steps(KINDS[kind](model, tolerance, longest=99))[-1] for tolerance in (0.4, 0.1, 0.02)]
    skipped = [cache_report(step.memory).skipped for step in runs]
    errors = [float((step.x - exact).norm() / exact.norm()) for step in runs]
    assert skipped == sorted(skipped, reverse=True)
    assert len(set(skipped)) == 3
    assert errors == sorted(errors, reverse=True)
    assert errors[1] < 0.1
    for step, tolerance in zip(runs, (0.4, 0.1, 0.02), strict=True):
        assert 0 < cache_report(step.memory).estimated <= tolerance
    assert torch.equal(_steps(KINDS[kind](model, 1e-12))[-1].x, exact)


@torch.no_grad()
def test_the_first_block_cache_compares_with_the_last_evaluation() -> None:
    """On a walk of states, the decisions are those of the published rule."""
    model, memory, generator = _model(), Memory(), torch.Generator().manual_seed(0)
    cached, tolerance = first_block_cached(model, STACK, 0.01, longest=99), 0.01
    x, held, expected, found = torch.randn(1, 4, generator=generator).double(), None, [], []
    for index in range(30):
        x = x + 0.08 * torch.randn(1, 4, generator=generator)
        t = 0.9 - 0.02 * index
        time = torch.sin(2 * torch.tensor([t]).float())[:, None].double()
        r = model.network.blocks[0](x * 0.3, time) - x * 0.3
        skip = held is not None and float((r - held).abs().mean() / held.abs().mean()) <= tolerance
        held = held if skip else r
        expected.append(skip)
        before = cache_report(memory).skipped
        cached(x, FLOW.level(t), Conditioning(), memory)
        found.append(cache_report(memory).skipped > before)
    assert found == expected
    assert 5 < sum(found) < 25


@torch.no_grad()
def test_tea_cache_sums_the_rescaled_changes_of_the_modulated_input() -> None:
    model, memory, generator = _model(), Memory(), torch.Generator().manual_seed(0)
    polynomial, tolerance = (3.0, 0.5, 0.01), 0.2
    cached = tea_cached(model, STACK, tolerance, polynomial=polynomial, longest=99)
    x, before, total, expected, found = torch.randn(1, 4, generator=generator).double(), None, 0.0, [], []
    for index in range(30):
        x = x + 0.08 * torch.randn(1, 4, generator=generator)
        t = 0.9 - 0.02 * index
        now = x * 0.3 + torch.sin(2 * torch.tensor([t]).float())[:, None].double()
        if before is not None:
            change = float((now - before).abs().mean() / before.abs().mean())
            total += 3 * change**2 + 0.5 * change + 0.01
        skip = before is not None and total <= tolerance
        total, before = total if skip else 0.0, now
        expected.append(skip)
        count = cache_report(memory).skipped
        cached(x, FLOW.level(t), Conditioning(), memory)
        found.append(cache_report(memory).skipped > count)
    assert found == expected
    assert 5 < sum(found) < 29


class Curve(nn.Module):
    """A block that adds a function of the level alone."""

    def __init__(self, curve) -> None:
        super().__init__()
        self.curve = curve

    def forward(self, h: Tensor, t: Tensor) -> Tensor:
        return h + self.curve(t.double())[:, None]


class Curves(nn.Module):
    def __init__(self, curve) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Curve(curve), Curve(lambda t: 0.3 * curve(t))])

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        h = x * 0.0
        for block in self.blocks:
            h = block(h, c_noise)
        return h


def _taylor_error(curve, order: int, step: float) -> float:
    model = ModelDenoiser(Curves(curve), FLOW, Sample())
    cached, memory, x = (
        taylor_cached(model, BlockStack(("blocks.0", "blocks.1")), 3, order=order),
        Memory(),
        None,
    )
    x, worst = torch.zeros(1, 2).double(), 0.0
    for index in range(12):
        level, before = FLOW.level(0.8 - index * step), cache_report(memory).skipped
        error = cached(x, level, Conditioning(), memory).x0 - model(x, level, Conditioning(), Memory()).x0
        if cache_report(memory).skipped > before:
            worst = max(worst, float(error.abs().max()))
        else:
            assert not error.any()
    assert worst > 0
    return worst


@torch.no_grad()
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_taylor_seer_is_of_its_order(order) -> None:
    errors = [_taylor_error(lambda t: torch.exp(2 * t), order, step) for step in (0.02, 0.01)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order + 1, abs=0.35)


@torch.no_grad()
def test_taylor_seer_evaluates_every_nth_call_and_anew_where_t_turns_back() -> None:
    model = _model()
    cached, memory, pattern = taylor_cached(model, STACK, 4, order=1), Memory(), []
    for t in (0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.7, 0.65, 0.6, 0.55):
        before = cache_report(memory).skipped
        cached(torch.ones(1, 4).double(), FLOW.level(t), Conditioning(), memory)
        pattern.append(cache_report(memory).skipped > before)
    assert pattern == [False, False, True, True, True, False, True, True, False, False, True, True]


@pytest.mark.parametrize("solver", [DDIM(), Heun()], ids=str)
@pytest.mark.parametrize("kind", EVERY)
class TestRuns:
    def test_a_batch_equals_its_single_runs_bit_for_bit(self, kind, solver) -> None:
        prompts, cached = _prompts(3), guided(EVERY[kind](_model()), ClassifierFree(2.0))
        batch = _steps(cached, (4, 5, 6), solver, conditioning=prompts)
        singles = [
            _steps(cached, (seed,), solver, conditioning=prompts.select([row]))
            for row, seed in enumerate((4, 5, 6))
        ]
        assert torch.equal(batch[-1].x, torch.cat([single[-1].x for single in singles]))
        report = cache_report(batch[-1].memory)
        alone = [cache_report(single[-1].memory) for single in singles]
        assert report.skipped == sum(one.skipped for one in alone)
        assert report.observed == max(one.observed for one in alone)

    def test_a_step_resumes_to_the_same_bits(self, kind, solver) -> None:
        cached, prompts = EVERY[kind](_model()), _prompts(2)
        steps = _steps(cached, (1, 2), solver, conditioning=prompts)
        for step in steps[2:-1:5]:
            for after in (pickle.loads(pickle.dumps(step)), step):
                *_, last = _steps(cached, (1, 2), solver, conditioning=prompts, after=after)
                assert torch.equal(last.x, steps[-1].x)
                assert cache_report(last.memory) == cache_report(steps[-1].memory)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_items_that_need_it_are_evaluated(kind) -> None:
    cached = KINDS[kind](_model(), 0.08)
    steps = _steps(cached, (4, 5, 6), conditioning=_prompts(3))
    _, second, third = _rows(cached)
    assert second == third
    assert {1, 3} <= set(second)
    report = cache_report(steps[-1].memory)
    assert report.evaluated == sum(second)
    assert report.evaluated + report.skipped == 3 * GRID.steps
    assert report.observed > 0


@pytest.mark.parametrize("kind", EVERY)
def test_where_gradients_are_on_and_outside_the_interval_all_is_evaluated(kind) -> None:
    model = _model()
    wish = LossGuidance(lambda x0, level, _: x0.square().sum(1), 0.1)
    expected = _steps(guided(model, wish))[-1]
    found = _steps(guided(EVERY[kind](model), wish))[-1]
    assert torch.equal(found.x, expected.x)
    outside = _steps(EVERY[kind](model, interval=(50.0, 60.0)))[-1]
    assert torch.equal(outside.x, _steps(model)[-1].x)
    assert cache_report(outside.memory).skipped == cache_report(found.memory).skipped == 0


class Text(TextTransformer[TextTransformerShape]):
    def add_input(self) -> None:
        self.input = nn.Linear(5, self.shape.width)

    def add_output(self) -> nn.Linear:
        self.output = nn.Linear(self.shape.width, 2)
        return self.output

    def tokens(self, x: Tensor) -> Tensor:
        return self.input(x.transpose(1, 2))

    def state(self, tokens: Tensor) -> Tensor:
        return self.output(tokens).transpose(1, 2)


@torch.no_grad()
@pytest.mark.parametrize("make", [first_block_cached, tea_cached, None])
def test_our_transformer_declares_its_blocks(make) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Text(TextTransformerShape(9, 16, 4, 2, 24, 6)).eval()
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.1)
    model = ModelDenoiser(network, FLOW, Velocity())
    prompts = Conditioning({"text": Condition(torch.arange(10).view(2, 5) % 9, "prepend")})
    noise = NoiseSource([0, 1])
    x = noise.prior((2, 7))

    def run(denoiser):
        *_, last = iterate(denoiser, FLOW, GRID, DDIM(), x=x, noise=noise, conditioning=prompts)
        return last

    exact = run(model).x
    cached = taylor_cached(model, network.stack, 2) if make is None else make(model, network.stack, 0.4)
    found = run(cached)
    assert cache_report(found.memory).skipped >= 10
    error = (found.x - exact).norm() / exact.norm()
    assert 0 < error < 0.05


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BlockStack(("blocks.0",)), "two blocks"),
        (lambda: first_block_cached(_model(), BlockStack(("blocks.0", "blocks.9")), 0.1), r"blocks\.9"),
        (lambda: first_block_cached(_model(), STACK, 0.0), "tolerance"),
        (lambda: first_block_cached(_model(), STACK, 0.1, longest=0), "longest"),
        (lambda: tea_cached(_model(), BlockStack(STACK.blocks), 0.1), "modulated"),
        (lambda: tea_cached(_model(), STACK, 0.1, polynomial=()), "coefficient"),
        (lambda: taylor_cached(_model(), STACK, 1), "every"),
        (lambda: taylor_cached(_model(), STACK, 2, order=-1), "order"),
        (lambda: taylor_cached(_model(), STACK, 2, interval=(1.0, 0.0)), "interval"),
        (
            lambda: first_block_cached(ModelDenoiser(lambda x, c, k: x, FLOW, Velocity()), STACK, 0.1),
            "Module",
        ),
    ],
)
def test_impossible_settings_are_refused(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()


class Other(Network):
    """Its last block is not used, or a block changes the shape."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        h = x
        for block in self.blocks[:-1]:
            h = block(h, c_noise[:, None].to(x))
        return h


class Wide(Network):
    def __init__(self) -> None:
        super().__init__()
        self.blocks[1] = nn.Linear(4, 5)

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        return self.blocks[1](x)[:, :4]


@pytest.mark.parametrize(("network", "message"), [(Other("short"), "last block"), (Wide(), "shape")])
def test_networks_that_are_no_stack_are_refused(network, message) -> None:
    cached = first_block_cached(ModelDenoiser(network.double(), FLOW, Velocity()), STACK, 0.1)
    with pytest.raises(ValueError, match=message):
        cached(torch.ones(1, 4).double(), FLOW.level(0.5), Conditioning(), Memory())
