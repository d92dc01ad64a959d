"""The settings of solvers and grids, by the factory that takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gen.plugin.specs import ChoiceSpec, GridSpec, Param, SolverSpec


def number(name: str, text: str, default: float | None, low: float | None, high: float | None) -> Param:
    """A setting that is a real number from ``low`` to ``high``."""
    return Param(name=name, type=float, help=text, default=default, minimum=low, maximum=high)


def whole(name: str, text: str, default: int | None, low: int, high: int) -> Param:
    """A setting that is a whole number from ``low`` to ``high``."""
    return Param(name=name, type=int, help=text, default=default, minimum=low, maximum=high)


def switch(name: str, text: str, default: bool) -> Param:
    """A setting that is on or off."""
    return Param(name=name, type=bool, help=text, default=default)


def one_of(name: str, text: str, *choices: str) -> Param:
    """A setting that is one of a few names, by default the first."""
    return Param(name=name, type=str, help=text, default=choices[0], choices=choices)


def with_defaults(settings: tuple[Param, ...], **defaults: float | bool | str) -> tuple[Param, ...]:
    """The settings with other defaults.

    Raises:
        ValueError: A default is that of no setting.
    """
    if unknown := defaults.keys() - {setting.name for setting in settings}:
        raise ValueError(f"no setting {', '.join(sorted(unknown))}")
    return tuple(
        replace(setting, default=defaults.get(setting.name, setting.default)) for setting in settings
    )


_SHARE = number("eta", "Share of the noise of the Markov posterior: 0 draws none, 1 is ancestral", 0.0, 0, 1)
_SDE = number("eta", "Noise of the SDE: 0 is the ODE, 1 the reverse diffusion", 0.0, 0, 10)
_KIND = one_of("kind", "Form of the second-order term", "midpoint", "heun")
_R = number("r", "Place of the evaluation within the step, in log_snr", 0.5, 0.01, 1)
_FINAL = switch("lower_order_final", "Whether the order falls over the last steps", True)
_TARGET = one_of("target", "Prediction that is integrated", "x0", "eps")

_SA = (
    number("tau", "Noise within the interval; 0 draws none", 1.0, 0, 10),
    number("low", "Lowest time with noise", 0.2, 0, 1),
    number("high", "Highest time with noise", 0.8, 0, 1),
    whole("predictor", "Predictions of the predictor", 3, 1, 3),
    whole("corrector", "Predictions of the corrector; 0 for none", 4, 0, 4),
    _FINAL,
)

SOLVER_SETTINGS: Mapping[str, tuple[Param, ...]] = {
    "DDIM": (_SHARE,),
    "DDPM": (one_of("variance", "Variance of a step", "small", "large", "learned"),),
    "ReverseDiffusion": (number("eta", "Noise of the reverse diffusion; 0 draws none", 1.0, 0, 10),),
    "DPMSolver2": (_R,),
    "DPMSolver2M": (_SDE, _KIND),
    "DPMpp2M": (_SDE, _KIND),
    "CFGpp2M": (_SDE, _KIND),
    "DPMpp2S": (_SDE, _R, _KIND),
    "DPMpp3M": (_SDE, _FINAL),
    "DPMpp3S": (_SDE,),
    "DEIS": (whole("order", "Order of the polynomials", 3, 1, 3), _FINAL),
    "LMS": (whole("order", "Predictions used", 4, 1, 4), replace(_FINAL, default=False)),
    "IPNDM": (whole("order", "Predictions used", 4, 1, 4), _FINAL),
    "FlowAdams": (
        whole("order", "Predictions used", 2, 1, 4),
        switch("corrector", "Whether steps are corrected, to one order more", False),
        number("scale", "Standard deviation of the data", 1.0, 0.001, 1000),
        number("spread", "Standard deviation within clusters, as a share of scale", 1.0, 0.001, 1),
        number("first_order_above", "Flow time above which steps have order 1", 1.0, 0, 1),
        number("stable_above", "Cosine of changes of v above which steps are not Euler's", -1.0, -1, 1),
    ),
    "GradientEstimation": (number("gamma", "Extrapolation of the direction; 1 is Euler", 2.0, -10, 10),),
    "ERSDE": (whole("order", "Predictions used", 3, 1, 3),),
    "UniPC": (
        whole("order", "Order of the predictor", 3, 1, 3),
        one_of("variant", "Form of B(h)", "bh2", "bh1"),
        _TARGET,
        switch("corrector", "Whether steps are corrected", True),
        _FINAL,
    ),
    "Adaptive": (
        number("rtol", "Relative tolerance", 0.05, 1e-4, 1),
        number("atol", "Absolute tolerance, in units of the data", 0.0078, 1e-5, 1),
        whole("order", "Order of the longer of the two methods", 3, 2, 3),
        replace(_TARGET, default="eps"),
        number("first", "First step, in log_snr", 0.05, 1e-3, 10),
        number("safety", "Smallest factor at which a step is taken", 0.81, 0.01, 0.99),
    ),
    "flow_ancestral": (replace(_SHARE, help="Share of the way that is renoised", default=1.0),),
    "tcd": (number("gamma", "Share of the way to the data that is renoised; 1 is LCM", 0.3, 0, 1),),
    "euler_ancestral": (replace(_SHARE, default=1.0),),
    "dpm_2_ancestral": (replace(_SHARE, default=1.0), _R),
    "dpmpp_2s_ancestral_cfg_pp": (replace(_SHARE, default=1.0),),
    "dpmpp_2s_ancestral": (replace(_SHARE, default=1.0), _R, _KIND),
    "res_multistep_ancestral": (_SDE, _KIND),
    "res_multistep_ancestral_cfg_pp": (_SDE, _KIND),
    "sa_solver": _SA,
    "sa_solver_pece": _SA,
    "diffusers_sa_solver": (
        number("tau", "Noise within the interval; 0 draws none", 1.0, 0, 10),
        number("low", "Lowest time with noise", 0.201, 0, 1),
        number("high", "Highest time with noise", 0.801, 0, 1),
        whole("predictor", "Predictions of the predictor", 2, 1, 3),
        whole("corrector", "Predictions of the corrector; 0 for none", 2, 0, 4),
        _FINAL,
    ),
    "predictor_corrector": (
        number("snr", "Signal-to-noise ratio of the Langevin steps", 0.16, 0.001, 10),
        whole("corrections", "Langevin steps at each level", 1, 1, 100),
        number("eta", "Noise of the reverse diffusion; 0 draws none", 1.0, 0, 10),
    ),
}

_A = number("a", "Below 1 it puts more steps near the data", 0.6, 0.2, 5)
_B = number("b", "Below 1 it puts more steps near the noise", 0.6, 0.2, 5)
_START = number("start", "First time", 1.0, 0.1, 1)
_END = number("end", "Last time before 0; by default that of the first level with noise", None, 1e-6, 0.05)
_CHAIN = whole("chain", "Steps of the chain that the network was trained on", 1000, 100, 100_000)

_LINSPACE = (
    switch("rounded", "Whether times are whole steps of the chain", True),
    switch("with_first", "Whether the lowest index is a step", True),
    _CHAIN,
)

GRID_SETTINGS: Mapping[str, tuple[Param, ...]] = {
    "trailing": (_CHAIN,),
    "simple": (_CHAIN,),
    "leading": (
        whole("offset", "Added to every index", 0, 0, 10),
        switch("with_first", "Whether the lowest index is a step", True),
        _CHAIN,
    ),
    "linspace": _LINSPACE,
    "comfy_linspace": _LINSPACE,
    "diffusers_linspace": _LINSPACE,
    "linspace_closed": (_CHAIN,),
    "beta_on_chain": (_A, _B, _CHAIN),
    "beta_sigmas": (_A, _B, replace(_END, help="Last time before 0", default=0.001)),
    "beta": (_A, _B, _START, replace(_END, help="Last time before 0", default=0.001)),
    "linear_quadratic": (
        number("threshold", "How far the equal steps lead, in time", 0.025, 0.001, 0.4),
        number("linear_share", "Share of the steps that are equal", 0.5, 0, 1),
    ),
    "kl_optimal": (_END,),
    "comfy_kl_optimal": (_END,),
    "laplace": (
        number("mean", "Centre, in log(sigma / alpha)", 0.0, -10, 10),
        number("scale", "Scale of the distribution, in log(sigma / alpha)", 0.5, 0.01, 10),
    ),
    "comfy_karras": (number("rho", "Larger puts more steps near the data", 7.0, 1, 100), _START, _END),
    "comfy_exponential": (_START, _END),
    "karras": (number("rho", "Larger puts more steps near the data", 7.0, 1, 100), _START, _END),
    "karras_open": (number("rho", "Larger puts more steps near the data", 9.0, 1, 100),),
    "uniform_log_snr": (_START, _END),
    "align_your_steps": (
        one_of("model", "Model that the levels were found for", "sd1", "sdxl", "deepfloyd", "svd"),
    ),
    "flow_power": (
        number("power", "Larger puts more steps near the data", 1.5, 0.25, 4),
        number("flow_shift", "Shift of flow time: above 1 it puts more steps near the noise", 1.0, 1e-3, 1e4),
    ),
}

COMMON_SETTINGS: Mapping[type[ChoiceSpec], tuple[Param, ...]] = {
    SolverSpec: (
        number("churn", "Growth of the noise before a step, as Karras et al.: 0 adds none", 0.0, 0, 10),
        number("churn_low", "Lowest sigma / alpha where noise is added", 0.0, 0, 1e6),
        number("churn_high", "Highest sigma / alpha where noise is added; no limit by default", None, 0, 1e6),
        number("s_noise", "Factor of the noise that is added", 1.0, 0.01, 10),
    ),
    GridSpec: (
        number("shift", "Shift of the times: above 1 it favours the noise", 1.0, 0.01, 100),
        number("terminal", "The last time before 0, to which all times are stretched", None, 0.001, 0.999),
        number("until", "Last time, in place of clean data", 0.0, 0, 0.9),
        whole("restart_length", "Steps of an interval that is run again", 1, 1, 1000),
        whole("restarts", "Runs through each interval", 1, 1, 100),
        number("restart_low", "Lowest time of the intervals", 0.0, 0, 1),
        number("restart_high", "Highest time of the intervals", 1.0, 0, 1),
    ),
}
"""The settings that every solver and every grid has, those of plugins too."""

COMMON_CHANGES: Mapping[type[ChoiceSpec], str] = {
    SolverSpec: "gen.presets.factories:churned",
    GridSpec: "gen.presets.factories:changed_grid",
}
"""Import strings of the functions that apply them."""
