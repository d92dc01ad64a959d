"""Networks that read words of the shared table, and the encoder of prompts for them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from gen.errors import ModelError
from gen.nn import (
    PromptEncoder,
    ReadsWords,
    TextTransformer,
    TextTransformerShape,
    WordEncoder,
    WordRows,
    text_conditions,
)
from gen.words import word_table

NAMES = ("red apple", "dog", "light bulb", "house", "tower")
ENCODER = PromptEncoder(8, NAMES, frozenset({"apple", "dog", "light bulb", "house", "tower"}))


@dataclass(frozen=True)
class LineShape(TextTransformerShape):
    channels: int


class Line(TextTransformer[LineShape]):
    """States (B, C, N), a token for each place."""

    def add_input(self) -> None:
        self.enter = nn.Linear(2 * self.shape.channels + 1, self.shape.width)

    def add_output(self) -> nn.Linear:
        self.leave = nn.Linear(self.shape.width, self.shape.channels)
        return self.leave

    def tokens(self, x: Tensor) -> Tensor:
        return self.enter(x.transpose(1, 2))

    def state(self, tokens: Tensor) -> Tensor:
        return self.leave(tokens).transpose(1, 2)


class WordLine(ReadsWords[LineShape], Line):
    """A ``Line`` of words."""


def network() -> WordLine:
    torch.manual_seed(0)
    line = WordLine(LineShape(0, 32, depth=1, heads=2, hidden=32, length=8, channels=3))
    nn.init.normal_(line.leave.weight)
    nn.init.normal_(line.modulation.project.weight, std=0.1)
    return line.eval()


@torch.no_grad()
def output(prompts: list[str]) -> Tensor:
    line = network()
    x = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(1)).expand(len(prompts), -1, -1)
    return line(x, torch.full((len(prompts),), 0.5), text_conditions(WordRows().batch(prompts, 8)[0]))


def test_punctuation_case_plurals_and_articles_change_no_output() -> None:
    outputs = output(["a red cat on a table", "RED CATS, on the table!", "(red cat) on table"])
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2])


def test_order_numbers_and_colours_change_the_output() -> None:
    one, *others = output(["a red cat left of a blue dog", "a blue cat left of a red dog", "two red cats"])
    for other in others:
        assert (one - other).abs().max() > 1e-3


def test_an_empty_text_is_read_as_such_beside_others() -> None:
    outputs = output(["", "a dog"])
    assert outputs.isfinite().all()
    torch.testing.assert_close(outputs[0], output([""])[0])
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3


def test_the_vectors_are_no_part_of_the_weights() -> None:
    encoder = WordEncoder(32, 2, 8)
    assert "vectors" not in encoder.state_dict()
    assert all(parameter.shape != word_table().vectors.shape for parameter in encoder.parameters())
    rows = WordRows().batch(["a dog"], 8)[0]
    encoder(rows)[0].sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_training_adds_noise_to_the_vectors_alone() -> None:
    encoder, rows = WordEncoder(32, 2, 8), WordRows().batch(["a dog"], 8)[0]
    assert torch.equal(encoder.eval()(rows)[0], encoder(rows)[0])
    assert not torch.equal(encoder.train()(rows)[0], encoder(rows)[0])


def test_what_the_encoder_says_of_itself_makes_it_again() -> None:
    again = PromptEncoder.of(ENCODER.entries, 8)
    assert (again.names, again.words) == (ENCODER.names, ENCODER.words)
    with pytest.raises(ModelError, match="another table of words"):
        PromptEncoder.of({**ENCODER.entries, "word_table": "0" * 64}, 8)


def test_words_far_from_everything_are_unknown_and_near_things_are_named() -> None:
    assert ENCODER.unknown_words("a red puppy") == ()
    assert ENCODER.unknown_words("a qwrtzpl and a photosynthesis") == ("qwrtzpl", "photosynthesis")
    assert ENCODER.suggestions("a photosynthesis", 3) == ()
    encoder = PromptEncoder(8, NAMES, frozenset({"dog"}))
    assert encoder.unknown_words("a lighthouse") == ("lighthouse",)
    assert encoder.suggestions("a lighthouse", 1) == ("tower",)


def test_what_goes_unread_is_said() -> None:
    assert ENCODER.remarks("a cat with no hat", {}) == (
        "the model cannot leave things out: 'no hat' is not read",
    )
    assert ENCODER.remarks("of the", {}) == ("no word of it says what to make",)
    assert ENCODER.remarks("a (red:1.3) apple", {}) == ("weights of words are not read: ':1.3' is left out",)
    assert ENCODER.remarks("", {}) == ENCODER.remarks("a dog", {}) == ()
    assert ENCODER.unread("a dog, " * 8 + "a house", {}) == "house"
    assert ENCODER.unread("a dog, " * 7 + "a house", {}) == ""


def test_parameters_in_words_have_their_place() -> None:
    encoder = PromptEncoder(3, NAMES, ENCODER.words, lambda prompt, params: f"{prompt} {params['more']}")
    conditions = encoder(["a dog house"], {"more": "red"})
    assert conditions["text"].value.shape == (1, 3)
    assert encoder.unread("dog house tower", {"more": "red"}) == "tower"
