"""Checkpoints of the hub, from a server on this machine: pulled, continued, verified, removed, refused."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub_server import Hub, serving
from PIL import Image
from safetensors.numpy import save

import gen
from gen.api import find_host, plan_again
from gen.checkpoints import hub as library
from gen.checkpoints.additions import read_additions
from gen.cli.main import main
from gen.errors import ModelError
from gen.model.remote import hub_address, url_of

REFERENCE = "hf:someone/tiny"
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "scheduler": ["diffusers", "DDIMScheduler"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "image_encoder": [None, None],
}
WEIGHTS, HALF = (save({"a": np.full((64, 64), 1, kind)}) for kind in (np.float32, np.float16))
UNET = "unet/diffusion_pytorch_model"
FILES = {
    "README.md": b"A card.",
    "model_index.json": json.dumps(INDEX).encode(),
    "scheduler/scheduler_config.json": b'{"beta_start": 0.1}',
    "tokenizer/vocab.json": b'{"a": 1}',
    "tokenizer/merges.txt": b"#version: 0.2",
    "unet/config.json": b'{"sample_size": 8}',
    f"{UNET}.safetensors": WEIGHTS,
    f"{UNET}.fp16.safetensors": HALF,
    f"{UNET}.bin": b"pickle",
    "safety_checker/config.json": b"{}",
    "safety_checker/model.safetensors": WEIGHTS,
    "whole-v1.safetensors": WEIGHTS,
}
PULLED = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
    "unet/config.json",
    f"{UNET}.safetensors",
]

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    found = Hub(dict(FILES))
    with serving(found) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setenv("GEN_CACHE", str(tmp_path / "cache"))
        yield found


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; gives its exit code and its envelope."""

    def call(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = main([*words, "--json"])
        streams = capsys.readouterr()
        assert not streams.err, "nothing beside the envelope"
        envelope = json.loads(streams.out)
        return code, envelope["data"] if envelope["ok"] else envelope["error"]

    return call


def files_under(folder: Path) -> list[str]:
    """What a program would take for downloaded."""
    return sorted(
        path.name
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".incomplete", ".lock", ".TAG")
    )


def test_what_a_family_needs_is_pulled_once(hub: Hub, run: Run, tmp_path: Path) -> None:
    code, data = run("models", "pull", REFERENCE)
    assert code == 0
    assert sorted(hub.downloads) == PULLED
    model = data["model"]
    assert (model["name"], model["licence"]) == (f"{REFERENCE}@{hub.commit}", "openrail++")
    assert model["size"] == sum(len(FILES[name]) for name in PULLED)
    assert (Path(model["folder"]) / f"{UNET}.safetensors").read_bytes() == WEIGHTS
    assert Path(model["folder"]).is_relative_to(tmp_path / "hub")
    hub.requests.clear()
    assert run("models", "pull", f"{REFERENCE}@{hub.commit}")[0] == 0
    assert not hub.downloads


def test_it_is_listed_shown_verified_and_removed(hub: Hub, run: Run, tmp_path: Path) -> None:
    code, refused = run("models", "show", REFERENCE)
    assert (code, refused["message"]) == (4, f"{REFERENCE} is not downloaded")
    assert refused["hint"] == f"run `gen models pull {REFERENCE}`"
    run("models", "pull", REFERENCE)
    [listed] = run("models", "list")[1]["pulled"]
    assert (listed["name"], listed["revision"]) == (f"{REFERENCE}@{hub.commit}", "main")
    shown = run("models", "show", REFERENCE)[1]["model"]
    assert (shown["commit"], shown["card"]) == (hub.commit, {"licence": "openrail++"})
    assert run("models", "verify", REFERENCE) == (0, {"model": listed["name"], "damaged": [], "warnings": []})
    weights = (Path(listed["folder"]) / f"{UNET}.safetensors").resolve()
    weights.write_bytes(WEIGHTS[:-1] + b"x")
    code, refused = run("models", "verify", REFERENCE)
    assert (code, refused["message"]) == (4, f"1 of 6 files of {REFERENCE} are damaged: {UNET}.safetensors")
    code, removed = run("models", "rm", REFERENCE)
    assert (code, removed["freed"]) == (0, listed["size"])
    assert run("models", "list")[1]["pulled"] == []
    assert not [name for name in files_under(tmp_path / "hub") if name != "main"]
    assert run("models", "rm", REFERENCE)[0] == 4


def test_variants_share_what_they_have_in_common(hub: Hub, run: Run) -> None:
    run("models", "pull", REFERENCE)
    hub.requests.clear()
    assert run("models", "pull", REFERENCE, "--variant", "fp16")[0] == 0
    assert hub.downloads == [f"{UNET}.fp16.safetensors"]
    [folder] = {one["folder"] for one in run("models", "list")[1]["pulled"]}
    assert run("models", "rm", REFERENCE)[1]["freed"] == len(WEIGHTS)
    assert run("models", "verify", REFERENCE, "--variant", "fp16")[0] == 0
    assert not (Path(folder) / f"{UNET}.safetensors").exists()
    code, refused = run("models", "pull", REFERENCE, "--variant", "int8")
    assert (code, refused["hint"]) == (4, "there are: fp16, none")


def test_a_new_commit_is_pulled_when_asked_for(hub: Hub, run: Run) -> None:
    run("models", "pull", REFERENCE)
    old, hub.commit = hub.commit, "d" * 40
    hub.files = {**FILES, f"{UNET}.safetensors": HALF}
    assert run("models", "show", REFERENCE)[1]["model"]["commit"] == old
    run("models", "pull", REFERENCE)
    assert run("models", "show", REFERENCE)[1]["model"]["commit"] == hub.commit


def test_pickles_are_pulled_only_where_they_are_allowed(hub: Hub, run: Run) -> None:
    hub.files = {name: content for name, content in FILES.items() if not name.endswith(".safetensors")}
    code, refused = run("models", "pull", REFERENCE)
    assert (code, "has only pickles" in refused["message"]) == (4, True)
    assert "--allow-pickle" in refused["hint"]
    assert run("models", "pull", REFERENCE, "--allow-pickle")[0] == 0
    assert f"{UNET}.bin" in hub.downloads


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, f"the hub shows {REFERENCE} to nobody without access (401)"),
        (403, f"the hub refuses {REFERENCE} to you (403)"),
        (404, f"the hub has no {REFERENCE} (404)"),
        (429, f"the hub takes no more requests for {REFERENCE} now (429)"),
        (500, f"the hub failed at {REFERENCE} (500)"),
    ],
)
def test_refusals_are_one_line(hub: Hub, run: Run, status: int, message: str, tmp_path: Path) -> None:
    hub.status = status
    code, refused = run("models", "pull", REFERENCE)
    assert (code, refused["message"]) == (4, message)
    assert refused["hint"]
    assert not files_under(tmp_path / "hub") + files_under(tmp_path / "cache" / "pulled")


def test_unknown_names_revisions_and_forms(hub: Hub, run: Run) -> None:
    assert run("models", "pull", "hf:someone/else")[1]["message"] == "the hub has no hf:someone/else (404)"
    assert run("models", "pull", f"{REFERENCE}@v9")[1]["message"] == f"the hub has no {REFERENCE}@v9 (404)"
    for wrong in ("hf:tiny", "hf:a/b/../c", "hf:../x", "hf:a/..", "tiny"):
        code, refused = run("models", "pull", wrong)
        assert (code, refused["message"]) == (4, f"{wrong!r} is no repository of the hub")


def test_other_repositories_are_refused_before_weights_come(hub: Hub, run: Run) -> None:
    hub.files = {**FILES, "model_index.json": b'{"_class_name": "FrogPipeline"}'}
    code, refused = run("models", "pull", REFERENCE)
    assert (code, refused["message"]) == (
        4,
        f"{REFERENCE} is a checkpoint of FrogPipeline, which no family here drives",
    )
    assert hub.downloads == ["model_index.json"]
    hub.files = {"model.gguf": b"x"}
    code, refused = run("models", "pull", REFERENCE)
    assert "no checkpoint in the layout of diffusers" in refused["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: without(files, "unet/"), f"{REFERENCE} lacks the part unet that its model_index.json"),
        (lambda files: without(files, "unet/d"), f"unet of {REFERENCE} has no weights"),
        (
            lambda files: {**files, "unet/diffusers.py": b"print('ran')"},
            f"the part unet of {REFERENCE} needs diffusers.py, code that gen does not run",
        ),
    ],
)
def test_repositories_that_lack_something_are_not_downloaded(
    hub: Hub, run: Run, change: Callable[[dict[str, bytes]], dict[str, bytes]], message: str
) -> None:
    hub.files = change(FILES)
    code, refused = run("image", "a fox", "-m", REFERENCE, "--dry-run")
    assert (code, refused["message"][: len(message)]) == (4, message)
    assert hub.downloads == ["model_index.json"]
    assert run("models", "list")[1]["pulled"] == []


def without(files: dict[str, bytes], start: str) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if not name.startswith(start)}


def test_a_part_and_files_are_pulled_alone(hub: Hub, run: Run) -> None:
    part = {
        "config.json": b'{"_class_name": "ControlNetModel"}',
        "diffusion_pytorch_model.safetensors": WEIGHTS,
    }
    hub.files = {**part, "README.md": b"A card.", "old.bin": b"pickle"}
    assert run("models", "pull", REFERENCE)[0] == 0
    assert sorted(hub.downloads) == sorted(part)
    hub.files = {"a/style.safetensors": WEIGHTS, "b.safetensors": HALF, "c.safetensors": HALF}
    hub.commit = "d" * 40
    code, refused = run("models", "pull", REFERENCE)
    assert (code, refused["hint"]) == (4, f"name one: {REFERENCE}/b.safetensors")
    code, refused = run("models", "pull", f"{REFERENCE}/d.safetensors")
    assert (code, refused["hint"]) == (4, "files there: b.safetensors, c.safetensors")
    pulled = run("models", "pull", f"{REFERENCE}/a/style.safetensors")[1]["model"]
    assert pulled["name"] == f"{REFERENCE}/a/style.safetensors@{hub.commit}"
    assert run("models", "verify", f"{REFERENCE}/a/style.safetensors")[0] == 0
    assert len(run("models", "list")[1]["pulled"]) == 2
    removed = run("models", "rm", f"{REFERENCE}/a/style.safetensors")[1]
    assert removed["freed"] == 0, "the part has the same bytes"
    assert run("models", "verify", REFERENCE)[0] == 0
    # A checkpoint is no part.
    hub.files = part
    code, refused = run("image", "a fox", "-m", f"{REFERENCE}@{hub.commit}", "--dry-run")
    assert (code, "no checkpoint in the layout of diffusers" in refused["message"]) == (4, True)


def test_files_beside_a_model(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloaded when they are first used, and then used without a network; recipes name the commit."""
    hub.files = {"style.safetensors": WEIGHTS}
    for given, value in ((f"{REFERENCE}:0.5", 0.5), (f"{REFERENCE}/style.safetensors@main", 1.0)):
        [lora] = read_additions("lora", given, allow_pickle=False)
        assert (lora.path.read_bytes(), lora.path.name, lora.value) == (WEIGHTS, "style.safetensors", value)
    [lora] = read_additions("lora", (REFERENCE, 0.5), allow_pickle=False)
    assert lora.name == f"{REFERENCE}@{hub.commit}"
    [word] = read_additions("embedding", f"{REFERENCE}=<fox>", allow_pickle=False)
    assert word.value == "<fox>"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.requests.clear()
    assert read_additions("lora", REFERENCE, allow_pickle=False)[0].sha256 == lora.sha256
    assert not hub.requests
    with pytest.raises(ModelError, match="hf:someone/else is not downloaded yet, and HF_HUB_OFFLINE forbids"):
        read_additions("lora", "hf:someone/else", allow_pickle=False)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    hub.files, hub.commit = {"style.bin": b"pickle"}, "d" * 40
    with pytest.raises(ModelError, match="only pickles"):
        read_additions("lora", f"{REFERENCE}@{hub.commit}", allow_pickle=False)
    assert read_additions("lora", f"{REFERENCE}@{hub.commit}", allow_pickle=True)[0].path.suffix == ".bin"


def test_files_of_an_address(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = os.environ["HF_ENDPOINT"]
    hub.files = {"style.safetensors": WEIGHTS}
    url = f"{address}/someone/tiny/resolve/main/style.safetensors"
    hub.cuts = {"style.safetensors": [100]}
    with pytest.raises(ModelError, match=r"cannot download style\.safetensors from 127\.0\.0\.1:"):
        read_additions("lora", url, allow_pickle=False)
    assert not files_under(tmp_path / "cache"), "nothing half of it"
    for given, value in ((url, 1.0), (f"{url}:0.5", 0.5)):
        [lora] = read_additions("lora", given, allow_pickle=False)
        assert (lora.path.read_bytes(), lora.name, lora.value) == (WEIGHTS, "style.safetensors", value)
    hub.status = 404
    assert read_additions("decoder", url, allow_pickle=False)[0].path == lora.path
    with pytest.raises(ModelError, match=r"cannot download other\.safetensors from .*: 404"):
        read_additions("lora", f"{address}/other", allow_pickle=False)
    with pytest.raises(ModelError, match="is no address"):
        read_additions("lora", "https://[/a.safetensors", allow_pickle=False)
    monkeypatch.setattr("gen.checkpoints.web_file.forbidden_by", lambda: "--offline")
    with pytest.raises(ModelError, match="is not downloaded yet, and --offline forbids connections"):
        read_additions("lora", f"{address}/another.safetensors", allow_pickle=False)


def test_a_part_beside_a_model(hub: Hub, run: Run, tmp_path: Path) -> None:
    """A recipe names its commit, by which it is found again; none starts a download."""
    model = tmp_path / "model"
    for name, content in FILES.items():
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes(content)
    config = b'{"_class_name": "ControlNetModel"}'
    hub.files = {"config.json": config, "diffusion_pytorch_model.safetensors": WEIGHTS}
    picture = tmp_path / "edges.png"
    Image.new("RGB", (64, 64)).save(picture)
    words = ("--control", REFERENCE, "--control-image", str(picture), "--dry-run")
    code, made = run("image", "a fox", "-m", str(model), *words)
    assert code == 0, made
    recipe = gen.Recipe.from_dict(made["recipes"][0])
    control = next(one for one in recipe.inputs if one.role == "control")
    assert control.name == f"{REFERENCE}@{hub.commit}"
    host = find_host()
    hub.requests.clear()
    again = plan_again(recipe, host, model=model, inputs={"control_image": str(picture)})
    assert again.inputs == recipe.inputs
    assert not hub.requests
    assert run("models", "rm", REFERENCE)[0] == 0
    with pytest.raises(ModelError, match="is not downloaded yet") as refused:
        plan_again(recipe, host, model=model, inputs={"control_image": str(picture)})
    assert refused.value.hint == f"run `gen models pull {control.name}`"


def test_silence_and_no_server(hub: Hub, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "TIMEOUT", 0.3)
    hub.silent = 1.0
    code, refused = run("models", "pull", REFERENCE)
    assert (code, refused["message"].endswith("no answer")) == (4, True)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    code, refused = run("models", "pull", REFERENCE)
    assert code == 4
    assert refused["message"].startswith(f"cannot download {REFERENCE} from 127.0.0.1:9: ")


def test_an_empty_address_is_the_hubs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "")
    assert hub_address() == "https://huggingface.co"
    assert url_of("hf:a/b/d.safetensors").startswith("https://huggingface.co/a/b/")


def test_what_was_cut_off_is_continued(hub: Hub, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    hub.cuts = {f"{UNET}.safetensors": [9000]}
    assert run("models", "pull", REFERENCE)[0] == 0
    asked = [wanted for method, name, wanted in hub.requests if name in hub.cuts and method == "GET"]
    assert asked == [None, "bytes=9000-"], "a part that came is not asked for again"
    assert run("models", "verify", REFERENCE)[0] == 0


def test_damaged_files_are_not_kept(hub: Hub, run: Run) -> None:
    hub.damage = True
    code, refused = run("models", "pull", REFERENCE)
    assert (code, "came damaged" in refused["message"]) == (4, True)
    assert run("models", "list")[1]["pulled"] == []
    hub.damage = False
    assert run("models", "pull", REFERENCE)[0] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="a limit of files is Unix's")
def test_a_full_disk_is_one_line(hub: Hub, tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))

    ran = subprocess.run(
        [sys.executable, "-m", "gen", "models", "pull", REFERENCE],
        capture_output=True, text=True, check=False, preexec_fn=limited,
        env={**os.environ, "HF_HUB_DISABLE_XET": "1"},
    )  # fmt: skip
    assert ran.returncode == 4, ran.stderr
    assert ran.stderr.startswith(f"gen: error: there is no room for {REFERENCE}: File too large")
    assert len(ran.stderr.splitlines()) == 1
    assert not list((tmp_path / "cache" / "pulled").glob("*"))


def test_too_little_room_is_seen_before(hub: Hub, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 100

    monkeypatch.setattr(library.shutil, "disk_usage", lambda _: Usage)
    code, refused = run("models", "pull", REFERENCE)
    assert (code, "has 0.0 MB free" in refused["message"]) == (4, True)
    assert f"{UNET}.safetensors" not in hub.downloads


def test_a_record_that_cannot_be_written(hub: Hub, run: Run, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "pulled").write_text("a file")
    code, refused = run("models", "pull", REFERENCE)
    assert (code, "came whole, but" in refused["message"]) == (4, True)
    assert "GEN_CACHE" in refused["hint"]


def test_without_a_network(hub: Hub, tmp_path: Path) -> None:
    def offline(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gen", *words]
        environment = {**os.environ, "GEN_OFFLINE": "1"}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    cold = offline("image", "a fox", "-m", REFERENCE, "--dry-run")
    assert cold.returncode == 4
    assert f"{REFERENCE} is not downloaded yet, and GEN_OFFLINE forbids connections" in cold.stderr
    assert f"gen models pull {REFERENCE}" in cold.stderr
    assert main(["models", "pull", REFERENCE, "-q"]) == 0
    hub.requests.clear()
    warm = offline("image", "a fox", "-m", REFERENCE, "--dry-run")
    assert warm.returncode == 0, warm.stderr
    model = json.loads(warm.stdout)["recipes"][0]["model"]
    assert (model["name"], model["licence"]) == (f"{REFERENCE}@{hub.commit}", "openrail++")
    assert not hub.requests


def test_a_checkpoint_of_another_modality_is_not_downloaded(hub: Hub, run: Run) -> None:
    code, refused = run("video", "a fox", "-m", REFERENCE, "--dry-run")
    assert (code, "which no family here drives" in refused["message"]) == (4, True)
    assert hub.downloads == ["model_index.json"]
