"""Joint states on the road: numbers and tokens together, as the columns of a table have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from models_by_hand import Arrays, Numbers, model, plan, thing
from torch import Tensor

from gen.diffusion import Conditioning, RectifiedFlow, Sample
from gen.diffusion.categorical import Masked, Uniform
from gen.errors import GenError
from gen.model import Stage, Window
from gen.run import Progress, generate

KINDS = 4
SHAPES = {"age": (3,), "kind": (2,)}
MASKED = Masked(KINDS, mask_token=KINDS)


def network(
    x: Mapping[str, Tensor], c_noise: Mapping[str, Tensor], conditioning: Conditioning
) -> dict[str, Tensor]:
    """Ages are the prompt and ten times the first kind, where it is seen; kinds are the prompt, likely."""
    assert all(time.shape == (len(x["age"]),) for time in c_noise.values())
    wanted = conditioning["number"].value
    seen = torch.where(x["kind"][:, :1] == KINDS, 0, x["kind"][:, :1])
    logits = 2.0 * (torch.arange(KINDS) == wanted.long()[..., None]).float()
    return {"age": (wanted + 10 * seen).expand(-1, 3), "kind": logits.expand(-1, 2, -1)}


def table(process: Any = MASKED, **parts: Any) -> Any:
    both = {
        "process": {"age": RectifiedFlow(), "kind": process},
        "parameterization": {"age": Sample()},
        "network": network,
        "encoder": Numbers(),
        **parts,
    }
    return model(Arrays(SHAPES), **both)


def test_numbers_and_tokens_are_made_together() -> None:
    for process in (MASKED, Uniform(KINDS)):
        rows = list(generate(plan(*["1"] * 20), table(process)))
        kinds = np.stack([row.arrays["kind"] for row in rows])
        assert kinds.dtype == np.int64
        assert ((kinds >= 0) & (kinds < KINDS)).all()
        assert 0.4 < (kinds == 1).mean() < 0.95
        # The last prediction of the ages saw the kinds of the step before.
        ages = {round(float(row.arrays["age"][0]), 3) for row in rows}
        assert ages <= {1.0, 11.0, 21.0, 31.0}
        assert len(ages) > 1


def test_known_cells_stay_exact_and_decide_the_others() -> None:
    row = thing(age=np.array([1.25, 2.5, 3.75], np.float32), kind=np.array([2, 3]))
    mask = thing(age=np.array([1, 0, 1]), kind=np.array([0, 1]))
    for process in (MASKED, Uniform(KINDS)):
        request = plan(*["1"] * 20, init=row, mask=mask, strength=1.0, steps=2)
        for found in generate(request, table(process), batch_size=20):
            assert found.arrays["age"][1] == 2.5
            assert found.arrays["kind"][0] == 2
            if process is MASKED:
                # The network sees the kind that is given at every level.
                np.testing.assert_allclose(found.arrays["age"][[0, 2]], 21, atol=1e-5)


def test_known_cells_are_conditions_of_the_network() -> None:
    received: list[Conditioning] = []

    def noting(x: Any, c_noise: Any, conditioning: Conditioning) -> Any:
        received.append(conditioning)
        return network(x, c_noise, conditioning)

    row = thing(age=np.array([1.25, 2.5, 3.75], np.float32), kind=np.array([2, 3]))
    mask = thing(age=np.array([1, 0, 1]), kind=np.array([0, 1]))
    list(generate(plan("1", init=row, mask=mask, strength=1.0), table(network=noting)))
    assert received[0]["known/age"].value.tolist() == [[[0, 1, 0], [0, 2.5, 0]]]
    assert received[0]["known/kind"].value.tolist() == [[[1, 0], [2, 0]]]


def test_an_input_is_varied_by_its_strength() -> None:
    row = thing(age=np.array([50, 50, 50], np.float32), kind=np.array([3, 3]))

    def keep(x: Mapping[str, Tensor], *_: object) -> dict[str, Tensor]:
        tokens = x["kind"].clamp(max=KINDS - 1)
        return {"age": x["age"], "kind": 50 * torch.nn.functional.one_hot(tokens, KINDS).float()}

    made = list(generate(plan(*["1"] * 40, init=row, strength=0.5), table(Uniform(KINDS), network=keep)))
    kinds = np.stack([one.arrays["kind"] for one in made])
    assert 0.5 < (kinds == 3).mean() < 0.8
    assert all(abs(one.arrays["age"].mean() - 25) < 3 for one in made)


def test_guidance_acts_on_numbers_and_tokens() -> None:
    one = table(
        network=lambda x, _, conditioning: {
            "age": conditioning["number"].value.expand(-1, 3),
            "kind": conditioning["number"].value[..., None]
            * torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(len(x["age"]), 2, -1),
        }
    )
    share = {}
    for scale in (1.0, 6.0):
        made = list(generate(plan(*["1"] * 60, guidance=scale), one))
        np.testing.assert_allclose(made[0].arrays["age"], scale, atol=1e-5)
        share[scale] = np.mean([row.arrays["kind"] == 3 for row in made])
    assert share[1.0] < 0.65
    assert share[6.0] > 0.95


def test_progress_has_every_part() -> None:
    seen: list[Progress] = []
    list(generate(plan("1"), table(), on_step=seen.append))
    assert [set(one.steps) for one in seen] == [{"age", "kind"}] * 4
    assert [one.done for one in seen] == [0.25, 0.5, 0.75, 1.0]
    assert seen[-1].steps["kind"].x0.shape == (1, 2)


def test_the_seed_decides_each_part_and_a_batch_changes_nothing() -> None:
    together = list(generate(plan("1", "2", seeds=[5, 6]), table(), batch_size=2))
    [alone] = generate(plan("2", seeds=[6]), table())
    for name in SHAPES:
        np.testing.assert_array_equal(together[1].arrays[name], alone.arrays[name])


def test_tokens_alone_are_a_state_of_one_tensor() -> None:
    def logits(x: Tensor, _c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        wanted = conditioning["number"].value.long()[..., None]
        return 60.0 * (torch.arange(KINDS) == wanted).float().expand(*x.shape, -1)

    letters = model(Arrays((5,)), process=MASKED, network=logits, encoder=Numbers())
    [found] = generate(plan("2"), letters)
    assert found.arrays[""].tolist() == [2] * 5
    given = thing(state=np.array([0, 1, 2, 3, 0]))
    mask = thing(state=np.array([1, 0, 1, 0, 0]))
    [found] = generate(plan("2", init=given, mask=mask, strength=1.0), letters)
    assert found.arrays[""].tolist() == [2, 1, 2, 3, 0]


@pytest.mark.parametrize("solver", ["posterior", "unmask:order=entropy", "entropy_bound:0.5", "MaskGIT"])
def test_tokens_have_a_solver_of_their_own(solver: str) -> None:
    from dataclasses import replace

    one = table()
    one = replace(one, defaults=replace(one.defaults, token_solver=solver))
    [row] = generate(plan("1"), one)
    assert (row.arrays["kind"] < KINDS).all()
    with pytest.raises(GenError, match="unknown solver of tokens 'heun'"):
        list(generate(plan("1"), replace(one, defaults=replace(one.defaults, token_solver="heun"))))


def test_the_solver_of_the_plan_is_that_of_the_numbers() -> None:
    evaluations: list[int] = []

    def counting(*arguments: Any) -> Any:
        evaluations.append(1)
        return network(*arguments)

    counts = {}
    for solver in ("ddim", "heun"):
        evaluations.clear()
        list(generate(plan("1", solver=solver), table(network=counting)))
        counts[solver] = len(evaluations)
    assert counts == {"ddim": 4, "heun": 7}


def test_what_a_joint_state_cannot_have_is_refused() -> None:
    with pytest.raises(ValueError, match="a joint state has no window"):
        Stage(
            process={"age": RectifiedFlow()},
            parameterization={"age": Sample()},
            network=network,
            window=Window(axis=1, size=4, overlap=1),
        )
    with pytest.raises(GenError, match="the parameterizations must have the parts age, not kind"):
        list(generate(plan("1"), table(parameterization={"kind": Sample()})))
