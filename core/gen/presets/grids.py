"""The time grids by name."""

from __future__ import annotations

from collections.abc import Mapping

from gen.plugin.specs import GridSpec
from gen.presets.settings import GRID_SETTINGS, with_defaults
from gen.presets.specs import table

OWN = (
    "align_your_steps",
    "comfy_exponential",
    "comfy_karras",
    "comfy_kl_optimal",
    "comfy_linspace",
    "diffusers_linspace",
    "flow_power",
    "karras_open",
    "linear_quadratic",
    "linspace_closed",
)
"""Grids that ``gen.presets.factories`` makes; the others are methods of the core's ``TimeGrid``."""


def _grid(
    names: str, factory: str, summary: str, *, of_process: bool = False, **defaults: float | bool | str
) -> GridSpec:
    """A grid.

    Args:
        names: The name, then its aliases, separated by spaces.
        summary: As in ``GridSpec``.
        factory: Name of a method of ``TimeGrid``, or one of ``OWN``.
        of_process: Whether it spaces the levels of a process.
        **defaults: Of its settings, where they are not those of the factory.
    """
    name, *aliases = names.split()
    owner = "gen.presets.factories:" if factory in OWN else "gen.diffusion:TimeGrid."
    return GridSpec(
        name=name,
        factory=owner + factory,
        summary=summary,
        aliases=tuple(aliases),
        settings=with_defaults(GRID_SETTINGS.get(factory, ()), **defaults),
        needs=("process",) if of_process else (),
    )


# fmt: off
GRIDS: Mapping[str, GridSpec] = table([
    _grid("uniform linear flow", "uniform", "Equal steps of time"),
    _grid("trailing turbo", "trailing",
        "diffusers': equal steps down from the end of a chain of 1,000 steps"),
    _grid("simple", "simple", "ComfyUI's: as trailing, each step rounded up"),
    _grid("leading", "leading", "diffusers': equal steps up from the start of the chain, which miss its end"),
    _grid("ddim_uniform leading_1", "leading", "As leading, one step further up", offset=1),
    _grid("leading_open", "leading", "As leading, without the lowest index", with_first=False),
    _grid("linspace", "linspace", "diffusers': from the end of the chain to its start, in whole steps"),
    _grid("normal comfy_normal", "comfy_linspace",
        "ComfyUI's: from the end of the chain to its start, also between its steps", of_process=True,
        rounded=False),
    _grid("diffusers_normal", "diffusers_linspace",
        "As normal, as diffusers' schedulers named after k-diffusion have it", of_process=True,
        rounded=False),
    _grid("linspace_open", "linspace", "As linspace, without the start", with_first=False),
    _grid("linspace_closed", "linspace_closed", "As linspace_open, down to the start in place of clean data"),
    _grid("sgm_uniform", "comfy_linspace", "ComfyUI's: as normal, without the start", of_process=True,
        rounded=False, with_first=False),
    _grid("quadratic", "quadratic", "Equal steps of the root of time: finer near the data"),
    _grid("beta comfy_beta beta_comfyui", "beta_on_chain",
        "ComfyUI's: quantiles of Beta(0.6, 0.6) on a chain, finer at both ends"),
    _grid("diffusers_beta beta_diffusers", "beta_sigmas",
        "diffusers': quantiles of Beta(0.6, 0.6) in sigma, of flows in time", of_process=True),
    _grid("beta_times", "beta", "Quantiles of Beta(0.6, 0.6) in time"),
    _grid("linear_quadratic", "linear_quadratic",
        "Half of the steps small and equal at the noise, then growing quadratically", of_process=True),
    _grid("kl_optimal", "kl_optimal", "The paper's: equal steps of the angle atan(sigma / alpha)",
        of_process=True),
    _grid("comfy_kl_optimal", "comfy_kl_optimal", "kl_optimal of ComfyUI: on flows the angle is atan(t)",
        of_process=True),
    _grid("laplace", "laplace",
        "k-diffusion's: quantiles of a Laplace distribution of log(sigma / alpha)", of_process=True),
    _grid("karras ka", "karras",
        "The paper's, of Karras et al., in sigma / alpha with rho = 7: small steps near the data",
        of_process=True),
    _grid("comfy_karras diffusers_karras", "comfy_karras",
        "karras of ComfyUI and diffusers: on flows it spaces the time", of_process=True),
    _grid("karras_open", "karras_open",
        "As Karras with rho = 9, down to the first level of a chain instead of clean data", of_process=True),
    _grid("uniform_log_snr exponential polyexponential lu", "uniform_log_snr",
        "k-diffusion's exponential: equal steps of log_snr", of_process=True),
    _grid("comfy_exponential diffusers_exponential", "comfy_exponential",
        "exponential of ComfyUI and diffusers: on flows equal steps of log(t)", of_process=True),
    _grid("align_your_steps ays", "align_your_steps", "Align Your Steps, found for Stable Diffusion 1",
        of_process=True, model="sd1"),
    _grid("align_your_steps_sdxl ays_sdxl", "align_your_steps",
        "Align Your Steps, found for Stable Diffusion XL", of_process=True, model="sdxl"),
    _grid("align_your_steps_deepfloyd ays_deepfloyd", "align_your_steps",
        "Align Your Steps, found for DeepFloyd IF", of_process=True, model="deepfloyd"),
    _grid("align_your_steps_svd ays_svd", "align_your_steps",
        "Align Your Steps, found for Stable Video Diffusion", of_process=True, model="svd"),
    _grid("flow_power", "flow_power", "Equal steps of a root of flow time: finer near the data",
        of_process=True),
])
# fmt: on

OWN_GRID = "model"
"""The name of the grid that a model brings itself, as checkpoints do: see ``gen.model.Stage.own_grid``."""

MODEL_GRID = GridSpec(
    name=OWN_GRID,
    summary="The grid that the model brings, as checkpoints do",
    factory="gen.presets.factories:own_grid",
    needs=("own",),
)
"""It is no grid of ``GRIDS``, since it cannot be made without a model."""
