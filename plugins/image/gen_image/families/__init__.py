"""Families of checkpoints that draw pictures, each driven by the core's sampler."""
