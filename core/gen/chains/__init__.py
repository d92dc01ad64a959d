"""Chains: several steps, each of which generates or converts, and which use each other's results."""

from gen.chains.file import load, parse
from gen.chains.steps import Chain, Step, chain

__all__ = ["Chain", "Step", "chain", "load", "parse"]
