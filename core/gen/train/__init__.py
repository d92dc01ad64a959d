"""One trainer for every modality: stages of (module, loss), checkpoints, EMA, previews, export."""

from gen.diffusion import LogitNormalTimes
from gen.train.codec import codec_stages, reconstruction_task
from gen.train.diffusion import DiffusionLoss, LearnedVarianceLoss
from gen.train.optimiser import Muon
from gen.train.recipe import Recipe, Settings, Stage, Task
from gen.train.trainer import run

__all__ = [
    "DiffusionLoss",
    "LearnedVarianceLoss",
    "LogitNormalTimes",
    "Muon",
    "Recipe",
    "Settings",
    "Stage",
    "Task",
    "codec_stages",
    "reconstruction_task",
    "run",
]
