"""Checkpoints that draw pictures: ours beside diffusers' pipelines, from the same noise on the same grid."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny
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

from gen import presets
from gen.artifact import Artifact
from gen.checkpoints import Checkpoint
from gen.diffusion import ClassifierFree, NoiseSource, guided, sample
from gen.errors import UsageError
from gen.model import Model
from gen_image.families import dit, flux, pixart, stable_diffusion, stable_diffusion_3, stable_diffusion_xl

DDIM = {**tiny.SD_CHAIN, "clip_sample": False, "steps_offset": 1}
EULER = {**tiny.SD_CHAIN, "timestep_spacing": "leading", "steps_offset": 1}
UNBINNED = {"use_resolution_binning": False, "clean_caption": False}
V = {
    **DDIM,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}

FAMILIES = {
    "sd1": Family(
        lambda: tiny.stable_diffusion(tiny.diffusers.DDIMScheduler(**DDIM, set_alpha_to_one=False)),
        stable_diffusion.load,
    ),
    "sd1-wide": Family(
        lambda: tiny.stable_diffusion(
            tiny.diffusers.DPMSolverMultistepScheduler(
                **tiny.SD_CHAIN, timestep_spacing="leading", steps_offset=1
            )
        ),
        stable_diffusion.load,
        size=(24, 16),
    ),
    "sd2-v": Family(
        lambda: tiny.stable_diffusion(tiny.diffusers.DDIMScheduler(**V), use_linear_projection=True),
        stable_diffusion.load,
        steps=5,  # diffusers' DDIM steps by 1000 // steps, whatever its grid
    ),
    "sdxl": Family(
        lambda: tiny.stable_diffusion_xl(tiny.diffusers.EulerDiscreteScheduler(**EULER)),
        stable_diffusion_xl.load,
        size=(24, 16),
    ),
    "sdxl-empty-negative": Family(
        lambda: tiny.stable_diffusion_xl(tiny.diffusers.EulerDiscreteScheduler(**EULER)),
        stable_diffusion_xl.load,
        negative=None,
    ),
    "sdxl-no-zeros": Family(
        lambda: tiny.stable_diffusion_xl(
            tiny.diffusers.EulerDiscreteScheduler(**EULER), force_zeros_for_empty_prompt=False
        ),
        stable_diffusion_xl.load,
        negative=None,
    ),
    "lcm": Family(tiny.latent_consistency, stable_diffusion.load, steps=1, guidance=8.0, negative=None),
    "sd3": Family(tiny.stable_diffusion_3, stable_diffusion_3.load, grid=THEIRS, size=(24, 16)),
    "sd3-without-t5": Family(partial(tiny.stable_diffusion_3, False), stable_diffusion_3.load, grid=THEIRS),
    "flux": Family(
        partial(tiny.flux, True),
        flux.load,
        guidance=3.5,
        negative=None,
        pack=packed,
        size=(24, 16),
    ),
    "flux-true-cfg": Family(
        partial(tiny.flux, True),
        flux.load,
        guidance=3.5,
        options={"true_cfg_scale": 4.0},
        params={"true_cfg": 4.0},
        pack=packed,
    ),
    "flux-schnell": Family(
        partial(tiny.flux, False),
        flux.load,
        guidance=1.0,
        options={"max_sequence_length": 256},
        negative=None,
        pack=packed,
    ),
    "pixart-sigma": Family(
        partial(tiny.pixart, True), pixart.load, options=UNBINNED, guidance=4.5, size=(24, 16)
    ),
    "pixart-alpha": Family(
        partial(tiny.pixart, False), pixart.load, options=UNBINNED, guidance=4.5, size=(24, 16)
    ),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_parity(name: str, tmp_path: Path) -> None:
    compare(FAMILIES[name], tmp_path)


def test_dit(tmp_path: Path) -> None:
    pipeline = tiny.dit()
    index = tiny.saved(pipeline, tmp_path) / "model_index.json"
    # Published ones have it; diffusers does not save it.
    names = {"id2label": {"207": "golden retriever", "281": "tabby, tabby cat"}}
    index.write_text(json.dumps(json.loads(index.read_text()) | names))
    model = dit.load(Checkpoint(tmp_path), "cpu", "float32")
    family = Family(tiny.dit, dit.load, steps=5, guidance=4.0)
    task = replace(task_of(family), prompts=("golden retriever", "281"), noise=NoiseSource([1, 2]))
    with torch.inference_mode():
        start, latents = ours(model, task)
        pictures = [picture.arrays["pixels"] for picture in model.codec.decode(latents, task)]
        with pytest.MonkeyPatch.context() as patch:
            # Their pipeline takes no latents.
            patch.setattr("diffusers.pipelines.dit.pipeline_dit.randn_tensor", lambda **_: start.clone())
            theirs = pipeline([207, 281], guidance_scale=4.0, num_inference_steps=5, output_type="np").images
    assert np.abs(np.stack(pictures) - theirs).max() < 1e-4
    [stage] = model.stages
    assert stage.number("Tabby cat") == 281
    with pytest.raises(UsageError, match=r"no class 'golden retrieve' \(did you mean golden retriever"):
        stage.number("golden retrieve")


def test_filling_a_hole(tmp_path: Path) -> None:
    """A network with nine channels: 1 where it is drawn anew, and the picture with a hole in its pixels."""
    pipeline = tiny.stable_diffusion(tiny.diffusers.DDIMScheduler(**DDIM), in_channels=9)
    model = stable_diffusion.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    family = Family(lambda: None, stable_diffusion.load)
    task = task_of(family, init=picture(), mask=hole())
    with torch.inference_mode():
        start, latents = ours(model, task)
        given = [torch.from_numpy(one.arrays["pixels"]).permute(2, 0, 1)[None] for one in (picture(), hole())]
        theirs = pipeline(
            prompt=PROMPT, negative_prompt=NEGATIVE, image=given[0] * 2 - 1, mask_image=given[1][:, :1],
            width=16, height=16, guidance_scale=5.0, num_inference_steps=6, strength=1.0,
            latents=start.clone(), output_type="latent",
        ).images  # fmt: skip
    assert error(latents, theirs) < 1e-5


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Model:
    pipeline = tiny.stable_diffusion(tiny.diffusers.DDIMScheduler(**DDIM))
    folder = tiny.saved(pipeline, tmp_path_factory.mktemp("sd"))
    return stable_diffusion.load(Checkpoint(folder), "cpu", "float32")


def test_latents_come_back_as_diffusers_encodes_them(painter: Model) -> None:
    task = task_of(Family(lambda: None, stable_diffusion.load))
    pixels = torch.from_numpy(picture().arrays["pixels"]).permute(2, 0, 1)[None]
    with torch.inference_mode():
        z = painter.codec.encode([picture()], task)
        expected = tiny.vae().encode(pixels * 2 - 1).latent_dist.mean * 0.18215
    assert torch.allclose(z, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("tile", "axis"), [("x", -1), ("y", -2)])
def test_edges_meet_where_the_padding_is_circular(painter: Model, tile: str, axis: int) -> None:
    """Network and decoder move with the state along that axis, and along the other they do not."""
    family = Family(lambda: None, stable_diffusion.load)
    task = replace(task_of(family, shape=(4, 8, 8)), tile=tile)
    [stage] = painter.path
    z = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)) / 4

    def predicted(state: torch.Tensor) -> torch.Tensor:
        return stage.denoiser(task)(state, stage.process.level(0.5), stage.encode(task), None).x0

    def decoded(state: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(painter.codec.decode(state, task)[0].arrays["pixels"]).permute(2, 0, 1)[None]

    with torch.inference_mode():
        for made in (predicted, decoded):
            # Half of the state: a whole number of cells of every level of the network.
            step, scale = 4, made(z).shape[-1] // 8
            for along in (-1, -2):
                moved, still = made(z.roll(step, along)), made(z).roll(step * scale, along)
                assert torch.allclose(moved, still, atol=1e-5) == (along == axis), (made.__name__, along)


def test_decoding_in_tiles(painter: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the memory is short, or where it is wanted: no larger part is decoded at once."""
    task = task_of(Family(lambda: None, stable_diffusion.load))
    z = torch.randn(1, 4, 24, 40, generator=torch.Generator().manual_seed(1)) / 4
    seen: list[int] = []
    decode = type(painter.codec).pixels

    def pixels(codec: object, code: torch.Tensor) -> torch.Tensor:
        seen.append(max(code.shape[2:]))
        return decode(codec, code)

    monkeypatch.setattr(type(painter.codec), "pixels", pixels)
    with torch.inference_mode():
        whole = painter.codec.decode(z, task)[0].arrays["pixels"]
        assert seen == [40]
        tiled = painter.codec.decode(z, replace(task, params={"vae_tile": 32}))[0].arrays["pixels"]
        assert len(seen) > 2
        assert max(seen[1:]) == 16
        monkeypatch.setattr("gen_image.families.codec.total_memory", lambda _device: 1)
        monkeypatch.setattr("gen_image.families.codec.TILE", 32)
        short = painter.codec.decode(z, task)[0].arrays["pixels"]
        assert np.array_equal(short, tiled)
        assert np.array_equal(
            painter.codec.decode(z, replace(task, params={"vae_tile": 0}))[0].arrays["pixels"], whole
        )
    assert tiled.shape == whole.shape == (48, 80, 3)
    # Normalisation and attention see a tile in place of the whole.
    assert np.abs(tiled - whole).mean() < 0.25 * whole.std()


def test_masks_and_sizes(painter: Model) -> None:
    task = task_of(Family(lambda: None, stable_diffusion.load))
    keep = painter.codec.mask(hole(), task)
    assert keep[0, 0].int().tolist() == [
        [int(not (2 <= y < 6 and 1 <= x < 5)) for x in range(8)] for y in range(8)
    ]
    with pytest.raises(UsageError, match="width must be a multiple of 2, not 17"):
        painter.codec.shape(replace(task, params={"width": 17, "height": 16}))
    wide = replace(task, params={"width": 32})
    assert painter.codec.shape(wide) == (4, 16, 16)
    assert painter.codec.encode([picture(48, 16)], wide).shape == (1, 4, 16, 16)
    made = Artifact("image", {"pixels": np.zeros((16, 16, 3), np.float32)})
    edited = painter.codec.composite(made, replace(task, init=picture(), mask=hole())).arrays["pixels"]
    outside = hole().arrays["pixels"][..., 0] == 0
    assert np.array_equal(edited[outside], picture().arrays["pixels"][outside])


def test_weights_and_long_prompts(painter: Model) -> None:
    """Windows of 75 tokens one after the other, each with its start and end; weights keep the mean."""
    [stage] = painter.stages
    clip = tiny.clip()
    tokenizer = tiny.clip_tokenizer()
    with torch.no_grad():
        states, _ = stage.text(["fox " * 100, "a (red:1.5) fox"], -1, normed=True)
        ends = [tokenizer.bos_token_id, tokenizer.eos_token_id]
        fox = tokenizer("fox").input_ids[1]
        for window, count in enumerate((75, 25)):
            row = [ends[0], *[fox] * count, *[ends[1]] * (76 - count)]
            expected = clip(torch.tensor([row])).last_hidden_state
            assert torch.allclose(states[:1, 77 * window : 77 * (window + 1)], expected, atol=1e-5)
        plain = clip(
            tokenizer("a red fox", padding="max_length", return_tensors="pt").input_ids
        ).last_hidden_state
    weights = torch.ones(77)
    weights[2] = 1.5
    weighted = plain * weights[:, None]
    assert torch.allclose(states[1:, :77], weighted * plain.mean() / weighted.mean(), rtol=1e-4, atol=1e-5)


def test_clip_skip_leaves_out_layers(painter: Model) -> None:
    [stage] = painter.stages
    task = replace(task_of(Family(lambda: None, stable_diffusion.load)), params={"clip_skip": 1})
    clip = tiny.clip()
    ids = tiny.clip_tokenizer()(PROMPT, padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        expected = clip.final_layer_norm(clip(ids, output_hidden_states=True).hidden_states[-2])
        found = stage.encode(task)["text"].value
    assert torch.allclose(found, expected, atol=1e-5)


def test_long_runs_of_all_solvers_lead_to_about_the_same_picture(tmp_path: Path) -> None:
    family = replace(FAMILIES["sd3"], steps=30)
    model = family.load(Checkpoint(tiny.saved(family.build(), tmp_path)), "cpu", "float32")
    task = task_of(family)
    with torch.inference_mode():
        made = {solver: ours(model, task, solver)[1] for solver in ("unipc_3", "deis", "dpmpp_3m", "heun")}
    assert all(error(x, made["heun"]) < 0.1 for x in made.values())


@pytest.mark.parametrize("name", ["sd1", "sdxl", "flux-schnell", "pixart-sigma"])
def test_what_the_pipelines_lack(name: str, tmp_path: Path) -> None:
    make_freely(tiny.saved(FAMILIES[name].build(), tmp_path))


def test_beginning_with_a_picture(tmp_path: Path) -> None:
    """The same draw on the same latents; half of ten steps are five on both sides."""
    pipeline = tiny.stable_diffusion(tiny.diffusers.DDIMScheduler(**DDIM))
    model = stable_diffusion.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    [stage] = model.stages
    task = task_of(Family(lambda: None, stable_diffusion.load, steps=10), init=picture())
    task = replace(task, shape=model.codec.shape(task))
    parts = {name: part for name, part in pipeline.components.items() if name != "image_encoder"}
    theirs = tiny.diffusers.StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
    theirs.set_progress_bar_config(disable=True)
    module = "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_img2img.randn_tensor"
    pixels = torch.from_numpy(picture().arrays["pixels"]).permute(2, 0, 1)[None]
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        grid = stage.own_grid(task).truncate(0.5)
        start = model.codec.encode([picture()], task)
        x = sample(
            guided(stage.denoiser(task), ClassifierFree(5.0)), stage.process, grid, presets.solver("ddim"),
            x=stage.init(task, grid, start), conditioning=stage.encode(task), noise=task.noise,
        ).x  # fmt: skip
        patch.setattr(module, lambda shape, **_: task.noise.prior(tuple(shape[1:])))
        expected = theirs(
            prompt=PROMPT, negative_prompt=NEGATIVE, image=pixels * 2 - 1, strength=0.5, guidance_scale=5.0,
            num_inference_steps=10, output_type="latent",
        ).images  # fmt: skip
    assert error(x, expected) < 1e-5
