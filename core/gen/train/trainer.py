"""The training loop."""

from __future__ import annotations

import copy
import hashlib
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from gen.errors import GenError, PluginError, UsageError
from gen.train import checkpoint, optimiser
from gen.train.folder import run_folder
from gen.train.recipe import Recipe, Settings, Stage, Task

REPORT_SECONDS = 20.0

WINDOW = 100
"""Steps over which the loss that is reported is averaged."""


def run(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    steps: Mapping[str, int] | None = None,
    resume: bool = False,
    preview_every: int = 500,
    save_seconds: float = 120.0,
    report: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> Path:
    """Train every stage of a recipe and write the model file.

    Args:
        recipe: What to train.
        folder: Holds the checkpoints (``STAGE.safetensors``), previews (``STAGE-STEP.png``), the log for
            TensorBoard (``log/STAGE``) and at the end ``NAME.safetensors``.
        device: ``"cpu"``, ``"cuda"`` …
        steps: Stage to its steps, each at least 1, where they are not to be the recipe's.
        resume: Go on from the checkpoints in the folder.
        preview_every: Steps between previews.
        save_seconds: Seconds between checkpoints.
        report: Called with one line of progress about every 20 seconds.

    Returns:
        The path of the model file.

    Raises:
        UsageError: The folder holds a run and ``resume`` is false or the reverse, or a stage is unknown.
        OutputError: The folder cannot be made or written to.
        ModelError: A checkpoint is damaged, or of another network.
        PluginError: TensorBoard is not installed.
        GenError: The loss is not finite.
    """
    steps = steps or {}
    known = [stage.name for stage in recipe.stages]
    for name in steps.keys() - set(known):
        raise UsageError(f"{recipe.name} has no stage {name!r}", f"its stages: {', '.join(known)}")
    started = any((folder / f"{stage.name}.safetensors").exists() for stage in recipe.stages)
    if started and not resume:
        raise UsageError(
            f"{folder} holds a training run already", "add --resume to go on, or choose another --out"
        )
    if resume and not started:
        raise UsageError(
            f"{folder} holds no checkpoint to resume from", "leave --resume out, or choose another --out"
        )
    with run_folder(folder):
        return _stages(recipe, folder, steps, torch.device(device), preview_every, save_seconds, report)


def _stages(
    recipe: Recipe,
    folder: Path,
    steps: Mapping[str, int],
    device: torch.device,
    preview_every: int,
    save_seconds: float,
    report: Callable[[str], None],
) -> Path:
    modules: dict[str, nn.Module] = {}
    history: dict[str, dict[str, float]] = {}
    for stage in recipe.stages:
        settings = replace(stage.settings, steps=steps.get(stage.name, stage.settings.steps))
        modules[stage.name], history[stage.name] = _train(
            stage, settings, modules, folder, device, preview_every, save_seconds, report
        )
    path = folder / f"{recipe.name}.safetensors"
    recipe.export({name: module.cpu() for name, module in modules.items()}, history, path)
    report(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
    return path


def _train(
    stage: Stage,
    settings: Settings,
    modules: dict[str, nn.Module],
    folder: Path,
    device: torch.device,
    preview_every: int,
    save_seconds: float,
    report: Callable[[str], None],
) -> tuple[nn.Module, dict[str, float]]:
    # Imported here because it is an extra: inference does without.
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise PluginError("TensorBoard is not installed", 'pip install "gen-toolkit[train]"') from None

    steps = settings.steps
    path = folder / f"{stage.name}.safetensors"
    torch.manual_seed(settings.seed)
    task = stage.start(modules, device)
    module = task.module.to(device)
    average = copy.deepcopy(module).eval().requires_grad_(False)
    optimisers = optimiser.build(task, settings)
    progress: dict[str, float] = {"step": 0, "seconds": 0.0, "loss": float("nan")}
    window: list[float] = []
    if path.exists():
        progress, window = checkpoint.load(path, module, average, optimisers)
        if progress["step"] >= steps:
            return average, progress
        report(f"{stage.name}: resumed at step {progress['step']:.0f} of {steps}")
    else:
        report(f"{stage.name}: {optimiser.trainable(module) / 1e6:.2f} M parameters, {steps} steps")
    first = int(progress["step"])
    log = SummaryWriter(str(folder / "log" / stage.name), purge_step=first)
    before = progress["seconds"]
    started = saved = reported = time.monotonic()
    for step in range(first, steps):
        loss = _update(task, average, optimisers, settings, step, device)
        window = [*window[-(WINDOW - 1) :], loss]
        log.add_scalar("loss", loss, step)
        log.add_scalar("rate", optimiser.rate_factor(step, settings), step)
        now = time.monotonic()
        progress = {
            "step": step + 1,
            "seconds": before + now - started,
            "loss": sum(window) / len(window),
        }
        if now - reported > REPORT_SECONDS or step + 1 == steps:
            pace = (now - started) / (step + 1 - first)
            left = pace * (steps - step - 1)
            report(
                f"{stage.name}: step {step + 1}/{steps}  loss {progress['loss']:.4f}  "
                f"{pace:.2f} s/step  {_clock(left)} left"
            )
            reported = now
        if task.preview and ((step + 1) % preview_every == 0 or step + 1 == steps):
            task.preview(average, folder / f"{stage.name}-{step + 1:06d}.png")
        if now - saved >= save_seconds or step + 1 == steps:
            checkpoint.save(path, module, average, optimisers, progress, window)
            log.flush()
            saved = now
    log.close()
    return average, progress


def _update(
    task: Task,
    average: nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
    settings: Settings,
    step: int,
    device: torch.device,
) -> float:
    module = task.module
    factor = optimiser.rate_factor(step, settings)
    for each, rate in zip(optimisers, (settings.rate, settings.matrix_rate), strict=False):
        for group in each.param_groups:
            group["lr"] = rate * factor
    seed = settings.seed * 1_000_003 + step
    generator = torch.Generator().manual_seed(seed)
    _seed_globally(seed)
    module.train()
    with torch.autocast(device.type, torch.bfloat16, enabled=optimiser.fast_bfloat16(device)):
        loss = task.loss(module, generator)
    if not torch.isfinite(loss):
        raise GenError(f"the loss is {loss.item()} at step {step}", "resume with a lower learning rate")
    for each in optimisers:
        each.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), settings.clip)
    for each in optimisers:
        each.step()
    decay = min(settings.ema, (step + 1) / (step + 10))
    with torch.no_grad():
        for slow, fast in zip(average.parameters(), module.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)
        for kept, current in zip(average.buffers(), module.buffers(), strict=True):
            kept.copy_(current)
    return loss.item()


def _seed_globally(seed: int) -> None:
    """Seed what draws without the step's generator, such as dropout: the same in a run that is resumed.

    Another seed than that of the generator, so that both are independent.
    """
    digest = int.from_bytes(hashlib.blake2b(str(seed).encode(), digest_size=8).digest(), "little") >> 1
    torch.manual_seed(digest)
    np.random.seed(digest % 2**32)
    random.seed(digest)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
