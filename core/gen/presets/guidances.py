"""The rules of guidance, and their modifiers, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gen.plugin.specs import GuidanceSpec, Param
from gen.presets.settings import number, switch, whole
from gen.presets.specs import table


def _guidance(name: str, factory: str, summary: str, *settings: Param, **options: Any) -> GuidanceSpec:
    """A rule or a modifier.

    Args:
        name, summary, settings, options: As in ``GuidanceSpec``.
        factory: Name of a class of ``gen.diffusion.guidance``, or of a function of ``gen.presets.factories``.
    """
    module = "gen.presets.factories" if factory.islower() else "gen.diffusion.guidance"
    return GuidanceSpec(
        name=name, factory=f"{module}:{factory}", summary=summary, settings=settings, **options
    )


def _perturbation(name: str, alias: str, summary: str, *settings: Param) -> GuidanceSpec:
    """A rule with a perturbed network."""
    return _guidance(
        name,
        name,
        summary,
        number("strength", "Scale of the difference to the perturbed network", 3.0, 0, 100),
        *settings,
        whole("first", "First changed block, from 0; by default that of the middle third", None, 0, 1000),
        whole("last", "Last changed block", None, 0, 1000),
        aliases=(alias,),
        needs=("model", "layers"),
    )


GUIDANCES: Mapping[str, GuidanceSpec] = table(
    [
        _guidance(
            "cfg",
            "ClassifierFree",
            "Classifier-free guidance",
            number("rescale", "How far the standard deviation returns to that without guidance", 0.0, 0, 1),
            whole("renorm", "Axis along which norms return to those without guidance", None, -4, -1),
            aliases=("classifier_free",),
        ),
        _guidance(
            "cfg_pp",
            "CFGPlusPlus",
            "CFG++: classifier-free guidance with the noise of uncond, scale 0 to 1; default 0.6",
            scales=(0.0, 1.0),
            # Chung et al. 2024 (arXiv 2406.08070) set it beside a scale of 7.5 of plain guidance.
            scale=0.6,
        ),
        _guidance(
            "apg",
            "AdaptiveProjected",
            "Adaptive projected guidance, which does not saturate at high scales",
            number(
                "momentum", "Share of the previous difference; the paper has values below 0", 0.0, -0.99, 0.99
            ),
            number("eta", "Share of the part that is parallel to the prediction", 0.0, 0, 10),
            number("radius", "Largest norm of the difference; none by default", None, 0.001, 1e6),
            aliases=("adaptive_projected",),
        ),
        _guidance(
            "cfg_zero_star",
            "cfg_zero_star",
            "CFG-Zero*: optimised scale of uncond, and velocity 0 in the first step",
            switch("zero_init", "Whether the velocity is 0 at the first levels", True),
            number("zero_until", "Time down to which it is 0; 1 is pure noise alone", 1.0, 0.5, 1),
            aliases=("cfg_zero",),
            needs=("process",),
        ),
        _guidance(
            "tcfg",
            "Tangential",
            "Tangential damping: the noise of uncond projected on its common part with cond",
            aliases=("tangential",),
        ),
        _guidance(
            "fdg",
            "frequency_decoupled",
            "Frequency-decoupled guidance: the scale for fine detail, another for coarse",
            number("coarse", "Scale of the coarsest band", 1.0, 0, 100),
            whole("bands", "Bands of frequencies", 2, 2, 4),
            whole("axes", "Axes of space or time, the last ones of the state", 2, 1, 3),
            aliases=("frequency_decoupled",),
        ),
        _guidance("mahiro", "Mahiro", "Guidance along the prediction itself where it differs from uncond"),
        _perturbation("pag", "perturbed_attention", "Perturbed-attention guidance, beside classifier-free"),
        _perturbation(
            "seg",
            "smoothed_energy",
            "Smoothed energy guidance, beside classifier-free",
            number("std", "Blur of the queries in tokens; their mean by default", None, 0.1, 1000),
        ),
        _perturbation("slg", "skip_layer", "Skip-layer guidance, beside classifier-free"),
        _guidance(
            "nag",
            "nag",
            "Normalised attention guidance, also for models of few steps",
            number("tau", "Largest growth of the attention's norm", 2.5, 0.01, 100),
            number("alpha", "Share of the guided attention", 0.5, 0, 1),
            aliases=("normalised_attention",),
            needs=("model", "layers"),
        ),
        _guidance(
            "interval",
            "within_interval",
            "Guidance between two times alone",
            number("low", "Lowest time with guidance; 0 is data", 0.0, 0, 1),
            number("high", "Highest time with guidance; 1 is noise", 1.0, 0, 1),
            role="modifier",
            needs=("process",),
        ),
        _guidance(
            "clip",
            "clip",
            "Every element of the prediction between two numbers",
            number("low", "Smallest value", -1.0, -1000, 0),
            number("high", "Largest value", 1.0, 0.001, 1000),
            role="modifier",
        ),
        _guidance(
            "threshold",
            "threshold",
            "Dynamic thresholding: the prediction is scaled back into its range",
            number("quantile", "Share of the elements that stays within", 0.995, 0.5, 1),
            number("bound", "Largest magnitude of the data", 1.0, 0.001, 1000),
            number("cap", "Largest magnitude that is scaled back; none by default", None, 1, 1e6),
            aliases=("dynamic_thresholding",),
            role="modifier",
        ),
    ]
)
