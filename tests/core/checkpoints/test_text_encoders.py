"""Tokenizers and text transformers: those of transformers, from the files that they save."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from gen.checkpoints import Component
from gen.checkpoints.text import load_clip, load_t5, load_tokenizer
from gen.errors import ModelError

TEXTS = ["a red fox on tall grass", "", "Fox-trot,  in '99's é", "fox " * 90]


def part(folder: Path, class_name: str) -> Component:
    return Component(folder.name, "transformers", class_name, folder)


@pytest.mark.parametrize("end", [None, 2])
@pytest.mark.parametrize("projected", [False, True])
def test_clip(tmp_path: Path, projected: bool, end: int | None) -> None:
    theirs = tiny.clip(projected=projected, hidden_act="gelu" if projected else "quick_gelu")
    if end is not None:
        theirs.config.eos_token_id = end
        (theirs.text_model if projected else theirs).eos_token_id = end
    theirs.save_pretrained(tmp_path)
    ids, _ = load_tokenizer(_saved_tokenizer(tmp_path)).batch(TEXTS)
    with torch.no_grad():
        expected = theirs(ids, output_hidden_states=True)
        ours = load_clip(part(tmp_path, type(theirs).__name__))(ids)
    assert torch.allclose(ours.final, expected.last_hidden_state, rtol=1e-5, atol=1e-5)
    pooled = expected.text_embeds if projected else expected.pooler_output
    assert torch.allclose(ours.pooled, pooled, rtol=1e-5, atol=1e-5)
    for one, other in zip(ours.hidden, expected.hidden_states, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-5)


def _saved_tokenizer(folder: Path) -> Component:
    tiny.clip_tokenizer().save_pretrained(folder / "tokenizer")
    return part(folder / "tokenizer", "CLIPTokenizer")


def test_clip_with_the_names_of_older_files(tmp_path: Path) -> None:
    theirs = tiny.clip()
    theirs.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    state = load_file(file)
    flat = load_clip(part(tmp_path, "CLIPTextModel")).state_dict()
    bare = {name.removeprefix("text_model."): value for name, value in state.items()}
    old = {f"text_model.{name}": value for name, value in bare.items()}
    for names in (bare, old | {"text_model.embeddings.position_ids": torch.arange(77)[None]}):
        save_file(names, file)
        again = load_clip(part(tmp_path, "CLIPTextModel")).state_dict()
        assert all(torch.equal(again[name], flat[name]) for name in flat)


@pytest.mark.parametrize("padding", ["<|endoftext|>", "!"])
def test_the_vocabulary_of_clip(tmp_path: Path, padding: str) -> None:
    theirs = tiny.clip_tokenizer(pad_token=padding)
    expected = theirs(TEXTS, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
    theirs.save_pretrained(tmp_path)
    vocabulary, merges = tiny.clip_vocabulary()
    for _ in ("tokenizer.json", "vocab.json"):
        ours = load_tokenizer(part(tmp_path, "CLIPTokenizer"))
        ids, mask = ours.batch(TEXTS)
        assert torch.equal(ids, expected.input_ids)
        assert torch.equal(mask, expected.attention_mask.bool())
        assert ours.unread(TEXTS[3]) == 15
        # Then as older checkpoints have it.
        (tmp_path / "tokenizer.json").unlink(missing_ok=True)
        (tmp_path / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
        (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]), encoding="utf-8")


@pytest.mark.parametrize("kind", ["t5", "relu", "umt5"])
def test_t5(tmp_path: Path, kind: str) -> None:
    theirs = (
        tiny.umt5() if kind == "umt5" else tiny.t5(feed_forward_proj="relu") if kind == "relu" else tiny.t5()
    )
    theirs.save_pretrained(tmp_path)
    tokenizer = tiny.t5_tokenizer()
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    expected = tokenizer(TEXTS, padding="max_length", truncation=True, max_length=24, return_tensors="pt")
    ids, mask = load_tokenizer(part(tmp_path / "tokenizer", "T5Tokenizer")).batch(TEXTS)
    assert torch.equal(ids, expected.input_ids)
    assert torch.equal(mask, expected.attention_mask.bool())
    ours = load_t5(part(tmp_path, type(theirs).__name__))
    # Longer than the distances that have a bucket of their own.
    long, _ = load_tokenizer(part(tmp_path / "tokenizer", "T5Tokenizer")).batch(TEXTS, 150)
    with torch.no_grad():
        for given in ((ids, mask), (ids, None), (long, None)):
            states = theirs(given[0], attention_mask=given[1]).last_hidden_state
            assert torch.allclose(ours(*given), states, rtol=1e-5, atol=1e-5)


def test_a_vocabulary_of_sentencepiece(tmp_path: Path) -> None:
    spm = pytest.importorskip("sentencepiece")
    text = tmp_path / "text.txt"
    text.write_text("\n".join(["a red fox on tall grass", "the fox sits"] * 20), encoding="utf-8")
    spm.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(tmp_path / "spiece"), vocab_size=40, pad_id=0, eos_id=1, unk_id=2,
        bos_id=-1, minloglevel=2, hard_vocab_limit=False,
    )  # fmt: skip
    ours = load_tokenizer(part(tmp_path, "T5Tokenizer"))
    expected = spm.SentencePieceProcessor(model_file=str(tmp_path / "spiece.model")).encode("a red fox")
    assert ours.batch(["a red fox"], 20)[0][0].tolist() == [*expected, 1] + [0] * (19 - len(expected))


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    theirs = tiny.clip()
    theirs.save_pretrained(tmp_path / "encoder")
    folder = tmp_path / "encoder"
    with pytest.raises(ModelError, match="not CLIP's"):
        load_clip(part(folder, "BertModel"))
    with pytest.raises(ModelError, match="no vocabulary in"):
        load_tokenizer(part(folder, "CLIPTokenizer"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 8}))
    with pytest.raises(ModelError, match=r"shapes of encoder do not fit .* is \[\d+, 16\], not \[\d+, 8\]"):
        load_clip(part(folder, "CLIPTextModel"))
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    with pytest.raises(ModelError, match="encoder lacks 16 tensors"):
        load_clip(part(folder, "CLIPTextModel"))
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}))
    with pytest.raises(ModelError, match=r"no place for"):
        load_clip(part(folder, "CLIPTextModel"))
    (folder / "config.json").write_text(json.dumps(config | {"num_attention_heads": "many"}))
    with pytest.raises(ModelError, match=r"cannot be built of its config.json"):
        load_clip(part(folder, "CLIPTextModel"))
    shutil.rmtree(folder)
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="tokenizer cannot be read"):
        load_tokenizer(part(tokenizer, "CLIPTokenizer"))
