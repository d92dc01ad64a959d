"""Families of flows whose text encoders are language models: ours beside diffusers' pipelines."""

from __future__ import annotations

import importlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tiny
import tiny_pictures
import torch
from beside_diffusers import (
    NEGATIVE,
    PROMPT,
    THEIRS,
    Family,
    compare,
    error,
    hole,
    make_freely,
    ours,
    packed,
    picture,
    task_of,
)
from PIL import Image
from torch import Tensor
from torch.nn import functional

from gen.artifact import Artifact
from gen.checkpoints import Checkpoint
from gen.errors import UsageError
from gen.model import Model
from gen_image.families import flux, flux_2_klein, qwen_image, sana, z_image
from gen_image.families.cells import tokens_of


def unpatched(model: Model, state: Tensor) -> Tensor:
    """The latents as the autoencoder gets them."""
    codec: Any = model.codec
    return functional.pixel_shuffle(state / codec.scale + codec.shift, 2)


SHORT = {"max_sequence_length": 48, "text_encoder_out_layers": (1, 2, 3)}
"""Of the prompts of FLUX.2, whose text encoder has 36 layers in truth and gets 512 tokens."""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flux_2_klein, "LENGTH", 48)
    monkeypatch.setattr(flux_2_klein, "LAYERS", (1, 2, 3))
    monkeypatch.setattr(sana, "INSTRUCTION", "on grass\na fox: ")


FAMILIES = {
    "z-image": Family(
        partial(tiny_pictures.z_image, shift=6.0),
        z_image.load,
        size=(24, 16),
        guidance=5.0,
        options={"guidance_scale": 4.0},  # theirs is 0 where there is none
    ),
    "z-image-turbo": Family(
        partial(tiny_pictures.z_image, shift=3.0),
        z_image.load,
        guidance=1.0,
        options={"guidance_scale": 0.0},
        negative=None,
    ),
    "qwen-image": Family(
        tiny_pictures.qwen_image,
        qwen_image.load,
        size=(48, 32),
        guidance=4.0,
        options={"guidance_scale": None, "true_cfg_scale": 4.0},
        pack=tokens_of,
    ),
    "flux-2-klein": Family(
        tiny_pictures.flux_2_klein,
        flux_2_klein.load,
        size=(24, 16),
        guidance=4.0,
        options=SHORT,
        negative=None,
        result=unpatched,
    ),
    "flux-2-klein-distilled": Family(
        partial(tiny_pictures.flux_2_klein, True),
        flux_2_klein.load,
        steps=3,
        guidance=1.0,
        options=SHORT,
        negative=None,
        result=unpatched,
    ),
    "sana": Family(
        tiny_pictures.sana,
        sana.load,
        size=(64, 32),
        options={"use_resolution_binning": False, "complex_human_instruction": ["on grass", "a fox: "]},
        grid=THEIRS,
    ),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_parity(name: str, tmp_path: Path) -> None:
    compare(FAMILIES[name], tmp_path)


@pytest.mark.parametrize("name", ["z-image", "qwen-image", "flux-2-klein", "sana"])
def test_what_the_pipelines_lack(name: str, tmp_path: Path) -> None:
    make_freely(tiny.saved(FAMILIES[name].build(), tmp_path))


def rounded(*pictures: Artifact) -> list[Artifact]:
    """The same in 8 bits."""
    return [Artifact("image", {"pixels": (one.arrays["pixels"] * 255).round() / 255}) for one in pictures]


def shown(pictures: list[Artifact]) -> list[Image.Image]:
    return [Image.fromarray((one.arrays["pixels"] * 255).round().astype("uint8")) for one in pictures]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures to edit are read at an area of 64 × 64 pixels on both sides."""
    module = "diffusers.pipelines.qwenimage.pipeline_qwenimage_edit"
    for name in (module, f"{module}_plus"):
        their = importlib.import_module(name).calculate_dimensions

        def smaller(_area: int, ratio: float, their: Any = their) -> Any:
            return their(64**2, ratio)

        monkeypatch.setattr(f"{name}.calculate_dimensions", smaller)
    monkeypatch.setattr(qwen_image, "SIDE", 64)
    monkeypatch.setattr(qwen_image, "GLANCE", 64)


def saw(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Say to its text encoder which tokens are those of a picture, on which their places depend."""
    encoder, mark = pipeline.text_encoder, pipeline.text_encoder.config.image_token_id
    forward = encoder.forward

    def with_types(*, input_ids: Any, **options: Any) -> Any:
        return forward(input_ids=input_ids, mm_token_type_ids=(input_ids == mark).int(), **options)

    monkeypatch.setattr(encoder, "forward", with_types)


@pytest.mark.parametrize("kind", ["Edit", "EditPlus"])
@pytest.mark.usefixtures("small")
def test_pictures_are_edited_where_diffusers_forgets_the_places_in_them(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With transformers 5, diffusers' pipelines give the tokens of a picture the places of words in a row."""
    pipeline = tiny_pictures.qwen_image(kind)
    model = qwen_image.load(Checkpoint(tiny_pictures.saved_editor(pipeline, tmp_path)), "cpu", "float32")
    given = rounded(picture(64, 64), picture(128, 32))[: 2 if kind == "EditPlus" else 1]
    params = dict(zip(("reference", "reference_2"), given, strict=False))
    family = Family(lambda: None, qwen_image.load, steps=4, guidance=4.0, params=params, size=(48, 32))
    task = task_of(family)
    images = shown(given)

    def theirs(start: Any) -> Any:
        return pipeline(
            image=images if kind == "EditPlus" else images[0], prompt=PROMPT, negative_prompt=NEGATIVE,
            true_cfg_scale=4.0, num_inference_steps=4, width=48, height=32, latents=tokens_of(start),
            output_type="latent",
        ).images  # fmt: skip

    with torch.inference_mode():
        start, latents = ours(model, task)
        wrong = theirs(start)
        saw(pipeline, monkeypatch)
        right = theirs(start)
    assert error(tokens_of(latents), right) < 1e-5
    assert error(tokens_of(latents), wrong) > 3e-5
    assert model.codec.size(replace(task, params=params)) == (64, 64)
    with pytest.raises(UsageError, match="edits a picture"):
        model.path[0].encode(replace(task, params={}))


def test_flux_2_klein_edits_pictures(tmp_path: Path) -> None:
    pipeline = tiny_pictures.flux_2_klein()
    model = flux_2_klein.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    given = rounded(picture(64, 64), picture(80, 64))
    params = dict(zip(("reference", "reference_2"), given, strict=True))
    task = task_of(
        Family(lambda: None, flux_2_klein.load, steps=3, guidance=4.0, params=params, negative=None)
    )
    with torch.inference_mode():
        start, latents = ours(model, task)
        theirs = pipeline(
            image=shown(given), prompt=PROMPT, guidance_scale=4.0, num_inference_steps=3, width=16,
            height=16, latents=start.clone(), output_type="latent", **SHORT,
        ).images  # fmt: skip
    assert error(unpatched(model, latents), theirs) < 1e-5
    assert flux_2_klein.as_it_is(2048, 1024) == (1440, 720)


def test_flux_kontext_edits_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = tiny_pictures.flux("Kontext")
    model = flux.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    assert flux.nearest(1600, 900) == (1392, 752)
    monkeypatch.setattr(flux, "SIZES", ((32, 32),))
    given = rounded(picture(32, 32))
    params = {"reference": given[0]}
    family = Family(lambda: None, flux.load, steps=3, guidance=2.5, params=params, size=(24, 16))
    with torch.inference_mode():
        start, latents = ours(model, task_of(family))
        theirs = pipeline(
            image=shown(given)[0], prompt=PROMPT, guidance_scale=2.5, num_inference_steps=3, width=24,
            height=16, max_area=24 * 16, _auto_resize=False, latents=packed(start), output_type="latent",
        ).images  # fmt: skip
    assert error(packed(latents), theirs) < 1e-5


def test_flux_fills_a_hole(tmp_path: Path) -> None:
    """The network gets the mask of every pixel, and the picture with a hole in its pixels."""
    pipeline = tiny_pictures.flux("Fill")
    model = flux.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    assert (model.defaults.steps, model.defaults.guidance) == (50, 30.0)
    task = task_of(Family(lambda: None, flux.load, steps=3, guidance=30.0), init=picture(), mask=hole())
    with torch.inference_mode():
        start, latents = ours(model, task)
        given = [torch.tensor(one.arrays["pixels"]).permute(2, 0, 1)[None] for one in (picture(), hole())]
        theirs = pipeline(
            prompt=PROMPT, image=given[0], mask_image=given[1][:, :1], width=16, height=16,
            guidance_scale=30.0, num_inference_steps=3, latents=packed(start), output_type="latent",
        ).images  # fmt: skip
    assert error(packed(latents), theirs) < 1e-5
