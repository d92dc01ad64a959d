"""Our solvers are diffusers' schedulers: the same states, step by step, on a non-linear denoiser.

Each case gives theirs our levels (or ours theirs) and both the same noise; ``parity`` computes theirs in
float64. Where a scheduler differs from its source, ``test_parity_deviations`` says so.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from exact import named
from parity import (
    DATA,
    MODEL,
    START,
    STEPS,
    Case,
    chain_levels,
    difference,
    diffusers,
    draw,
    edm_of,
    edm_v_of,
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

from gen import presets
from gen.diffusion import (
    DDIM,
    DDPM,
    LMS,
    Ancestral,
    DiscreteBetas,
    DPMpp2M,
    DPMpp3M,
    FlowAdams,
    FlowMap,
    Heun,
    Level,
    SASolver,
    UniPC,
)
from gen.diffusion.parameterization import LatentConsistency
from gen.diffusion.solvers import (
    DEIS,
    PLMS,
    DPMSolver2,
    DPMSolver2M,
    FlowAncestralStep,
    FlowTime,
    Langevin,
    LCMStep,
    PredictorCorrector,
    ReverseDiffusion,
)

# What diffusers calls in torch, numpy and itself, and deprecates, is not ours to mend.
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")]
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
EPS = {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}
KARRAS = {"use_karras_sigmas": True}


UNCLIPPED = {"clip_sample": False, "set_alpha_to_one": True}
SDE = {"algorithm_type": "sde-dpmsolver++"}
HEUN = {"solver_type": "heun"}
CASES = [
    Case("DDIMScheduler", DDIM(), on_chain, eps_of, UNCLIPPED),
    Case("DDIMScheduler", DDIM(), on_chain, v_of, {**UNCLIPPED, "prediction_type": "v_prediction"}),
    Case("DDIMScheduler", DDIM(0.5), on_chain, eps_of, UNCLIPPED, {"eta": 0.5}, 16),
    Case("DDIMParallelScheduler", DDIM(0.3), on_chain, eps_of, UNCLIPPED, {"eta": 0.3}, 16),
    Case("CogVideoXDDIMScheduler", DDIM(), on_chain, eps_of, {"set_alpha_to_one": True}),
    Case("DDPMScheduler", DDPM(), on_chain, eps_of, {"clip_sample": False}, draws=16),
    Case("DDPMScheduler", DDIM(1.0), on_chain, eps_of, {"clip_sample": False}, draws=16),
    Case("DDPMParallelScheduler", DDIM(1.0), on_chain, eps_of, {"clip_sample": False}, draws=16),
    Case("EulerDiscreteScheduler", DDIM(), on_sigma),
    Case("EulerDiscreteScheduler", DDIM(), on_sigma, eps_of, KARRAS),
    Case("EulerAncestralDiscreteScheduler", DDIM(1.0), on_sigma, draws=16),
    Case("EDMEulerScheduler", DDIM(), on_sigma, edm_of),
    Case("FlowMatchEulerDiscreteScheduler", DDIM(), on_flow, velocity_of, {"shift": 3.0}),
    Case("FlowMatchEulerDiscreteScheduler", FlowAdams(1), on_flow, velocity_of, {"shift": 3.0}),
    Case(
        "FlowMatchEulerDiscreteScheduler",
        DDIM(LCMStep()),
        on_flow,
        velocity_of,
        {"stochastic_sampling": True},
        {},
        16,
    ),
    Case("FlowMatchLCMScheduler", DDIM(LCMStep()), on_flow, velocity_of, {}, {}, 17),
    Case(
        "LTXEulerAncestralRFScheduler",
        DDIM(FlowAncestralStep(1.0)),
        on_flow,
        velocity_of,
        draws=16,
        tolerance=1e-6,  # its sigmas come from another scheduler, in float32
    ),
    Case("FlowMapEulerDiscreteScheduler", FlowMap(), on_flow, velocity_of),
    Case("FlowMatchHeunDiscreteScheduler", FlowTime(Heun()), on_flow, velocity_of, calls=2),
    Case("HeunDiscreteScheduler", Heun(), on_sigma, calls=2),
    Case("HeunDiscreteScheduler", DPMSolver2(1.0), on_sigma, calls=2),
    Case("KDPM2DiscreteScheduler", DPMSolver2(), on_interpolated, calls=2),
    Case("KDPM2AncestralDiscreteScheduler", Ancestral(DPMSolver2()), on_interpolated, draws=16, calls=2),
    Case("LMSDiscreteScheduler", LMS(4), on_sigma),
    Case("LMSDiscreteScheduler", LMS(3), on_sigma, eps_of, KARRAS, {"order": 3}),
    Case("DPMSolverMultistepScheduler", DDIM(), options={"solver_order": 1}),
    Case("DPMSolverMultistepScheduler", DPMpp2M()),
    Case("DPMSolverMultistepScheduler", DPMpp2M(), options=KARRAS),
    Case("DPMSolverMultistepScheduler", DPMpp2M(kind="heun"), options=HEUN),
    Case("DPMSolverMultistepScheduler", DPMpp2M(), on_solver_sigma, velocity_of, FLOW),
    Case("DPMSolverMultistepScheduler", DPMpp2M(1.0), options=SDE, draws=16),
    Case("DPMSolverMultistepScheduler", DPMpp2M(1.0, "heun"), options={**SDE, **HEUN}, draws=16),
    Case("DPMSolverMultistepScheduler", DPMSolver2M(), options=EPS),
    Case("DPMSolverMultistepScheduler", DPMSolver2M(kind="heun"), options={**EPS, **HEUN}),
    Case(
        "DPMSolverMultistepScheduler",
        DPMSolver2M(1.0),
        options={**EPS, "algorithm_type": "sde-dpmsolver"},
        draws=16,
    ),
    *(
        Case("DPMSolverMultistepScheduler", DPMpp3M(), options={"solver_order": 3, **HEUN}, steps=steps)
        for steps in (10, 16)
    ),
    Case("EDMDPMSolverMultistepScheduler", DPMpp2M(), on_sigma, edm_of),
    Case("EDMDPMSolverMultistepScheduler", DPMpp2M(1.0), on_sigma, edm_of, SDE, draws=16),
    *(
        Case("DEISMultistepScheduler", DEIS(order), options={"solver_order": order}, steps=steps)
        for order in (1, 2, 3)
        for steps in (10, 16)
    ),
    *(
        Case(
            "UniPCMultistepScheduler",
            UniPC(order, variant),
            options={"solver_order": order, "solver_type": variant},
        )
        for order in (1, 2, 3)
        for variant in ("bh1", "bh2")
    ),
    Case("UniPCMultistepScheduler", UniPC(2), on_solver_sigma, velocity_of, FLOW),
    Case(
        "UniPCMultistepScheduler",
        UniPC(2, target="eps"),
        options={"predict_x0": False, "final_sigmas_type": "sigma_min"},
    ),
    *(
        Case(
            "SASolverScheduler",
            SASolver(2, 2, tau, simple=True),
            options={"tau_func": lambda _, tau=tau: tau},
            draws=16,
        )
        for tau in (0.0, 0.5, 1.0)
    ),
    Case(
        "SASolverScheduler",
        SASolver(3, 4, 0.5, simple=True),
        options={"tau_func": lambda _: 0.5, "predictor_order": 3, "corrector_order": 4},
        draws=16,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=named)
def test_every_state_is_theirs(case: Case) -> None:
    found, expected = run(case)
    assert difference(found, expected) < case.tolerance


def test_the_cosine_scheduler_of_stable_audio() -> None:
    """Its Brownian tree gives one independent draw per step."""
    made = scheduler("CosineDPMSolverMultistepScheduler")
    with in_double(type(made).__module__):
        made.set_timesteps(STEPS)
    draws = [draw(i) for i in range(STEPS)]
    given = iter(draws)
    levels = sigma_levels(made, on_sigma)
    x = START * levels[0].sigma
    states = [x]
    with in_double(type(made).__module__):
        made.noise_sampler = lambda *_: next(given)
        for i, t in enumerate(made.timesteps):
            level_t = on_sigma(made, i)
            output = edm_v_of(MODEL.x0(x, level_t), x, level_t)
            x = made.step(output, t, x, return_dict=False)[0]
            states.append(x)
    assert difference(ours(DPMpp2M(1.0), levels, states[0], draws), states) < 1e-10


def test_plms() -> None:
    """Theirs evaluates twice at the second level, for the first step of Heun."""
    made = scheduler("PNDMScheduler", skip_prk_steps=True, set_alpha_to_one=True)
    with in_double(type(made).__module__):
        made.set_timesteps(STEPS)
    levels = chain_levels(made)
    del levels[2]
    states = theirs(made, STEPS, on_chain, eps_of, START)
    assert len(states) == STEPS + 2
    del states[1]
    assert difference(ours(PLMS(), levels, START), states) < 1e-10


def test_consistency_models_with_a_boundary_at_sigma_min() -> None:
    """Theirs noises to sqrt(s**2 - sigma_min**2) around an x0 of variance sigma_min**2; with sigma_min -> 0
    that is ours."""
    made = scheduler("CMStochasticIterativeScheduler", sigma_min=1e-9, clip_denoised=False)
    with in_double(type(made).__module__):
        made.set_timesteps(timesteps=[39, 30, 20, 10])
    made.is_scale_input_called = True
    draws = [draw(i) for i in range(5)]
    levels = [*(on_sigma(made, i) for i in range(4)), DATA]

    def output(x0: torch.Tensor, x: torch.Tensor, level: Level[float]) -> torch.Tensor:
        c_skip, c_out = made.get_scalings_for_boundary_condition(
            torch.tensor(level.sigma, dtype=torch.float64)
        )
        return (x0 - c_skip * x) / c_out

    x = START * levels[0].sigma
    expected = theirs(made, None, on_sigma, output, x, draws=draws)
    assert difference(ours(DDIM(LCMStep()), levels, x, draws), expected) < 1e-6


def test_unclip_with_a_learned_variance() -> None:
    made = scheduler("UnCLIPScheduler", variance_type="learned_range", clip_sample=False)
    with in_double(type(made).__module__):
        made.set_timesteps(STEPS)
    levels, draws = chain_levels(made), [draw(i) for i in range(STEPS)]
    states, x = [START], START
    with in_double(type(made).__module__, draws=iter(draws)):
        for i, t in enumerate(made.timesteps):
            # Its network says where the log variance lies between the bounds, from -1 to 1.
            output = torch.cat((eps_of(MODEL.x0(x, levels[i]), x, levels[i]), x.sin()), 1)
            x = made.step(output, t, x, made.timesteps[i + 1] if i + 1 < STEPS else None, return_dict=False)[
                0
            ]
            states.append(x)
    found = ours(DDPM("learned"), levels, START, draws, variance=lambda x: (x.sin() + 1) / 2)
    assert difference(found, states) < 1e-10


def test_wuerstchen() -> None:
    """Its last level keeps sigma = 0.01, and its last step draws nothing."""
    made = scheduler("DDPMWuerstchenScheduler")
    made.s = made.s.double()
    made._init_alpha_cumprod = torch.cos(made.s / (1 + made.s) * math.pi / 2) ** 2
    made.set_timesteps(timesteps=torch.linspace(1, 0, STEPS + 1, dtype=torch.float64))
    kept = made._alpha_cumprod(made.timesteps, "cpu")
    levels = [level_of(k**0.5, (1 - k) ** 0.5) for k in kept]
    draws = [*(draw(i) for i in range(STEPS - 1)), torch.zeros_like(START)]
    states, x = [START], START
    with in_double(type(made).__module__, draws=iter(draws)):
        for level_t, t in zip(levels[:-1], made.timesteps, strict=False):
            x = made.step(eps_of(MODEL.x0(x, level_t), x, level_t), t[None], x, return_dict=False)[0]
            states.append(x)
    assert difference(ours(DDIM(1.0), levels, START, draws), states) < 1e-10


def test_the_predictor_and_corrector_of_score_sde() -> None:
    """Theirs mixes before each step, ours after it: the same but for the first time. Their sizes are float32.

    Their pipelines return the mean of the last step, which is the predicted data.
    """
    made = scheduler("ScoreSdeVeScheduler", num_train_timesteps=STEPS, snr=0.1, sigma_max=40.0)
    made.set_timesteps(STEPS)
    made.set_sigmas(STEPS, sigma_max=40.0)
    made.discrete_sigmas = made.discrete_sigmas.double()
    levels = [*(level_of(1.0, sigma) for sigma in made.discrete_sigmas.flip(0)), DATA]
    draws = [draw(i) for i in range(2 * STEPS)]
    x = START * levels[0].sigma
    states = [x]

    def score(x: torch.Tensor, level: Level[float]) -> torch.Tensor:
        return -eps_of(MODEL.x0(x, level), x, level) / level.sigma

    with in_double(type(made).__module__, draws=iter(draws)):
        for i, t in enumerate(made.timesteps):
            if i > 0:
                x = made.step_correct(score(x, levels[i]), x, return_dict=False)[0]
                states.append(x)
            x, mean = made.step_pred(score(x, levels[i]), t, x, return_dict=False)
    solver = PredictorCorrector(ReverseDiffusion(), Langevin(snr=0.1))
    assert difference(ours(solver, levels, states[0], draws), [*states, mean]) < 1e-5


def test_trigflow_consistency() -> None:
    made = scheduler("SCMScheduler", sigma_data=1.0)
    with in_double(type(made).__module__):
        made.set_timesteps(2)
        made.timesteps[0] = 1.5

    def level(made: Any, index: int) -> Level[float]:
        t = float(made.timesteps[index])
        return level_of(math.cos(t), math.sin(t))

    levels = [level(made, 0), level(made, 1), DATA]
    draws = [draw(0), draw(1)]
    states, x = [START], START
    with in_double(type(made).__module__, draws=iter(draws)):
        for i, t in enumerate(made.timesteps[:-1]):
            level_t = levels[i]
            x = made.step(v_of(MODEL.x0(x, level_t), x, level_t), t, x, return_dict=False)[0]
            states.append(x)
    assert difference(ours(DDIM(LCMStep()), levels, START, draws), states) < 1e-10


def test_latent_consistency() -> None:
    """LCM with the boundary condition where it is: c_skip = 0 and c_out = 1 above the last steps."""
    made = scheduler("LCMScheduler", clip_sample=False, timestep_scaling=1e9)
    with in_double(type(made).__module__):
        made.set_timesteps(4)
    draws = [draw(i) for i in range(4)]
    expected = theirs(made, 4, on_chain, eps_of, START, draws=draws)
    assert difference(ours(DDIM(LCMStep()), chain_levels(made), START, draws), expected) < 1e-10


def test_latent_consistency_with_its_boundary() -> None:
    """c_skip and c_out at the lowest timestep, where theirs mixes a little of x into the data."""
    made = scheduler("LCMScheduler", clip_sample=False, timestep_scaling=0.01)
    parameterization = LatentConsistency(timestep_scaling=0.01)
    for index in (0, 19, 499, 999):
        level = DiscreteBetas.scaled_linear().level((index + 1) / 1000)
        with in_double(type(made).__module__):
            made.set_timesteps(timesteps=[index])
            found = made.step(START, made.timesteps[0], draw(1), return_dict=False)[1]
        torch.testing.assert_close(parameterization.to_x0(START, draw(1), level), found)


def test_the_consistency_decoder() -> None:
    made = scheduler("ConsistencyDecoderScheduler")
    made.set_timesteps(2)
    kept, noisy = made.sqrt_alphas_cumprod, made.sqrt_one_minus_alphas_cumprod

    def level(made: Any, index: int) -> Level[float]:
        return level_of(kept[made.timesteps[index]], noisy[made.timesteps[index]])

    def output(x0: torch.Tensor, x: torch.Tensor, t: Level[float]) -> torch.Tensor:
        index = int((kept - t.alpha).abs().argmin())
        return (x0 - made.c_skip[index] * x) / made.c_out[index]

    draws = [draw(0)]
    expected = theirs(made, None, level, output, START, draws=draws)
    found = ours(DDIM(LCMStep()), [level(made, 0), level(made, 1), DATA], START, draws)
    assert difference(found, expected) < 1e-10


def test_trajectory_consistency() -> None:
    """Theirs goes down to the step of the chain below (1 - gamma) s and ends at the first step of the chain
    instead of the data; ours goes to (1 - gamma) s itself."""
    made = scheduler("TCDScheduler", clip_sample=False)
    with in_double(type(made).__module__):
        made.set_timesteps(4)
    draws = [draw(i) for i in range(4)]
    expected = theirs(made, 4, on_chain, eps_of, START, draws=draws)
    levels = chain_levels(made)
    chain = [level_of(kept**0.5, (1 - kept) ** 0.5) for kept in made.alphas_cumprod]
    levels[-1] = chain[0]

    def whole(_: Level[float], s: Level[float]) -> float:
        index = min(range(1000), key=lambda i: abs(chain[i].alpha - s.alpha))
        down = chain[int(0.7 * index)]
        return math.sqrt(s.sigma**2 - (s.alpha / down.alpha * down.sigma) ** 2) if index else 0.0

    assert difference(ours(DDIM(whole), levels, START, draws), expected) < 1e-10
    exact = ours(presets.solver("tcd"), levels[:-1], START, draws)
    assert difference(exact, expected[:-1]) < 2e-3


def test_minimax_is_euler_under_another_sign() -> None:
    made = scheduler("MiniMaxH3Scheduler")
    with in_double(type(made).__module__):
        made.set_timesteps(STEPS)

    levels = sigma_levels(made, on_flow)
    expected = theirs(made, None, on_flow, lambda *a: -velocity_of(*a), START)
    assert difference(ours(DDIM(), levels, START), expected) < 1e-10


def test_every_scheduler_of_the_cases_exists() -> None:
    assert all(hasattr(diffusers, case.name) for case in CASES)
