"""Guidance, cache and noise by name, from the shell and from Python, and into the recipe and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import gen
from gen.artifact import distance
from gen.model import ModelFile
from gen.recipe import Recipe
from gen.rerunning import rerun

Cli = Callable[..., Any]


def _planned(gen_cli: Cli, *flags: str) -> dict[str, Any]:
    return gen_cli("toy", "red", "--dry-run", "--json", *flags).envelope["data"]["recipes"][0]


def test_flags_become_canonical_texts_in_the_recipe(gen_cli: Cli) -> None:
    recipe = _planned(
        gen_cli,
        *(
            "--solver",
            "DPM++ 2M SDE Karras:eta=0.50",
            "--guide",
            "APG:momentum=-0.5",
            "--guide",
            "clip:high=2",
        ),
        *("--guidance-interval", "0.2:0.8", "--cache", "easycache:0.1", "--noise", "Brownian"),
    )
    assert (recipe["solver"], recipe["grid"]) == ("dpmpp_2m_sde:eta=0.5", "karras")
    assert recipe["guides"] == ["apg:momentum=-0.5", "interval:high=0.8,low=0.2", "clip:high=2"]
    assert (recipe["cache"], recipe["noise"]) == ("easycache:tolerance=0.1", "brownian")
    plain = _planned(gen_cli)
    assert (plain["guides"], plain["cache"], plain["noise"]) == (["cfg"], "", "independent")
    assert _planned(gen_cli, "--solver", "euler_cfg_pp", "-g", "0.6")["guides"] == ["cfg_pp"]
    assert _planned(gen_cli, "--guide", "cfg++ >> clip", "-g", "1")["guides"] == ["cfg_pp", "clip"]
    assert _planned(gen_cli, "--guide", "threshold")["guides"] == ["cfg", "threshold"]


def test_a_rule_of_other_scales_has_a_default_of_its_own(
    gen_cli: Cli, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _planned(gen_cli)["guidance"] == 1.0
    assert _planned(gen_cli, "--guide", "cfg++")["guidance"] == 0.6
    assert _planned(gen_cli, "--solver", "euler_cfg_pp")["guidance"] == 0.6
    assert _planned(gen_cli, "--guide", "cfg++", "-g", "0.9")["guidance"] == 0.9
    assert _planned(gen_cli, "--guide", "apg")["guidance"] == 1.0
    # A model whose solver has the rule brings the scale for it.
    source = ModelFile.defaults
    own = property(lambda file: replace(source.fget(file), solver="euler_cfg_pp", guidance=0.3))
    monkeypatch.setattr(ModelFile, "defaults", own)
    assert _planned(gen_cli, "--guide", "cfg++")["guidance"] == 0.3
    monkeypatch.setenv("GEN_GUIDANCE", "0.4")
    assert _planned(gen_cli, "--guide", "cfg++")["guidance"] == 0.4


@pytest.mark.parametrize(
    "options",
    [
        {"guide": gen.Choice("apg", momentum=-0.5, radius=0.5), "guidance_interval": (0.3, 0.9)},
        {"guide": ["cfg:rescale=0.7", gen.Choice("clip", low=-0.5, high=0.5)]},
        {"guide": "cfg_zero_star >> threshold:0.9"},
        {"solver": gen.Choice("ddim", eta=0.5), "noise": "brownian"},
        {"solver": "heun:churn=0.3", "grid": gen.Choice("uniform", shift=3.0)},
        {"grid": "uniform:restarts=2,restart_length=2"},
        {"cache": "easycache:1", "steps": 12},
    ],
    ids=str,
)
@pytest.mark.usefixtures("toy")
def test_a_choice_reruns_to_the_same_bits(options: dict[str, Any]) -> None:
    base: dict[str, Any] = {"seed": 3, "guidance": 3.0, "steps": 6}
    made = gen.toy("red", **{**base, **options})
    # The toy's network does not look at the state, so that only guidance can change what comes out.
    assert distance(gen.toy("red", **base), made) > 0 or "guide" not in options
    assert made.recipe is not None
    stored = Recipe.from_json(made.recipe.to_json())
    assert stored == made.recipe
    assert distance(made, rerun(stored)) == 0


@pytest.mark.usefixtures("toy")
def test_a_recipe_of_the_first_version_is_read_and_makes_the_same() -> None:
    made = gen.toy("red", seed=5, guidance=2.0, solver="ddpm")
    assert made.recipe is not None
    table = made.recipe.to_dict()
    for key in ("guides", "cache", "noise"):
        del table[key]
    old = Recipe.from_json(json.dumps({**table, "schema": "gen.recipe/1"}))
    assert (old.guides, old.cache, old.noise) == ((), "", "independent")
    again = rerun(old)
    assert distance(made, again) == 0
    assert again.recipe is not None
    assert again.recipe.guides == ("cfg",)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--guide", "apg:momentom=1"), "unknown setting 'momentom' of guidance apg (it has momentum, eta,"),
        (("--guide", "apg", "--guide", "cfg"), "apg and cfg are both rules of guidance"),
        (("--guide", "cfg_pp", "-g", "3"), "guidance of cfg_pp must be at least 0 and at most 1, not 3"),
        (("--guidance-interval", "0.8:0.2"), "the guidance interval 0.8:0.2 is not low:high from 0 to 1"),
        (("--guidance-interval", "0.8"), "the guidance interval must be two times"),
        (("--guidance-interval", "a:b"), "guidance_interval must be a number"),
        (("--cache", "teacach"), "unknown cache 'teacach' (did you mean: easycache, teacache)"),
        (("--noise", "pink"), "unknown noise 'pink'"),
        (("--solver", "ddim:eta=7"), "solver ddim: eta must be at least 0 and at most 1, not 7"),
        (("--grid", "karras:rho=0"), "grid karras: rho must be at least 1 and at most 100, not 0"),
    ],
)
def test_mistakes_are_named_before_a_model_is_loaded(
    gen_cli: Cli, flags: tuple[str, ...], message: str
) -> None:
    ran = gen_cli("toy", "red", "--dry-run", *flags)
    assert ran.code == 2
    assert message in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(("flag", "name"), [("--guide", "pag"), ("--guide", "slg"), ("--cache", "teacache")])
def test_a_network_without_layers_is_refused_with_the_reason(
    gen_cli: Cli, toy: Path, flag: str, name: str
) -> None:
    ran = gen_cli("toy", "red", flag, name, "-o", "x.png")
    assert ran.code == 2
    assert f"{name} changes layers, and the network of this model declares none" in ran.err
    assert not list(toy.iterdir())


def test_other_types_are_usage_errors(toy: Path) -> None:
    for options in ({"guide": 3}, {"solver": 3}, {"cache": ("a", 1)}, {"guidance_interval": 0.3}):
        with pytest.raises(gen.errors.UsageError):
            gen.toy("red", **options)


def test_guidances_are_listed_with_their_settings(gen_cli: Cli) -> None:
    data = gen_cli("guidances", "--json").envelope["data"]
    apg = next(entry for entry in data["guidances"] if entry["name"] == "apg")
    assert (apg["role"], apg["scales"], apg["plugin"]) == ("rule", [0, 100], None)
    assert apg["settings"]["momentum"]["minimum"] == -0.99
    assert [entry["name"] for entry in data["noises"]] == ["independent", "brownian"]
    out = gen_cli("guidances", "teacache").out
    assert "tolerance" in out
    assert "apg" not in out
    assert max(map(len, gen_cli("guidances").out.splitlines())) <= 80


def test_the_schema_and_the_help_show_all(gen_cli: Cli) -> None:
    properties = gen_cli("schema", "toy", "--json").envelope["data"]["schema"]["properties"]
    for name, example in (("guide", "apg"), ("solver", "ddim"), ("grid", "karras"), ("cache", "teacache")):
        choices = {entry["name"]: entry for entry in properties[name]["x-choices"]}
        assert example in choices
        assert choices[example]["settings"]
    shown = gen_cli("toy", "--help").out
    for flag in ("--guide", "--guidance-interval", "--cache", "--noise"):
        assert flag in shown


def test_settings_may_choose(gen_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEN_GUIDE", "apg:eta=0.5 >> clip")
    monkeypatch.setenv("GEN_TOY_CACHE", "easycache")
    recipe = _planned(gen_cli)
    assert recipe["guides"] == ["apg:eta=0.5", "clip"]
    assert recipe["cache"] == "easycache"
    assert _planned(gen_cli, "--cache", "none")["cache"] == ""
    monkeypatch.setenv("GEN_GUIDE", "agp")
    assert "(set in GEN_GUIDE)" in gen_cli("toy", "red", "--dry-run").err
