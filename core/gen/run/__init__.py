"""The road that every generation takes, from a plan to artifacts.

``load`` reads a plan's model and ``generate`` walks the rest of the way; only these two import torch.
"""

from gen.run.load import load
from gen.run.notices import notices
from gen.run.progress import Progress
from gen.run.run import generate

__all__ = ["Progress", "generate", "load", "notices"]
