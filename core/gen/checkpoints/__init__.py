"""Checkpoints of other programs, taken apart into networks, encoders and codecs that our sampler drives."""

from gen.checkpoints.checkpoint import Checkpoint, Component

__all__ = ["Checkpoint", "Component"]
