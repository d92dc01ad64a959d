"""Families of checkpoints that make shapes, each driven by the core's sampler."""
