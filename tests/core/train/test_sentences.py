"""The recipe of the network of sentences, on a sentence model of a few thousand numbers."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from gen.model import save_model
from gen.train.sentences import imitation
from gen.train.sentences.__main__ import Vocabulary, lesson, recipe
from gen.train.sentences.texts import MadeSentences, present_participle, texts
from gen.train.trainer import run
from gen.train.words import cldr, wordnet
from gen.train.words.sentences import SentenceModel
from gen.words import sentences

NOUNS = """\
00000001 05 n 02 cat 0 true_cat 0 001 @ 00000002 n 0000 | feline mammal; "the cat sat there"
00000002 05 n 01 feline 0 000 | an animal of the family of cats
00000003 04 n 01 run 0 000 | a score in baseball
"""
INDEX = """\
cat n 1 1 @ 1 1 00000001
true_cat n 1 1 @ 1 0 00000001
feline n 1 0 1 0 00000002
run n 1 0 1 1 00000003
"""
OTHERS = {
    "verb": ("00000004 29 v 01 sleep 0 000 | be asleep\n", "sleep v 1 0 1 1 00000004\n"),
    "adj": ("00000005 00 a 01 red 0 000 | of a colour\n", "red a 1 0 1 1 00000005\n"),
}
PIECES = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz", "é"]
PIECES += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("teacher")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(PIECES),
        hidden_size=24,
        num_hidden_layers=6,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=256,
    )
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> wordnet.WordNet:
    for part in wordnet.PARTS:
        data, index = {"noun": (NOUNS, INDEX), **OTHERS}.get(part, ("", ""))
        (tmp_path / f"data.{part}").write_text(f"  licence\n{data}")
        (tmp_path / f"index.{part}").write_text(f"  licence\n{index}")
        (tmp_path / f"{part}.exc").write_text("")
    found = wordnet.load(tmp_path)
    monkeypatch.setattr(wordnet, "load", lambda: found)
    monkeypatch.setattr("gen.train.sentences.texts.MADE", 300)
    annotations = {"\U0001f431": cldr.Annotation("cat", ("pet",))}
    monkeypatch.setattr("gen.train.sentences.texts.cldr.names_and_keywords", lambda language: annotations)
    return found


def test_texts_are_words_definitions_examples_and_sentences(words: wordnet.WordNet) -> None:
    found = texts(words, 0)
    assert found == texts(words, 0) != texts(words, 1)
    assert {"cat", "true cat", "run", "feline mammal", "be asleep", "the cat sat there"} <= set(found)
    assert len(found) == len(set(found)) > 100
    made = MadeSentences(words, ["cat"], random.Random(1))
    assert all("{" not in made.draw() for _ in range(100))


@pytest.mark.parametrize(
    ("verb", "wanted"),
    [("take", "taking"), ("run", "running"), ("see", "seeing"), ("sleep", "sleeping"), ("play", "playing")],
)
def test_present_participles(verb: str, wanted: str) -> None:
    assert present_participle(verb) == wanted


def test_the_network_begins_as_the_layers_of_the_sentence_model(teacher: Path) -> None:
    from transformers import AutoModel

    bert = AutoModel.from_pretrained(str(teacher)).eval()
    bert.encoder.layer = torch.nn.ModuleList(bert.encoder.layer[at] for at in imitation.LAYERS)
    network = imitation.beginning(teacher, 2, range(len(PIECES)), torch.eye(24)).eval()
    ids = torch.tensor([[3, 8, 12, 9, 4], [3, 7, 4, 0, 0]])
    mask = ids > 0
    with torch.no_grad():
        hidden = bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        wanted = torch.nn.functional.normalize(mean, dim=-1)
        assert torch.allclose(network(ids, mask), wanted, atol=1e-5)


def test_training_goes_on_and_the_file_reads_as_the_network_that_was_trained(
    teacher: Path, words: wordnet.WordNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gen.train.sentences.__main__.BATCH", 64)
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("cat = kitty | a puss\nbus = coach | a double decker\n")
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("felix on the mat = cat, sleeps\nall aboard = bus, drives | van, drives\n")
    model = tmp_path / "model.safetensors"
    config = {"modality": "none", "names": "cat|bus|van", "keywords": {"cat": "pet", "van": "car|lorry"}}
    save_model(model, {"x": torch.zeros(1)}, config, {})
    stock = Vocabulary.of(phrases, model, prompts)
    assert Vocabulary.of(phrases).names == ("cat", "bus")
    assert stock.keywords == (("pet", "cat"), ("car", "van"), ("lorry", "van"))
    assert stock.prompts["all aboard"] == ["bus", "drives", "van"]
    out = tmp_path / "run"
    out.mkdir()
    whole = recipe(teacher, [stock, Vocabulary(("ship", "cat"), {})], out)
    run(whole, out, steps={"network": 20}, report=lambda line: None)
    path = run(whole, out, steps={"network": 60}, resume=True, report=lambda line: None)
    losses = json.loads(_metadata(out / "network.safetensors")["losses"])
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])

    monkeypatch.setattr(sentences, "FILE", path)
    sentences.sentences.cache_clear()
    try:
        reader = sentences.sentences()
        assert list(reader.names) == ["cat", "bus", "van", "ship"]
        found = reader(["ship", "a double decker", "cat", "felix on the mat", "all aboard"])
        assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-2)
        assert np.array_equal(found[2], reader.vectors[0])
        assert int((reader.vectors[:3] @ found[1]).argmax()) == 1
        assert int((reader.vectors[:3] @ found[3]).argmax()) == 0
        assert int((reader.vectors[:3] @ found[4]).argmax()) in (1, 2)
        assert reader([]).shape == (0, reader.vectors.shape[1])

        (further := tmp_path / "further").mkdir()
        whole = recipe(teacher, [stock, Vocabulary(("boat", "cat"), {})], further, further=True)
        path = run(whole, further, steps={"network": 2}, report=lambda line: None)
        monkeypatch.setattr(sentences, "FILE", path)
        sentences.sentences.cache_clear()
        after = sentences.sentences()
        assert list(after.names) == ["cat", "bus", "van", "boat"]
        assert ((after.vectors[:3] * reader.vectors[:3]).sum(1) > 0.99).all()
        assert float(after.vectors[3] @ reader(["boat"])[0]) > 0.99
    finally:
        sentences.sentences.cache_clear()


def test_a_lesson_counts_phrases_more_than_keywords(
    teacher: Path, words: wordnet.WordNet, tmp_path: Path
) -> None:
    model = SentenceModel(teacher, tmp_path, lambda line: None)
    stocks = [
        Vocabulary(("cat", "bus"), {"cat": ("kitty",)}, (("pet", "cat"), ("x", "dog"))),
        Vocabulary(("van", "cat"), {}, prompts={"a ride": ("cab", "van", "cat"), "a cab": ("cab",)}),
    ]
    learned, axes = lesson(model, stocks)
    assert learned.phrases == ["cat", "bus", "kitty", "pet", "van", "cat", "a ride"]
    assert learned.things.tolist() == [[0, 0], [1, 1], [0, 0], [0, 0], [2, 2], [0, 0], [2, 0]]
    assert learned.stocks.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert learned.stocked.tolist() == [[True, True, False], [True, False, True]]
    assert learned.weights[6] > learned.weights[2] > learned.weights[3]
    assert torch.allclose(axes.T @ axes, torch.eye(axes.shape[1]), atol=1e-4)


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return dict(file.metadata())
