"""The heavy part of the rude plugin: each part asks ``rude_case.act`` how to behave."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import torch
from rude_case import INPUTS, act
from torch import Tensor

from gen.artifact import Artifact
from gen.diffusion import (
    DDIM,
    ClassifierFree,
    Condition,
    Conditioning,
    Denoiser,
    Guidance,
    NoiseSource,
    RectifiedFlow,
    Sample,
    Solver,
    TimeGrid,
)
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
    content = {"values": artifact.arrays["values"].tolist(), "gen": metadata.recipe}
    file.write(act("writer", json.dumps(content).encode()))


def read(file: BinaryIO) -> Artifact:
    values = np.array(json.load(file)["values"], np.float32)
    return act("reader", Artifact("rude", {"values": values}))


def read_metadata(file: BinaryIO) -> Mapping[str, str]:
    return act(
        "metadata reader", {key: text for key, text in json.load(file).items() if key in ("gen", "note")}
    )


def can_read(_head: bytes) -> bool:
    return act("can_read", False)


def evaluate(_trial: Trial) -> Mapping[str, object]:
    return act("evaluation", {"rudeness": 1.0})


def recipe(_preset: str, _folder: Path, _report: Any) -> Any:
    return act("recipe factory", None)


class RudeSolver(Solver):
    def step(self, state: Any, x: Tensor, denoise: Any, t: Any, s: Any, *, noise: Any) -> Any:
        update = DDIM(0.0).step(state, x, denoise, t, s, noise=noise)
        noise(x, "step")
        return act("solver rude", update)


@dataclass(frozen=True)
class RudeGuidance(Guidance):
    part: str
    rule: Guidance

    def predict(self, at: Any) -> Any:
        return act(self.part, self.rule.predict(at))


class RudeNoise(NoiseSource):
    def normal(self, shape: Sequence[int], stream: str, index: int = 0) -> Tensor:
        return act("noise rude", super().normal(shape, stream, index))


def make_solver() -> Solver:
    return act("factory of solver rude", RudeSolver())


def make_grid(steps: int) -> TimeGrid:
    return act("factory of grid rude", TimeGrid((*(2.0**-step for step in range(steps)), 0.0)))


def make_guidance(scale: float) -> Guidance:
    return act("factory of guidance rude", RudeGuidance("guidance rude", ClassifierFree(scale)))


def make_modifier(guidance: Guidance) -> Guidance:
    return act("factory of guidance ruder", RudeGuidance("guidance ruder", guidance))


def make_cache(denoiser: Denoiser) -> Denoiser:
    return act("factory of cache rude", lambda *given: act("cache rude", denoiser(*given)))


def make_noise(seeds: Sequence[int]) -> NoiseSource:
    return act("factory of noise rude", RudeNoise(seeds))


def validate(_artifact: Artifact) -> str:
    return act("validation of kind rude", "")


def distance(_one: Artifact, _other: Artifact) -> float:
    return act("distance of kind rude", 0.0)


def convert(artifact: Artifact, _params: Mapping[str, object]) -> Artifact:
    return act("converter rude", replace(artifact, kind="polite"))


def before(_plan: Any) -> Any:
    return act("before of run hook rude", None)


class Around:
    def __enter__(self) -> None:
        act("around of run hook rude", None)

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        act("exit of run hook rude", None)


def around(_plan: Any) -> Any:
    return Around()


def after(artifact: Artifact, _plan: Any) -> Any:
    return act("after of run hook rude", (artifact, {}))


def command() -> Any:
    return act("command rude", {})
