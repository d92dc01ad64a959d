"""A name is its namesake, or is refused: every name of a solver, a grid or a scheduler beside its program.

ComfyUI's runs are in comfy_reference.npz, see ``make_comfy_reference``; diffusers' are made here. A name
that no program has is ``Ours``, with the reason.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import comfy_cases as cases
import numpy as np
import pytest
import torch
from parity import (
    DATA,
    MODEL,
    START,
    Case,
    chain_levels,
    draw,
    edm_of,
    eps_of,
    in_double,
    level_of,
    on_chain,
    on_flow,
    on_interpolated,
    on_sigma,
    on_solver_sigma,
    ours,
    run,
    scheduler,
    sigma_levels,
    theirs,
    v_of,
    velocity_of,
)
from torch import Tensor

from gen import presets
from gen.diffusion import DDIM, Heun, Level, Prediction, Process, RectifiedFlow
from gen.diffusion.schedule import Shifted
from gen.diffusion.solvers import FlowTime
from gen.diffusion.solvers.base import decay
from gen.errors import UsageError
from thinning import striped

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")]
REFERENCE = np.load(cases.FILE)
CLOSE = 1e-6
STEPS = (10, 20)


class Comfy(NamedTuple):
    """``sample_NAME`` of ComfyUI, on a chain and on a flow, also that of k-diffusion where it is older.

    Args:
        name: In ``comfy_cases``.
        parts: Out of ``comfy_cases.PARTS``, those that the name of ours has.
    """

    name: str
    parts: tuple[str, ...] = cases.PARTS

    def differences(self, name: str, steps: int) -> list[float]:
        """Of the ends, ours minus theirs, at most."""
        parts = [part for n, part in cases.runs(self.name) if n == steps and part in self.parts]
        assert parts
        return [
            float((_end(name, self.name, steps, part) - self._end(steps, part)).abs().max()) for part in parts
        ]

    def _end(self, steps: int, part: str) -> Tensor:
        return torch.from_numpy(REFERENCE[f"{self.name}/{steps}/{part}"])


CHAIN = cases.PARTS[:2]
"""Where ComfyUI is not the namesake on flows."""


class Theirs(NamedTuple):
    """A scheduler of diffusers, at its own levels."""

    case: Callable[[int], Case]

    def differences(self, name: str, steps: int) -> list[float]:
        """Of every state, ours minus theirs, at most."""
        case = self.case(steps)
        flow = case.level is on_flow or case.options.get("use_flow_sigmas", False)
        process = RectifiedFlow() if flow else None
        found, expected = run(replace(case, solver=presets.solver(name, process)))
        assert len(found) == len(expected)
        return [float((a - b).abs().max()) for a, b in zip(found, expected, strict=True)]


class Ours(NamedTuple):
    """No program has the name, or none that can run.

    Args:
        reason: Which, or why.
    """

    reason: str

    def differences(self, name: str, steps: int) -> list[float]:
        """None."""
        return []


class Special(NamedTuple):
    """Something else: (name, steps) -> differences."""

    function: Callable[[str, int], list[float]]

    def differences(self, name: str, steps: int) -> list[float]:
        """Those."""
        return self.function(name, steps)


def diffusers(
    scheduler_name: str,
    level: Callable[[Any, int], Level[float]] = on_solver_sigma,
    output: Callable[..., Tensor] = eps_of,
    *,
    calls: int = 1,
    stepping: dict[str, Any] | None = None,
    **options: Any,
) -> Theirs:
    """A class of diffusers, with options."""

    def case(steps: int) -> Case:
        return Case(
            scheduler_name,
            presets.solver("ddim"),
            level,
            output,
            options,
            stepping or {},
            2 * steps + 2,
            calls,
            steps,
        )

    return Theirs(case)


def _guided(x: Tensor, level: Level[float]) -> Prediction:
    """As CFGPlusPlus predicts."""
    eps = (x - level.alpha * cases.uncond_x0(x, level)) / level.sigma
    return Prediction(cases.guided_x0(x, level), eps)


def _plain(x: Tensor, level: Level[float]) -> Prediction:
    return Prediction(cases.x0(x, level))


class _Noise:
    """Their draws in our order; for DPM-Solver++ SDE such that the whole noise of a step is theirs."""

    def __init__(self, name: str, step: int, t: Level[float], s: Level[float]) -> None:
        self.name, self.first, self.t, self.s, self.count = name, step * cases.DRAWS[name], t, s, 0

    def part(self, name: str, t: Level[float], s: Level[float]) -> _Noise:
        """The next draws."""
        return self

    def __call__(self, _: Tensor, stream: str) -> Tensor:
        z = cases.draw(self.first + self.count)
        self.count += 1
        if self.name != "dpmpp_sde" or self.count == 1:
            return z
        half = math.sqrt(decay(self.t, self.s))
        stage, rest = math.sqrt(1 - half**2), math.sqrt(1 - half**2)
        whole = math.sqrt(1 - half**4)
        return (whole * z - half * stage * cases.draw(self.first)) / rest


def _end(name: str, sampler: str, steps: int, part: str) -> Tensor:
    """The end of a run of ours, as theirs scales it."""
    flow, sigmas = part.startswith("flow"), cases.sigmas(sampler, steps, part)
    if sampler.startswith("uni_pc") and sigmas[-1] == 0:
        sigmas[-1] = 0.001  # theirs stop at this sigma
    first = sigmas[0]
    if flow and sampler in cases.NEARLY_NOISE:
        sigmas[0] = 0.9999  # theirs takes pure noise to be this
    levels = [cases.level(sigma, part) for sigma in sigmas]
    if sampler == "dpm_adaptive":
        levels = [levels[0], cases.level(min(sigma for sigma in sigmas if sigma), part)]
    solver = presets.solver(name, RectifiedFlow() if flow else cases.CHAIN).on(levels)
    x, state = cases.START * first * (1 if flow else levels[0].alpha), ()
    denoise = _guided if sampler.endswith("cfg_pp") else _plain
    for step, (t, s) in enumerate(itertools.pairwise(levels)):
        noise = _Noise(sampler, step, t, s) if sampler in cases.DRAWS else None
        update = solver.step(state, x, denoise, t, s, noise=noise)
        x, state = update.x, update.state
    return x if flow else x / levels[-1].alpha


def _ends(found: Sequence[Tensor], expected: Sequence[Tensor]) -> list[float]:
    assert len(found) == len(expected)
    return [float((a - b).abs().max()) for a, b in zip(found, expected, strict=True)]


def _plms(name: str, steps: int) -> list[float]:
    """Theirs evaluates twice at the second level, for the first step of Heun."""
    made = scheduler("PNDMScheduler", skip_prk_steps=True, set_alpha_to_one=True)
    expected = theirs(made, steps, on_chain, eps_of, START)
    levels = chain_levels(made)
    del levels[2], expected[1]
    return _ends(ours(presets.solver(name), levels, START), expected)


def _ipndm(name: str, steps: int) -> list[float]:
    """Theirs takes the data at pure noise to be 0, as this network does."""
    with pytest.MonkeyPatch.context() as patch:
        exact = type(MODEL).x0
        patch.setattr(type(MODEL), "x0", lambda self, x, level: exact(self, x, level) * (level.alpha > 0))

        def level(made: Any, index: int) -> Level[float]:
            return level_of(float(made.alphas[index]) if index else 0.0, made.betas[index])

        made = scheduler("IPNDMScheduler")
        expected = theirs(made, steps, level, v_of, START)
        levels = [level(made, i) for i in range(steps + 1)]
        return _ends(ours(presets.solver(name), levels, START), expected)


def _sa_levels(made: Any) -> list[Level[float]]:
    """With the times by which the noise is chosen."""
    times = [*((int(t) + 1) / 1000 for t in made.timesteps), 0.001]
    levels = sigma_levels(made, on_solver_sigma)
    return [level._replace(t=t) for t, level in zip(times, levels, strict=True)]


def _sa_draws(made: Any) -> list[Tensor]:
    """Theirs draws in every step."""
    return [draw(i) for i, t in enumerate(made.timesteps) if 200 <= t <= 800]


def _sa_solver(name: str, steps: int) -> list[float]:
    made = scheduler("SASolverScheduler")
    expected = theirs(made, steps, on_solver_sigma, eps_of, START, draws=[draw(i) for i in range(2 * steps)])
    return _ends(ours(presets.solver(name), _sa_levels(made), START, _sa_draws(made)), expected)


def _reverse_diffusion(name: str, steps: int) -> list[float]:
    """The predictor of score_sde alone, whose last result is its mean."""
    made = scheduler("ScoreSdeVeScheduler", num_train_timesteps=steps, sigma_max=40.0)
    made.set_timesteps(steps)
    made.set_sigmas(steps, sigma_max=40.0)
    made.discrete_sigmas = made.discrete_sigmas.double()
    levels = [*(level_of(1.0, sigma) for sigma in made.discrete_sigmas.flip(0)), DATA]
    draws = [draw(i) for i in range(steps)]
    states = [START * levels[0].sigma]
    with in_double(type(made).__module__, draws=iter(draws)):
        for level, t in zip(levels, made.timesteps, strict=False):
            score = -eps_of(MODEL.x0(states[-1], level), states[-1], level) / level.sigma
            x, mean = made.step_pred(score, t, states[-1], return_dict=False)
            states.append(x)
    return _ends(ours(presets.solver(name), levels, states[0], draws), [*states[:-1], mean])


class Row(NamedTuple):
    """Names of one thing, and the programs that it comes from.

    Args:
        names: Separated by spaces.
        sources: At least one.
    """

    names: str
    sources: tuple[Comfy | Theirs | Ours | Special, ...]

    def __str__(self) -> str:
        return self.names


def row(names: str, *sources: Comfy | Theirs | Ours | Special) -> Row:
    """A row of the table."""
    return Row(names, sources)


FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
EPS = {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}
SDE = {"algorithm_type": "sde-dpmsolver++"}
HEUN = {"solver_type": "heun"}
MULTISTEP, UNIPC = "DPMSolverMultistepScheduler", "UniPCMultistepScheduler"
ABM = Ours("Adams-Bashforth(-Moulton) in flow time, which no program has")

SOLVERS = [
    row("flow_adams_2 flow_adams", ABM),
    row("flow_adams_3", ABM),
    row("flow_abm_1", ABM),
    row("flow_abm_2 flow_abm", ABM),
    row("flow_abm_3", ABM),
    row("ddim", diffusers("DDIMScheduler", on_chain, clip_sample=False)),
    row("euler k_euler", Comfy("euler"), diffusers("EulerDiscreteScheduler", on_sigma)),
    row("flow_euler", diffusers("FlowMatchEulerDiscreteScheduler", on_flow, velocity_of, shift=3.0)),
    row("ddpm diffusers_ddpm", diffusers("DDPMScheduler", on_chain, clip_sample=False), Comfy("ddpm")),
    row(
        "ddpm_large",
        diffusers("DDPMScheduler", on_chain, clip_sample=False, variance_type="fixed_large"),
    ),
    row(
        "euler_ancestral euler_a k_euler_a k_euler_ancestral",
        Comfy("euler_ancestral"),
        diffusers("EulerAncestralDiscreteScheduler", on_sigma),
    ),
    row("euler_a_flow euler_ancestral_rf", Comfy("euler_ancestral", cases.PARTS[2:])),
    row(
        "lcm consistency ping_pong",
        Comfy("lcm"),
        diffusers("FlowMatchLCMScheduler", on_flow, velocity_of),
        diffusers("LCMScheduler", on_chain, clip_sample=False, timestep_scaling=1e9),
    ),
    row("tcd", Ours("the paper's, whose levels diffusers' TCDScheduler rounds: see test_parity")),
    row("flow_map", diffusers("FlowMapEulerDiscreteScheduler", on_flow, velocity_of)),
    row("heun k_heun", Comfy("heun"), diffusers("HeunDiscreteScheduler", on_sigma, calls=2)),
    row("heunpp2", Comfy("heunpp2")),
    row(
        "flow_heun",
        diffusers("FlowMatchHeunDiscreteScheduler", on_flow, velocity_of, calls=2),
        Comfy("heun", cases.PARTS[2:]),
    ),
    row(
        "dpm_2 dpm2 k_dpm_2 midpoint",
        Comfy("dpm_2"),
        diffusers("KDPM2DiscreteScheduler", on_interpolated, calls=2),
    ),
    row("dpm_3", Comfy("dpm_3")),
    row("dpmpp_2s k_dpmpp_2s", Comfy("dpmpp_2s")),
    row("dpmpp_3s", Comfy("dpmpp_3s")),
    row("exp_heun_2_x0", Comfy("exp_heun_2_x0")),
    row("exp_heun_2_x0_sde", Comfy("exp_heun_2_x0_sde")),
    row(
        "dpm_2_ancestral dpm2_a k_dpm_2_a k_dpm_2_ancestral dpm_2_a",
        Comfy("dpm_2_ancestral"),
        diffusers("KDPM2AncestralDiscreteScheduler", on_interpolated, calls=2),
    ),
    row("dpmpp_2s_ancestral dpmpp_2s_a k_dpmpp_2s_a", Comfy("dpmpp_2s_ancestral")),
    row("dpmpp_sde k_dpmpp_sde dpmpp_sde_gpu", Comfy("dpmpp_sde")),
    row("seeds_2", Comfy("seeds_2")),
    row("seeds_3", Comfy("seeds_3")),
    row("dpm_adaptive dpm_ad k_dpm_ad k_dpm_adaptive", Comfy("dpm_adaptive")),
    row("dpm_2m", diffusers(MULTISTEP, **EPS, lower_order_final=False)),
    row(
        "dpmpp_2m k_dpmpp_2m diffusers_dpmpp_2m",
        Comfy("dpmpp_2m", CHAIN),
        diffusers(MULTISTEP),
        diffusers(MULTISTEP, on_solver_sigma, velocity_of, **FLOW),
    ),
    row("comfy_dpmpp_2m", Comfy("dpmpp_2m")),
    row(
        "dpmpp_2m_heun",
        diffusers(MULTISTEP, **HEUN),
        diffusers(MULTISTEP, on_solver_sigma, velocity_of, **HEUN, **FLOW),
    ),
    row("res_multistep", Comfy("res_multistep")),
    row("dpmpp_3m diffusers_dpmpp_3m", diffusers(MULTISTEP, solver_order=3, **HEUN)),
    row("dpmpp_2m_sde k_dpmpp_2m_sde dpmpp_2m_sde_gpu", Comfy("dpmpp_2m_sde"), diffusers(MULTISTEP, **SDE)),
    row(
        "dpmpp_2m_sde_heun k_dpmpp_2m_sde_heun dpmpp_2m_sde_heun_gpu",
        Comfy("dpmpp_2m_sde_heun"),
        diffusers(MULTISTEP, **SDE, **HEUN),
    ),
    row("res_multistep_ancestral", Comfy("res_multistep_ancestral")),
    row("dpmpp_3m_sde k_dpmpp_3m_sde dpmpp_3m_sde_gpu comfy_dpmpp_3m_sde", Comfy("dpmpp_3m_sde")),
    row("unip_3", diffusers(UNIPC, solver_order=3, disable_corrector=list(range(20)))),
    row(
        "unipc_2 unipc_bh2_2 diffusers_unipc",
        diffusers(UNIPC),
        diffusers(UNIPC, on_solver_sigma, velocity_of, **FLOW),
    ),
    row("unipc_3", diffusers(UNIPC, solver_order=3)),
    row("unipc_3_bh1", diffusers(UNIPC, solver_order=3, solver_type="bh1")),
    row("uni_pc unipc unipc_bh1 uni_pc_bh1 comfy_uni_pc", Comfy("uni_pc")),
    row("uni_pc_bh2 unipc_bh2 comfy_uni_pc_bh2", Comfy("uni_pc_bh2")),
    row("sa_solver comfy_sa_solver", Comfy("sa_solver")),
    row("sa_solver_pece", Comfy("sa_solver_pece")),
    row("diffusers_sa_solver", Special(_sa_solver)),
    row("er_sde", Comfy("er_sde")),
    row("deis diffusers_deis deis_3", diffusers("DEISMultistepScheduler", solver_order=3)),
    row("deis_2", diffusers("DEISMultistepScheduler")),
    row("lms k_lms diffusers_lms", diffusers("LMSDiscreteScheduler", on_sigma)),
    row("comfy_lms", Comfy("lms")),
    row("ipndm comfy_ipndm", Comfy("ipndm")),
    row("diffusers_ipndm", Special(_ipndm)),
    row("ipndm_v", Comfy("ipndm_v")),
    row("plms pndm", Special(_plms)),
    row("gradient_estimation", Comfy("gradient_estimation")),
    row("euler_cfg_pp ddim_cfg_pp", Comfy("euler_cfg_pp")),
    row("euler_ancestral_cfg_pp euler_a_cfg_pp", Comfy("euler_ancestral_cfg_pp")),
    row("gradient_estimation_cfg_pp", Comfy("gradient_estimation_cfg_pp")),
    row("dpmpp_2m_cfg_pp", Comfy("dpmpp_2m_cfg_pp")),
    row("res_multistep_cfg_pp", Comfy("res_multistep_cfg_pp")),
    row("res_multistep_ancestral_cfg_pp", Comfy("res_multistep_ancestral_cfg_pp")),
    row("dpmpp_2s_ancestral_cfg_pp dpmpp_2s_a_cfg_pp", Comfy("dpmpp_2s_ancestral_cfg_pp")),
    row("reverse_diffusion", Special(_reverse_diffusion)),
    row("predictor_corrector", Ours("score_sde's, each Langevin step after the other step: see test_parity")),
]


def _names(presets_of: Any) -> set[str]:
    return {name for preset in presets_of.values() for name in (preset.name, *preset.aliases)}


def test_every_name_of_a_solver_has_one_row() -> None:
    named = [name for line in SOLVERS for name in line.names.split()]
    assert sorted(named) == sorted(_names(presets.SOLVERS))


@pytest.mark.parametrize(("line", "steps"), striped(SOLVERS, STEPS, 2), ids=str)
def test_a_solver_is_its_namesake(line: Row, steps: int) -> None:
    name, *aliases = line.names.split()
    assert line.sources
    assert len({presets.sampler(each).solver for each in (name, *aliases)}) == 1
    for source in line.sources:
        assert max(source.differences(name, steps), default=0.0) < CLOSE, source


@pytest.mark.parametrize(
    "name", ["res_multistep_ancestral", "res_multistep_ancestral_cfg_pp", "dpmpp_2s_a_cfg_pp"]
)
def test_what_adds_too_much_noise_on_a_flow_is_refused_there(name: str) -> None:
    """ComfyUI's noise of a variance exploding process; the advice names one that has the flow's."""
    with pytest.raises(UsageError) as caught:
        presets.solver(name, RectifiedFlow())
    instead = caught.value.hint.split("`")[1]
    assert max(Comfy(instead, cases.PARTS[2:]).differences(instead, 10)) < CLOSE


class Listed(NamedTuple):
    """A grid of ComfyUI in comfy_reference.npz, in sigma / alpha of a chain or in the time of a flow.

    Args:
        name: There.
        kinds: Where the name of ours has it.
    """

    name: str
    kinds: tuple[str, ...] = ("chain", "flow")

    def pairs(self, name: str, steps: int) -> list[tuple[Any, Any]]:
        """(ours, theirs)"""
        # That of laplace ends before the data.
        data = [0.0] if self.name == "laplace" else []
        theirs = {kind: [*REFERENCE[f"{self.name}/{steps}/{kind}"], *data] for kind in self.kinds}
        return [(_spacing(name, steps, kind), found) for kind, found in theirs.items()]


class Levels(NamedTuple):
    """The levels of a scheduler of diffusers.

    Args:
        scheduler: Its class.
        kind: "chain" or "flow".
        options: Of the class.
    """

    scheduler: str
    kind: str
    options: dict[str, Any]

    def pairs(self, name: str, steps: int) -> list[tuple[Any, Any]]:
        """(ours, theirs)"""
        made = scheduler(self.scheduler, **self.options)
        with in_double(type(made).__module__):
            made.set_timesteps(steps)
        if hasattr(made, "sigmas") and "LCM" not in self.scheduler:
            return [(_spacing(name, steps, self.kind), np.array(made.sigmas))]
        levels = chain_levels(made)
        return [(_spacing(name, steps, self.kind), [level.sigma / level.alpha for level in levels])]


def _spacing(name: str, steps: int, kind: str) -> list[float]:
    process: Process = RectifiedFlow() if kind == "flow" else cases.CHAIN
    grid = presets.grid(name, steps, process)
    if kind == "flow":
        return list(grid.times)
    return [level.sigma / level.alpha for level in grid.levels(process)]


def levels(name: str, kind: str = "chain", **options: Any) -> Levels:
    """A row's source; chains are Stable Diffusion's."""
    chain = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    return Levels(name, kind, {**(chain if kind == "chain" else {}), **options})


FLOW_EULER = "FlowMatchEulerDiscreteScheduler"
ALIGNED = Ours("the paper's tables, which test_grid holds beside its code")
GRIDS: list[tuple[str, tuple[Listed | Levels | Ours, ...]]] = [
    (
        "uniform linear flow",
        (levels("FlowMapEulerDiscreteScheduler", "flow"),),
    ),
    ("trailing turbo", (levels("DDIMScheduler", timestep_spacing="trailing"),)),
    ("simple", (Listed("simple"),)),
    ("leading", (levels("DDIMScheduler"),)),
    ("ddim_uniform leading_1", (Listed("ddim_uniform"), levels("DDIMScheduler", steps_offset=1))),
    ("leading_open", (levels("DPMSolverMultistepScheduler", timestep_spacing="leading"),)),
    ("linspace", (levels("DDIMScheduler", timestep_spacing="linspace"),)),
    ("normal comfy_normal", (Listed("normal"),)),
    ("diffusers_normal", (levels("EulerDiscreteScheduler"), levels(FLOW_EULER, "flow"))),
    ("linspace_open", (levels("DPMSolverMultistepScheduler"),)),
    ("linspace_closed", (levels("DPMSolverMultistepScheduler", final_sigmas_type="sigma_min"),)),
    ("sgm_uniform", (Listed("sgm_uniform"),)),
    ("quadratic", (Ours("DDIM's paper, appendix D.2"),)),
    ("beta comfy_beta beta_comfyui", (Listed("beta"),)),
    (
        "diffusers_beta beta_diffusers",
        (
            levels("EulerDiscreteScheduler", use_beta_sigmas=True),
            levels(FLOW_EULER, "flow", use_beta_sigmas=True),
        ),
    ),
    ("beta_times", (Ours("the paper's, of any process"),)),
    ("linear_quadratic", (Listed("linear_quadratic"),)),
    ("kl_optimal", (Listed("kl_optimal", ("chain",)),)),
    ("comfy_kl_optimal", (Listed("kl_optimal"),)),
    ("laplace", (Listed("laplace", ("chain",)),)),
    ("karras ka", (Listed("karras", ("chain",)), levels("EulerDiscreteScheduler", use_karras_sigmas=True))),
    (
        "comfy_karras diffusers_karras",
        (Listed("karras"), levels(FLOW_EULER, "flow", use_karras_sigmas=True)),
    ),
    ("karras_open", (Ours("karras without its last step: see test_presets"),)),
    (
        "uniform_log_snr exponential polyexponential lu",
        (
            Listed("exponential", ("chain",)),
            Listed("polyexponential", ("chain",)),
            levels("DPMSolverMultistepScheduler", use_lu_lambdas=True),
        ),
    ),
    (
        "comfy_exponential diffusers_exponential",
        (
            Listed("exponential"),
            levels(FLOW_EULER, "flow", use_exponential_sigmas=True),
        ),
    ),
    ("align_your_steps ays", (ALIGNED,)),
    ("align_your_steps_sdxl ays_sdxl", (ALIGNED,)),
    ("align_your_steps_deepfloyd ays_deepfloyd", (ALIGNED,)),
    ("align_your_steps_svd ays_svd", (ALIGNED,)),
    ("flow_power", (Ours("equal steps of a root of flow time, which no program has"),)),
]


def test_every_name_of_a_grid_has_one_row() -> None:
    named = [name for names, _ in GRIDS for name in names.split()]
    assert sorted(named) == sorted(_names(presets.GRIDS))


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize(
    ("names", "sources"), GRIDS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_grid_is_its_namesake(names: str, sources: Any, steps: int) -> None:
    name, *aliases = names.split()
    assert all(presets.grid_name(alias) == name for alias in aliases)
    for source in sources:
        if not isinstance(source, Ours):
            for found, expected in source.pairs(name, steps):
                assert found == pytest.approx(list(expected), rel=CLOSE), source


@dataclass(frozen=True)
class Run:
    """A scheduler as built by its name, with what its pipelines switch off or on.

    Args:
        name: Class of diffusers.
        level: Where theirs evaluate the network.
        output: What theirs want from the network.
        options: Of their class.
        calls: Calls of theirs per step.
        steps: How many.
    """

    name: str
    level: Callable[[Any, int], Level[float]]
    output: Callable[..., Tensor] = eps_of
    options: dict[str, Any] = field(default_factory=dict)
    calls: int = 1
    steps: tuple[int, ...] = STEPS

    def __str__(self) -> str:
        return self.name


UNCLIPPED = {"clip_sample": False}
RUNS = [
    Run("CogVideoXDDIMScheduler", on_chain, options=UNCLIPPED),
    Run("DDIMParallelScheduler", on_chain, options=UNCLIPPED),
    Run("DDIMScheduler", on_chain, options=UNCLIPPED),
    Run("DDPMParallelScheduler", on_chain, options=UNCLIPPED),
    Run("DDPMScheduler", on_chain, options=UNCLIPPED),
    Run("DEISMultistepScheduler", on_solver_sigma),
    Run("DPMSolverMultistepScheduler", on_solver_sigma),
    Run("EDMDPMSolverMultistepScheduler", on_sigma, edm_of),
    Run("EDMEulerScheduler", on_sigma, edm_of),
    Run("EulerAncestralDiscreteScheduler", on_sigma),
    Run("EulerDiscreteScheduler", on_sigma),
    Run("FlowMapEulerDiscreteScheduler", on_flow, velocity_of),
    Run("FlowMatchEulerDiscreteScheduler", on_flow, velocity_of),
    Run("FlowMatchHeunDiscreteScheduler", on_flow, velocity_of, calls=2),
    Run("FlowMatchLCMScheduler", on_flow, velocity_of),
    Run("HeunDiscreteScheduler", on_sigma, calls=2),
    Run("KDPM2AncestralDiscreteScheduler", on_interpolated, calls=2),
    Run("KDPM2DiscreteScheduler", on_interpolated, calls=2),
    # Theirs chooses among 50 steps.
    Run("LCMScheduler", on_chain, options={**UNCLIPPED, "timestep_scaling": 1e9}, steps=(2, 10)),
    Run("LMSDiscreteScheduler", on_sigma),
    # Its levels are of float32, which noise enlarges.
    Run("LTXEulerAncestralRFScheduler", on_flow, velocity_of, steps=(10,)),
    # Without its Runge-Kutta steps, as every pipeline has it.
    Run("PNDMScheduler", on_chain, options={"skip_prk_steps": True, "set_alpha_to_one": True}),
    Run("SASolverScheduler", on_solver_sigma),
    Run("UniPCMultistepScheduler", on_solver_sigma),
]
ELSEWHERE = {
    "CogVideoXDPMScheduler": "theirs throws draws away: test_parity_deviations",
    "CosineDPMSolverMultistepScheduler": "theirs draws from a tree: test_parity",
    "DPMSolverSDEScheduler": "theirs draws from a tree: test_parity_deviations",
    "UnCLIPScheduler": "theirs takes the next timestep: test_parity",
}
"""Schedulers whose steps take something that no other does, and the test that gives it."""


def test_every_scheduler_has_a_row_or_is_refused() -> None:
    assert sorted([*(each.name for each in RUNS), *ELSEWHERE]) == sorted(presets.SCHEDULERS)
    assert not set(presets.NEAREST) & set(presets.SCHEDULERS)
    assert all(solver in presets.SOLVERS for solver, _ in presets.NEAREST.values())


@pytest.mark.parametrize(("case", "steps"), [(case, n) for case in RUNS for n in case.steps], ids=str)
def test_the_name_of_a_scheduler_gives_its_run(case: Run, steps: int) -> None:
    """Process, grid and solver together."""
    made, found = scheduler(case.name, **case.options), presets.sampler(case.name)
    process = found.build_process()
    levels = presets.grid(found.grid, steps, process).levels(process)
    draws = [draw(i) for i in range(steps + 1)]
    with in_double(type(made).__module__):
        made.set_timesteps(steps)
    made.is_scale_input_called = True
    first = case.level(made, 0)
    x = START * math.hypot(first.alpha, first.sigma)
    stepping = {"order": 4} if case.name.startswith("LMS") else {}
    expected = theirs(made, steps, case.level, case.output, x, draws=draws, stepping=stepping)
    within = {1} if case.name == "PNDMScheduler" else set()
    kept = [i for i in range(len(expected)) if i not in within and i % case.calls == 0]
    kept = [*kept[:steps], len(expected) - 1]
    start = START * math.hypot(levels[0].alpha, levels[0].sigma)
    ours_draws = _sa_draws(made) if case.name.startswith("SA") else draws
    result = ours(presets.solver(case.name, process), levels, start, ours_draws)
    for i, (level, x, index) in enumerate(zip(levels, result, kept, strict=True)):
        if i < steps:
            called = 1 if within and index == 2 else index
            at = case.level(made, called)
            angles = [math.atan2(one.sigma, one.alpha) for one in (level, at)]
            assert angles[0] == pytest.approx(angles[1], rel=2e-6, abs=0)
            scale = math.hypot(at.alpha, at.sigma)
        else:
            scale = math.hypot(level.alpha, level.sigma)
        assert float((x / math.hypot(level.alpha, level.sigma) - expected[index] / scale).abs().max()) < CLOSE


def test_in_flow_time_nothing_draws_noise() -> None:
    with pytest.raises(ValueError, match="DDIM must draw no noise in flow time"):
        FlowTime(DDIM(1.0))


def test_a_shifted_flow_is_a_flow() -> None:
    shifted = Shifted(RectifiedFlow(), 3.0)
    assert presets.solver("heun", shifted) == FlowTime(Heun()) == presets.solver("heun", RectifiedFlow())
    sigmas = [level.sigma for level in presets.grid("comfy_karras", 6, shifted).levels(shifted)]
    assert sigmas == pytest.approx(list(presets.grid("comfy_karras", 6, RectifiedFlow()).times), abs=1e-9)
