"""Networks filled from files: islands, shared tensors, reordered weights, and the memory that it takes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from gen.checkpoints import Component
from gen.checkpoints.libraries import library_class
from gen.checkpoints.networks import filled, load_transformers_network
from gen.checkpoints.weights import Weights
from gen.errors import ModelError
from gen.hardware.packing import PackedLinear, packing_available


class Words(nn.Module):
    """Scores of words with the table's own vectors, and an island."""

    _keep_in_fp32_modules = ("clock",)

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(6, 4)
        self.clock = nn.Linear(4, 4)
        self.mix = nn.Linear(4, 4)
        self.scores = nn.Linear(4, 6, bias=False)
        self.scores.weight = self.table.weight


def weights(path: Path, tensors: Mapping[str, Tensor]) -> Weights:
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    return Weights((path,), "scorer")


@pytest.fixture
def saved(tmp_path: Path) -> Weights:
    torch.manual_seed(4)
    state = Words().state_dict()
    del state["scores.weight"]
    return weights(tmp_path / "model.safetensors", state)


def test_islands_stay_in_float32(saved: Weights) -> None:
    network = filled(Words, saved, "scorer", dtype=torch.bfloat16)
    dtypes = {name: value.dtype for name, value in network.named_parameters()}
    assert {name for name, dtype in dtypes.items() if dtype == torch.float32} == {
        "clock.weight",
        "clock.bias",
    }
    assert not any(value.requires_grad for value in network.parameters())


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.bfloat16])
def test_a_shared_tensor_may_be_there_once(saved: Weights, dtype: torch.dtype | None) -> None:
    network = filled(Words, saved, "scorer", dtype=dtype)
    assert network.scores.weight is network.table.weight
    assert torch.equal(network.table.weight.float(), dict(saved.tensors())["table.weight"].to(dtype).float())


def test_a_shared_tensor_that_is_missing_is_missed(saved: Weights, tmp_path: Path) -> None:
    rest = {name: value for name, value in saved.tensors() if name != "table.weight"}
    with pytest.raises(ModelError, match=r"lacks 2 tensors, 'scores\.weight' among them"):
        filled(Words, weights(tmp_path / "rest.safetensors", rest), "scorer")


@pytest.mark.skipif(not packing_available(), reason="this torch has no oneDNN")
def test_weights_are_reordered_while_they_are_read(saved: Weights) -> None:
    plain = filled(Words, saved, "scorer", dtype=torch.bfloat16)
    fast = filled(Words, saved, "scorer", dtype=torch.bfloat16, pack=True)
    assert isinstance(fast.mix, PackedLinear)
    assert torch.equal(fast.mix.weight.to_dense(), plain.mix.weight)
    assert torch.equal(fast.scores.weight, plain.scores.weight)


@pytest.mark.parametrize("wrapped", ["", "transformer."])
def test_a_network_of_transformers_by_the_names_of_its_wrapper(tmp_path: Path, wrapped: str) -> None:
    config = tiny.transformers.GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=4, n_positions=8)
    theirs = tiny.seeded(tiny.transformers.GPT2Model, config=config)
    theirs.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    state = {wrapped + name: value for name, value in theirs.state_dict().items()}
    # As files of older releases have it.
    save_file({**state, f"{wrapped}h.0.attn.bias": torch.ones(1, 1, 8, 8)}, file)
    part = Component("language_model", "transformers", "GPT2Model", tmp_path)
    ours, x = load_transformers_network(part), torch.randn(1, 3, 8)
    with torch.no_grad():
        assert torch.equal(ours(inputs_embeds=x)[0], theirs(inputs_embeds=x)[0])
    file.unlink()
    save_file({**state, "h.7.mlp.c_fc.bias": torch.ones(2)}, file)
    with pytest.raises(ModelError, match=r"has a tensor 'h\.7\.mlp\.c_fc\.bias' that"):
        load_transformers_network(replace(part))


MEASURE = """
import sys, torch
from pathlib import Path
from torch import nn
from gen.checkpoints import weights
from gen.checkpoints.networks import filled

def status(key):
    return int(next(line for line in open("/proc/self/status") if line.startswith(key)).split()[1]) * 1024

def build():
    return nn.Sequential(*(nn.Linear(1024, 1024, bias=False) for _ in range(24)))

weights.MAPPED = 2**23
# What torch loads at its first calls.
nn.Linear(64, 64).bfloat16()(torch.randn(2, 64).bfloat16())
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
network = filled(
    build, weights.Weights((Path(sys.argv[1]),), "net"), "net",
    dtype=getattr(torch, sys.argv[2]), pack=sys.argv[3] == "packed",
)
print(status("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells")
@pytest.mark.parametrize(
    ("dtype", "form", "most"),
    [
        # 96 MiB in the file. Mapped: nothing is read.
        ("float32", "plain", 16),
        # 48 MiB of weights, 8 mapped at a time, and up to 32 that were freed.
        pytest.param("bfloat16", "plain", 90, marks=pytest.mark.slow),
        ("bfloat16", "packed", 90),
    ],
)
def test_reading_takes_the_memory_of_the_weights(tmp_path: Path, dtype: str, form: str, most: int) -> None:
    path = tmp_path / "model.safetensors"
    save_file({f"{index}.weight": torch.full((1024, 1024), float(index)) for index in range(24)}, path)
    command = [sys.executable, "-c", MEASURE, str(path), dtype, form]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(ran.stdout) < most * 2**20


@pytest.mark.parametrize("library", ["diffusers", "transformers"])
def test_libraries_report_nothing_but_errors(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = f"{library.upper()}_VERBOSITY"
    monkeypatch.setenv(variable, "info")
    monkeypatch.delenv(variable)
    assert library_class("transformers", "CLIPTextConfig", "text_encoder")
    assert os.environ[variable] == "error"
