"""Classifier-free guidance whose scale falls to 1 on the way to the data."""

from __future__ import annotations

from gen.diffusion import ClassifierFree, Guidance, Level


def fading(scale: float, power: float) -> Guidance:
    """uncond + w(u) (cond - uncond) with w(u) = 1 + (scale - 1) u**power, u = sigma / (alpha + sigma).

    Args:
        scale: w at pure noise.
        power: 0 is constant guidance.
    """

    def strength(level: Level[float]) -> float:
        u: float = level.sigma / (level.alpha + level.sigma)
        return float(1 + (scale - 1) * u**power)

    return ClassifierFree(strength)
