"""The rules of guidance, and what modifies them, by name."""

from __future__ import annotations

from collections.abc import Mapping

from gen.plugin.specs import GuidanceSpec
from gen.presets.settings import number, switch, whole
from gen.presets.specs import table

RULES = "gen.diffusion.guidance"
OWN = "gen.presets.factories"

BLOCKS = (
    whole("first", "First block that is changed, from 0; by default those in the middle are", None, 0, 1000),
    whole("last", "Last block that is changed", None, 0, 1000),
)

GUIDANCES: Mapping[str, GuidanceSpec] = table(
    [
        GuidanceSpec(
            name="cfg",
            aliases=("classifier_free",),
            summary="Classifier-free guidance",
            factory=f"{RULES}:ClassifierFree",
            settings=(
                number(
                    "rescale", "How far the standard deviation returns to that without guidance", 0.0, 0, 1
                ),
                whole("renorm", "Axis along which norms return to those without guidance", None, -4, -1),
            ),
        ),
        GuidanceSpec(
            name="cfg_pp",
            summary="CFG++: classifier-free guidance with the noise of uncond, scale 0 to 1; default 0.6",
            factory=f"{RULES}:CFGPlusPlus",
            scales=(0.0, 1.0),
            # Chung et al. 2024 (arXiv 2406.08070) set it beside a scale of 7.5 of plain guidance.
            scale=0.6,
        ),
        GuidanceSpec(
            name="apg",
            aliases=("adaptive_projected",),
            summary="Adaptive projected guidance, which does not saturate at high scales",
            factory=f"{RULES}:AdaptiveProjected",
            settings=(
                number(
                    "momentum",
                    "Share of the difference before; the paper has negative ones",
                    0.0,
                    -0.99,
                    0.99,
                ),
                number("eta", "Share of the part that is parallel to the prediction", 0.0, 0, 10),
                number("radius", "Largest norm of the difference; none by default", None, 0.001, 1e6),
            ),
        ),
        GuidanceSpec(
            name="cfg_zero_star",
            aliases=("cfg_zero",),
            summary="CFG-Zero*: optimised scale of uncond, and velocity 0 in the first step",
            factory=f"{OWN}:cfg_zero_star",
            settings=(
                switch("zero_init", "Whether the velocity is 0 at the first levels", True),
                number("zero_until", "Time down to which it is 0; 1 is pure noise alone", 1.0, 0.5, 1),
            ),
            needs=("process",),
        ),
        GuidanceSpec(
            name="tcfg",
            aliases=("tangential",),
            summary="Tangential damping: uncond without its part that is not shared",
            factory=f"{RULES}:Tangential",
        ),
        GuidanceSpec(
            name="fdg",
            aliases=("frequency_decoupled",),
            summary="Frequency-decoupled guidance: the scale for fine detail, another for coarse",
            factory=f"{OWN}:frequency_decoupled",
            settings=(
                number("coarse", "Scale of the coarsest band", 1.0, 0, 100),
                whole("bands", "Bands of frequencies", 2, 2, 4),
                whole("axes", "Axes of space or time, the last ones of the state", 2, 1, 3),
            ),
        ),
        GuidanceSpec(
            name="mahiro",
            summary="Guidance along the prediction itself where it is unlike uncond",
            factory=f"{RULES}:Mahiro",
        ),
        *(
            GuidanceSpec(
                name=name,
                aliases=(alias,),
                summary=summary,
                factory=f"{OWN}:{name}",
                settings=(
                    number("strength", "Scale of the difference to the perturbed network", 3.0, 0, 100),
                    *settings,
                    *BLOCKS,
                ),
                needs=("model", "layers"),
            )
            for name, alias, summary, settings in (
                ("pag", "perturbed_attention", "Perturbed-attention guidance, beside classifier-free", ()),
                (
                    "seg",
                    "smoothed_energy",
                    "Smoothed energy guidance, beside classifier-free",
                    (number("std", "Blur of the queries in tokens; their mean by default", None, 0.1, 1000),),
                ),
                ("slg", "skip_layer", "Skip-layer guidance, beside classifier-free", ()),
            )
        ),
        GuidanceSpec(
            name="nag",
            aliases=("normalised_attention",),
            summary="Normalised attention guidance, also for models of few steps",
            factory=f"{OWN}:nag",
            settings=(
                number("tau", "Largest growth of the attention's norm", 2.5, 0.01, 100),
                number("alpha", "Share of the guided attention", 0.5, 0, 1),
            ),
            needs=("model", "layers"),
        ),
        GuidanceSpec(
            name="interval",
            role="modifier",
            summary="Guidance between two times alone",
            factory=f"{OWN}:within_interval",
            settings=(
                number("low", "Lowest time with guidance; 0 is data", 0.0, 0, 1),
                number("high", "Highest time with guidance; 1 is noise", 1.0, 0, 1),
            ),
            needs=("process",),
        ),
        GuidanceSpec(
            name="clip",
            role="modifier",
            summary="Every element of the prediction between two numbers",
            factory=f"{OWN}:clip",
            settings=(
                number("low", "Smallest value", -1.0, -1000, 0),
                number("high", "Largest value", 1.0, 0.001, 1000),
            ),
        ),
        GuidanceSpec(
            name="threshold",
            aliases=("dynamic_thresholding",),
            role="modifier",
            summary="Dynamic thresholding: the prediction is scaled back into its range",
            factory=f"{OWN}:threshold",
            settings=(
                number("quantile", "Share of the elements that stays within", 0.995, 0.5, 1),
                number("bound", "Largest magnitude of the data", 1.0, 0.001, 1000),
                number("cap", "Largest magnitude that is scaled back; none by default", None, 1, 1e6),
            ),
        ),
    ]
)
