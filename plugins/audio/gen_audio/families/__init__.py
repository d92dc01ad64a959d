"""Families of checkpoints that make sound, each driven by the core's sampler."""
