"""From a ``scheduler_config.json`` to a process, what the network predicts, a solver and time grids."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from gen.checkpoints.solver_names import default_solver
from gen.diffusion import (
    EDM,
    Cosine,
    Denoiser,
    DiscreteBetas,
    Epsilon,
    Parameterization,
    Process,
    RectifiedFlow,
    Sample,
    TimeGrid,
    VarianceExploding,
    Velocity,
    VPrediction,
    clipped,
    thresholded,
    zero_terminal_snr,
)
from gen.diffusion.level import Level, Real
from gen.diffusion.parameterization import LatentConsistency
from gen.diffusion.schedule import exponential_shift, linear_shift, with_lower_snr
from gen.errors import ModelError, UsageError, line_of

Spacing = Callable[[int, int], TimeGrid]
"""(steps, tokens of the state) -> grid."""

BETAS: Mapping[str, Callable[[int, float, float], DiscreteBetas]] = {
    "linear": DiscreteBetas.linear,
    "scaled_linear": DiscreteBetas.scaled_linear,
    "squaredcos_cap_v2": lambda steps, _first, _last: DiscreteBetas.cosine(steps),
    # alpha**2 = exp(-12 t) (Jun & Nichol 2023, arXiv 2305.02463, code).
    "exp": lambda steps, _first, _last: DiscreteBetas.of_survival(lambda t: math.exp(-12 * t), steps),
    "laplace": lambda steps, _first, _last: DiscreteBetas.laplace(steps),
    "sigmoid": DiscreteBetas.sigmoid,
}
PREDICTIONS: Mapping[str, type[Epsilon | VPrediction | Sample]] = {
    "epsilon": Epsilon,
    "v_prediction": VPrediction,
    "sample": Sample,
}
OPEN = ("DPMSolver", "UniPC", "DEIS", "SASolver")
"""Starts of the names of classes that space one step more and leave out the last."""
BETWEEN = ("Euler", "Heun", "KDPM2", "LMS")
"""Those that space also between the steps of the chain."""


@dataclass(frozen=True)
class Schedule:
    """How a checkpoint is sampled when nobody says otherwise.

    Args:
        process: What its network was trained on.
        parameterization: What its network predicts; the network's second input is diffusers' timestep.
        solver: A name of ``gen solvers``.
        spacing: (steps, tokens of the state) -> the grid; tokens count where the shift depends on them.
        bound: Keeps predictions within the range of the data; for latents the denoiser as it is.
    """

    process: Process
    parameterization: Parameterization
    solver: str
    spacing: Spacing
    bound: Callable[[Denoiser], Denoiser]

    def grid(self, steps: int, tokens: int = 0) -> TimeGrid:
        """The grid that the checkpoint is made for.

        Raises:
            UsageError: There is none of so many steps.
        """
        try:
            return self.spacing(steps, tokens)
        except ValueError as error:
            raise UsageError(f"the grid of the checkpoint: {line_of(error)}", "change the steps") from error


def read_schedule(config: Mapping[str, object], class_name: str = "", *, even: bool = False) -> Schedule:
    """The schedule that a configuration of diffusers describes.

    Args:
        config: ``scheduler_config.json``.
        class_name: Class of the scheduler; that in the configuration by default.
        even: Whether the times of a flow are even before they are shifted, as some families have them
            whatever the scheduler's own are.

    Raises:
        ModelError: The class or a value is unknown.
    """
    name = class_name or str(config.get("_class_name", ""))
    solver = default_solver(name, config)
    settings = _Settings(name, solver, config, even)
    try:
        if name.startswith("EDM"):
            return _edm(settings)
        if name.startswith("Cosine") or config.get("timestep_type") == "continuous":
            return _angular(settings)
        if name.startswith("FlowM") or config.get("use_flow_sigmas"):
            return _flow(settings)
        return _chain(settings)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ModelError(
            f"scheduler_config.json cannot be used: {line_of(error)}", "it may be damaged"
        ) from error


@dataclass(frozen=True)
class _Settings:
    """A configuration with the defaults of its class, the name of the solver, and whether flows are even."""

    name: str
    solver: str
    config: Mapping[str, object]
    even: bool

    def get(self, key: str, default: Any) -> Any:
        value = self.config.get(key)
        return default if value is None else value

    @property
    def chain(self) -> int:
        """Steps of the chain that the network was trained on."""
        return int(self.get("num_train_timesteps", 1000))

    @property
    def open(self) -> bool:
        return self.name.startswith(OPEN)


def _chain(settings: _Settings) -> Schedule:
    """A chain of betas, as of Stable Diffusion."""
    count, get = settings.chain, settings.get
    trained = get("trained_betas", None)
    if trained is not None:
        process = DiscreteBetas(trained)
    else:
        make = BETAS[get("beta_schedule", "linear")]
        process = make(count, get("beta_start", 1e-4), get("beta_end", 0.02))
    if (scale := get("snr_shift_scale", 1.0)) != 1:
        process = with_lower_snr(process, scale)
    if get("rescale_betas_zero_snr", False):
        process = cast(DiscreteBetas, zero_terminal_snr(process))
    predicts = PREDICTIONS[get("prediction_type", "epsilon")]
    parameterization: Parameterization = predicts(time_scale=count, time_shift=-1.0)
    if settings.name == "LCMScheduler":
        scaling = float(get("timestep_scaling", 10.0))
        parameterization = LatentConsistency(parameterization, timestep_scaling=scaling)
    # The run ends at the first level of the chain in place of clean data.
    last = get("set_alpha_to_one", not settings.name.startswith("PNDM")) is False
    ends = "sigma_min" if settings.name.startswith(("DEIS", "SASolver")) else "zero"
    last = last or get("final_sigmas_type", ends) == "sigma_min"

    def spacing(steps: int, _tokens: int) -> TimeGrid:
        grid = _respaced(settings, process, _spaced(settings, steps), steps)
        return grid.until(1 / count) if last and grid.times[-2] > 1 / count else grid

    return Schedule(process, parameterization, settings.solver, spacing, _bound(settings))


def _spaced(settings: _Settings, steps: int) -> TimeGrid:
    """The steps of the chain that diffusers takes."""
    count, name = settings.chain, settings.name
    if name.startswith(("LCM", "TCD")):
        original = settings.get("original_inference_steps", 50)
        known = [(i + 1) * (count // original) - 1 for i in range(original)][::-1]
        return TimeGrid.on_chain([known[i * original // steps] for i in range(steps)], count)
    by_default = "leading" if name.startswith(("DDIM", "DDPM", "PNDM", "CogVideoX")) else "linspace"
    kind = settings.get("timestep_spacing", by_default)
    if kind == "trailing":
        return TimeGrid.trailing(steps, count)
    if kind == "leading":
        offset = settings.get("steps_offset", 0)
        return TimeGrid.leading(steps, count, offset=offset, with_first=not settings.open)
    if kind != "linspace":
        raise ModelError(f"the spacing of steps {kind!r} is not known")
    rounded = not name.startswith(BETWEEN)
    return TimeGrid.linspace(steps, count, rounded=rounded, with_first=not settings.open)


def _respaced(settings: _Settings, process: Process, spaced: TimeGrid, steps: int) -> TimeGrid:
    """The levels as Karras or others space them, between the ends of the grid or of the chain."""
    get, count = settings.get, settings.chain
    if steps == 1:
        return spaced
    start, end = (1.0, 1 / count) if settings.open else (spaced.times[0], spaced.times[-2])
    if (most := get("sigma_max", None)) is not None:
        start = TimeGrid.of_sigmas([most, 0.0], process).times[0]
    if (least := get("sigma_min", None)) is not None:
        end = TimeGrid.of_sigmas([least, 0.0], process).times[0]
    if get("use_karras_sigmas", False):
        return TimeGrid.karras(steps, process, start=start, end=end)
    if get("use_exponential_sigmas", False) or get("use_lu_lambdas", False):
        return TimeGrid.uniform_log_snr(steps, process, start=start, end=end)
    if get("use_beta_sigmas", False):
        return TimeGrid.beta_sigmas(steps, process, end=end)
    return spaced


def _flow(settings: _Settings) -> Schedule:
    """A rectified flow, shifted by a number or by the number of tokens."""
    get, count = settings.get, settings.chain

    def spacing(steps: int, tokens: int) -> TimeGrid:
        if get("use_dynamic_shifting", False):
            line = linear_shift if get("time_shift_type", "exponential") == "linear" else exponential_shift
            low = (int(get("base_image_seq_len", 256)), float(get("base_shift", 0.5)))
            high = (int(get("max_image_seq_len", 4096)), float(get("max_shift", 1.15)))
            grid = TimeGrid.uniform(steps).shift(line(tokens or low[0], low, high))
        else:
            shift = float(get("shift", get("flow_shift", 1.0)))
            own = TimeGrid((*_flow_times(settings.name, steps, count), 0.0))
            grid = (TimeGrid.uniform(steps) if settings.even else own).shift(shift)
        if (terminal := get("shift_terminal", None)) is not None:
            grid = grid.stretch(float(terminal))
        if get("use_karras_sigmas", False):
            raise ModelError("Karras' spacing of a flow's times is not known", "choose a grid by name")
        return grid

    return Schedule(RectifiedFlow(), Velocity(time_scale=count), settings.solver, spacing, _bound(settings))


def _flow_times(name: str, steps: int, count: int) -> list[float]:
    """Times above 0 before they are shifted.

    FlowMatchEuler's lead to 1 / count, which is clean data for it; there it is shifted twice, here once.
    """
    last = 1 / count
    if name.startswith("Flow"):
        return [1 - (1 - last) * i / max(steps - 1, 1) for i in range(steps)]
    if name.startswith("UniPC"):
        return [1 - (1 - last) * i / steps for i in range(steps)]
    return [(1 - last) * (steps - i) / steps for i in range(steps)]


def _edm(settings: _Settings) -> Schedule:
    """The preconditioning of Karras et al. 2022 (arXiv 2206.00364)."""
    get = settings.get
    process = VarianceExploding(float(get("sigma_min", 0.002)), float(get("sigma_max", 80.0)))

    def spacing(steps: int, _tokens: int) -> TimeGrid:
        if get("sigma_schedule", "karras") == "exponential":
            return TimeGrid.uniform_log_snr(steps, process)
        return TimeGrid.karras(steps, process, rho=float(get("rho", 7.0)))

    return Schedule(process, EDM(float(get("sigma_data", 0.5))), settings.solver, spacing, _bound(settings))


@dataclass(frozen=True)
class LogSigma(VPrediction):
    """v of a network that gets log(sigma / alpha) / 4 (Blattmann et al. 2023, arXiv 2311.15127, app. D.2)."""

    def c_noise(self, level: Level[Real]) -> Real:
        return level.log_snr * (-0.25)


def _angular(settings: _Settings) -> Schedule:
    """v on a circle of noise levels: Stable Audio Open's network gets the angle, Stable Video's log sigma."""
    get, process = settings.get, Cosine()
    most, least = float(get("sigma_max", 500.0)), float(get("sigma_min", 0.3))
    audio = settings.name.startswith("Cosine")
    start, end = TimeGrid.of_sigmas([most, least, 0.0], process).times[:2]

    def spacing(steps: int, _tokens: int) -> TimeGrid:
        if get("use_karras_sigmas", False):
            return TimeGrid.karras(steps, process, start=start, end=end)
        return TimeGrid.uniform_log_snr(steps, process, start=start, end=end)

    predicts = VPrediction() if audio else LogSigma()
    return Schedule(process, predicts, settings.solver, spacing, _bound(settings))


def _bound(settings: _Settings) -> Callable[[Denoiser], Denoiser]:
    get = settings.get
    if get("thresholding", False):
        quantile, cap = get("dynamic_thresholding_ratio", 0.995), get("sample_max_value", 1.0)
        return lambda denoiser: thresholded(denoiser, quantile, cap=cap)
    if get("clip_sample", False):
        most = get("clip_sample_range", 1.0)
        return lambda denoiser: clipped(denoiser, -most, most)
    return _as_it_is


def _as_it_is(denoiser: Denoiser) -> Denoiser:
    return denoiser
