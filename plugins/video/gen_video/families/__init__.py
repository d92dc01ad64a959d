"""Families of checkpoints that make clips, each driven by the core's sampler."""
