"""Folders of checkpoints as models: from the shell and from Python, and what is wrong with them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import hub_server
import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from safetensors.torch import load_file

import gen
from gen.cli.main import main
from gen.errors import ModelError, UsageError

CROSS = "CrossAttnDownBlock2D"
SETTINGS = {**tiny.SD_CHAIN, "clip_sample": False, "steps_offset": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny-sd"
    return tiny.saved(tiny.stable_diffusion(tiny.diffusers.DDIMScheduler(**SETTINGS)), path)


def run(*words: str) -> int:
    try:
        return main(list(words))
    except SystemExit as leaving:
        return int(leaving.code or 0)


def test_from_the_shell(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "fox.png"
    words = ["image", "a (red:1.2) fox", "-m", str(folder), "--width", "64", "--height", "72", "--steps", "2"]
    assert run(*words, "--seed", "5", "-o", str(target)) == 0
    assert "model tiny-sd, 2 steps of ddim on model" in capsys.readouterr().err
    assert Image.open(target).size == (64, 72)
    again = tmp_path / "again.png"
    assert run("rerun", str(target), "--model", str(folder), "-o", str(again)) == 0
    assert np.array_equal(np.asarray(Image.open(target)), np.asarray(Image.open(again)))
    capsys.readouterr()
    assert run("models", "show", str(folder), "--json") == 0
    shown = json.loads(capsys.readouterr().out)["data"]["model"]
    assert (shown["name"], shown["modality"]) == ("tiny-sd", "image")
    assert shown["defaults"]["solver"] == "ddim"


def test_from_python_with_edits_and_any_solver(folder: Path) -> None:
    options = {"model": folder, "width": 64, "height": 64, "seed": 1}
    first = gen.image("a red fox", steps=2, **options)
    assert first.recipe.model.name == "tiny-sd"
    assert first.recipe.grid == "model"
    other = gen.image("a red fox", steps=3, solver="DPM++ 2M Karras", **options)
    assert other.recipe.grid == "karras"
    varied = gen.image("tall grass", steps=4, init=first, strength=0.5, **options)
    assert not np.array_equal(varied.arrays["pixels"], first.arrays["pixels"])
    marks = np.zeros((64, 64, 3), np.float32)
    marks[:32] = 1
    mask = gen.Artifact("image", {"pixels": marks})
    filled = gen.image("tall grass", steps=2, init=first, mask=mask, **options).arrays["pixels"]
    assert np.array_equal(filled[33:], first.arrays["pixels"][33:])
    assert not np.array_equal(filled[:32], first.arrays["pixels"][:32])


def test_parameters_of_a_family(folder: Path) -> None:
    options = {"model": folder, "width": 64, "height": 64, "seed": 1, "steps": 1}
    plain, skipped = (gen.image("a red fox", clip_skip=skip, **options) for skip in (0, 1))
    assert not np.array_equal(plain.arrays["pixels"], skipped.arrays["pixels"])
    assert skipped.recipe.params["clip_skip"] == 1
    with pytest.raises(UsageError, match="width must be a multiple of 8"):
        gen.image("a red fox", **{**options, "width": 68})
    with pytest.raises(UsageError, match="clip_skip"):
        gen.image("a red fox", clip_skip=1)


def test_loaded_once(folder: Path) -> None:
    model = gen.load(folder)
    pictures = model(["a red fox", "tall grass"], steps=1, width=64, seed=3)
    assert len(pictures) == 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: (path / "model_index.json").unlink(), r"no checkpoint: it has no model_index.json"),
        (lambda path: shutil.rmtree(path / "unet"), "lacks the folder 'unet'"),
        (lambda path: rename(path, "MyPipeline"), "a checkpoint of MyPipeline, which no family here drives"),
        (lambda path: cut(path / "vae" / "diffusion_pytorch_model.safetensors"), "is truncated"),
        (lambda path: replaced(path / "unet" / "config.json", down_block_types=[CROSS] * 2), "unet lacks"),
        (lambda path: replaced(path / "unet" / "config.json", cross_attention_dim=8), "shapes of unet"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: object, message: str
) -> None:
    path = tmp_path / "spoilt"
    shutil.copytree(folder, path)
    spoil(path)
    assert run("image", "a fox", "-m", str(path), "--width", "64", "-o", str(tmp_path / "fox.png")) == 4
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len([line for line in error.splitlines() if line.startswith("gen: error")]) == 1
    assert "Traceback" not in error
    assert not (tmp_path / "fox.png").exists()


def rename(path: Path, pipeline: str) -> None:
    replaced(path / "model_index.json", _class_name=pipeline)


def replaced(file: Path, **entries: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])


def test_a_model_of_another_modality(folder: Path) -> None:
    with pytest.raises(ModelError, match="tiny-sd makes image, not audio"):
        gen.audio("a fox", model=folder)


def test_a_run_imports_neither_transformers_nor_the_compiler(folder: Path, tmp_path: Path) -> None:
    """They would take longer to import than torch."""
    words = [
        "image",
        "a fox",
        "-m",
        str(folder),
        "--width",
        "64",
        "--steps",
        "1",
        "-o",
        str(tmp_path / "a.png"),
    ]
    program = (
        "import sys\nfrom gen.cli.main import main\n"
        "try:\n    code = main(sys.argv[1:])\nexcept SystemExit as leaving:\n    code = leaving.code\n"
        "heavy = {'transformers', 'torch._dynamo', 'scipy'}\n"
        "print(code, sorted(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


def test_precision_that_nobody_chose(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """float32 for small networks; for large ones what is fast on the machine; in the recipe as it was."""
    options = {"model": folder, "width": 64, "height": 64, "seed": 1, "steps": 1}
    assert gen.image("a red fox", **options).recipe.dtype == "float32"
    monkeypatch.setattr("gen.hardware.profile.LARGE", 1000)
    for speedup, expected in ((3.0, "bfloat16"), (1.0, "float32")):
        profile = SimpleNamespace(speedup=speedup, packs=False)
        monkeypatch.setattr("gen.hardware.profile.machine_profile", lambda profile=profile: profile)
        assert gen.image("a red fox", **options).recipe.dtype == expected
    made = gen.image("a red fox", dtype="bfloat16,vae=float32", **options)
    assert made.recipe.dtype == "bfloat16,vae=float32"
    again = gen.rerun(made, model=folder)
    assert np.array_equal(again.arrays["pixels"], made.arrays["pixels"])
    with pytest.raises(UsageError, match="unknown part 'vea'"):
        gen.image("a red fox", dtype="bfloat16,vea=float32", **options)
    with pytest.raises(UsageError, match="model emoji has no parts with a dtype of their own"):
        gen.image("a red fox", dtype="float32,vae=float32")


def test_sixteen_bits(folder: Path) -> None:
    options = {"model": folder, "width": 64, "height": 64, "seed": 1, "steps": 2}
    whole, half = (gen.image("a red fox", dtype=dtype, **options) for dtype in ("float32", "bfloat16"))
    difference = np.abs(whole.arrays["pixels"] - half.arrays["pixels"])
    assert 0 < difference.mean() < 0.1


def test_a_checkpoint_of_the_hub(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Downloaded at its first use, in a variant; a recipe finds it again, and downloads nothing."""
    hub = hub_server.of_folder(folder)
    for name in [name for name in hub.files if name.endswith(".safetensors")]:
        hub.files[name.replace(".safetensors", ".fp16.safetensors")] = hub.files.pop(name)
    for name, value in (("HF_HUB_CACHE", tmp_path / "hub"), ("GEN_CACHE", tmp_path / "cache")):
        monkeypatch.setenv(name, str(value))
    options = {"variant": "fp16", "width": 64, "height": 64, "steps": 1, "seed": 3}
    with hub_server.serving(hub) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        made = gen.image("a red fox", model=f"hf:{hub.repository}", **options)
        requests = len(hub.requests)
        model = made.recipe.model
        assert (model.name, model.variant) == (f"hf:{hub.repository}@{hub.commit}", "fp16")
        again = gen.rerun(made)
        assert np.array_equal(again.arrays["pixels"], made.arrays["pixels"])
        assert len(hub.requests) == requests
        assert run("models", "rm", f"hf:{hub.repository}", "--variant", "fp16") == 0
        with pytest.raises(ModelError, match="is not downloaded yet"):
            gen.rerun(made)
        assert len(hub.requests) == requests
    del options["variant"]
    plain = gen.image("a red fox", model=folder, **options)
    assert np.array_equal(plain.arrays["pixels"], made.arrays["pixels"])
    with pytest.raises(UsageError, match="variant is for checkpoints of other programs"):
        gen.image("fox face", variant="fp16")


def test_pickles_from_the_shell(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoilt = shutil.copytree(folder, tmp_path / "pickled")
    weights = spoilt / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    words = ["image", "a fox", "-m", str(spoilt), "--width", "64", "--height", "64", "--steps", "1"]
    assert run(*words, "-o", str(tmp_path / "a.png")) == 4
    assert "--allow-pickle" in capsys.readouterr().err
    assert run(*words, "--allow-pickle", "--seed", "1", "-o", str(tmp_path / "a.png")) == 0
    assert run("rerun", str(tmp_path / "a.png"), "--check", "-m", str(spoilt), "--allow-pickle") == 0
