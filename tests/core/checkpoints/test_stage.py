"""What the families' stages share."""

from __future__ import annotations

import pytest
import torch

from gen.checkpoints.stage import two_sides, with_scale
from gen.diffusion import CFGPlusPlus, ClassifierFree, Condition, Guidance
from gen.diffusion.guidance import AdaptiveProjected, Chain


def test_the_rows_of_prompts_and_negative_prompts() -> None:
    mask = torch.tensor([[True, True], [True, False], [True, True], [False, False]])
    rows = torch.arange(8.0).reshape(4, 2, 1)
    made = two_sides(text=Condition(rows, "cross_attention", mask), vector=Condition(rows[:, 0], "global"))
    assert made.uncond is not None
    assert torch.equal(made["text"].value, rows[:2])
    assert torch.equal(made.uncond["text"].value, rows[2:])
    assert made.uncond["text"].mask is not None
    assert torch.equal(made.uncond["text"].mask, mask[2:])
    assert torch.equal(made["vector"].value, rows[:2, 0])
    assert torch.equal(made.uncond["vector"].value, rows[2:, 0])


@pytest.mark.parametrize("rule", [ClassifierFree(3.0, rescale=0.5), AdaptiveProjected(3.0, eta=0.25)])
def test_another_scale_of_the_same_rule(rule: Guidance) -> None:
    changed = with_scale(rule, 5.0)
    assert type(changed) is type(rule)
    assert vars(changed) == {**vars(rule), "scale": 5.0}
    plain = CFGPlusPlus(0.6)
    assert with_scale(plain, 5.0) is plain
    chain = with_scale(Chain((rule, plain)), 5.0)
    assert isinstance(chain, Chain)
    assert vars(chain.parts[0]) == vars(changed)
    assert chain.parts[1] is plain
