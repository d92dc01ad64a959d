"""Guidance whose scale falls to 1 with the time."""

from gen.diffusion import ClassifierFree


def make(scale, until):
    return ClassifierFree(lambda level: 1 + (scale - 1) * max(0.0, (level.t - until) / (1 - until)))
