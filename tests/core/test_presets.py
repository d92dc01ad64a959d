"""Presets: every name builds what it says, without torch until then."""

import subprocess
import sys
from functools import reduce

import pytest
import torch
from diffusers import schedulers

import gen.diffusion
from gen import presets
from gen.diffusion import (
    DDIM,
    Conditioning,
    DiscreteBetas,
    NoiseSource,
    Prediction,
    Process,
    RectifiedFlow,
    TimeGrid,
    VarianceExploding,
    sample,
)
from gen.errors import UsageError
from gen.plugin import GridSpec, SolverSpec
from gen.plugin.text import plain_name

A1111 = [
    "DPM++ 2M",
    "DPM++ SDE",
    "DPM++ 2M SDE",
    "DPM++ 2M SDE Heun",
    "DPM++ 2S a",
    "DPM++ 3M SDE",
    "Euler a",
    "Euler",
    "LMS",
    "Heun",
    "DPM2",
    "DPM2 a",
    "DPM fast",
    "DPM adaptive",
    "Restart",
    "DDIM",
    "DDIM CFG++",
    "PLMS",
    "UniPC",
    "LCM",
    "LMS Karras",
    "DPM2 Karras",
    "DPM2 a Karras",
    "DPM++ 2S a Karras",
    "DPM++ 2M Karras",
    "DPM++ SDE Karras",
    "DPM++ 2M SDE Karras",
    "DPM++ 2M SDE Exponential",
    "DPM++ 2M SDE Heun Karras",
    "DPM++ 2M SDE Heun Exponential",
    "DPM++ 3M SDE Karras",
    "DPM++ 3M SDE Exponential",
    "k_euler",
    "k_euler_a",
    "k_euler_ancestral",
    "k_lms",
    "k_heun",
    "k_dpm_2",
    "k_dpm_2_a",
    "k_dpmpp_2s_a",
    "k_dpmpp_2m",
    "k_dpmpp_sde",
    "k_dpmpp_2m_sde",
    "k_dpm_fast",
    "k_dpm_ad",
    "k_lms_ka",
    "k_dpm_2_ka",
    "k_dpm_2_a_ka",
    "k_dpmpp_2s_a_ka",
    "k_dpmpp_2m_ka",
    "k_dpmpp_sde_ka",
    "k_dpmpp_2m_sde_ka",
    "k_dpmpp_3m_sde",
]
COMFY = [
    "euler",
    "euler_cfg_pp",
    "euler_ancestral",
    "euler_ancestral_cfg_pp",
    "heun",
    "heunpp2",
    "exp_heun_2_x0",
    "exp_heun_2_x0_sde",
    "dpm_2",
    "dpm_2_ancestral",
    "lms",
    "dpm_fast",
    "dpm_adaptive",
    "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp",
    "dpmpp_sde",
    "dpmpp_sde_gpu",
    "dpmpp_2m",
    "dpmpp_2m_cfg_pp",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_gpu",
    "dpmpp_2m_sde_heun",
    "dpmpp_2m_sde_heun_gpu",
    "dpmpp_3m_sde",
    "dpmpp_3m_sde_gpu",
    "ddpm",
    "lcm",
    "ipndm",
    "ipndm_v",
    "deis",
    "res_multistep",
    "res_multistep_cfg_pp",
    "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp",
    "gradient_estimation",
    "gradient_estimation_cfg_pp",
    "er_sde",
    "seeds_2",
    "seeds_3",
    "sa_solver",
    "sa_solver_pece",
    "ddim",
    "uni_pc",
    "uni_pc_bh2",
]
GRIDS = [
    "Uniform",
    "Karras",
    "Exponential",
    "Polyexponential",
    "SGM Uniform",
    "KL Optimal",
    "Align Your Steps",
    "Simple",
    "Normal",
    "Beta",
    "Turbo",
    "Automatic",
    "sgm_uniform",
    "ddim_uniform",
    "linear_quadratic",
    "kl_optimal",
]


def _refusal(name: str, noun: str) -> UsageError | None:
    """Why this name is not offered; None where it is."""
    if plain_name(name) not in {plain_name(refused) for refused in presets.REFUSED} | {"kdpmfast"}:
        return None
    with pytest.raises(UsageError, match=f"is no {noun} here") as caught:
        presets.find(presets.SOLVERS if noun == "solver" else presets.GRIDS, name, noun)
    return caught.value


@pytest.mark.parametrize("preset", presets.SOLVERS.values(), ids=lambda preset: preset.name)
def test_solvers_are_what_the_table_says(preset: SolverSpec) -> None:
    built = presets.solver(preset.name)
    assert built.stochastic == preset.stochastic
    for alias in preset.aliases:
        assert presets.solver(alias) == built
    count = 0

    def denoise(x, level, _: Conditioning, memory) -> Prediction:
        nonlocal count
        count += 1
        return Prediction(x * level.alpha)

    # From within the process, so that no step is cut short by an end.
    grid = TimeGrid((0.9, 0.7, 0.5, 0.3))
    sample(denoise, RectifiedFlow(), grid, built, noise=NoiseSource([1]), shape=(2,))
    # The first step of plms is Heun's, that of PECE corrects nothing; the last two of Heun++ are shorter.
    more = {"plms": 1, "sa_solver_pece": -1, "heunpp2": -3}.get(preset.name, 0)
    assert preset.evaluations == 0 or count == 3 * preset.evaluations + more


@pytest.mark.parametrize("preset", presets.GRIDS.values(), ids=lambda preset: preset.name)
def test_grids_are_what_the_table_says(preset: GridSpec) -> None:
    built = presets.grid(preset.name, 5, RectifiedFlow())
    assert built.steps == 5
    assert presets.grid(preset.name, 5, RectifiedFlow(), shift=2.0) == built.shift(2.0)
    for alias in preset.aliases:
        assert presets.grid(alias, 5, RectifiedFlow()) == built


def test_no_name_means_two_things() -> None:
    for table in (presets.SOLVERS, presets.GRIDS):
        names = [name.lower() for preset in table.values() for name in (preset.name, *preset.aliases)]
        assert len(set(names)) == len(names)
    known = {plain_name(name) for p in presets.SOLVERS.values() for name in (p.name, *p.aliases)}
    assert not known & {plain_name(name) for name in [*presets.REFUSED, *presets.SCHEDULERS]}


@pytest.mark.parametrize("name", ["DPM++ 2M", "dpmpp-2m", "DPMPP_2M", "DPMSolverMultistepScheduler"])
def test_spellings_that_people_use(name: str) -> None:
    assert presets.solver(name) == presets.solver("dpmpp_2m")


def test_euler_is_ddim() -> None:
    assert presets.solver("Euler") == DDIM()
    assert presets.solver("Euler a") == presets.solver("ddpm") == DDIM(1.0)
    assert presets.solver("Euler a", RectifiedFlow()) == presets.solver("euler_a_flow")
    assert presets.grid("uniform", 3, RectifiedFlow()) == TimeGrid.uniform(3)


def test_every_sampler_of_a1111_and_comfyui_is_offered_or_refused_with_advice() -> None:
    for name in (*A1111, *COMFY):
        refusal = _refusal(name, "solver")
        if refusal is not None:
            assert "`" in refusal.hint, name
            continue
        found = presets.sampler(name)
        assert presets.solver(name).stochastic == presets.SOLVERS[found.solver].stochastic, name
        assert found.grid in ("", *presets.GRIDS), name


def test_every_schedule_of_a1111_and_comfyui_is_offered_or_refused_with_advice() -> None:
    for name in GRIDS:
        assert _refusal(name, "grid") is not None or presets.grid(name, 4, RectifiedFlow()).steps == 4, name


def test_every_scheduler_of_diffusers_is_offered_or_refused_with_advice() -> None:
    names = [name for name in dir(schedulers) if name.endswith("Scheduler")]
    assert len(names) > 45
    for name in names:
        assert name in presets.SCHEDULERS or name in presets.REFUSED


@pytest.mark.parametrize("name", presets.SCHEDULERS)
def test_schedulers_build_all_three_parts(name: str) -> None:
    found = presets.sampler(name)
    process = found.build_process()
    assert presets.grid(found.grid, 4, process).levels(process)
    assert presets.solver(name) == presets.solver(found.solver)


CORE = (gen.diffusion, gen.diffusion.categorical, gen.diffusion.inverse)


def _found(module: object, name: str) -> bool:
    return reduce(lambda o, part: getattr(o, part, None), name.split("."), module) is not None


def test_advice_names_what_exists() -> None:
    for advice in presets.REFUSED.values():
        for word in advice.split("`")[1::2]:
            name = word.split(" ")[0]
            in_code = any(_found(module, name) for module in CORE)
            tables = {*presets._known(presets.SOLVERS), *presets._known(presets.GRIDS)}
            assert in_code or plain_name(name) in tables or name == "gen", word


@pytest.mark.parametrize(
    ("name", "solver", "grid"),
    [
        ("DPM++ 2M Karras", "dpmpp_2m", "karras"),
        ("dpmpp_2m karras", "dpmpp_2m", "karras"),
        ("DPM++ 2M SDE Exponential", "dpmpp_2m_sde", "uniform_log_snr"),
        ("euler_a beta", "euler_ancestral", "beta"),
        ("unipc_bh2", "uni_pc_bh2", ""),
    ],
)
def test_a_name_may_hold_solver_and_grid(name: str, solver: str, grid: str) -> None:
    assert presets.sampler(name) == presets.Sampler("", solver, grid)


@pytest.mark.parametrize("process", [RectifiedFlow(), VarianceExploding(), DiscreteBetas.scaled_linear()])
def test_the_default_takes_one_evaluation_per_step(process: Process) -> None:
    for nfe in (1, 2, 6, 7, 8, 9, 11, 12, 24, 25, 50):
        solver, grid = presets.default_sampler(nfe, process)
        assert grid.steps == nfe
        assert not solver.stochastic
    with pytest.raises(ValueError, match="nfe must be"):
        presets.default_sampler(0, process)


def test_the_default_has_smaller_steps_near_the_noise_the_stronger_the_guidance() -> None:
    for nfe in (6, 10, 20):
        grids = [presets.default_sampler(nfe, RectifiedFlow(), guidance=w)[1] for w in (1.5, 2.0, 2.5, 3.0)]
        first = [1 - grid.times[1] for grid in grids]
        assert first[0] > first[1] > first[2] > first[3]


def test_the_default_checks_for_stability_under_strong_guidance() -> None:
    """Velocities that change to and fro there are not extrapolated: no run ends far from the data.

    For two points of data, guided towards one of them at the scale 8.
    """

    def denoise(x, level, conditioning, memory):
        mean = torch.tanh(level.alpha * x / (level.sigma**2 + 1e-3))
        return Prediction(mean + 8.0 * (1.0 - mean))

    x = torch.linspace(-2, 2, 33, dtype=torch.float64)[:, None]
    for nfe in (6, 8, 10, 15, 20):
        solver, grid = presets.default_sampler(nfe, RectifiedFlow(), guidance=8.0)
        assert solver.stable_above > -1
        end = sample(denoise, RectifiedFlow(), grid, solver, noise=NoiseSource(range(33)), x=x).x
        assert float((end - 1).abs().max()) < 0.05


@pytest.mark.parametrize("nfe", [6, 10, 20])
def test_the_default_is_as_accurate_for_data_of_any_scale(nfe: int) -> None:
    """In units of the data, for a flow of Gaussian data, whose solution is known."""
    errors = []
    for scale in (0.2, 1.0, 5.0):

        def denoise(x, level, conditioning, memory, scale=scale):
            return Prediction(x * level.alpha * scale**2 / ((level.alpha * scale) ** 2 + level.sigma**2))

        solver, grid = presets.default_sampler(nfe, RectifiedFlow(), scale=scale)
        x = torch.ones(1, 1, dtype=torch.float64)
        end = sample(denoise, RectifiedFlow(), grid, solver, noise=NoiseSource([0]), x=x).x
        errors.append(abs(float(end) / scale - 1))
    assert errors[0] == pytest.approx(errors[1], rel=1e-3, abs=1e-9)
    assert errors[2] == pytest.approx(errors[1], rel=1e-3, abs=1e-9)
    for wrong in (0.0, -1.0, float("inf")):
        with pytest.raises(ValueError, match="scale must be"):
            presets.default_sampler(nfe, RectifiedFlow(), scale=wrong)


def test_open_grids_leave_out_the_step_to_clean_data() -> None:
    chain = DiscreteBetas.scaled_linear()
    assert presets.grid("karras_open", 5, chain).times == TimeGrid.karras(6, chain, rho=9.0).times[:-1]


def test_unknown_names_and_impossible_steps_are_usage_errors() -> None:
    with pytest.raises(UsageError, match=r"unknown solver 'dpmpp_2n'.*dpmpp_2m"):
        presets.solver("dpmpp_2n")
    with pytest.raises(UsageError, match=r"unknown grid 'zzzz'.*known: align_your_steps"):
        presets.grid("zzzz", 3, RectifiedFlow())
    with pytest.raises(UsageError, match="grid trailing: steps must be"):
        presets.grid("trailing", 0, RectifiedFlow())
    with pytest.raises(UsageError, match="flow_abm_2"):
        presets.solver("scale_3")
    with pytest.raises(UsageError, match="nearest is"):
        presets.solver("dpm_fast")


def test_the_tables_need_no_torch() -> None:
    code = "import sys, gen.presets; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_solver_comes_with_its_guidance() -> None:
    assert presets.guidance("euler", 3.0) == gen.diffusion.ClassifierFree(3.0)
    for name in ("euler_cfg_pp", "DDIM CFG++", "euler_ancestral_cfg_pp", "gradient_estimation_cfg_pp"):
        assert presets.guidance(name, 0.6) == gen.diffusion.CFGPlusPlus(0.6)
        with pytest.raises(UsageError, match="must lie in"):
            presets.guidance(name, 3.0)
