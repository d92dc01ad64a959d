"""Train the network of sentences: ``python -m gen.train.sentences MODEL OUT --stock … [--further]``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.errors import UsageError
from gen.model import ModelFile
from gen.nn import keywords_of
from gen.train.natural_prompts import natural_prompts
from gen.train.recipe import Recipe, Settings, Stage, Task
from gen.train.sentences import file, imitation, texts
from gen.train.trainer import run
from gen.train.words import wordnet
from gen.train.words.sentences import SentenceModel
from gen.words.sentences import FILE, sentences

SETTINGS = Settings(steps=2200, rate=4e-4, warmup=100, decay=1.0, ema=0.99, weight_decay=0.01)
FURTHER = replace(SETTINGS, steps=1800, rate=2e-4, warmup=50)
"""When the network that comes with the package is trained on."""
BATCH = 256
SEED = 0
STAGE = "network"
EVERY = 7
"""Every seventh text is enough to find the axes."""


@dataclass(frozen=True)
class Vocabulary:
    """What a model can make, and what people say for it.

    Args:
        names: Of things.
        phrases: Names to other words for them.
        keywords: Pairs of another word for a thing and its name.
        prompts: Whole prompts, and the names that are right for each.
    """

    names: tuple[str, ...]
    phrases: Mapping[str, Sequence[str]]
    keywords: tuple[tuple[str, str], ...] = ()
    prompts: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, phrases: Path, *others: Path) -> Vocabulary:
        """What a text of phrases, model files and texts of prompts hold.

        Names of skin tones are no things of their own. The answers to a prompt may be names of two stocks,
        "dog, bounces", of which each takes its own.
        """
        models = [ModelFile(path) for path in others if path.suffix == ".safetensors"]
        prompts = {
            prompt: list(dict.fromkeys(name for answer in answers for name in answer.split(", ")))
            for path in others
            if path.suffix != ".safetensors"
            for prompt, answers in natural_prompts(path).items()
        }
        said = natural_prompts(phrases)
        names = dict.fromkeys([*(name for model in models for name in model.names), *said])
        keywords = [
            pair for model in models if "keywords" in model.config for pair in keywords_of(model.config)
        ]
        return cls(tuple(name for name in names if "skin tone" not in name), said, tuple(keywords), prompts)

    def said(self) -> Iterator[tuple[str, Sequence[str], float]]:
        """What is said, the names that it may mean, and how much it counts."""
        known = set(self.names)
        yield from ((name, [name], imitation.OWN_NAME) for name in self.names)
        yield from ((phrase, [name], 1.0) for name, said in self.phrases.items() for phrase in said)
        yield from ((word, [name], imitation.KEYWORD) for word, name in self.keywords if name in known)
        for prompt, answers in self.prompts.items():
            if right := [name for name in answers if name in known]:
                yield prompt, right, imitation.PROMPT


def main() -> None:
    """Read the arguments, train, and write the file."""
    parser = argparse.ArgumentParser(prog="python -m gen.train.sentences", description=__doc__)
    parser.add_argument("model", type=Path, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("out", type=Path, help="folder of the run")
    parser.add_argument(
        "--stock",
        type=Path,
        nargs="+",
        metavar=("PHRASES", "FILE"),
        action="append",
        required=True,
        help="a text with lines such as: dog = puppy | a labrador; perhaps a model that has further names; "
        "perhaps a text of prompts and the names that are right for each: a puppy in the snow = dog | wolf",
    )
    parser.add_argument("--further", action="store_true", help="begin with the network of the package")
    parser.add_argument("--steps", type=int, help="other than the recipe's")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in OUT")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    stocks = [Vocabulary.of(*paths) for paths in arguments.stock]
    run(
        recipe(arguments.model, stocks, arguments.out, further=arguments.further),
        arguments.out,
        steps=None if arguments.steps is None else {STAGE: arguments.steps},
        resume=arguments.resume,
    )


def recipe(model: Path, stocks: Sequence[Vocabulary], out: Path, *, further: bool = False) -> Recipe:
    """One stage, and the file.

    Args:
        model: Folder of the sentence model.
        stocks: What phrases mean.
        out: Folder where the sentence model's vectors are kept.
        further: Begin with the network that comes with the package, not with layers of the sentence model.

    Raises:
        UsageError: The network that comes with the package was made from another sentence model.
    """
    settings = FURTHER if further else SETTINGS
    teacher = SentenceModel(model, out, lambda line: print(line, file=sys.stderr, flush=True))
    vocabulary = {piece: number for number, piece in enumerate(teacher.pieces)}
    pieces = imitation.pieces_of(vocabulary)
    if further and sentences().split.get_vocab() != {piece: at for at, piece in enumerate(pieces)}:
        raise UsageError(f"{model} splits words otherwise than the network that it is to teach")

    def start(modules: Mapping[str, nn.Module], device: torch.device) -> Task:  # noqa: ARG001
        learned, axes = lesson(teacher, stocks)
        if further:
            return imitation.task(file.shipped(things_of(stocks)), pieces, learned, BATCH)
        heads = json.loads((model / "config.json").read_text())["num_attention_heads"]
        network = imitation.beginning(model, heads, [vocabulary[piece] for piece in pieces], axes)
        return imitation.task(imitation.Reader(network, learned.beginnings), pieces, learned, BATCH)

    def export(modules: Mapping[str, nn.Module], history: object, path: Path) -> None:  # noqa: ARG001
        reader = modules[STAGE]
        assert isinstance(reader, imitation.Reader)
        file.write(path, reader, pieces, things_of(stocks))

    return Recipe(name=FILE.stem, stages=(Stage(name=STAGE, settings=settings, start=start),), export=export)


def things_of(stocks: Sequence[Vocabulary]) -> list[str]:
    """The names of all stocks, each once; a name means the same in all of them."""
    return list(dict.fromkeys(name for stock in stocks for name in stock.names))


def lesson(teacher: SentenceModel, stocks: Sequence[Vocabulary]) -> tuple[imitation.Lesson, Tensor]:
    """What is learned, and the axes of the sentence model's vectors that are kept."""
    written = texts.texts(wordnet.load(), SEED)
    vectors = teacher(written)
    axes = imitation.axes_of(vectors[::EVERY])
    place = {name: at for at, name in enumerate(things_of(stocks))}
    said = [(number, *each) for number, stock in enumerate(stocks) for each in stock.said()]
    words = [text for _, text, *_ in said]
    most = max(len(names) for *_, names, _ in said)
    rows = [[place[name] for name in names] for *_, names, _ in said]
    things = torch.tensor([row + row[:1] * (most - len(row)) for row in rows])
    weights = torch.tensor([weight for *_, weight in said])
    stocked = torch.zeros(len(stocks), len(place), dtype=torch.bool)
    for number, stock in enumerate(stocks):
        stocked[number, [place[name] for name in stock.names]] = True
    beginnings = torch.zeros(len(place), axes.shape[1])
    beginnings.index_add_(0, things[:, 0], teacher(words) @ axes * weights[:, None])
    learned = imitation.Lesson(
        texts=written,
        targets=functional.normalize(vectors @ axes, dim=-1).half(),
        phrases=words,
        things=things,
        weights=weights,
        stocks=torch.tensor([number for number, *_ in said]),
        stocked=stocked,
        beginnings=functional.normalize(beginnings, dim=-1),
    )
    return learned, axes


if __name__ == "__main__":
    main()
