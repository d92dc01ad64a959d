"""Checkpoints that make sound: ours beside diffusers' pipelines, from the same noise on the same grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import tiny_sounds
import torch
from pipelines import error, ours
from torch import Tensor

import gen
from gen.artifact import Artifact
from gen.checkpoints import Checkpoint
from gen.diffusion import ClassifierFree, NoiseSource, guided, sample
from gen.errors import ModelError, UsageError
from gen.model import Model, Task
from gen.presets import solver
from gen_audio.families import ace_step, audioldm_2, stable_audio

PROMPT = "a red fox on tall grass"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.saved(tiny.stable_audio(), tmp_path_factory.mktemp("models") / "tiny-audio")


class Draws:
    """The draws of our run, in the place of their Brownian path."""

    noise = NoiseSource([7])

    def __init__(self, x: Tensor, **_: object) -> None:
        self.shape, self.index = x.shape[1:], 0

    def __call__(self, *_: object) -> Tensor:
        self.index += 1
        return self.noise.normal(self.shape, "step", self.index - 1)


@pytest.fixture
def same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "diffusers.schedulers.scheduling_cosine_dpmsolver_multistep"
    monkeypatch.setattr(f"{module}.BrownianTreeNoiseSampler", Draws)


def task_of(**options: Any) -> Task:
    values = {"prompts": (PROMPT,), "guidance": 4.0, "steps": 6, "noise": Draws.noise}
    return Task(**{**values, "params": {"duration": 1.2, "channels": "stereo"}, **options})


def sound(seconds: float = 1.0, rate: int = 100, channels: int = 2) -> Artifact:
    """Something to edit."""
    waves = np.random.default_rng(5).uniform(-0.5, 0.5, (channels, round(seconds * rate)))
    return Artifact("audio", {"samples": waves.astype(np.float32)}, {"sample_rate": rate})


@pytest.mark.usefixtures("same_draws")
@pytest.mark.parametrize("negative", [None, "tall fox"])
def test_stable_audio(negative: str | None, folder: Path) -> None:
    pipeline = tiny.stable_audio()
    pipeline.set_progress_bar_config(disable=True)
    model = stable_audio.load(Checkpoint(folder), "cpu", "float32")
    task = task_of(negatives=negative and (negative,))
    with torch.inference_mode():
        start, latents = ours(model, task)
        made = model.codec.decode(latents, task)[0]
        theirs = [
            pipeline(
                prompt=PROMPT, negative_prompt=negative, audio_end_in_s=1.2, guidance_scale=4.0,
                num_inference_steps=6, latents=start.clone(), output_type=kind,
            ).audios
            for kind in ("latent", "np")
        ]  # fmt: skip
    assert error(latents, theirs[0]) < 1e-5
    samples = made.arrays["samples"]
    assert made.attributes["sample_rate"] == 100
    assert samples.shape == (2, 120)
    assert np.abs(samples - theirs[1][0].clip(-1, 1)).max() < 1e-4
    assert samples.std() > 0.01


@pytest.mark.usefixtures("same_draws")
def test_stable_audio_begins_with_a_sound(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs always begins at the first level; the draw of their autoencoder is left out."""
    pipeline = tiny.stable_audio()
    pipeline.set_progress_bar_config(disable=True)
    model = stable_audio.load(Checkpoint(folder), "cpu", "float32")
    [stage] = model.stages
    task = task_of(init=sound())
    task = replace(task, shape=model.codec.shape(task))
    module = "diffusers.models.autoencoders.autoencoder_oobleck.OobleckDiagonalGaussianDistribution"
    monkeypatch.setattr(f"{module}.sample", lambda self, *_: self.mean)
    grid = stage.own_grid(task)
    with torch.inference_mode():
        x = sample(
            guided(stage.denoiser(task), ClassifierFree(4.0)), stage.process, grid,
            solver(model.defaults.solver), x=stage.init(task, grid, model.codec.encode([sound()], task)),
            conditioning=stage.encode(task), noise=task.noise,
        ).x  # fmt: skip
        theirs = pipeline(
            prompt=PROMPT, audio_end_in_s=1.2, guidance_scale=4.0, num_inference_steps=6,
            output_type="latent",
            # Their noise is scaled by the root of sigma² + 1.
            latents=task.noise.prior(task.shape) * (500 / (500**2 + 1) ** 0.5),
            initial_audio_waveforms=torch.from_numpy(sound().arrays["samples"])[None],
            initial_audio_sampling_rate=torch.tensor([100]),
        ).audios  # fmt: skip
    assert error(x, theirs) < 1e-5


@pytest.fixture(scope="module")
def audioldm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Model]:
    pipeline = tiny_sounds.audioldm_2()
    folder = tiny.saved(pipeline, tmp_path_factory.mktemp("models") / "tiny-audioldm")
    # As published: without the layer that predicts words, with which theirs does not run.
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace("GPT2LMHeadModel", "GPT2Model"))
    return pipeline, audioldm_2.load(Checkpoint(folder), "cpu", "float32")


def test_audioldm_2(audioldm: tuple[Any, Model]) -> None:
    pipeline, model = audioldm
    # As many tokens as the prompt: theirs pads it to them.
    negative = "a tall fox"
    task = task_of(prompts=("a red fox",), negatives=(negative,), params={"duration": 1.19})
    with torch.inference_mode():
        start, latents = ours(model, task)
        [made] = model.codec.decode(latents, task)
        theirs = [
            pipeline(
                "a red fox", negative_prompt=negative, audio_length_in_s=1.19, num_inference_steps=6,
                guidance_scale=4.0, latents=start.clone(), output_type=kind,
            ).audios
            for kind in ("latent", "np")
        ]  # fmt: skip
    assert error(latents, theirs[0]) < 1e-5
    assert made.arrays["samples"].shape == (1, 1190)
    assert np.abs(made.arrays["samples"] - theirs[1]).max() < 1e-4
    assert made.arrays["samples"].std() > 1e-3


def test_their_null_depends_on_the_length_of_the_prompt(audioldm: tuple[Any, Model]) -> None:
    """Theirs pads it to the prompt, and GPT-2 counts the padding; here it is read by itself."""
    pipeline, model = audioldm
    prompts = ("fox", "a red fox on tall grass")
    with torch.inference_mode():
        theirs = [pipeline.encode_prompt(one, "cpu", 1, True)[2] for one in prompts]
        both = model.stages[0].encode(task_of(prompts=prompts))
        alone = [model.stages[0].encode(task_of(prompts=(one,))) for one in prompts]
    assert error(theirs[0][:1], theirs[1][:1]) > 1e-2
    found, null = both["sound"].value, both.uncond["sound"].value
    assert torch.equal(null[0], null[1])
    for row, one in enumerate(alone):
        assert error(found[row], theirs[row][1]) < 1e-5
        assert torch.equal(one["sound"].value[0], found[row])
        assert torch.equal(one["text"].value[0], both["text"].value[row])


def test_a_mel_spectrogram_and_back(audioldm: tuple[Any, Model]) -> None:
    """The log-mel of librosa, as in the training of AudioLDM (Slaney's filters, magnitudes)."""
    coder = replace(audioldm[1].codec.coder, sample_rate=16_000)
    sound = torch.from_numpy(np.random.default_rng(2).uniform(-0.5, 0.5, (1, 1, 2048)).astype(np.float32))
    seen = []
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        encode = coder.autoencoder.encode
        patch.setattr(coder.autoencoder, "encode", lambda picture: (seen.append(picture), encode(picture))[1])
        latents = coder.latents(sound)
    expected = tiny.transformers.audio_utils.spectrogram(
        sound[0, 0].numpy(), np.hanning(1025)[:-1], 1024, 16, power=1.0, mel_floor=1e-5, log_mel="log",
        mel_filters=tiny.transformers.audio_utils.mel_filter_bank(
            513, 8, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney"
        ),
    )  # fmt: skip
    assert np.abs(seen[0][0, 0].numpy() - expected[:, :128].T).max() < 1e-3
    assert latents.shape == (1, 4, 64, 4)
    assert coder.waves(latents).shape == sound.shape


def test_audioldm_2_for_speech_is_refused(tmp_path: Path) -> None:
    folder = tiny.saved(tiny_sounds.audioldm_2(), tmp_path)
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace("T5EncoderModel", "VitsModel"))
    with pytest.raises(ModelError, match="text_encoder_2 is a VitsModel, not T5's"):
        audioldm_2.load(Checkpoint(folder), "cpu", "float32")


def test_ace_step(tmp_path: Path) -> None:
    pipeline = tiny_sounds.ace_step()
    model = ace_step.load(Checkpoint(tiny.saved(pipeline, tmp_path)), "cpu", "float32")
    params = {"duration": 1.2, "lyrics": "la la", "bpm": 120, "key": "C#m", "timesignature": "4"}
    task = task_of(params=params, guidance=1.0)
    with torch.inference_mode():
        start, latents = ours(model, task)
        [made] = model.codec.decode(latents, task)
        theirs = [
            pipeline(
                PROMPT, lyrics="la la", bpm=120, keyscale="C# minor", timesignature="4", audio_duration=1.2,
                num_inference_steps=6, guidance_scale=1.0, latents=start.mT.clone(), output_type=kind,
            ).audios
            for kind in ("latent", "np")
        ]  # fmt: skip
        both = model.stages[0].encode(task_of(params=params, prompts=("a fox", PROMPT)))
        alone = model.stages[0].encode(task_of(params=params, prompts=("a fox",)))["text"].value
    assert error(latents.mT, theirs[0]) < 1e-5
    assert np.abs(made.arrays["samples"] - theirs[1][0]).max() < 1e-4
    # Padding to the longest of a batch is never read.
    assert torch.equal(both["text"].value[0, : alone.shape[1]], alone[0])
    assert both["text"].present.sum(1).tolist() == [alone.shape[1], both["text"].value.shape[1]]
    assert model.defaults.guidance == 1


FOLDERS: dict[str, Any] = {
    "stable-audio": tiny.stable_audio,
    "audioldm-2": tiny_sounds.audioldm_2,
    "ace-step": lambda: tiny_sounds.ace_step(turbo=False),
}


@pytest.fixture(scope="module", params=FOLDERS)
def any_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.saved(FOLDERS[request.param](), tmp_path_factory.mktemp("models") / request.param)


def test_edits_and_any_solver(any_folder: Path) -> None:
    """Without a line of a family: parts anew, the same beginning, a sound that is changed a little."""
    model, options = gen.load(any_folder), {"steps": 2, "seed": 1, "duration": 1.2}
    first = model("a fox", solver="heun", **options)
    rate, samples = first.attributes["sample_rate"], first.arrays["samples"]
    assert samples.shape[1] == round(1.2 * rate)
    changed = model("tall grass", init=first, strength=0.5, solver="unipc_3", **options)
    assert not np.array_equal(changed.arrays["samples"], samples)
    options["guide"] = "apg"
    later = round(0.7 * rate)
    span = model("grass", init=first, mask="0s:0.6s", solver="dpmpp_3m", **options).arrays["samples"]
    assert np.array_equal(span[:, later:], samples[:, later:])
    assert not np.array_equal(span[:, : round(0.5 * rate)], samples[:, : round(0.5 * rate)])
    start = Artifact("audio", {"samples": samples[:, : round(0.8 * rate)].copy()}, {"sample_rate": rate})
    longer = model("tall grass", extend=start, solver="deis", **options).arrays["samples"]
    assert np.array_equal(longer[:, : round(0.75 * rate)], samples[:, : round(0.75 * rate)])
    assert not np.array_equal(longer[:, later + rate // 5 :], samples[:, later + rate // 5 :])
    with pytest.raises(UsageError, match=r"extend needs a sound of at least .* shorter than the duration"):
        model("tall grass", extend=first, **options)


def test_a_folder_from_python(folder: Path) -> None:
    sound = gen.audio("a fox", model=folder, steps=1, duration=1, channels="mono", sample_rate=8000, seed=1)
    assert sound.arrays["samples"].shape == (1, 8000)
    whole = gen.audio("a fox", model=folder, steps=1, seed=1, sample_rate=8000)
    assert whole.arrays["samples"].shape == (2, 12_800)
    for options, message in (({"duration": 2.0}, "at most 1.6 s, not 2 s"), ({"bpm": 120}, "knows no bpm")):
        with pytest.raises(UsageError, match=message):
            gen.audio("a fox", model=folder, steps=1, **options)
