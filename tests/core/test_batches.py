"""How many are made together changes nothing about any of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from models_by_hand import Arrays, Numbers, model, number, plan
from torch import Tensor, nn

from gen.diffusion import Conditioning, RectifiedFlow, Velocity
from gen.errors import PluginError, UsageError
from gen.plugin.specs import Param
from gen.run import Progress, generate

SIZE = Param(name="size", type=int, help="", minimum=1, maximum=9)
FLOW = {"process": RectifiedFlow(), "parameterization": Velocity()}


class Rows(nn.Module):
    """A network whose matrix products round differently with other numbers of rows."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.layers = nn.Sequential(
                nn.Linear(16, 253), nn.SiLU(), nn.Linear(253, 253), nn.SiLU(), nn.Linear(253, 14)
            )
        self.sizes: set[int] = set()
        self.requires_grad_(False)

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        self.sizes.add(len(x))
        return self.layers(torch.cat([x, c_noise[:, None], conditioning["number"].value], 1))


@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_an_item_is_the_same_bits_however_many_are_made_together(guidance: float) -> None:
    network = Rows()
    small = model(Arrays((14,)), network=network, encoder=Numbers(), batch=64, **FLOW)
    prompts, seeds = [str(index % 5) for index in range(100)], list(range(100))
    made = list(generate(plan(*prompts, seeds=seeds, guidance=guidance, solver="heun"), small))
    assert len(network.sizes) == 1
    for index in (0, 31, 63, 64, 99):
        request = plan(prompts[index], seeds=[seeds[index]], guidance=guidance, solver="heun")
        [alone] = generate(request, small)
        np.testing.assert_array_equal(alone.arrays[""], made[index].arrays[""])
    assert network.sizes == {64 if guidance == 1 else 128}
    assert [one.recipe.seed for one in made if one.recipe] == seeds


class Sized(Arrays):
    """As many numbers as the parameter says."""

    def shape(self, task: Any) -> tuple[int, ...]:
        return (int(task.params["size"]),)


class Settling(Numbers):
    """The prompt or the seed decides the size."""

    def settle(self, prompt: str, params: Mapping[str, object], seed: int) -> dict[str, int]:
        return {} if "size" in params else {"size": int(prompt) if prompt else 1 + seed % 3}


def sized(batch: int, rows: list[tuple[int, ...]]) -> Any:
    def network(x: Tensor, _c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        rows.append(tuple(x.shape))
        return x - number(conditioning, x)

    return model(Sized(()), network=network, encoder=Settling(), batch=batch, **FLOW)


def test_items_of_equal_parameters_are_made_together_and_come_in_order() -> None:
    rows: list[tuple[int, ...]] = []
    seen: list[Progress] = []
    request = plan(*[""] * 9, seeds=range(9), params=(SIZE,), steps=1)
    made = list(generate(request, sized(4, rows), on_step=seen.append))
    assert [len(one.arrays[""]) for one in made] == [1, 2, 3] * 3
    assert [one.recipe.params["size"] for one in made if one.recipe] == [1, 2, 3] * 3
    assert rows == [(4, 1), (4, 2), (4, 3)]
    assert [round(one.done, 3) for one in seen] == [0.333, 0.667, 1.0]
    for index in (1, 5):
        [alone] = generate(plan("", seeds=[index], params=(SIZE,), steps=1), sized(4, []))
        np.testing.assert_array_equal(alone.arrays[""], made[index].arrays[""])


def test_what_is_decided_is_checked_like_what_is_given() -> None:
    request = plan("2", "12", params=(SIZE,))
    with pytest.raises(UsageError, match="prompt 2 of 2, '12': size must be at least 1 and at most 9"):
        list(generate(request, sized(1, [])))
    with pytest.raises(PluginError, match=r"encoder.settle decided 'size', which is no parameter"):
        list(generate(plan("2"), sized(1, [])))
