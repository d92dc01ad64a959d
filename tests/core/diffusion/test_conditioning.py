"""Conditioning: one immutable value that follows its batch wherever it goes."""

import pytest
import torch

from gen.diffusion import Condition, Conditioning
from gen.diffusion.conditioning import concatenate


def _tokens(batch: int, length: int, fill: float = 1.0) -> Conditioning:
    return Conditioning({"text": Condition(torch.full((batch, length, 2), fill), "cross_attention")})


def test_tokens_are_padded_with_a_mask() -> None:
    joint = concatenate([_tokens(2, 3), _tokens(1, 5)])
    assert joint.batch == 3
    assert joint["text"].value.shape == (3, 5, 2)
    assert joint["text"].mask.sum(1).tolist() == [3, 3, 5]
    assert joint["text"].value[0, 3:].abs().sum() == 0
    assert concatenate([_tokens(2, 3), _tokens(1, 3)])["text"].mask is None


def test_uncond_follows() -> None:
    prompts = concatenate([_tokens(1, 2, 1.0), _tokens(1, 2, 2.0)]).with_uncond(_tokens(2, 2, 0.0))
    assert prompts.select([1]).uncond.batch == 1
    assert prompts.repeat(3)["text"].value[:, 0, 0].tolist() == [1, 1, 1, 2, 2, 2]
    assert prompts.repeat(3).uncond.batch == 6
    assert concatenate([prompts, prompts]).uncond.batch == 4
    assert prompts.to("cpu", torch.float64).uncond["text"].value.dtype == torch.float64
    known = Condition(torch.ones(2, 4, 8, 8), "channels")
    assert prompts.with_conditions(known=known).uncond["known"] is known
    assert set(prompts) == {"text"}


def test_other_prompts_follow() -> None:
    prompts = (
        _tokens(2, 2).with_uncond(_tokens(2, 2, 0.0)).with_others(_tokens(2, 3, 2.0), _tokens(2, 1, 3.0))
    )
    assert [other.batch for other in prompts.select([1]).others] == [1, 1]
    assert [other.batch for other in concatenate([prompts, prompts.repeat(2)]).others] == [6, 6]
    assert prompts.to("cpu", torch.float64).others[1]["text"].value.dtype == torch.float64
    known = Condition(torch.ones(2, 4, 8, 8), "channels")
    assert all(other["known"] is known for other in prompts.with_conditions(known=known).others)
    assert prompts.with_uncond(None).others == prompts.others
    plain = prompts.cond
    assert (plain.uncond, plain.others) == (None, ())
    assert plain["text"] is prompts["text"]
    assert plain.cond is plain


def test_masks_keep_their_dtype() -> None:
    masked = Conditioning({"text": Condition(torch.ones(1, 2, 3), "prepend", torch.tensor([[True, False]]))})
    assert masked.to("cpu", torch.bfloat16)["text"].mask.dtype == torch.bool


def test_nothing_is_a_conditioning() -> None:
    assert Conditioning().batch is None
    assert len(concatenate([Conditioning(), Conditioning()])) == 0
    assert Conditioning().select([0, 1]).repeat(2).batch is None
    assert _tokens(2, 2).select([]).batch == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Condition(torch.ones(1, 2), "sideways"), "route"),
        (lambda: Condition(torch.ones(()), "global"), "batch dimension"),
        (lambda: Condition(torch.ones(1, 2, 3), "prepend", torch.ones(1, 3)), "mask"),
        (lambda: Conditioning({**_tokens(1, 2), "b": Condition(torch.ones(2, 2), "global")}), "batch size"),
        (lambda: _tokens(1, 2).with_uncond(_tokens(2, 2)), "batch size"),
        (lambda: _tokens(1, 2).with_others(_tokens(1, 2), _tokens(2, 2)), "batch size"),
        (lambda: concatenate([_tokens(1, 2).with_others(_tokens(1, 2)), _tokens(1, 2)]), "equally many"),
        (lambda: concatenate([_tokens(1, 2), Conditioning()]), "share names"),
        (lambda: concatenate([_tokens(1, 2).with_uncond(_tokens(1, 2)), _tokens(1, 2)]), "have an uncond"),
    ],
)
def test_what_does_not_fit_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
