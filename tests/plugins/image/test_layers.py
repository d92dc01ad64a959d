"""Guidance and caches that change layers, on the shipped model of pictures."""

from __future__ import annotations

import pytest

import gen
from gen.artifact import distance


@pytest.fixture(scope="module")
def emoji() -> gen.LoadedModel:
    return gen.load("emoji")


@pytest.mark.parametrize("guide", ["pag", "seg", "seg:std=1", "slg:first=2", "nag"])
def test_guidance_by_perturbed_layers(emoji: gen.LoadedModel, guide: str) -> None:
    plain = emoji("a fox", seed=1, steps=3, guidance=2.0)
    made = emoji("a fox", seed=1, steps=3, guidance=2.0, guide=guide)
    assert distance(plain, made) > 0.01


def test_without_strength_it_is_classifier_free(emoji: gen.LoadedModel) -> None:
    plain = emoji("a fox", seed=1, steps=3, guidance=2.0)
    assert distance(plain, emoji("a fox", seed=1, steps=3, guidance=2.0, guide="pag:0")) == 0


@pytest.mark.parametrize("cache", ["first_block:0.9", "teacache:5", "taylorseer", "easycache:0.9"])
def test_caches_skip(emoji: gen.LoadedModel, cache: str) -> None:
    plain = emoji("a fox", seed=1, steps=8)
    made = emoji("a fox", seed=1, steps=8, cache=cache)
    assert distance(plain, made) > 0


@pytest.mark.parametrize(
    "options",
    [
        {"solver": gen.Choice("dpmpp_2m_sde", eta=0.5)},
        {"solver": "dpmpp_2m_sde", "noise": "brownian"},
        {"solver": "heun:churn=0.3"},
        {"grid": gen.Choice("uniform", shift=3.0)},
        {"grid": "karras:rho=3"},
        {"grid": "uniform:restarts=2,restart_length=2"},
        {"guide": gen.Choice("apg", momentum=-0.5), "guidance_interval": "0.3:0.9"},
        {"guide": "cfg:rescale=0.7"},
    ],
    ids=str,
)
def test_every_choice_changes_the_picture_and_reruns_to_the_same_bits(
    emoji: gen.LoadedModel, options: dict[str, object]
) -> None:
    solver = str(options.get("solver", "default")).partition(":")[0]
    plain = emoji("a fox", seed=1, steps=5, solver=solver)
    made = emoji("a fox", seed=1, steps=5, **options)
    assert distance(plain, made) > 0
    assert distance(made, gen.rerun(made)) == 0


def test_a_network_says_where_its_tokens_are(emoji: gen.LoadedModel) -> None:
    layers = emoji.model.network.declare_layers((32, 8, 8))  # type: ignore[union-attr]
    assert layers.tokens == slice(0, 16)
    assert layers.grid == (4, 4)
    assert layers.attention == tuple(f"blocks.{i}" for i in range(6))


def test_layers_that_do_not_exist_are_refused(emoji: gen.LoadedModel) -> None:
    with pytest.raises(gen.errors.UsageError, match="the network has the layers 0 to 5, not 9 to 9"):
        emoji("a fox", steps=1, guide="pag:first=9")
