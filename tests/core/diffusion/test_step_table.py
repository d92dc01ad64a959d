"""Steps from a table of coefficients: the same runs as the loop's, and one graph for all steps."""

from __future__ import annotations

import pytest
import torch
from packaging.version import Version
from torch.utils._python_dispatch import TorchDispatchMode

from gen import presets
from gen.diffusion import (
    DDIM,
    EDM,
    AdaptiveProjected,
    CFGPlusPlus,
    ClassifierFree,
    Condition,
    Conditioning,
    DiscreteBetas,
    Epsilon,
    FlowAdams,
    ModelDenoiser,
    NoiseSource,
    RectifiedFlow,
    TimeGrid,
    VarianceExploding,
    VariancePreserving,
    Velocity,
    VPrediction,
    guided,
    prior,
    sample,
)
from gen.diffusion.categorical import Masked, Unmask
from gen.diffusion.guidance import CFGZeroStar, Tangential
from gen.diffusion.step_table import table_step, tabulate
from gen.presets.solvers import SOLVERS

FLOW, VP, CHAIN = RectifiedFlow(), VariancePreserving(), DiscreteBetas.scaled_linear(1000)
NOT_LINEAR = {"dpm_adaptive", "predictor_corrector", "flow_map"}
PROMPTS = Conditioning(
    {"prompt": Condition(torch.ones(2, 1), "global")},
    Conditioning({"prompt": Condition(torch.zeros(2, 1), "global")}),
)
NOISE = NoiseSource([0, 1])


@pytest.fixture(autouse=True)
def no_earlier_graphs(request: pytest.FixtureRequest) -> None:
    """The graphs of earlier tests count towards the limit of recompilations."""
    if request.node.get_closest_marker("slow"):
        torch.compiler.reset()


def _model(process, parameterization) -> ModelDenoiser:
    return ModelDenoiser(
        lambda x, c, k: torch.tanh(x) + c[:, None] / 1000 + k["prompt"].value, process, parameterization
    )


GUIDED = guided(_model(VP, VPrediction()), ClassifierFree(2.0))


def _both(name: str, process, denoiser) -> tuple[torch.Tensor, torch.Tensor]:
    """The end of a run of the loop, and from a table; float64."""
    grid, solver = TimeGrid.uniform(7), presets.solver(name)
    x = prior(process, grid, NOISE, (3,)).double()
    expected = sample(denoiser, process, grid, solver, x=x, noise=NOISE, conditioning=PROMPTS).x
    found = tabulate(process, grid, solver).sample(denoiser, x=x, noise=NOISE, conditioning=PROMPTS)
    return found, expected


@pytest.mark.parametrize("name", sorted(set(SOLVERS) - NOT_LINEAR))
def test_a_run_from_a_table_is_the_loops(name: str) -> None:
    found, expected = _both(name, FLOW, GUIDED)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("process", "model"),
    [
        (VP, _model(FLOW, Velocity())),
        (VarianceExploding(), _model(VarianceExploding(), EDM())),
        (CHAIN, _model(CHAIN, Epsilon(time_scale=1000.0, time_shift=-1.0))),
        (VP, guided(_model(VP, VPrediction()), ClassifierFree(3.0, 0.5))),
        (VP, guided(_model(VP, VPrediction()), AdaptiveProjected(3.0))),
    ],
    ids=["other process", "edm", "chain", "rescale", "projected"],
)
def test_tables_hold_for_every_process_and_guidance(process, model) -> None:
    found, expected = _both("dpmpp_2m", process, model)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", sorted(NOT_LINEAR))
def test_steps_that_are_not_linear_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="use `sample`"):
        tabulate(FLOW, TimeGrid.uniform(4), presets.solver(name))


@pytest.mark.parametrize(
    ("process", "solver", "message"),
    [
        (FLOW, FlowAdams(3, corrector=True, stable_above=0.5), "remembers more than states"),
        (FLOW, FlowAdams(3, stable_above=0.5), "are not linear"),
        (FLOW, FlowAdams(3, stable_above=-0.95), "are not linear"),
        (Masked(5, 5), Unmask(Masked(5, 5)), "not of tokens"),
    ],
)
def test_solvers_that_no_table_can_hold_are_refused(process, solver, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tabulate(process, TimeGrid.uniform(5), solver)


@pytest.mark.parametrize(
    ("guidance", "message"),
    [(CFGPlusPlus(0.5), "CFG"), (AdaptiveProjected(3.0, momentum=-0.5), "remembers")],
)
def test_denoisers_that_a_table_cannot_serve_are_refused(guidance, message: str) -> None:
    table, denoiser = tabulate(VP, TimeGrid.uniform(3), DDIM()), guided(_model(VP, VPrediction()), guidance)
    with pytest.raises(ValueError, match=message):
        table.sample(denoiser, x=torch.ones(2, 3), noise=NOISE, conditioning=PROMPTS)


def test_grids_and_noise_that_a_table_cannot_serve_are_refused() -> None:
    with pytest.raises(ValueError, match="without renoising"):
        tabulate(VP, TimeGrid.uniform(4).restart(2, 2), DDIM())
    table = tabulate(VP, TimeGrid.uniform(3), DDIM(1.0))
    with pytest.raises(ValueError, match="Brownian"):
        table.sample(GUIDED, x=torch.ones(2, 3), noise=NoiseSource([0, 1], brownian=True))
    with pytest.raises(ValueError, match="one seed per item"):
        table.sample(GUIDED, x=torch.ones(3, 3), noise=NOISE)


def test_the_end_of_a_run_says_where_it_broke() -> None:
    broken = ModelDenoiser(lambda x, c, _: torch.where(c[:, None] < 0.4, torch.nan, x), FLOW, Velocity())
    table = tabulate(FLOW, TimeGrid.uniform(4), presets.solver("dpmpp_2m"))
    with pytest.raises(FloatingPointError, match="evaluation 4 of 4"):
        table.sample(broken, x=torch.ones(2, 3), noise=NOISE)


class NothingRead(TorchDispatchMode):
    """Fails where a tensor is read as a number, which waits for a device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default:
            raise AssertionError("a number was read")
        return func(*args, **(kwargs or {}))


class Graphs:
    """A backend that counts its graphs, and fails where one reads a number; it compiles nothing."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, graph, _inputs):
        self.count += 1

        def forward(*arguments):
            with NothingRead():
                return graph.forward(*arguments)

        return forward


def _compiled(name: str, backend, denoiser=GUIDED) -> None:
    """Two runs of other lengths and grids with one compiled step."""
    step = torch.compile(table_step, fullgraph=True, backend=backend)
    for grid in (TimeGrid.uniform(5), TimeGrid.uniform(8)):
        x = prior(FLOW, grid, NOISE, (3,))
        table = tabulate(FLOW, grid, presets.solver(name))
        found = table.sample(denoiser, x=x, noise=NOISE, conditioning=PROMPTS, step=step)
        expected = table.sample(denoiser, x=x.double(), noise=NOISE, conditioning=PROMPTS)
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


# Dynamo of torch 2.8 cannot trace conditionings.
@pytest.mark.skipif(Version(torch.__version__) < Version("2.9"), reason="needs torch 2.9")
@pytest.mark.parametrize(
    ("name", "graphs"),
    [
        ("flow_adams_2", 1),
        pytest.param("dpmpp_2m_sde", 1, marks=pytest.mark.slow),
        pytest.param("heun", 2, marks=pytest.mark.slow),
    ],
)
def test_one_graph_serves_all_steps(name: str, graphs: int) -> None:
    """Of Heun, another serves the last step, which has one evaluation in place of two."""
    backend = Graphs()
    _compiled(name, backend)
    assert backend.count == graphs


@pytest.mark.slow
@pytest.mark.skipif(Version(torch.__version__) < Version("2.9"), reason="needs torch 2.9")
@pytest.mark.parametrize(
    "guidance",
    [
        ClassifierFree(2.0, 0.5),
        ClassifierFree(2.0, renorm=-1),
        Tangential(2.0),
        AdaptiveProjected(3.0, radius=1.0),
        CFGZeroStar(2.0, zero_until=None),
    ],
    ids=["rescale", "renorm", "tangential", "projected", "zero star"],
)
def test_one_graph_holds_the_guidance_too(guidance) -> None:
    backend = Graphs()
    _compiled("ddim", backend, guided(_model(VP, VPrediction()), guidance))
    assert backend.count == 1


@pytest.mark.slow
def test_a_step_compiles_with_inductor() -> None:
    _compiled("dpmpp_2m", "inductor")
