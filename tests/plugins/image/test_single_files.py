"""Single files of Stable Diffusion: the models of folders, under the names of their first programs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gen import presets
from gen.api import find_host
from gen.checkpoints import Checkpoint, Component
from gen.checkpoints.text import load_tokenizer
from gen.checkpoints.weights import Weights
from gen.cli.described_model import facts
from gen.diffusion import NoiseSource, sample
from gen.errors import ModelError
from gen.model import Task
from gen.plan import Reading, find_source, modality_of
from gen_image.families import stable_diffusion, stable_diffusion_xl
from gen_image.families.ldm import names
from gen_image.families.ldm.single_file import CONFIGURATIONS, ENCODERS, VOCABULARY, layout

with tiny.without_broken_libraries():
    from diffusers.loaders import single_file_utils as theirs

FAMILIES = [path.stem for path in sorted(CONFIGURATIONS.glob("*.json"))]


def configurations(family: str) -> dict[str, Any]:
    return json.loads((CONFIGURATIONS / f"{family}.json").read_text())


def on_meta(build: Any) -> dict[str, Tensor]:
    with torch.device("meta"):
        return build().state_dict()


def old(modules: Mapping[str, str], name: str) -> str:
    """The name of before, by the table read backwards."""
    return names.renamed(name, {new: before for before, new in modules.items()}) or name


@pytest.mark.parametrize("family", FAMILIES)
def test_the_tables_are_those_of_diffusers(family: str) -> None:
    """Every tensor of the networks in full size, from our names to theirs by their own converters."""
    table = configurations(family)
    for part, build, modules, convert in (
        ("unet", tiny.diffusers.UNet2DConditionModel, names.unet_modules, theirs.convert_ldm_unet_checkpoint),
        ("vae", tiny.diffusers.AutoencoderKL, names.vae_modules, theirs.convert_ldm_vae_checkpoint),
    ):
        config = table[part]
        expected = on_meta(lambda: build.from_config(config))  # noqa: B023
        prefix = {"unet": "model.diffusion_model.", "vae": "first_stage_model."}[part]
        before = {f"{prefix}{old(modules(config), name)}": tensor for name, tensor in expected.items()}
        # As in files: convolutions of 1 x 1, which their converter makes matrices of.
        conv = [
            name for name in before if ".attn_1." in name and name.endswith("weight") and ".norm." not in name
        ]
        before |= {name: before[name][..., None, None] for name in conv}
        assert len(before) == len(expected)
        after = convert(before, config)
        shapes = {name: tuple(tensor.shape) for name, tensor in after.items()}
        assert shapes == {name: tuple(tensor.shape) for name, tensor in expected.items()}
        targets = {"unet": names.unet_targets, "vae": names.vae_targets}[part]
        ours = targets([name.removeprefix(prefix) for name in before], config)
        for name, [target] in ours.items():
            assert target.shape(tuple(before[prefix + name].shape)) == shapes[target.name]
            same = after[target.name] is before[prefix + name]
            assert same or target.form == "matrix"
        assert {target.name for [target] in ours.values()} == shapes.keys()


def open_clip(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors of a text transformer under OpenCLIP's names: queries, keys and values in one matrix."""
    modules = names.open_clip_modules(config)
    made = {}
    for short, tensor in state.items():
        name = short if short.startswith("text_") else f"text_model.{short}"
        if "self_attn.out" not in name and "self_attn." in name:
            block, _, rest = name.partition(".self_attn.")
            kind = rest.rpartition(".")[2]
            inner = f"transformer.resblocks.{block.rpartition('.')[2]}.attn.in_proj_{kind}"
            made.setdefault(inner, {})[rest[0]] = tensor  # type: ignore[call-overload]
        elif name == "text_projection.weight":
            made["text_projection"] = tensor.T
        else:
            made[old(modules, name)] = tensor
    return {
        name: torch.cat([value[each] for each in "qkv"]) if isinstance(value, dict) else value
        for name, value in made.items()
    } | {"logit_scale": torch.tensor(4.6)}


@pytest.mark.parametrize("projected", [False, True])
def test_the_text_transformer_of_open_clip(projected: bool) -> None:
    model = tiny.clip(projected=projected)
    config = model.config.to_dict()
    prefix = "conditioner.embedders.1.model." if projected else "cond_stage_model.model."
    state = {name: tensor for name, tensor in model.state_dict().items() if "position_ids" not in name}
    before = {f"{prefix}{name}": tensor for name, tensor in open_clip(state, config).items()}
    after = theirs.convert_open_clip_checkpoint(model, before, prefix)
    targets = names.open_clip_targets([name.removeprefix(prefix) for name in before], config, projected)
    ours = {
        target.name: target.tensor(before[prefix + name])
        for name, places in targets.items()
        for target in places
    }
    assert len(ours) == len(state)
    for name, tensor in ours.items():
        assert torch.equal(tensor, after[name]), name


def single(pipeline: Any, family: str, path: Path, folder: Path) -> Path:
    """A file with a pipeline under the old names, and configurations of its sizes beside it."""
    table = configurations(family)
    state: dict[str, Tensor] = {}
    for part, prefix in (("unet", "model.diffusion_model."), ("vae", "first_stage_model.")):
        network = getattr(pipeline, part)
        table[part] = {key: value for key, value in network.config.items() if key[0] != "_"}
        modules = {"unet": names.unet_modules, "vae": names.vae_modules}[part](network.config)
        for name, tensor in network.state_dict().items():
            matrix = part == "vae" and "attentions" in name and tensor.ndim == 2
            state[f"{prefix}{old(modules, name)}"] = tensor[..., None, None] if matrix else tensor
    for part, prefix in ENCODERS[family].items():
        encoder = getattr(pipeline, part)
        table[part] = encoder.config.to_dict()
        inner = encoder.state_dict()
        if prefix.endswith("model."):
            inner = open_clip(inner, table[part])
        else:
            inner = {
                name if "text_model" in name else f"text_model.{name}": each for name, each in inner.items()
            }
        state |= {f"{prefix}{name}": tensor for name, tensor in inner.items()}
    table["scheduler"] = dict(pipeline.scheduler.config)
    table["model_index"]["scheduler"] = ["diffusers", type(pipeline.scheduler).__name__]
    state["alphas_cumprod"] = torch.zeros(1000)
    save_file({name: tensor.clone().contiguous() for name, tensor in state.items()}, path)
    folder.mkdir()
    (folder / f"{family}.json").write_text(json.dumps(table))
    return path


def stable_diffusion_2(scheduler: Any) -> Any:
    pipeline = tiny.stable_diffusion(scheduler, use_linear_projection=True)
    pipeline.register_modules(tokenizer=tiny.clip_tokenizer(pad_token="!"))
    pipeline.scheduler.register_to_config(prediction_type="v_prediction")
    return pipeline


PIPELINES = {
    "stable-diffusion-1": (tiny.stable_diffusion, stable_diffusion.load),
    "stable-diffusion-2": (stable_diffusion_2, stable_diffusion.load),
    "stable-diffusion-xl": (tiny.stable_diffusion_xl, stable_diffusion_xl.load),
}


def opened(file: Path, folder: Path) -> Checkpoint:
    """A tiny single file, with the vocabulary of the folder."""
    found = layout(Weights((file,), file.name), file.parent / "configurations")
    assert found is not None
    return Checkpoint(file, layout=replace(found, folders={name: folder / name for name in found.folders}))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Folder and file of each pipeline."""
    made = {}
    for family, (build, _) in PIPELINES.items():
        root = tmp_path_factory.mktemp(family)
        pipeline = build(tiny.diffusers.DDIMScheduler(**tiny.SD_CHAIN, clip_sample=False, steps_offset=1))
        folder = tiny.saved(pipeline, root / "folder")
        made[family] = folder, single(pipeline, family, root / "fox.safetensors", root / "configurations")
    return made


@pytest.mark.parametrize("family", PIPELINES)
def test_a_file_makes_what_its_folder_makes(family: str, files: dict[str, tuple[Path, Path]]) -> None:
    folder, file = files[family]
    checkpoint = opened(file, folder)
    load = PIPELINES[family][1]
    task = Task(prompts=("a (red:1.2) fox",), params={"width": 16, "height": 16}, noise=NoiseSource([7]))
    made = []
    for one in (Checkpoint(folder), checkpoint):
        model = load(one, "cpu", "float32")
        stage, *_ = model.stages
        with torch.inference_mode():
            grid = stage.schedule.grid(4)
            x = sample(
                stage.denoiser(task), stage.process, grid, presets.solver("ddim"),
                x=torch.randn(1, 4, 8, 8, generator=torch.manual_seed(1)),
                conditioning=stage.encode(task), noise=task.noise,
            ).x  # fmt: skip
            made.append(model.codec.decode(x, task)[0].arrays["pixels"])
    assert np.array_equal(*made)
    assert made[0].std() > 0.05
    assert checkpoint.name == "fox"
    assert checkpoint.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def changed(file: Path, out: Path, change: Any, **notes: str) -> Weights:
    state = load_file(file)
    change(state)
    save_file(state, out, notes)
    return Weights((out,), out.name)


def drop(beginning: str) -> Any:
    def change(state: dict[str, Tensor]) -> None:
        for name in [name for name in state if name.startswith(beginning)]:
            del state[name]

    return change


def test_what_a_file_says_of_itself(files: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    out = tmp_path / "fox.safetensors"
    one, two = (files[f"stable-diffusion-{number}"][1] for number in "12")
    xl = files["stable-diffusion-xl"][1]

    def predicts(weights: Weights) -> object:
        found = layout(weights)
        assert found is not None
        return found.configs["scheduler"]["prediction_type"]

    assert predicts(Weights((one,), "")) == "epsilon"
    assert predicts(Weights((two,), "")) == "v_prediction"
    assert predicts(changed(two, out, dict, **{"modelspec.prediction_type": "epsilon"})) == "epsilon"
    assert predicts(changed(xl, out, lambda state: state.update(v_pred=torch.zeros(1)))) == "v_prediction"
    out.with_suffix(".yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
    assert predicts(changed(one, out, dict)) == "v_prediction"
    out.with_suffix(".yaml").write_text("model:\n  params:\n    timesteps: 1000\n")
    assert predicts(changed(two, out, dict)) == "epsilon"

    def inpaints(state: dict[str, Tensor]) -> None:
        state["model.diffusion_model.input_blocks.0.0.weight"] = torch.zeros(8, 9, 3, 3)

    found = layout(changed(one, out, inpaints))
    assert found is not None
    assert found.index["_class_name"] == "StableDiffusionInpaintPipeline"
    assert found.configs["unet"]["in_channels"] == 9


def test_what_is_no_whole_checkpoint(files: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    one, out = files["stable-diffusion-1"][1], tmp_path / "fox.safetensors"
    assert layout(changed(one, out, drop("model."))) is None
    with pytest.raises(
        ModelError, match=r"fox\.safetensors holds the U-Net of a checkpoint, but no text enc"
    ):
        layout(changed(one, out, drop("cond_stage_model.")))
    with pytest.raises(ModelError, match="but no autoencoder"):
        layout(changed(one, out, drop("first_stage_model.")))

    def depth(state: dict[str, Tensor]) -> None:
        state["model.diffusion_model.input_blocks.0.0.weight"] = torch.zeros(8, 5, 3, 3)

    with pytest.raises(ModelError, match="is of a kind of Stable Diffusion that no family here drives"):
        layout(changed(one, out, depth))


def test_the_vocabulary_is_that_of_clip() -> None:
    """The ids that its published code gives, of words that its first pairs make and of the longest."""
    tokenizer = load_tokenizer(
        Component("tokenizer_2", "transformers", "CLIPTokenizer", VOCABULARY, given_config={"pad_token": "!"})
    )
    assert (tokenizer.start, tokenizer.end, tokenizer.padding, tokenizer.length) == (49406, 49407, 0, 77)
    assert tokenizer.encode("a photo of a Cat") == [320, 1125, 539, 320, 2368]
    ids, _ = tokenizer.batch(["!"])
    assert ids[0, :4].tolist() == [49406, 256, 49407, 0]


def test_from_the_shell(files: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    """The plan names the family; what is wrong is one line."""
    file = files["stable-diffusion-xl"][1]
    source = find_source(str(file), "image", find_host())
    assert (source.name, source.family.name) == ("fox", "stable-diffusion-xl")
    assert (source.defaults.steps, source.defaults.guidance) == (30, 5.0)
    assert modality_of(str(file), find_host()) == "image"
    torch.save({"state_dict": load_file(file)}, tmp_path / "fox.ckpt")
    with pytest.raises(ModelError, match=r"fox\.ckpt is a pickle, which can run code"):
        find_source(str(tmp_path / "fox.ckpt"), "image", find_host())
    pickled = find_source(str(tmp_path / "fox.ckpt"), "image", find_host(), Reading(allow_pickle=True))
    assert pickled["unet"].weights.shapes == source["unet"].weights.shapes
    with pytest.raises(ModelError, match="single file, which has no variants"):
        find_source(str(file), "image", find_host(), Reading(variant="fp16"))
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(
        ModelError, match="neither a model of gen nor a checkpoint that a family here can read"
    ):
        find_source(str(tmp_path / "other.safetensors"), "image", find_host())
    (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ModelError, match=r"cut\.safetensors is truncated"):
        find_source(str(tmp_path / "cut.safetensors"), "image", find_host())


def test_what_a_model_can_do(files: dict[str, tuple[Path, Path]]) -> None:
    host = find_host()
    spec, kind = host.modality("image"), host.kind("image", "image")
    folder, _ = files["stable-diffusion-xl"]
    (folder / "README.md").write_text("---\ntags:\n- text-to-image\nlicense: openrail++\n---\nA fox.\n")
    shown = facts(spec, kind, None, find_source(str(folder), "image", host))
    edits = ["init", "edit", "vary", "interpolate", "restore", "upscale", "mask", "expand", "tile"]
    assert shown["edits"] == edits
    assert shown["files"] == ["lora", "embedding", "decoder"]
    assert shown["licence"] == "openrail++"
    assert shown["family"] == "stable-diffusion-xl"
    assert "clip_skip" in shown["parameters"]  # type: ignore[operator]
    parts, reads = shown["parts"], shown["reads"]
    assert set(parts) == {"unet", "vae", "text_encoder", "text_encoder_2"}  # type: ignore[call-overload]
    assert parts["unet"].startswith("UNet2DConditionModel, 0.")  # type: ignore[index]
    assert reads["text_encoder_2"].startswith("77 tokens at a time")  # type: ignore[index]
    emoji = next(model for model in host.models("image") if model.name == "emoji")
    ours = facts(spec, kind, emoji, find_source("emoji", "image", host))
    assert ours["licence"] == "Apache-2.0"
    assert ours["reads"] == {"prompt": "24 tokens"}
    assert str(ours["knows"]).startswith("1,949 names")
    assert "files" not in ours
