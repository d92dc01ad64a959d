"""The heavy part of the rude plugin: each part asks ``rude_case.act`` how to behave."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from rude_case import INPUTS, act
from torch import Tensor

from gen.artifact import Artifact
from gen.diffusion import Condition, Conditioning, RectifiedFlow, Sample
from gen.evaluation import Trial
from gen.model import Model, ModelFile, Task

act("heavy import", None)


class Words:
    def __call__(self, prompts: Sequence[str], _params: Mapping[str, object]) -> Conditioning:
        return act("encoder", Conditioning({"text": Condition(torch.ones(len(prompts), 1), "global")}))

    def settle(self, _prompt: str, _params: Mapping[str, object], _seed: int) -> Mapping[str, int]:
        return act("encoder.settle", {"size": 4})

    def unknown_words(self, _prompt: str) -> tuple[str, ...]:
        return act("encoder.unknown_words", ())

    def suggestions(self, _prompt: str, _count: int) -> tuple[str, ...]:
        return ()


class Values:
    def shape(self, task: Task) -> tuple[int, ...]:
        return act("codec.shape", (1, task.params["size"]))

    def encode(self, artifacts: Sequence[Artifact], _task: Task) -> Tensor:
        values = np.stack([artifact.arrays["values"] for artifact in artifacts])
        return act("codec.encode", torch.from_numpy(values)[:, None])

    def decode(self, state: Tensor, _task: Task) -> list[Artifact]:
        return act("codec.decode", [Artifact("rude", {"values": row[0].numpy().copy()}) for row in state])

    def mask(self, mask: Artifact, _task: Task) -> Tensor:
        return act("codec.mask", torch.from_numpy(mask.arrays["values"])[None, None].clamp(0, 1))

    def composite(self, made: Artifact, _task: Task) -> Artifact:
        return act("codec.composite", made)


def network(x: Tensor, _c_noise: Tensor, _conditioning: Conditioning) -> Tensor:
    output = x * 0.5
    INPUTS[:] = [x]
    return act("network", output)


def load(file: ModelFile, _device: str, _dtype: str) -> Model:
    model = file.model(
        process=RectifiedFlow(),
        parameterization=Sample(),
        network=network,
        encoder=Words(),
        codec=Values(),
    )
    return act("loader", model)


def write(artifact: Artifact, file: BinaryIO, metadata: Any) -> None:
    content = {"values": artifact.arrays["values"].tolist(), "software": metadata.software}
    file.write(act("writer", json.dumps(content).encode()))


def read(file: BinaryIO) -> Artifact:
    values = np.array(json.load(file)["values"], np.float32)
    return act("reader", Artifact("rude", {"values": values}))


def read_metadata(file: BinaryIO) -> Mapping[str, str]:
    return act("metadata reader", {key: text for key, text in json.load(file).items() if key == "note"})


def can_read(_head: bytes) -> bool:
    return act("can_read", False)


def evaluate(_trial: Trial) -> Mapping[str, object]:
    return act("evaluation", {"rudeness": 1.0})


def recipe(_preset: str, _folder: Path, _report: Any) -> Any:
    return act("recipe factory", None)
