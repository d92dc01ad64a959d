"""Parts of a checkpoint that leave memory for each other, and have a precision of their own."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

import pytest
import tiny
import torch

from gen.checkpoints import Checkpoint
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import called
from gen.checks import dtypes_of
from gen.diffusion import Condition, Conditioning
from gen.errors import UsageError
from gen.hardware import memory
from gen.hardware.residency import Residents


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    pipeline = tiny.stable_diffusion(tiny.diffusers.DDIMScheduler(**tiny.SD_CHAIN))
    return Checkpoint(tiny.saved(pipeline, tmp_path_factory.mktemp("sd")))


def evaluated(parts: Parts) -> list[torch.Tensor]:
    """What each part makes, one after another, twice."""
    text, unet, vae = parts.clip(), parts.network("unet"), parts.autoencoder()
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 4, 8, 8, generator=generator)
    found = []
    with torch.inference_mode():
        for _ in range(2):
            states, _ = text(["a fox"], -1, normed=True)
            found += [states, unet(x, torch.tensor([500.0]), encoder_hidden_states=states).sample]
            found.append(vae.decode(x).sample)
    return found


@pytest.mark.slow
def test_parts_leave_memory_for_each_other(checkpoint: Checkpoint) -> None:
    together, alone = Residents(2**40), Residents(0)
    expected = evaluated(Parts(checkpoint, "cpu", "float32", together))
    found = evaluated(Parts(checkpoint, "cpu", "float32", alone))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    # Nothing refers to the parts any more.
    assert together.loaded == alone.loaded == 0
    parts = Parts(checkpoint, "cpu", "float32", alone)
    text, unet = parts.clip(), parts.network("unet")
    assert alone.loaded == 1
    first = weakref.ref(unet.conv_in)
    text(["a fox"], -1, normed=True)
    assert alone.loaded == 1
    assert first() is None
    both = replace(parts, residents=Residents(2**40))
    kept = both.clip(), both.network("unet")
    assert both.residents.loaded == len(kept)


def test_a_part_with_a_precision_of_its_own(checkpoint: Checkpoint) -> None:
    parts = Parts(checkpoint, "cpu", "bfloat16,vae=float32")
    assert next(parts.autoencoder().parameters()).dtype == torch.float32
    assert next(parts.network("unet").parameters()).dtype == torch.bfloat16
    assert parts.clip().network.tokens.weight.dtype == torch.bfloat16
    assert dtypes_of("float32,unet=bfloat16") == ("float32", {"unet": "bfloat16"})
    for text in (
        "float31",
        "bfloat16,vae",
        "bfloat16,vae=half",
        "bfloat16,=float32",
        "",
        "float32,vae=float32,vae=bfloat16",
    ):
        with pytest.raises(UsageError, match="dtype"):
            dtypes_of(text)
    with pytest.raises(UsageError, match="dtype takes NAME,PART=NAME, not 'vae=float32'"):
        dtypes_of("vae=float32")


@pytest.mark.parametrize(("total", "sizes"), [(2**44, [2]), (1, [1, 1])])
def test_guidance_in_one_batch_or_in_sequence(
    total: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the memory of the machine allows."""
    monkeypatch.setattr("gen.hardware.batching.total_memory", lambda _device: total)
    layer = torch.nn.Conv2d(4, 4, 3, padding=1).requires_grad_(False)
    seen: list[int] = []

    def call(x: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> Any:
        seen.append(len(x))
        return layer(x) * conditioning["scale"].value[:, :, None, None] + t[:, None, None, None]

    x, t = torch.randn(2, 4, 8, 8), torch.tensor([1.0, 1.0])
    scale = Conditioning({"scale": Condition(torch.tensor([[2.0], [3.0]]), "global")})
    found = called(layer, call)(x, t, scale)
    assert seen == sizes
    assert torch.allclose(found, layer(x) * torch.tensor([2.0, 3.0]).view(2, 1, 1, 1) + 1, atol=1e-5)
    assert memory.fits(1, 0, total) == (total > 1)
