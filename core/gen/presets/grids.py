"""The time grids by name."""

from __future__ import annotations

from collections.abc import Mapping

from gen.presets.specs import Call, Entry, GridPreset, table

GRID = "gen.diffusion:TimeGrid"
AYS = (
    ("", "sd1", "Stable Diffusion 1"),
    ("_sdxl", "sdxl", "Stable Diffusion XL"),
    ("_deepfloyd", "deepfloyd", "DeepFloyd IF"),
    ("_svd", "svd", "Stable Video Diffusion"),
)


def _scale(name: str, fine: float, coarse: float, summary: str, *aliases: str) -> GridPreset:
    clock = {"fine": fine, "coarse": coarse}
    return GridPreset(name, aliases, summary, Call("gen.diffusion:scale_grid", clock), True)


GRIDS: Mapping[str, GridPreset] = table(
    [
        GridPreset("uniform", ("linear", "flow"), "Equal steps of time", Call(f"{GRID}.uniform")),
        GridPreset(
            "trailing",
            ("turbo",),
            "Equal steps down from the end of a chain of 1,000 steps",
            Call(f"{GRID}.trailing"),
        ),
        GridPreset("simple", (), "ComfyUI's: as trailing, each step rounded up", Call(f"{GRID}.simple")),
        GridPreset(
            "leading",
            (),
            "Equal steps up from the start of the chain, which miss its end",
            Call(f"{GRID}.leading"),
        ),
        GridPreset(
            "ddim_uniform",
            ("leading_1",),
            "As leading, one step further up",
            Call(f"{GRID}.leading", {"offset": 1}),
        ),
        GridPreset(
            "leading_open",
            (),
            "As leading, without the lowest index",
            Call(f"{GRID}.leading", {"with_first": False}),
        ),
        GridPreset(
            "linspace", (), "From the end of the chain to its start, in whole steps", Call(f"{GRID}.linspace")
        ),
        GridPreset(
            "normal",
            (),
            "From the end of the chain to its start, also between its steps",
            Call(f"{GRID}.linspace", {"rounded": False}),
        ),
        GridPreset(
            "linspace_open",
            (),
            "As linspace, without the start",
            Call(f"{GRID}.linspace", {"with_first": False}),
        ),
        GridPreset(
            "sgm_uniform",
            (),
            "As normal, without the start",
            Call(f"{GRID}.linspace", {"rounded": False, "with_first": False}),
        ),
        GridPreset(
            "quadratic", (), "Equal steps of the root of time: finer near the data", Call(f"{GRID}.quadratic")
        ),
        GridPreset(
            "beta",
            ("beta_comfyui",),
            "ComfyUI's: quantiles of Beta(0.6, 0.6) on a chain, finer at both ends",
            Call(f"{GRID}.beta_on_chain"),
        ),
        GridPreset(
            "beta_diffusers",
            (),
            "diffusers': quantiles of Beta(0.6, 0.6) in sigma, of flows in time",
            Call(f"{GRID}.beta_sigmas"),
            True,
        ),
        GridPreset("beta_times", (), "Quantiles of Beta(0.6, 0.6) in time", Call(f"{GRID}.beta")),
        GridPreset(
            "linear_quadratic",
            (),
            "Half of the steps small and equal at the noise, then growing quadratically",
            Call(f"{GRID}.linear_quadratic"),
            True,
        ),
        GridPreset(
            "kl_optimal",
            (),
            "Equal steps of the angle atan(sigma / alpha)",
            Call(f"{GRID}.kl_optimal"),
            True,
        ),
        GridPreset(
            "laplace",
            (),
            "Quantiles of a Laplace distribution of log sigma: finer at sigma = 1",
            Call(f"{GRID}.laplace"),
            True,
        ),
        GridPreset(
            "karras",
            ("ka",),
            "Karras et al. with rho = 7: many small steps near the data",
            Call(f"{GRID}.karras"),
            True,
        ),
        GridPreset(
            "karras_open",
            (),
            "As Karras with rho = 9, down to the first level of a chain instead of clean data",
            Call("gen.presets.open_grids:karras_open", {"rho": 9.0}),
            True,
        ),
        GridPreset(
            "uniform_log_snr",
            ("exponential", "polyexponential", "lu"),
            "Equal steps of log_snr",
            Call(f"{GRID}.uniform_log_snr"),
            True,
        ),
        *(
            GridPreset(
                f"align_your_steps{suffix}",
                (f"ays{suffix}",),
                f"Align Your Steps, found for {model}",
                Call(f"{GRID}.table", {"sigmas": Entry("gen.diffusion.grid:ALIGN_YOUR_STEPS", key)}),
                True,
            )
            for suffix, key, model in AYS
        ),
        _scale("scale_coarse", 0.06, 4.0, "Equal steps on the clock of the data's scales, for up to 6 steps"),
        _scale(
            "scale_medium", 0.035, 8.0, "Equal steps on the clock of the data's scales, for 7 to 11 steps"
        ),
        _scale(
            "scale_fine", 0.035, 4.0, "Equal steps on the clock of the data's scales, for 12 to 24", "scale"
        ),
        _scale("scale_finest", 0.02, 4.0, "Equal steps on the clock of the data's scales, from 25 steps"),
    ]
)
