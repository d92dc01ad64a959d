"""How the pronouncer is trained: on the pronunciations that flite gives to words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.train import Settings, Stage, Task, block_matrix
from gen_audio.voice import phones
from gen_audio.voice.layers import padded
from gen_audio.voice.pronouncer import SLOTS, Pronouncer, PronouncerShape, guess, spell
from gen_audio.voice.training.data import lexicon

COMMON_SHARE = 0.2
CHUNK = 512
LONGEST = 22


def stage(settings: Settings, batch: int, folder: Path, report: Callable[[str], None]) -> Stage:
    """The stage that trains the pronouncer.

    Args:
        settings: How it is optimised.
        batch: Words per step.
        folder: Where the lexicon is kept.
        report: Called with lines of progress.
    """

    def start(_: Mapping[str, nn.Module], device: torch.device) -> Task:
        entries = lexicon.load_or_build(folder / "lexicon.json", report)
        learned = sorted(
            (
                word
                for word, spoken in entries.items()
                if not lexicon.held_out(word) and len(spoken) <= SLOTS * len(word) and len(word) <= LONGEST
            ),
            key=len,
        )
        common = sorted(lexicon.common().keys() & set(learned))

        def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
            # Words of like length, so that little is padding.
            window = 8 * batch
            first = int(torch.randint(len(learned) - window, (), generator=generator))
            some = (first + torch.randint(window, (batch,), generator=generator)).tolist()
            words = [learned[index] for index in some]
            if float(torch.rand((), generator=generator)) < COMMON_SHARE:
                picks = torch.randint(len(common), (batch,), generator=generator).tolist()
                words = [common[index] for index in picks]
            letters = spell(words)
            targets = [phones.ids(entries[word]) for word in words]
            scores = module(letters.to(device)).float().log_softmax(-1).transpose(0, 1)
            lengths = torch.tensor([len(target) for target in targets])
            places = SLOTS * (letters != 0).sum(1)
            return (
                functional.ctc_loss(
                    scores, padded(targets).to(device), places, lengths, reduction="sum", zero_infinity=True
                )
                / lengths.sum()
            )

        def preview(module: nn.Module, path: Path) -> None:
            assert isinstance(module, Pronouncer)
            held = [word for word in entries if lexicon.held_out(word)][::5]
            right = sum(
                made == entries[word]
                for first in range(0, len(held), CHUNK)
                for word, made in zip(
                    held[first : first + CHUNK], guess(module, held[first : first + CHUNK]), strict=True
                )
            )
            report(f"{path.stem}: {right / len(held):.1%} of {len(held)} held-out words right")

        return Task(module=Pronouncer(PronouncerShape()), loss=loss, preview=preview, matrix=block_matrix)

    return Stage(name="pronouncer", settings=settings, start=start)


def exceptions(network: Pronouncer, entries: lexicon.Lexicon) -> lexicon.Lexicon:
    """The words in which the network errs."""
    words = sorted(entries, key=len)
    found: lexicon.Lexicon = {}
    for first in range(0, len(words), CHUNK):
        some = words[first : first + CHUNK]
        found |= {
            word: entries[word]
            for word, made in zip(some, guess(network, some), strict=True)
            if made != entries[word]
        }
    return found
