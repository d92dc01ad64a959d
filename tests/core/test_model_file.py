"""The model file: what is written comes back, and every other file is refused in one line."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch

from gen.errors import ModelError, OutputError, UsageError
from gen.model import Defaults, ModelFile, find_model, save_model
from gen.plugin.specs import ModelSpec

CONFIG = {
    "modality": "toy",
    "defaults": {"solver": "heun", "grid": "karras", "steps": 9, "guidance": 2.5},
    "params": {"width": 32},
}


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return {
        "network.weight": torch.randn(4, 3, generator=generator),
        "network.count": torch.tensor([7, 8]),
        "codec.weight": torch.randn(2, generator=generator).to(torch.bfloat16),
    }


@pytest.fixture
def path(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    path = tmp_path / "crayon.safetensors"
    save_model(path, tensors, CONFIG, {"licence": "CC0-1.0"})
    return path


def test_what_is_saved_comes_back(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    file = ModelFile(path)
    assert (file.name, file.modality) == ("crayon", "toy")
    assert file.defaults == Defaults(solver="heun", grid="karras", steps=9, guidance=2.5)
    assert file.params == {"width": 32}
    assert file.card == {"licence": "CC0-1.0"}
    loaded = file.tensors()
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
    assert loaded["codec.weight"].dtype == torch.bfloat16


def test_a_prefix_selects_and_a_dtype_casts_only_real_numbers(path: Path) -> None:
    loaded = ModelFile(path).tensors(dtype=torch.float64, prefix="network.")
    assert loaded.keys() == {"weight", "count"}
    assert loaded["weight"].dtype == torch.float64
    assert loaded["count"].dtype == torch.int64


def test_tensors_are_readable_by_safetensors_itself(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    from safetensors.torch import load_file

    loaded = load_file(path)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())


def test_equal_models_are_equal_bytes(tmp_path: Path, path: Path, tensors: dict[str, torch.Tensor]) -> None:
    again = tmp_path / "again.safetensors"
    reordered = dict(reversed(tensors.items()))
    save_model(again, reordered, dict(reversed(CONFIG.items())), {"licence": "CC0-1.0"})
    assert again.read_bytes() == path.read_bytes()
    assert ModelFile(again).sha256 == ModelFile(path).sha256


def test_saving_replaces_a_file_in_one_step_and_leaves_nothing_beside_it(
    path: Path, tensors: dict[str, torch.Tensor]
) -> None:
    save_model(path, tensors, CONFIG, {"licence": "MIT"})
    assert ModelFile(path).card == {"licence": "MIT"}
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_failed_save_keeps_the_old_file(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        save_model(path, tensors, CONFIG, {"loss": float("nan")})
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_saving_into_a_folder_that_does_not_exist_is_an_output_error(
    tmp_path: Path, tensors: dict[str, torch.Tensor]
) -> None:
    with pytest.raises(OutputError, match="folder does not exist"):
        save_model(tmp_path / "none" / "a.safetensors", tensors, CONFIG, {})


@pytest.mark.parametrize("missing", ["modality"])
def test_a_config_must_be_complete(tmp_path: Path, missing: str) -> None:
    config = {key: value for key, value in CONFIG.items() if key != missing}
    with pytest.raises(ModelError, match=missing):
        save_model(tmp_path / "a.safetensors", {}, config, {})
    assert not list(tmp_path.iterdir())


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ModelError) as raised:
        ModelFile(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def with_header(header: object, body: bytes = b"") -> bytes:
    encoded = (header if isinstance(header, str) else json.dumps(header)).encode()
    return len(encoded).to_bytes(8, "little") + encoded + body


def test_every_truncation_is_refused(path: Path) -> None:
    content = path.read_bytes()
    for length in {0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1}:
        message = refused(path, content[:length])
        assert "truncated" in message or "not a safetensors file" in message, length
    assert "truncated" in refused(path, content[:-1])


def test_bytes_after_the_end_are_refused(path: Path) -> None:
    assert "do not belong" in refused(path, path.read_bytes() + b"x")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_renamed_pickle_is_named_and_never_unpickled(path: Path, protocol: int, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "exploded",)

    assert "pickle" in refused(path, pickle.dumps(Bomb(), protocol=protocol))
    assert not (tmp_path / "exploded").exists()


def test_a_torch_archive_is_named_a_pickle(path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, path)
    assert "pickle" in refused(path, path.read_bytes())


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n" + b"\0" * 64,
        (2**63).to_bytes(8, "little") + b"{}",
        with_header("[]"),
        with_header("{"),
        with_header("[" * 100_000),
        with_header({"a": 1}),
        with_header({"a": {"data_offsets": [0]}}),
        with_header({"a": {"data_offsets": ["x", "y"]}}),
        with_header({"__metadata__": 5}),
    ],
)
def test_other_bytes_are_not_safetensors(path: Path, content: bytes) -> None:
    assert "not a safetensors file" in refused(path, content)


def test_safetensors_of_others_and_other_versions_are_told_apart(path: Path) -> None:
    assert "no gen model" in refused(path, with_header({"__metadata__": {"format": "pt"}}))
    config = json.dumps({"format": "gen.model/99", "modality": "toy"})
    assert "gen.model/99" in refused(path, with_header({"__metadata__": {"gen.config": config}}))
    assert "unreadable" in refused(path, with_header({"__metadata__": {"gen.config": "{"}}))
    unspecific = json.dumps({"format": "gen.model/1"})
    assert "which modality" in refused(path, with_header({"__metadata__": {"gen.config": unspecific}}))


@pytest.mark.parametrize("defaults", [None, {}, {"solver": "ddim", "grid": "uniform", "steps": "x"}, 3])
def test_invalid_defaults_are_a_model_error(path: Path, defaults: object) -> None:
    save_model(path, {}, {**CONFIG, "defaults": defaults}, {})
    with pytest.raises(ModelError, match="defaults"):
        _ = ModelFile(path).defaults


def spec(path: Path, **changes: str) -> ModelSpec:
    values = {
        "name": "crayon",
        "modality": "toy",
        "summary": "Four colours.",
        "source": str(path),
        "sha256": ModelFile(path).sha256,
        "licence": "CC0-1.0",
    }
    return ModelSpec(**{**values, **changes}, size=path.stat().st_size)


def test_a_model_is_found_by_name_and_by_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_model("crayon", "toy", [spec(path)]).path == path
    assert find_model(str(path), "toy", []).name == "crayon"
    monkeypatch.chdir(path.parent)
    assert find_model("crayon.safetensors", "toy", []).name == "crayon"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("crayom", "did you mean 'crayon'"),
        ("none.safetensors", "no model file"),
        ("hf:org/name", "cannot use 'hf:org/name' as a model"),
        ("https://example.org/a.safetensors", "cannot use"),
        (".", "cannot use"),
    ],
)
def test_other_references_say_what_a_model_is(path: Path, reference: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        find_model(reference, "toy", [spec(path)])


def test_a_registered_model_with_another_digest_is_refused(path: Path) -> None:
    with pytest.raises(ModelError, match="damaged or another file"):
        find_model("crayon", "toy", [spec(path, sha256="0" * 64)])


def test_a_model_of_another_modality_says_which(path: Path) -> None:
    with pytest.raises(ModelError, match="makes toy, not image"):
        find_model(str(path), "image", [])


def test_a_package_that_is_not_installed_is_named(path: Path) -> None:
    with pytest.raises(ModelError, match="no package gen_nowhere"):
        find_model("crayon", "toy", [spec(path, source="package:gen_nowhere/a.safetensors")])


def test_an_architecture_is_one_of_those_known(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "a.safetensors"
    save_model(path, tensors, {**CONFIG, "architecture": "toy/2"}, {})
    assert ModelFile(path).require_architecture("toy/1", "toy/2") == "toy/2"
    with pytest.raises(ModelError, match="a has the architecture 'toy/2', not 'toy/1' or 'toy/3'") as caught:
        ModelFile(path).require_architecture("toy/1", "toy/3")
    assert "newer version" in caught.value.hint
    for other in ([], None):
        save_model(path, tensors, {**CONFIG, "architecture": other}, {})
        with pytest.raises(ModelError, match="has the architecture"):
            ModelFile(path).require_architecture("toy/1")


@pytest.mark.parametrize(
    "error",
    [KeyError("shape"), IndexError("too many"), ValueError("a\nb"), RuntimeError(), ZeroDivisionError("0")],
)
def test_what_does_not_fit_is_reported_in_one_line(path: Path, error: Exception) -> None:
    with pytest.raises(ModelError) as caught, ModelFile(path).fitting():
        raise error
    told, cause = caught.value.message.split(": ")
    assert told == "model crayon does not fit its architecture"
    assert cause.splitlines() == [cause]


def test_other_errors_are_not_laid_to_the_file(path: Path) -> None:
    with pytest.raises(AssertionError), ModelFile(path).fitting():
        raise AssertionError
    with pytest.raises(ModelError, match=r"^truncated$"), ModelFile(path).fitting():
        raise ModelError("truncated")


def test_sizes_are_whole_numbers(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "a.safetensors"
    shapes: dict[str, object] = {"good": {"width": 4, "depth": 2}, "list": [4], "half": {"width": 0.5}}
    save_model(path, tensors, {**CONFIG, **shapes, "yes": {"width": True}, "text": {"width": "4"}}, {})
    file = ModelFile(path)
    assert file.sizes("good") == {"width": 4, "depth": 2}
    for key in ("list", "half", "yes", "text", "absent"):
        with pytest.raises(ValueError, match=f"its {key} is not a mapping of names to whole numbers"):
            file.sizes(key)


def test_a_network_gets_its_weights_and_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEN_CACHE", str(tmp_path))
    torch.manual_seed(3)
    whole = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout())
    path = tmp_path / "a.safetensors"
    save_model(path, {f"network.{name}": value for name, value in whole.state_dict().items()}, CONFIG, {})
    state = torch.get_rng_state()
    loaded = ModelFile(path).module(
        lambda: torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout()), "network.", "cpu", "bfloat16"
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    x = torch.randn(2, 3).bfloat16()
    with torch.no_grad():
        assert torch.equal(loaded(x), whole[:1].bfloat16()(x))
    with pytest.raises(UsageError, match="no CPU runs float16"):
        ModelFile(path).module(lambda: whole, "network.", "cpu", "float16")
    with pytest.raises(RuntimeError, match="size mismatch"):
        ModelFile(path).module(
            lambda: torch.nn.Sequential(torch.nn.Linear(3, 5)), "network.", "cpu", "float32"
        )


def test_the_scale_of_latents_fits_the_grid(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    scale = {"latents.mean": torch.tensor([1.0, 2.0]), "latents.std": torch.tensor([3.0, 4.0])}
    save_model(path, {name: value.half() for name, value in scale.items()}, CONFIG, {})
    mean, std = ModelFile(path).latent_scale("cpu", dimensions=2)
    assert mean.shape == std.shape == (2, 1, 1)
    assert (mean.flatten().tolist(), std.flatten().tolist()) == ([1, 2], [3, 4])
    assert mean.dtype == torch.float32
    for broken in ({"latents.mean": scale["latents.mean"]}, {name: torch.tensor(1.0) for name in scale}):
        save_model(path, broken, CONFIG, {})
        with pytest.raises(LookupError):
            ModelFile(path).latent_scale("cpu", dimensions=2)


@pytest.mark.parametrize("place", ["header", "metadata", "config"])
def test_a_key_that_is_there_twice_is_refused(path: Path, place: str) -> None:
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header, body = content[8 : 8 + length].decode().rstrip(), content[8 + length :]
    known = json.loads(header)
    if place == "header":
        name = next(key for key in known if key != "__metadata__")
        text = f"{header[:-1]},{json.dumps(name)}:{json.dumps(known[name])}}}"
    else:
        metadata = known.pop("__metadata__")
        if place == "config":
            metadata["gen.config"] = metadata["gen.config"][:-1] + ',"modality":"other"}'
            told = json.dumps(metadata)
        else:
            told = json.dumps(metadata)[:-1] + ',"gen.card":"{}"}'
        text = f'{{"__metadata__":{told},{json.dumps(known)[1:]}'
    assert "twice" in refused(path, with_header(text, body))
