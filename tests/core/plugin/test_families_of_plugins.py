"""A family of checkpoints that a stranger's package brings to a modality of others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from sample_plugins import Install

import gen
from gen.errors import ModelError, PluginError, UsageError
from gen.plugin import FamilySpec, Param
from gen.plugin.checks import family_fault

PLUGIN = """
    from gen.plugin import FamilySpec, Param, hookimpl

    @hookimpl
    def gen_families():
        return [
            FamilySpec(
                name="flat",
                modality="image",
                summary="Pictures of one colour.",
                pipelines=("FlatPipeline",),
                adapter="gen_flat_adapter:load",
                defaults="gen_flat_adapter:defaults",
                params=(
                    Param(name="brightness", type=float, help="Factor.", default=1.0, minimum=0, maximum=1),
                ),
            )
        ]
"""
ADAPTER = """
    from gen.artifact import Artifact
    from gen.diffusion import Condition, Conditioning, RectifiedFlow, TimeGrid, Velocity
    from gen.model import Defaults, Model, Stage

    def defaults(checkpoint):
        return Defaults(solver="ddim", grid="model", steps=3, guidance=1.0)

    class Codec:
        def shape(self, task):
            return (3, 1, 1)

        def decode(self, state, task):
            colour = state.sigmoid()[0, :, 0, 0] * task.params["brightness"]
            return [Artifact("image", {"pixels": colour.expand(64, 64, 3).numpy().copy()})]

    class Flat(Stage):
        def own_grid(self, task):
            return TimeGrid.quadratic(task.steps)

    def load(checkpoint, device, dtype):
        (_, colour), = checkpoint["painter"].weights.tensors()

        def network(x, t, conditioning):
            return (x - colour[None, :, None, None]) / t[:, None, None, None]

        stage = Flat(process=RectifiedFlow(), parameterization=Velocity(), network=network)
        return Model(
            name=checkpoint.name, modality="image", sha256=checkpoint.sha256, codec=Codec(),
            defaults=defaults(checkpoint), stages=(stage,),
        )
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "red"
    (path / "painter").mkdir(parents=True)
    index = {"_class_name": "FlatPipeline", "painter": ["diffusers", "Painter"]}
    (path / "model_index.json").write_text(json.dumps(index))
    (path / "painter" / "config.json").write_text("{}")
    save_file({"colour": np.array([4.0, -4.0, -4.0], np.float32)}, path / "painter" / "model.safetensors")
    return path


def test_a_family_of_another_package(install: Install, folder: Path) -> None:
    with pytest.raises(ModelError, match="a checkpoint of FlatPipeline, which no family here drives"):
        gen.image("red", model=folder)
    install(
        "gen-flat",
        {"gen_flat_plugin": PLUGIN, "gen_flat_adapter": ADAPTER},
        plugins={"flat": "gen_flat_plugin"},
    )
    picture = gen.image("red", model=folder, brightness=0.5)
    assert picture.arrays["pixels"][0, 0] == pytest.approx([0.491, 0.009, 0.009], abs=1e-3)
    assert (picture.recipe.steps, picture.recipe.grid) == (3, "model")
    assert picture.recipe.params["brightness"] == 0.5
    assert picture.recipe.versions["gen-flat"] == "1.0"
    other = gen.image("red", model=folder, grid="karras", solver="heun", steps=2)
    assert other.arrays["pixels"][0, 0] == pytest.approx([0.982, 0.018, 0.018], abs=1e-3)
    with pytest.raises(UsageError, match="brightness must be"):
        gen.image("red", model=folder, brightness=2)


def test_a_family_without_prompts_and_abilities(install: Install, folder: Path) -> None:
    plugin = PLUGIN.replace("params=(", 'prompt="none", abilities=("guidance",), params=(', 1)
    modules = {"gen_flat_plugin": plugin, "gen_flat_adapter": ADAPTER}
    install("gen-flat", modules, plugins={"flat": "gen_flat_plugin"})
    assert gen.image(model=folder).recipe.prompt == ""
    assert gen.load(folder)(seed=1).arrays["pixels"].shape == (64, 64, 3)
    with pytest.raises(UsageError, match="model red takes no prompt"):
        gen.image("red", model=folder)
    with pytest.raises(UsageError, match="model red takes no negative prompt"):
        gen.image(model=folder, negative="blue")
    with pytest.raises(UsageError, match="model red starts from noise alone"):
        gen.image(model=folder, init=np.zeros((8, 8, 3), np.float32))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("return (x - colour", "raise ValueError('no'); return (x - colour", "the network of plugin flat"),
        ("return TimeGrid.quadratic", "return 3, TimeGrid", "the stage.own_grid of plugin flat"),
        ("return (3, 1, 1)", "return 3", "the codec.shape of plugin flat"),
        ("return Defaults(", "return None, Defaults(", "the defaults of family flat of plugin flat"),
        ("stage = Flat(", "raise KeyError(3); stage = Flat(", "the loader of plugin flat"),
    ],
)
def test_a_fault_is_that_of_the_plugin_that_declares_the_family(
    install: Install, folder: Path, old: str, new: str, line: str
) -> None:
    adapter = ADAPTER.replace(old, new)
    assert adapter != ADAPTER
    modules = {"gen_flat_plugin": PLUGIN, "gen_flat_adapter": adapter}
    install("gen-flat", modules, plugins={"flat": "gen_flat_plugin"})
    with pytest.raises(PluginError) as caught:
        gen.image("red", model=folder)
    assert f"{line} (gen-flat 1.0)" in caught.value.message


def test_a_model_without_a_grid_of_its_own() -> None:
    with pytest.raises(UsageError, match="the model brings no grid of its own"):
        gen.image("a dog", grid="model", steps=1)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"summary": ""}, "summary must be a line of text"),
        ({"adapter": "module"}, "adapter must be an import string"),
        ({"pipelines": "FlatPipeline"}, "pipelines must be a tuple of names of classes"),
        ({"params": (Param(name="No Name", type=int, help="x"),)}, "name must be snake_case"),
        ({"prompt": "perhaps"}, "prompt must be one of"),
        ({"abilities": ("fly",)}, "abilities must be a tuple out of"),
    ],
)
def test_faults_of_a_spec(changes: dict[str, object], fault: str) -> None:
    values = {
        "name": "flat", "modality": "image", "summary": "Flat.", "pipelines": ("FlatPipeline",),
        "adapter": "gen_flat:load", "defaults": "gen_flat:defaults",
    }  # fmt: skip
    assert family_fault(FamilySpec(**values)) == ""
    assert fault in family_fault(FamilySpec(**{**values, **changes}))


def test_a_fault_is_that_of_the_plugin_that_declares_a_model_with_a_loader(
    install: Install, tmp_path: Path
) -> None:
    from gen.model import ModelFile, save_model

    path = tmp_path / "flat.safetensors"
    defaults = {"solver": "ddim", "grid": "uniform", "steps": 2, "guidance": 1.0}
    save_model(path, {}, {"modality": "image", "defaults": defaults}, {})
    light = f"""
        from gen.plugin import ModelSpec, hookimpl

        @hookimpl
        def gen_models():
            return [ModelSpec(name="flat", modality="image", summary="Flat.", source={str(path)!r},
                              sha256={ModelFile(path).sha256!r}, size=1, licence="CC0-1.0",
                              loader="gen_flat_loader:load")]
    """
    heavy = """
        from gen.diffusion import RectifiedFlow, Sample
        from gen.model import Model

        class Codec:
            def shape(self, task):
                return (1, 1)

        def network(x, c_noise, conditioning):
            raise ValueError("no")

        def load(file, device, dtype):
            return file.model(
                process=RectifiedFlow(), parameterization=Sample(), network=network, codec=Codec()
            )
    """
    install(
        "gen-flat",
        {"gen_flat_plugin": light, "gen_flat_loader": heavy},
        plugins={"flat": "gen_flat_plugin"},
    )
    with pytest.raises(PluginError, match=r"the network of plugin flat \(gen-flat 1.0\) raised ValueError"):
        gen.image("red", model="flat")
