"""One trainer for every modality: stages of (module, loss), checkpoints, EMA, previews, export."""

from gen.diffusion import LogitNormalTimes
from gen.train.codec import codec_stages, reconstruction_task
from gen.train.diffusion import DiffusionLoss, LearnedVarianceLoss
from gen.train.export import halves, trained
from gen.train.folder import run_folder
from gen.train.latents import LatentBank
from gen.train.optimiser import Muon, block_matrix
from gen.train.recipe import Recipe, Settings, Stage, Task
from gen.train.text import drop_captions, known_boxes, text_task
from gen.train.trainer import run

__all__ = [
    "DiffusionLoss",
    "LatentBank",
    "LearnedVarianceLoss",
    "LogitNormalTimes",
    "Muon",
    "Recipe",
    "Settings",
    "Stage",
    "Task",
    "block_matrix",
    "codec_stages",
    "drop_captions",
    "halves",
    "known_boxes",
    "reconstruction_task",
    "run",
    "run_folder",
    "text_task",
    "trained",
]
