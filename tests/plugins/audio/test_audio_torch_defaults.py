"""What torch makes where nobody says of which type and on which device never shows in a sound."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

import gen
from gen.artifact import Artifact
from gen.model import CompletingCodec, Model, ModelFile, Task
from gen_audio import mel
from gen_audio.abilities import load

PARAMS = {"duration": 1.5, "sample_rate": 16_000, "channels": "stereo"}


@contextmanager
def other_defaults(device: str | None) -> Iterator[None]:
    for made in (mel._filters, mel._window, mel._weights, mel._unmel):
        made.cache_clear()
    torch.set_default_dtype(torch.float64)
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


@pytest.fixture(scope="module")
def models(
    tmp_path_factory: pytest.TempPathFactory,
    write_model: Callable[..., Path],
    write_voice: Callable[..., Path],
) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "sounds": write_model(folder / "sounds.safetensors"),
        "voice": write_voice(folder / "voice.safetensors"),
    }


def states(model: Model, params: Mapping[str, object]) -> Iterator[torch.Tensor]:
    """All that codecs compute, in a fixed order."""
    wave = 0.3 * np.sin(0.1 * np.arange(24_000, dtype=np.float32))[None]
    sound = Artifact("audio", {"samples": wave}, {"sample_rate": 24_000})
    codec = model.codec
    encoded = codec.encode([sound], Task(params=params))
    yield encoded
    yield codec.mask(sound, Task(params=params))
    for artifact in codec.decode(encoded, Task(params=params)):
        yield torch.from_numpy(artifact.arrays["samples"])
    if isinstance(codec, CompletingCodec):
        yield from codec.given(Task(params={**params, "extend": sound})) or ()


@pytest.mark.parametrize(("name", "loop"), [("sounds", False), ("sounds", True), ("voice", False)])
def test_codecs_give_the_same_bits(models: Mapping[str, Path], name: str, loop: bool) -> None:
    model, params = load(ModelFile(models[name]), "cpu", "float32"), {**PARAMS, "loop": loop}
    plain = list(states(model, params))
    with other_defaults("meta"):
        found = list(states(model, params))
    for one, other in zip(plain, found, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


def test_a_voice_reads_the_same(models: Mapping[str, Path]) -> None:
    encoder = load(ModelFile(models["voice"]), "cpu", "float32").encoder
    plain = encoder(["The fox.", ""], PARAMS)
    with other_defaults("meta"):
        found = encoder(["The fox.", ""], PARAMS)
    for name in ("phones", "voice"):
        assert plain[name].value.dtype == found[name].value.dtype == torch.float32
        assert torch.equal(plain[name].value, found[name].value)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("name", "prompt"), [("sounds", "a piano melody"), ("voice", "the fox")])
def test_whole_generations_give_the_same_bits(models: Mapping[str, Path], name: str, prompt: str) -> None:
    def made() -> np.ndarray:
        return gen.audio(prompt, model=models[name], seed=1).arrays["samples"]

    plain = made()
    with other_defaults("meta"):
        assert np.array_equal(plain, made())
