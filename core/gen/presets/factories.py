"""Factories of the presets that are no single class or method of the core."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Literal

from torch import Tensor, nn

from gen.diffusion import (
    DDIM,
    Ancestral,
    Conditioning,
    Denoiser,
    DiscreteBetas,
    Guidance,
    Level,
    Memory,
    ModelDenoiser,
    NoiseSource,
    Prediction,
    Process,
    RectifiedFlow,
    SASolver,
    Solver,
    TimeGrid,
    cached,
    clipped,
    thresholded,
)
from gen.diffusion import guidance as rules
from gen.diffusion.cache import BlockStack, first_block_cached, taylor_cached, tea_cached
from gen.diffusion.grid import ALIGN_YOUR_STEPS
from gen.diffusion.guidance import CFGZeroStar, Chain, Evaluation, FrequencyDecoupled
from gen.diffusion.level import Real, exp
from gen.diffusion.schedule import Shifted, with_lower_snr
from gen.diffusion.solvers import (
    IPNDM,
    LMS,
    Adaptive,
    CFGpp2M,
    CFGpp2S,
    Churn,
    DPMpp2M,
    DPMpp2S,
    DPMSolver2,
    FlowAncestralStep,
    FlowTime,
    GradientEstimation,
    Heun,
    HeunPlusPlus,
    Langevin,
    LCMStep,
    PredictorCorrector,
    ReverseDiffusion,
    SigmaUp,
    TauInterval,
    TCDStep,
    UniPC,
    VariableIPNDM,
)
from gen.errors import UsageError
from gen.nn.layers import Layers


def flow_ancestral(eta: float) -> Solver:
    """Euler ancestral of flows."""
    return DDIM(FlowAncestralStep(eta))


def lcm() -> Solver:
    """Multistep consistency sampling."""
    return DDIM(LCMStep())


def flow_heun() -> Solver:
    """Heun's method in flow time."""
    return FlowTime(Heun())


def tcd(gamma: float) -> Solver:
    """Strategic stochastic sampling in the time of Stable Diffusion's chain."""
    return DDIM(TCDStep(gamma, DiscreteBetas.scaled_linear()))


def _is_flow(process: Process | None) -> bool:
    """Whether alpha + sigma = 1 throughout, also with a shift."""
    return _is_flow(process.inner) if isinstance(process, Shifted) else isinstance(process, RectifiedFlow)


def _in_flow_time(kind: Callable[..., Solver]) -> Callable[..., Solver]:
    """``kind`` as ComfyUI has it: on flows in flow time."""

    def made(process: Process | None = None, **settings: object) -> Solver:
        solver = kind(**settings)
        return FlowTime(solver) if _is_flow(process) else solver

    return made


in_flow_time = SimpleNamespace(
    **{
        kind.__name__: _in_flow_time(kind)
        for kind in (
            Adaptive,
            CFGpp2M,
            DPMpp2M,
            DPMSolver2,
            GradientEstimation,
            Heun,
            HeunPlusPlus,
            IPNDM,
            LMS,
            UniPC,
            VariableIPNDM,
        )
    }
)
"""Classes of solvers by name, on flows in flow time."""


def _ancestral(eta: float, process: Process | None) -> float | SigmaUp:
    """The share of new noise in ComfyUI's ancestral steps, which have a rule of their own on flows."""
    return FlowAncestralStep(eta) if _is_flow(process) and eta > 0 else eta


def euler_ancestral(eta: float, process: Process | None = None) -> Solver:
    """Euler within ancestral steps."""
    return DDIM(_ancestral(eta, process))


def dpm_2_ancestral(eta: float, r: float, process: Process | None = None) -> Solver:
    """DPM-Solver-2 within ancestral steps, on flows in flow time."""
    return Ancestral(in_flow_time.DPMSolver2(process, r=r), _ancestral(eta, process))


def dpmpp_2s_ancestral(
    eta: float, r: float, kind: Literal["midpoint", "heun"], process: Process | None = None
) -> Solver:
    """DPM-Solver++ 2S within ancestral steps."""
    return Ancestral(DPMpp2S(r, kind=kind), _ancestral(eta, process))


def _not_on_flows(kind: Callable[..., Solver], instead: str) -> Callable[..., Solver]:
    """``kind``, but for flows, where ComfyUI's adds more noise than a flow has."""

    def made(process: Process | None = None, **settings: object) -> Solver:
        if _is_flow(process):
            raise UsageError(
                "on a flow this solver of ComfyUI adds more noise than the flow has", f"use `{instead}`"
            )
        return kind(**settings)

    return made


res_multistep_ancestral = _not_on_flows(DPMpp2M, "dpmpp_2m_sde_heun")
"""RES as an SDE."""

res_multistep_ancestral_cfg_pp = _not_on_flows(CFGpp2M, "euler_ancestral_cfg_pp")
"""RES as an SDE, with CFG++."""

dpmpp_2s_ancestral_cfg_pp = _not_on_flows(partial(Ancestral, CFGpp2S()), "euler_ancestral_cfg_pp")
"""DPM-Solver++ 2S with CFG++ within ancestral steps."""


def sa_solver(
    tau: float,
    low: float,
    high: float,
    predictor: int,
    corrector: int,
    lower_order_final: bool,
    *,
    reevaluate: bool = False,
) -> Solver:
    """SA-Solver as in ComfyUI, with the noise ``tau`` where a step ends between ``low`` and ``high``."""
    return SASolver(
        predictor,
        corrector,
        TauInterval(tau, low, high, at_end=True),
        lower_order_final=lower_order_final,
        final_corrector=1,
        reevaluate=reevaluate,
    )


sa_solver_pece = partial(sa_solver, reevaluate=True)
"""``sa_solver`` with a second evaluation, of the corrected state."""


def diffusers_sa_solver(
    tau: float, low: float, high: float, predictor: int, corrector: int, lower_order_final: bool
) -> Solver:
    """SA-Solver as in diffusers, with the noise ``tau`` where a step starts between ``low`` and ``high``."""
    interval = TauInterval(tau, low, high)
    return SASolver(predictor, corrector, interval, simple=True, lower_order_final=lower_order_final)


def predictor_corrector(snr: float, corrections: int, eta: float) -> Solver:
    """Euler-Maruyama, then Langevin dynamics."""
    return PredictorCorrector(ReverseDiffusion(eta), Langevin(snr, corrections))


def cogvideox() -> DiscreteBetas:
    """Stable Diffusion's chain with a third of the signal-to-noise ratio."""
    return with_lower_snr(DiscreteBetas.scaled_linear(), 3.0)


def own_grid(steps: int, own: Callable[[], TimeGrid]) -> TimeGrid:  # noqa: ARG001
    """The grid that a model brings, which knows the steps."""
    return own()


class _Time(Process):
    """sigma / alpha = t: by it the levels of a flow are spaced where they are spaced by its time."""

    def alpha(self, t: Real) -> Real:
        return 0 * t + 1

    def sigma(self, t: Real) -> Real:
        return t

    def t_of_log_snr(self, log_snr: Real) -> Real:
        return exp(-log_snr)


def _spaced_in_time(make: Callable[..., TimeGrid]) -> Callable[..., TimeGrid]:
    """``make`` as ComfyUI has it: on flows with the time in place of sigma / alpha."""

    def made(steps: int, process: Process, **settings: object) -> TimeGrid:
        if not _is_flow(process):
            return make(steps, process, **settings)
        spaced = make(steps, _Time(), **settings)
        return TimeGrid.of_sigmas([t / (1 - t) if t < 1 else math.inf for t in spaced], process)

    return made


comfy_karras = _spaced_in_time(TimeGrid.karras)
comfy_exponential = _spaced_in_time(TimeGrid.uniform_log_snr)
comfy_kl_optimal = _spaced_in_time(TimeGrid.kl_optimal)


def _between_steps(mean: Callable[[float, float, float], float]) -> Callable[..., TimeGrid]:
    """``TimeGrid.linspace`` with levels of its own between the steps of a process's chain.

    Args:
        mean: (sigma / alpha of the step below, that of the step above, share of the way) -> sigma / alpha.
    """

    def linspace(steps: int, process: Process, rounded: bool, with_first: bool, chain: int) -> TimeGrid:
        grid = TimeGrid.linspace(steps, chain, rounded=rounded, with_first=with_first)
        if not isinstance(process, DiscreteBetas):
            return grid
        count = len(process.betas)

        def time(t: float) -> float:
            share, step = math.modf(round(t * count, 9))
            below, above = (process.level(end / count) for end in (step, step + 1))
            if share == 0 or min(below.sigma, above.alpha) == 0:
                return t
            sigma = mean(below.sigma / below.alpha, above.sigma / above.alpha, share)
            return process.t_of_log_snr(-math.log(sigma))

        return TimeGrid(tuple(map(time, grid.times)))

    return linspace


comfy_linspace = _between_steps(lambda below, above, share: below ** (1 - share) * above**share)
"""log(sigma / alpha) is linear between the steps, as in ComfyUI."""

diffusers_linspace = _between_steps(lambda below, above, share: below + share * (above - below))
"""sigma / alpha is linear between the steps, as in diffusers."""


def linspace_closed(steps: int, chain: int) -> TimeGrid:
    """``TimeGrid.linspace`` whose last step ends at the start of the chain, not at clean data."""
    return TimeGrid.linspace(steps, chain, with_first=False).until(1 / chain)


def karras_open(steps: int, process: Process, rho: float) -> TimeGrid:
    """``TimeGrid.karras`` without its last step, to clean data.

    The run ends at t = 1 / 1000, the first level of a chain of 1,000 steps, as Stable Diffusion's DDIM does.
    That saves a step, and leaves the noise of this level in the result: sigma = 0.03 there.
    """
    return TimeGrid(TimeGrid.karras(steps + 1, process, rho=rho).times[:-1])


def align_your_steps(steps: int, process: Process, model: str) -> TimeGrid:
    """The levels that Align Your Steps found for a model, interpolated to ``steps``."""
    return TimeGrid.table(ALIGN_YOUR_STEPS[model], process, steps)


def flow_power(steps: int, process: Process, power: float, flow_shift: float) -> TimeGrid:
    """``TimeGrid.flow_power`` with a name of its own for its shift, which is none of the times."""
    return TimeGrid.flow_power(steps, process, power=power, shift=flow_shift)


def linear_quadratic(steps: int, process: Process, threshold: float, linear_share: float) -> TimeGrid:
    """``TimeGrid.linear_quadratic`` with a share of the steps in place of their number."""
    linear = min(max(int(linear_share * steps), 1), max(steps - 1, 1))
    return TimeGrid.linear_quadratic(
        steps, process, threshold=threshold, linear_steps=linear if steps > 1 else None
    )


def log_snr_interval(process: Process, low: float, high: float) -> tuple[float, float]:
    """(lowest, highest) log_snr of the levels between the times ``low`` and ``high``.

    Raises:
        ValueError: Not low <= high.
    """
    if not low <= high:
        raise ValueError(f"low must be at most high, not {low} and {high}")
    return process.level(high).log_snr, process.level(low).log_snr


def cfg_zero_star(scale: float, process: Process, zero_init: bool, zero_until: float) -> Guidance:
    """CFG-Zero* with the last level of velocity 0 as a time."""
    return CFGZeroStar(scale, zero_until=process.level(zero_until).log_snr if zero_init else None)


def frequency_decoupled(scale: float, coarse: float, bands: int, axes: int) -> Guidance:
    """FDG with scales in equal steps from ``scale``, that of the finest band, to ``coarse``."""
    coarser = [scale + (coarse - scale) * band / (bands - 1) for band in range(1, bands)]
    return FrequencyDecoupled(scale, coarser=coarser, axes=tuple(range(-axes, 0)))


def within_interval(
    guidance: Guidance | Chain, process: Process, low: float, high: float
) -> Guidance | Chain:
    """``guidance`` between the times ``low`` and ``high`` alone."""
    interval = log_snr_interval(process, low, high)
    if isinstance(guidance, Chain):
        return Chain(tuple(replace(part, interval=interval) for part in guidance.parts))
    return replace(guidance, interval=interval)


@dataclass(frozen=True)
class Wrapped(Guidance):
    """A change of a denoiser as a guidance, so that it has a place in a chain.

    Args:
        wrap: Denoiser to denoiser.
    """

    wrap: Callable[[Denoiser], Denoiser]

    def predict(self, at: Evaluation) -> Prediction:
        """See ``Guidance``."""

        def inner(x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory) -> Prediction:
            return Evaluation(x, level, conditioning, memory, at.evaluate).conditional()

        return self.wrap(inner)(at.x, at.level, at.conditioning, at.memory)


def clip(guidance: Guidance | Chain, low: float, high: float) -> Chain:
    """``guidance``, whose prediction is then clipped."""
    return guidance >> Wrapped(partial(clipped, low=low, high=high))


def threshold(guidance: Guidance | Chain, quantile: float, bound: float, cap: float = math.inf) -> Chain:
    """``guidance``, whose prediction is then thresholded."""
    return guidance >> Wrapped(partial(thresholded, quantile=quantile, bound=bound, cap=cap))


def _between_times(cache: Callable[..., Denoiser]) -> Callable[..., Denoiser]:
    """``cache`` with its interval as two times, and with the stack of blocks of the network's layers."""

    def between_times(
        denoiser: Denoiser,
        process: Process,
        low: float,
        high: float,
        layers: Layers | None = None,
        **settings: float,
    ) -> Denoiser:
        blocks = () if layers is None else (_stack(layers),)
        return cache(denoiser, *blocks, interval=log_snr_interval(process, low, high), **settings)

    return between_times


easy_cache = _between_times(cached)
first_block_cache = _between_times(first_block_cached)
tea_cache = _between_times(tea_cached)
taylor_cache = _between_times(taylor_cached)


def _stack(layers: Layers) -> BlockStack:
    if layers.stack is None:
        raise ValueError("the network declares no stack of blocks")
    return layers.stack


def pag(scale: float, model: ModelDenoiser, layers: Layers, strength: float, **part: int) -> Guidance:
    """Perturbed-attention guidance beside classifier-free guidance of ``scale``."""
    changed = rules.pag(_module(model), _part_of(layers.attention, **part), tokens=layers.tokens)
    return rules.Perturbed(strength, replace(model, network=changed), scale)


def seg(
    scale: float, model: ModelDenoiser, layers: Layers, strength: float, std: float = math.inf, **part: int
) -> Guidance:
    """Smoothed energy guidance beside classifier-free guidance of ``scale``."""
    names = _part_of(layers.attention, **part)
    changed = rules.seg(_module(model), names, std, grid=layers.grid, tokens=layers.tokens)
    return rules.Perturbed(strength, replace(model, network=changed), scale)


def slg(scale: float, model: ModelDenoiser, layers: Layers, strength: float, **part: int) -> Guidance:
    """Skip-layer guidance beside classifier-free guidance of ``scale``."""
    changed = rules.slg(_module(model), _part_of(_stack(layers).blocks, **part))
    return rules.Perturbed(strength, replace(model, network=changed), scale)


def nag(scale: float, model: ModelDenoiser, layers: Layers, tau: float, alpha: float) -> Guidance:
    """Normalised attention guidance of ``scale``, in all layers with attention to the text."""
    if not layers.text_attention:
        raise ValueError("the network declares no attention to the text")
    changed = rules.nag(model, layers.text_attention, scale, tau=tau, alpha=alpha, tokens=layers.tokens)
    return Wrapped(lambda _: changed)


def _module(model: ModelDenoiser) -> nn.Module:
    assert isinstance(model.network, nn.Module)  # one that declares layers is
    return model.network


def _part_of(names: Sequence[str], first: int | None = None, last: int | None = None) -> Sequence[str]:
    """The layers from number ``first`` to ``last``; by default the third in the middle, at least one.

    Raises:
        ValueError: There are none, or no such layers.
    """
    count = len(names)
    if not count:
        raise ValueError("the network declares no such layers")
    low = count // 3 if first is None else first
    high = max(low, 2 * count // 3 - 1) if last is None else last
    if not low <= high < count:
        raise ValueError(f"the network has the layers 0 to {count - 1}, not {low} to {high}")
    return names[low : high + 1]


def brownian(seeds: Sequence[int]) -> NoiseSource:
    """Noise of one Brownian path per item."""
    return NoiseSource(seeds, brownian=True)


def churned(
    solver: Solver,
    churn: float = 0.0,
    churn_low: float = 0.0,
    churn_high: float = math.inf,
    s_noise: float = 1.0,
) -> Solver:
    """``solver`` with noise added before its steps."""
    return Churn(solver, churn, (churn_low, churn_high), s_noise) if churn > 0 else solver


def changed_grid(
    grid: TimeGrid,
    shift: float = 1.0,
    terminal: float | None = None,
    until: float = 0.0,
    restart_length: int = 1,
    restarts: int = 1,
    restart_low: float = 0.0,
    restart_high: float = 1.0,
) -> TimeGrid:
    """``grid`` shifted, stretched and cut, with intervals that are run again."""
    grid = grid.shift(shift)
    if terminal is not None:
        grid = grid.stretch(terminal)
    if until > 0:
        grid = grid.until(until)
    if restarts > 1:
        grid = grid.restart(restart_length, restarts, within=(restart_low, restart_high))
    return grid
