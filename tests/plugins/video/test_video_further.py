"""Training on from a model: its codec and matte stay, and its denoiser goes on from where it was."""

import dataclasses
from pathlib import Path

import pytest
import torch

from gen.model import ModelFile, save_model
from gen.nn import Matte, Subwords
from gen_video.autoencoder import Autoencoder
from gen_video.denoiser import ClipTransformer, Shape
from gen_video.model import SUBWORDS_ARCHITECTURE, load
from gen_video.training import recipe


@pytest.fixture
def start(tmp_path: Path) -> ModelFile:
    """A model that was never trained."""
    torch.manual_seed(0)
    subwords = Subwords.train(["a", "runner", "walks", "left"], ["a runner walks left"], 40)
    shape = Shape(vocabulary=len(subwords), width=32, depth=2, heads=2, hidden=64)
    modules = {"codec": Autoencoder(), "matte": Matte(), "denoiser": ClipTransformer(shape)}
    tensors = {
        f"{name}.{key}": value.half()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    tensors |= {"latents.mean": torch.full((128,), 0.25), "latents.std": torch.full((128,), 2.0)}
    config = {
        "modality": "video",
        "architecture": SUBWORDS_ARCHITECTURE,
        "defaults": {"solver": "dpmpp_2m", "grid": "uniform", "steps": 3, "guidance": 2.0},
        "shape": dataclasses.asdict(shape),
        "subwords": subwords.to_json(),
        "names": "ball|runner",
        "words": "a runner walks left",
    }
    path = tmp_path / "start.safetensors"
    save_model(path, tensors, config, {"licence": "Apache-2.0", "training": {"denoiser": {"step": 9.0}}})
    return ModelFile(path)


def test_a_model_is_trained_on(start: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = dataclasses.replace(recipe.FURTHER, batch=16, items=24)
    monkeypatch.setattr(recipe, "SHIPPED", start.path)
    monkeypatch.setattr(recipe, "FURTHER", sizes)
    made = recipe.motion_recipe("further", tmp_path, lambda _: None)
    [stage] = made.stages
    task = stage.start({}, torch.device("cpu"))
    network = task.module
    assert isinstance(network, ClipTransformer)
    before = start.tensors()
    assert torch.equal(network.cells_in.weight.half(), before["denoiser.cells_in.weight"])
    # States are standardised as those of the model are, and captions are in its subwords.
    bank = recipe.LatentBank.load(tmp_path / "bank.safetensors")
    assert (bank.mean.unique().tolist(), bank.std.unique().tolist()) == ([0.25], [2.0])
    assert bank.subwords.to_json() == start.config["subwords"]
    task.loss(network, torch.Generator().manual_seed(0)).backward()
    gradient = network.cells_out.weight.grad
    assert gradient is not None
    assert gradient.any()
    with torch.no_grad():
        network.cells_out.weight.fill_(0.01)
    path = tmp_path / "motion.safetensors"
    made.export({"denoiser": network}, {"denoiser": {"step": 1, "seconds": 2.0, "loss": 0.5}}, path)
    file = ModelFile(path)
    assert file.config["names"] == start.config["names"]
    assert file.card["start"] == start.sha256
    further = {"denoiser, further": {"step": 1, "seconds": 2.0, "loss": 0.5}}
    assert file.card["training"] == {"denoiser": {"step": 9.0}, **further}
    after = file.tensors()
    assert after.keys() == before.keys()
    for name, tensor in before.items():
        assert torch.equal(after[name], tensor) == (name != "denoiser.cells_out.weight")
    load(file, "cpu", "float32")
