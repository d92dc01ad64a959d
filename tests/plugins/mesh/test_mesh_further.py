"""Training on from a model: its codec stays, and its denoiser goes on from where it was."""

import dataclasses
from pathlib import Path

import pytest
import torch

from gen.model import ModelFile, save_model
from gen.nn import PromptEncoder
from gen_mesh.autoencoder import Autoencoder
from gen_mesh.denoiser import Shape, WordShapeTransformer
from gen_mesh.model import WORDS_ARCHITECTURE, load
from gen_mesh.training import recipe


@pytest.fixture
def start(tmp_path: Path) -> ModelFile:
    """A model that was never trained."""
    torch.manual_seed(0)
    shape = Shape(vocabulary=0, width=32, depth=2, heads=2, hidden=64)
    modules = {"codec": Autoencoder(shape.channels), "denoiser": WordShapeTransformer(shape)}
    tensors = {
        f"{name}.{key}": value.half()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    tensors |= {"latents.mean": torch.full((16,), 0.25), "latents.std": torch.full((16,), 2.0)}
    config = {
        "modality": "mesh",
        "architecture": WORDS_ARCHITECTURE,
        "defaults": {"solver": "heun", "grid": "uniform", "steps": 3, "guidance": 2.0},
        "shape": dataclasses.asdict(shape),
        **PromptEncoder(shape.length, ("cube", "mug"), ("a", "cube", "mug")).entries,
    }
    path = tmp_path / "start.safetensors"
    save_model(path, tensors, config, {"licence": "Apache-2.0", "training": {"denoiser": {"step": 9.0}}})
    return ModelFile(path)


def test_a_model_is_trained_on(start: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "SHIPPED", start.path)
    monkeypatch.setattr(recipe, "FURTHER", dataclasses.replace(recipe.FURTHER, batch=4, items=4))
    made = recipe.shapes_recipe("further", tmp_path, lambda _: None)
    [stage] = made.stages
    task = stage.start({}, torch.device("cpu"))
    network = task.module
    assert isinstance(network, WordShapeTransformer)
    before = start.tensors()
    assert torch.equal(network.patches_in.weight.half(), before["denoiser.patches_in.weight"])
    # States are standardised as those of the model are.
    bank = recipe.LatentBank.load(tmp_path / "bank.safetensors")
    assert (bank.mean.unique().tolist(), bank.std.unique().tolist()) == ([0.25], [2.0])
    task.loss(network, torch.Generator().manual_seed(0)).backward()
    gradient = network.patches_out.weight.grad
    assert gradient is not None
    assert gradient.any()
    with torch.no_grad():
        network.patches_out.weight.fill_(0.01)
    path = tmp_path / "shapes.safetensors"
    made.export({"denoiser": network}, {"denoiser": {"step": 1, "seconds": 2.0, "loss": 0.5}}, path)
    file = ModelFile(path)
    assert file.config["names"] == start.config["names"]
    assert file.card["start"] == start.sha256
    further = {"denoiser, further": {"step": 1, "seconds": 2.0, "loss": 0.5}}
    assert file.card["training"] == {"denoiser": {"step": 9.0}, **further}
    after = file.tensors()
    assert after.keys() == before.keys()
    for name, tensor in before.items():
        assert torch.equal(after[name], tensor) == (name != "denoiser.patches_out.weight")
    # A part of the way is gone.
    moved = after["denoiser.patches_out.weight"].float() - 0.01
    assert torch.allclose(
        moved, (1 - recipe.SHARE) * (before["denoiser.patches_out.weight"].float() - 0.01), atol=1e-3
    )
    load(file, "cpu", "float32")
