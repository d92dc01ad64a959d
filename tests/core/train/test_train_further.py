"""Training the denoiser of a model on."""

from pathlib import Path

import pytest
import torch
from torch import nn

from gen.errors import ModelError
from gen.model import ModelFile, save_model
from gen.nn import Subwords
from gen.train import further, halves


class Start(further.Start):
    """A model whose denoiser is one layer."""

    architecture = "gen-test/layer/1"


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """A model that is trained on for the second time."""
    torch.manual_seed(0)
    modules = {"codec": nn.Linear(2, 3), "denoiser": nn.Linear(3, 3)}
    scale = {"latents.mean": torch.full((3,), 0.25), "latents.std": torch.full((3,), 2.0)}
    config = {
        "modality": "test",
        "architecture": "gen-test/layer/1",
        "defaults": {"solver": "heun", "grid": "uniform", "steps": 1, "guidance": 1.0},
        "subwords": Subwords.train(["a", "cat"], ["a cat"], 10).to_json(),
    }
    history = {"codec": {"step": 9.0}, "denoiser": {"step": 5.0}, "denoiser, further": {"step": 2.0}}
    path = tmp_path / "start.safetensors"
    save_model(path, {**halves(modules), **scale}, config, {"summary": "old", "training": history})
    return Start(path)


def test_a_model_is_what_training_goes_on_from(start: Start) -> None:
    assert [values.tolist() for values in start.scale] == [[0.25] * 3, [2.0] * 3]
    assert start.subwords.to_json() == start.file.config["subwords"]
    stored = start.file.tensors(prefix="denoiser.")
    assert start.weights.keys() == {"weight", "bias"}
    for name, tensor in start.weights.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor.half(), stored[name])


def test_all_but_the_denoiser_stays(start: Start, tmp_path: Path) -> None:
    denoiser = nn.Linear(3, 3)
    defaults = {"solver": "default", "grid": "uniform", "steps": 8, "guidance": 2.0}
    path = tmp_path / "new.safetensors"
    history = {"denoiser": {"step": 3.0}}
    start.save(path, denoiser, {"defaults": defaults}, {"summary": "new"}, history)
    file = ModelFile(path)
    before, after = start.file.tensors(), file.tensors()
    assert after.keys() == before.keys()
    for name, tensor in (before | halves({"denoiser": denoiser})).items():
        assert torch.equal(after[name], tensor)
    assert file.config == {**start.file.config, "defaults": defaults}
    begun = {"codec": {"step": 9.0}, "denoiser": {"step": 5.0}}
    assert file.card == {
        "summary": "new",
        "preset": "further",
        "start": start.file.sha256,
        "training": {**begun, "denoiser, further": {"step": 3.0}},
    }


def test_another_architecture_is_refused(start: Start) -> None:
    class Other(further.Start):
        architecture = "gen-test/layer/2"

    with pytest.raises(ModelError, match="gen-test/layer/1"):
        Other(start.path).weights  # noqa: B018


def test_weights_between_those_before_and_after() -> None:
    before, after = nn.Linear(2, 2), nn.Linear(2, 2)
    for share, expected in (
        (0, before.weight),
        (1, after.weight),
        (0.75, 0.25 * before.weight + 0.75 * after.weight),
    ):
        mixed = further.between(before, after, share)
        assert isinstance(mixed, nn.Linear)
        assert torch.allclose(mixed.weight, expected)
        assert mixed is not after
