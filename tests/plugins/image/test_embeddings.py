"""Words that were trained, and tiny autoencoders, beside diffusers' own pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from gen.checkpoints import Checkpoint
from gen.checkpoints.additions import read_additions
from gen.errors import ModelError
from gen.model import Task
from gen_image.families import stable_diffusion, stable_diffusion_xl

PROMPT = "a <fox> on <fox> grass"
LOADERS: Mapping[str, Any] = {"sd": stable_diffusion.load, "xl": stable_diffusion_xl.load}


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Any, Path]]:
    scheduler = tiny.diffusers.DDIMScheduler(**tiny.SD_CHAIN, clip_sample=False, steps_offset=1)
    made = {"sd": tiny.stable_diffusion(scheduler), "xl": tiny.stable_diffusion_xl(scheduler)}
    root = tmp_path_factory.mktemp("words")
    return {name: (pipeline, tiny.saved(pipeline, root / name)) for name, pipeline in made.items()}


def model(name: str, folder: Path, **additions: Any) -> Any:
    read = [one for kind, each in additions.items() for one in read_additions(kind, each, allow_pickle=True)]
    return LOADERS[name](Checkpoint(folder, additions=read), "cpu", "float32")


def text(made: Any, prompt: str) -> torch.Tensor:
    stage, *_ = made.stages
    task = Task(prompts=(prompt,), negatives=("",), params={"width": 16, "height": 16}, shape=(4, 8, 8))
    with torch.inference_mode():
        return stage.encode(task)["text"].value


@pytest.mark.parametrize("vectors", [1, 3])
def test_a_word_as_diffusers_reads_it(
    vectors: int, pipelines: Mapping[str, tuple[Any, Path]], tmp_path: Path
) -> None:
    pipeline, folder = pipelines["sd"]
    word = f"<fox{vectors}>"
    values = torch.randn(vectors, 16)
    save_file({word: values}, tmp_path / "fox.safetensors")
    found = text(model("sd", folder, embedding=tmp_path / "fox.safetensors"), PROMPT.replace("<fox>", word))
    pipeline.load_textual_inversion(str(tmp_path / "fox.safetensors"))
    expected, _ = pipeline.encode_prompt(PROMPT.replace("<fox>", word), "cpu", 1, False)
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_word_for_two_encoders(pipelines: Mapping[str, tuple[Any, Path]], tmp_path: Path) -> None:
    pipeline, folder = pipelines["xl"]
    values = {"clip_l": torch.randn(2, 16), "clip_g": torch.randn(2, 24)}
    save_file(values, tmp_path / "any.safetensors")
    made = model("xl", folder, embedding=f"{tmp_path / 'any.safetensors'}=<fox>")
    for encoder, tokenizer, name in (
        (pipeline.text_encoder, pipeline.tokenizer, "clip_l"),
        (pipeline.text_encoder_2, pipeline.tokenizer_2, "clip_g"),
    ):
        pipeline.load_textual_inversion(
            values[name], token="<fox>", text_encoder=encoder, tokenizer=tokenizer
        )
    expected = pipeline.encode_prompt(PROMPT, device="cpu", do_classifier_free_guidance=False)
    assert torch.allclose(text(made, PROMPT), expected[0], rtol=1e-5, atol=1e-5)
    stage, *_ = made.stages
    # Theirs takes the highest id for the end, which is that of the word.
    vector = stage.encode(Task(prompts=(PROMPT,), shape=(4, 8, 8)))["vector"].value
    assert torch.isfinite(vector).all()


def test_every_form_of_a_file(pipelines: Mapping[str, tuple[Any, Path]], tmp_path: Path) -> None:
    folder, values = pipelines["sd"][1], torch.randn(1, 16)
    save_file({"emb_params": values}, tmp_path / "style.safetensors")
    torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": values}}, tmp_path / "style.pt")
    save_file({"<x>": values[0]}, tmp_path / "x.safetensors")
    made = [
        text(model("sd", folder, embedding=given), prompt)
        for given, prompt in (
            (tmp_path / "style.safetensors", "a (style:1.2), red"),
            (tmp_path / "style.pt", "a (style:1.2), red"),
            (tmp_path / "x.safetensors", "a (<x>:1.2), red"),
            ((tmp_path / "x.safetensors", "q"), "a (q:1.2), red"),
        )
    ]
    assert all(torch.equal(one, made[0]) for one in made)
    # Part of a longer word, it is no word.
    plain = text(model("sd", folder), "a stylegrass")
    assert torch.equal(text(model("sd", folder, embedding=tmp_path / "style.pt"), "a stylegrass"), plain)


def test_embeddings_for_other_models(pipelines: Mapping[str, tuple[Any, Path]], tmp_path: Path) -> None:
    file = tmp_path / "fox.safetensors"
    for name, state, message in (
        ("sd", {"<fox>": torch.zeros(2, 8)}, "<fox> is for another model: its vectors have 8 numbers, .* 16"),
        (
            "sd",
            {"clip_l": torch.zeros(1, 16), "clip_g": torch.zeros(1, 24)},
            "fox.safetensors is an embedding",
        ),
        ("xl", {"<fox>": torch.zeros(2, 16)}, "embedding for another model: it has <fox>"),
        ("xl", {"clip_l": torch.zeros(2, 16)}, "embedding for another model: it has clip_l"),
        ("sd", {"a": torch.zeros(2), "b": torch.zeros(2)}, "is no embedding of a word"),
    ):
        save_file(state, file)
        with pytest.raises(ModelError, match=message):
            model(name, pipelines[name][1], embedding=file)


def test_a_pickle_with_code(pipelines: Mapping[str, tuple[Any, Path]], tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "fox.pt")
    with pytest.raises(ModelError, match="it is damaged, or holds code, which is never run"):
        model("sd", pipelines["sd"][1], embedding=tmp_path / "fox.pt")


def test_a_tiny_decoder(pipelines: Mapping[str, tuple[Any, Path]], tmp_path: Path) -> None:
    folder = pipelines["sd"][1]
    sizes = {"encoder_block_out_channels": (64,) * 4, "decoder_block_out_channels": (64,) * 4}
    theirs = tiny.seeded(tiny.diffusers.AutoencoderTiny, **sizes)
    theirs.save_pretrained(tmp_path / "taesd")
    file = tmp_path / "taesd" / "diffusion_pytorch_model.safetensors"
    state = torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        expected = (theirs.decode(state).sample / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0)
    for path in (tmp_path / "taesd", file):
        with torch.inference_mode():
            [made] = model("sd", folder, decoder=path).codec.decode(state, Task())
        assert torch.allclose(torch.from_numpy(made.arrays["pixels"]), expected, atol=1e-5)
    other = load_file(file) | {"decoder.layers.0.weight": torch.zeros(64, 16, 3, 3)}
    save_file(other, tmp_path / "taef1.safetensors")
    with pytest.raises(
        ModelError, match=r"taef1\.safetensors decodes latents of 16 channels, and those of sd have 4"
    ):
        model("sd", folder, decoder=tmp_path / "taef1.safetensors")
    with pytest.raises(ModelError, match="vae is no AutoencoderTiny"):
        model("sd", folder, decoder=folder / "vae")
