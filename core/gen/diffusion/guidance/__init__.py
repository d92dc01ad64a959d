"""Guidance: predictions that follow the conditioning, or a loss, more closely."""

from gen.diffusion.guidance.base import Chain, Evaluate, Evaluation, Guidance, Scale, guided
from gen.diffusion.guidance.gradient import ClassifierGuidance, LossGuidance
from gen.diffusion.guidance.perturbation import nag, pag, perturbed, seg, slg
from gen.diffusion.guidance.rules import (
    AdaptiveProjected,
    CFGPlusPlus,
    CFGZeroStar,
    ClassifierFree,
    Extrapolation,
    FrequencyDecoupled,
    Mahiro,
    Perturbed,
    Tangential,
    WeightedPrompts,
)

__all__ = [
    "AdaptiveProjected",
    "CFGPlusPlus",
    "CFGZeroStar",
    "Chain",
    "ClassifierFree",
    "ClassifierGuidance",
    "Evaluate",
    "Evaluation",
    "Extrapolation",
    "FrequencyDecoupled",
    "Guidance",
    "LossGuidance",
    "Mahiro",
    "Perturbed",
    "Scale",
    "Tangential",
    "WeightedPrompts",
    "guided",
    "nag",
    "pag",
    "perturbed",
    "seg",
    "slg",
]
