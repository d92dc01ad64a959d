"""How the lengths of phones are learned: from those of the sentences in the bank."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gen.train import Settings, Stage, Task, block_matrix
from gen_audio.voice.durations import SPREAD, Durations, DurationsShape
from gen_audio.voice.layers import padded
from gen_audio.voice.training import bank as banks


def stage(settings: Settings, batch: int, hours: float, folder: Path, report: Callable[[str], None]) -> Stage:
    """The stage that trains the durations.

    Args:
        settings: How it is optimised.
        batch: Sentences per step.
        hours: Of speech in the bank.
        folder: Where the bank is kept.
        report: Called with lines of progress.
    """

    def start(_: Mapping[str, nn.Module], device: torch.device) -> Task:
        bank = banks.load_or_build(folder / "bank.safetensors", hours, report)
        bounds = [*bank.starts[:, 1].tolist(), len(bank.ids)]
        sizes = torch.tensor(bounds).diff()

        def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
            some = torch.randint(len(sizes), (4 * batch,), generator=generator)
            # Sentences of like length, so that little is padding.
            first = int(torch.randint(3 * batch, (), generator=generator))
            rows = some[sizes[some].argsort()][first : first + batch].tolist()
            spans = [slice(bounds[row], bounds[row + 1]) for row in rows]
            ids = padded([bank.ids[span].tolist() for span in spans]).to(device)
            begins = padded([bank.first[span].int().tolist() for span in spans]).to(device)
            target = nn.utils.rnn.pad_sequence([bank.seconds[span] for span in spans], True, 1.0).to(device)
            made = module(ids, begins, bank.voices[rows].to(device))
            error = (made - target.clamp(min=0.01).log().float()) / SPREAD
            return error[ids != 0].square().mean()

        network = Durations(DurationsShape(len(banks.VOICES)))
        return Task(module=network, loss=loss, preview=lambda *_: None, matrix=block_matrix)

    return Stage(name="durations", settings=settings, start=start)
