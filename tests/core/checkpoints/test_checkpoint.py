"""Folders of checkpoints, read without torch: what is there, and what is wrong with it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from gen.checkpoints import Checkpoint
from gen.checkpoints.digests import file_digests
from gen.checkpoints.networks import filled
from gen.errors import ModelError

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.1",
    "force_zeros_for_empty_prompt": True,
    "scheduler": ["diffusers", "DDIMScheduler"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "safety_checker": [None, None],
}
TENSORS = {name: np.full((2, 3), index, np.float32) for index, name in enumerate(("a", "b", "c"))}


def write(folder: Path, files: Mapping[str, object]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif name.endswith(".safetensors"):
            save_file(content, path)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(
        tmp_path / "fox",
        {
            "model_index.json": INDEX,
            "scheduler/scheduler_config.json": {"num_train_timesteps": 1000},
            "unet/config.json": {"sample_size": 8},
            "unet/diffusion_pytorch_model.safetensors": TENSORS,
        },
    )


def test_what_is_there(folder: Path) -> None:
    found = Checkpoint(folder)
    assert (found.name, found.pipeline) == ("fox", "StableDiffusionPipeline")
    assert found.settings == {"force_zeros_for_empty_prompt": True}
    assert set(found.components) == {"scheduler", "unet"}
    assert "safety_checker" not in found
    assert found["scheduler"].config == {"num_train_timesteps": 1000}
    assert {name: entry.shape for name, entry in found["unet"].weights.entries.items()} == {
        "a": (2, 3),
        "b": (2, 3),
        "c": (2, 3),
    }


def test_nothing_of_it_needs_torch(folder: Path) -> None:
    program = (
        "import sys; from gen.checkpoints import Checkpoint; c = Checkpoint(sys.argv[1]); "
        "c.sha256, c['unet'].weights.entries; "
        "print({'torch', 'diffusers', 'transformers'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", program, str(folder)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "set()"


def test_the_digest_is_that_of_all_files_and_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEN_CACHE", str(folder.parent / "cache"))
    first = Checkpoint(folder)
    assert set(first.digests) == {
        "model_index.json",
        "scheduler/scheduler_config.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
    }
    with monkeypatch.context() as patch:
        patch.setattr("hashlib.file_digest", None)
        assert Checkpoint(folder).sha256 == first.sha256
    write(folder, {"unet/diffusion_pytorch_model.safetensors": {**TENSORS, "a": TENSORS["b"]}})
    assert Checkpoint(folder).sha256 != first.sha256


def test_the_hub_says_the_digest_of_its_files(tmp_path: Path) -> None:
    digest = "ab" * 32
    blob = write(tmp_path, {f"blobs/{digest}": b"large"}) / "blobs" / digest
    link = tmp_path / "model.safetensors"
    link.symlink_to(blob)
    assert file_digests([link]) == {link: digest}


STEM = "unet/diffusion_pytorch_model"
PLAIN = f"{STEM}.safetensors"


def test_a_variant_and_shards(folder: Path) -> None:
    half = {name: value.astype(np.float16) for name, value in TENSORS.items()}
    write(folder, {f"{STEM}.fp16.safetensors": half})
    assert Checkpoint(folder)["unet"].weights.entries["a"].dtype == "F32"
    assert Checkpoint(folder, variant="fp16")["unet"].weights.entries["a"].dtype == "F16"
    with pytest.raises(ModelError, match=r"no weights of the variant 'ema' \(there are: fp16, none"):
        Checkpoint(folder, variant="ema")["unet"].weights  # noqa: B018
    (folder / PLAIN).unlink()
    assert Checkpoint(folder)["unet"].weights.entries["a"].dtype == "F16"
    write(folder, {f"{STEM}.ema.safetensors": TENSORS})
    with pytest.raises(ModelError, match="unet has only variants: ema, fp16"):
        Checkpoint(folder)["unet"].weights  # noqa: B018
    shards = {
        f"{STEM}-00001-of-00002.safetensors": {"a": TENSORS["a"]},
        f"{STEM}-00002-of-00002.safetensors": {name: TENSORS[name] for name in "bc"},
        f"{STEM}.safetensors.index.json": {
            "weight_map": {
                "a": "diffusion_pytorch_model-00001-of-00002.safetensors",
                "b": "diffusion_pytorch_model-00002-of-00002.safetensors",
                "c": "diffusion_pytorch_model-00002-of-00002.safetensors",
            }
        },
    }
    write(folder, shards)
    weights = Checkpoint(folder)["unet"].weights
    assert {name: float(tensor[0, 0]) for name, tensor in weights.tensors()} == {"a": 0, "b": 1, "c": 2}
    (folder / f"{STEM}-00001-of-00002.safetensors").unlink()
    with pytest.raises(ModelError, match="unet has 1 of 2 files of weights"):
        Checkpoint(folder)["unet"].weights  # noqa: B018


def test_pickles_are_read_only_when_allowed(folder: Path) -> None:
    (folder / PLAIN).unlink()
    torch.save({"a": torch.ones(2)}, folder / f"{STEM}.bin")
    with pytest.raises(ModelError, match=r"unet has only pickles .* not read"):
        Checkpoint(folder)["unet"].weights  # noqa: B018
    [(name, tensor)] = Checkpoint(folder, allow_pickle=True)["unet"].weights.tensors()
    assert (name, tensor.tolist()) == ("a", [1, 1])
    torch.save({"a": Path("code")}, folder / f"{STEM}.bin")
    with pytest.raises(ModelError, match="cannot be read as weights"):
        list(Checkpoint(folder, allow_pickle=True)["unet"].weights.tensors())


def opened(folder: Path) -> None:
    found = Checkpoint(folder)
    found.sha256  # noqa: B018
    for name in INDEX:
        if name in found:
            assert found[name].config
    list(found["unet"].weights.tensors())


def changed(**entries: object) -> Callable[[Path], object]:
    return lambda folder: write(folder, {"model_index.json": INDEX | entries})


def wrote(name: str, content: object) -> Callable[[Path], object]:
    return lambda folder: write(folder, {name: content})


def removed(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def cut(size: int) -> Callable[[Path], object]:
    return lambda folder: (folder / PLAIN).write_bytes((folder / PLAIN).read_bytes()[:size])


def moved(folder: Path) -> None:
    (folder / "unet").rename(folder.parent / "unet")


BAD: list[tuple[Callable[[Path], object], str]] = [
    (removed("model_index.json"), r"fox is no checkpoint: it has no model_index.json \(name a folder"),
    (wrote("model_index.json", "{"), "model_index.json holds no JSON object"),
    (wrote("model_index.json", "[]"), "model_index.json holds no JSON object"),
    (wrote("model_index.json", {}), "does not say which pipeline"),
    (changed(_class_name=["pipeline", "Mine"]), "needs the code of pipeline Mine, which gen does not run"),
    (wrote("unet/diffusers.py", ""), r"the part unet of fox needs diffusers.py, code that gen does not run"),
    (wrote("unet/config.json", {"auto_map": {}}), "unet needs code that comes with the checkpoint"),
    (wrote("unet/config.json", "no"), "config.json holds no JSON object"),
    (changed(unet=[None, None]), r"\(StableDiffusionPipeline\) has no part 'unet' \(its .* names: scheduler"),
    (changed(**{"../unet": ["diffusers", "X"]}), "a part '../unet' outside the folder"),
    (moved, "fox lacks the folder 'unet' that its model_index.json names"),
    (removed("scheduler/scheduler_config.json"), "there is no file .*scheduler_config.json"),
    (removed(PLAIN), "unet has no weights"),
    (cut(-20), "diffusion_pytorch_model.safetensors is truncated"),
    (cut(50), "diffusion_pytorch_model.safetensors is truncated"),
    (cut(4), "is not a safetensors file"),
    (wrote(PLAIN, b"\x80\x02" + b"x" * 100), "is not a safetensors file"),
    (wrote(PLAIN, (20).to_bytes(8, "little") + b'{"a": {"dtype": 2}} ' + b"x" * 8), "not a safetensors file"),
    (lambda folder: (folder / PLAIN).write_bytes((folder / PLAIN).read_bytes() + b"more"), "is damaged"),
]


@pytest.mark.parametrize(("spoil", "message"), BAD)
def test_what_is_wrong_is_said_in_one_line(
    folder: Path, spoil: Callable[[Path], object], message: str
) -> None:
    opened(folder)
    spoil(folder)
    with pytest.raises(ModelError, match=message) as raised:
        opened(folder)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 4


def test_a_path_that_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no folder"):
        Checkpoint(tmp_path / "nothing")


def test_weights_are_mapped(folder: Path) -> None:
    """Networks of the files' type share their memory: no second copy, and no values of their own."""

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in TENSORS:
                self.register_parameter(name, torch.nn.Parameter(torch.empty(2, 3)))

    weights = Checkpoint(folder)["unet"].weights
    one, other = (filled(Net, weights, "unet") for _ in range(2))
    half = filled(Net, weights, "unet", dtype=torch.bfloat16)
    assert torch.equal(one.c, torch.full((2, 3), 2.0))
    assert not one.c.requires_grad
    assert half.c.dtype == torch.bfloat16
    # Where they lie in the file: separate tensors would be further apart.
    assert one.c.data_ptr() - one.a.data_ptr() == 2 * 2 * 3 * 4
    assert other.c.data_ptr() - other.a.data_ptr() == 2 * 2 * 3 * 4
