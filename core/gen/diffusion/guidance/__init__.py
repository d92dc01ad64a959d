"""Guidance: predictions that follow the conditioning, or a wish of ours, more closely."""

from gen.diffusion.guidance.base import Ask, Chain, Guidance, Guided, Scale, guided
from gen.diffusion.guidance.contrast import (
    AdaptiveProjected,
    CFGPlusPlus,
    CFGZeroStar,
    ClassifierFree,
    Contrast,
    Tangential,
)
from gen.diffusion.guidance.gradient import ClassifierGuidance, LossGuidance
from gen.diffusion.guidance.opponents import Null, Opponent, Weaker, perturbed
from gen.diffusion.guidance.prompts import WeightedPrompts

__all__ = [
    "AdaptiveProjected",
    "Ask",
    "CFGPlusPlus",
    "CFGZeroStar",
    "Chain",
    "ClassifierFree",
    "ClassifierGuidance",
    "Contrast",
    "Guidance",
    "Guided",
    "LossGuidance",
    "Null",
    "Opponent",
    "Scale",
    "Tangential",
    "Weaker",
    "WeightedPrompts",
    "guided",
    "perturbed",
]
