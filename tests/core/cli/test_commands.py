"""The commands beside `gen MODALITY`, and the overview."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gen
from gen.formats import read
from gen.plugin.host import Host

Cli = Callable[..., Any]


def test_the_overview_names_every_modality_and_command(gen_cli: Cli) -> None:
    from gen.cli.app import COMMANDS

    for arguments in (["--help"], ["-h"], []):
        ran = gen_cli(*arguments)
        assert ran.code == 0
        assert "Make plain pictures of a colour." in ran.out
        assert all(f"\n  {name} " in ran.out for name in ("toy", "image", *COMMANDS))


@pytest.mark.parametrize(
    "command", ["models", "plugins", "info", "rerun", "schema", "train", "eval", "doctor"]
)
def test_every_command_has_help(gen_cli: Cli, command: str) -> None:
    ran = gen_cli(command, "--help")
    assert ran.code == 0
    assert f"gen {command}" in ran.out


def test_a_modalitys_help_shows_its_parameters_and_examples(gen_cli: Cli) -> None:
    out = gen_cli("toy", "--help").out
    assert "Options of toy" in out
    assert "--no-invert" in out
    assert 'gen toy "red"' in out
    assert all(flag in out for flag in ("--output", "--seed", "--solver", "--mask", "--dry-run"))
    words = " ".join(out.replace("│", " ").split())
    assert "names none: png, jpeg, webp" in words
    assert "`gen solvers` lists them" in words


@pytest.mark.parametrize("columns", ["0", "20", "-3", "many", ""])
def test_help_is_readable_however_narrow_the_terminal_is(
    gen_cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    out = gen_cli("toy", "--help").out
    assert all(flag in out for flag in ("--negative", "--dry-run", "Options of toy"))


def test_help_as_json(gen_cli: Cli) -> None:
    envelope = gen_cli("toy", "--help", "--json").envelope
    assert envelope["ok"]
    assert "--dry-run" in envelope["data"]["help"]


def test_version(gen_cli: Cli) -> None:
    assert gen_cli("--version").out == f"gen {gen.__version__}\n"


def test_what_a_model_knows_is_listed_and_searched(gen_cli: Cli, toy: Path) -> None:
    from gen.model import save_model

    config = {"modality": "toy", "names": "red fox|fox face|owl", "defaults": {}}
    save_model(toy / "zoo.safetensors", {}, config, {})
    assert gen_cli("models", "show", "zoo.safetensors", "--names").out == "red fox\nfox face\nowl\n"
    assert gen_cli("models", "show", "zoo.safetensors", "--names", "FOX").out == "red fox\nfox face\n"
    envelope = gen_cli("models", "show", "zoo.safetensors", "--names", "red", "fox", "--json").envelope
    assert envelope["data"] == {"model": "zoo", "names": ["red fox"], "warnings": []}
    ran = gen_cli("models", "show", "zoo.safetensors", "--names", "owll")
    assert (ran.code, ran.out) == (0, "")
    assert "knows no name with 'owll'; nearest are owl" in ran.err
    ran = gen_cli("models", "show", "crayon", "--names")
    assert ran.code == 4
    assert "does not list what it knows" in ran.err
    ran = gen_cli("models", "show", "zoo.safetensors", "fox")
    assert ran.code == 2
    assert "gen models show zoo.safetensors --names fox" in ran.err


def test_models_are_listed_and_shown(gen_cli: Cli, toy_folder: Path) -> None:
    assert "crayon" in gen_cli("models").out
    listed = gen_cli("models", "list", "--modality", "toy", "--json").envelope["data"]["models"]
    assert [(model["name"], model["licence"]) for model in listed] == [("crayon", "CC0-1.0")]
    every = gen_cli("models", "list", "--json").envelope["data"]["models"]
    assert {"type": "boolean", "default": False}.items() <= next(
        model["params"]["transparent"].items() for model in every if model["name"] == "emoji"
    )
    shown = gen_cli("models", "show", "crayon", "--json").envelope["data"]["model"]
    path = toy_folder / "gen_toy" / "weights" / "crayon.safetensors"
    assert shown["size"] == path.stat().st_size
    assert shown["defaults"] == {"solver": "ddim", "grid": "uniform", "steps": 4, "guidance": 1.0}
    assert shown["card"]["data"] == "four crayons"
    assert gen_cli("models", "show", str(path)).out.startswith("name: crayon\nmodality: toy\n")


def test_a_broken_plugin_leaves_the_others_models(
    gen_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site" / "gen_broken-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gen-broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[gen.modalities]\nbroken = gen_broken\n")
    (tmp_path / "site" / "gen_broken.py").write_text("raise RuntimeError('no paint')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for arguments in (["models"], ["models", "show", "crayon"], ["toy", "red", "--dry-run"]):
        ran = gen_cli(*arguments)
        assert ran.code == 0
        assert "crayon" in ran.out
    assert "plugin broken (gen-broken 1) is broken: RuntimeError: no paint" in gen_cli("models").err


def test_plugins_are_listed_switched_off_and_on(gen_cli: Cli) -> None:
    def status() -> str:
        listed = gen_cli("plugins", "--json").envelope["data"]["plugins"]
        return next(entry["status"] for entry in listed if entry["name"] == "toy")

    assert "gen-toy" in gen_cli("plugins", "list").out
    assert status() == "ok"
    assert gen_cli("plugins", "disable", "toy").code == 0
    assert status() == "disabled"
    ran = gen_cli("toy", "red")
    assert (ran.code, ran.out) == (3, "")
    assert "gen plugins enable toy" in ran.err
    assert gen_cli("plugins", "enable", "toy").code == 0
    assert status() == "ok"


def test_a_plugin_is_shown_and_checked(gen_cli: Cli) -> None:
    assert gen_cli("plugins", "show", "toy", "--json").envelope["data"]["plugin"]["version"] == "1.0"
    ran = gen_cli("plugins", "check", "toy")
    assert ran.code == 3
    assert "gen_toy.recipe" in ran.err


def test_info_shows_the_recipe(gen_cli: Cli) -> None:
    gen_cli("toy", "red", "--seed", 5, "-o", "a.png")
    data = gen_cli("info", "a.png", "--json").envelope["data"]
    assert (data["kind"], data["recipe"]["prompt"], data["recipe"]["seed"]) == ("image", "red", 5)
    out = gen_cli("info", "a.png").out
    assert "  prompt: red\n" in out
    assert "  seed: 5\n" in out


@pytest.mark.parametrize("ending", ["png", "webp", "jpg"])
def test_rerun_makes_the_same_pixels(gen_cli: Cli, toy: Path, ending: str) -> None:
    gen_cli("toy", "red blue", "--solver", "ddpm", "-g", 2, "--negative", "green", "-o", f"a.{ending}")
    assert gen_cli("rerun", f"a.{ending}", "-o", f"b.{ending}").out == f"b.{ending}\n"
    formats = Host.discover().formats("image")
    a, b = (read(toy / f"{name}.{ending}", formats).arrays["pixels"] for name in "ab")
    assert np.array_equal(a, b)
    ran = gen_cli("rerun", f"a.{ending}", "--check")
    assert (ran.code, ran.out) == (0, f"a.{ending}: the same\n")


def test_rerun_checks_against_what_is_in_the_file(gen_cli: Cli, toy: Path) -> None:
    gen_cli("toy", "red", "--seed", 1, "-o", "a.png")
    formats = Host.discover().formats("image")
    artifact = read(toy / "a.png", formats)
    artifact.arrays["pixels"][0, 0, 0] = 0
    artifact.save("changed.png")
    ran = gen_cli("rerun", "changed.png", "--check", "--json")
    assert ran.code == 1
    assert "is not what its recipe makes here" in ran.envelope["error"]["message"]
    assert ran.envelope["data"]["same"] is False
    assert ran.envelope["data"]["largest_difference"] > 0.5


def test_a_difference_names_the_versions_that_differ(gen_cli: Cli, toy: Path) -> None:
    made = gen.toy("red", steps=2, seed=1)
    changed = replace(made, arrays={"pixels": 1 - made.arrays["pixels"]})
    changed.save("same.png")
    assert made.recipe is not None
    versions = {**made.recipe.versions, "torch": "1.0"}
    replace(changed, recipe=replace(made.recipe, versions=versions)).save("other.png")
    assert "another device may round differently" in gen_cli("rerun", "same.png", "--check").err
    assert "(it was made with torch 1.0, here is " in gen_cli("rerun", "other.png", "--check").err


def test_without_a_folder_for_temporary_files(
    gen_cli: Cli, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gen_cli("toy", "red", "-o", "a.png")
    for command in (["rerun", "a.png", "--check"], ["doctor"]):
        with monkeypatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(toy / "gone"))
            ran = gen_cli(*command)
        assert ran.code == 6
        assert "error: cannot make temporary files: no folder for them can be written (set TMPDIR" in ran.err


def test_rerun_with_inputs(gen_cli: Cli) -> None:
    gen_cli("toy", "red", "-o", "red.png")
    gen_cli("toy", "blue", "--init", "red.png", "-o", "blue.png")
    assert gen_cli("rerun", "blue.png", "--init", "red.png", "--check").code == 0
    assert gen_cli("rerun", "blue.png", "--check").code == 0, "its recipe holds that of red.png"
    gen_cli("toy", "red", "-o", "bare.png", "--metadata", "none")
    gen_cli("toy", "blue", "--init", "bare.png", "-o", "blue-2.png")
    assert gen_cli("rerun", "blue-2.png", "-o", "c.png").code == 2
    gen_cli("toy", "blue", "--left", "bare.png", "-o", "beside.png", "--width", 48)
    assert "--input left=FILE" in gen_cli("rerun", "beside.png", "-o", "c.png").err
    assert gen_cli("rerun", "beside.png", "--input", "left=bare.png", "--check").code == 0


def test_the_schema_describes_what_python_takes(gen_cli: Cli) -> None:
    schema = gen_cli("schema", "toy", "--json").envelope["data"]["schema"]
    assert "warnings" not in schema
    width = schema["properties"]["width"]
    assert (width["type"], width["minimum"], width["maximum"], width["multipleOf"]) == ("integer", 8, 64, 8)
    assert schema["properties"]["finish"]["enum"] == ["matt", "gloss"]
    assert "heun" in schema["properties"]["solver"]["examples"]
    assert schema["properties"]["model"]["examples"] == ["crayon"]
    assert json.loads(gen_cli("schema", "toy").out)["title"] == "toy"
    examples = {"prompt": "red", "count": 1, "seed": 1, "steps": 1, "guidance": 2.0, "strength": 0.5}
    examples |= {"negative": "blue", "model": "crayon", "solver": "ddim", "grid": "uniform", "mask": None}
    examples |= {"guide": "apg", "guidance_interval": "0.2:0.8", "cache": None, "noise": "brownian"}
    examples |= {"device": "cpu", "dtype": "float32", "width": 8, "height": 8, "gain": 1.0, "invert": True}
    examples |= {"finish": "gloss", "init": gen.toy("red", width=8, height=8)}
    examples |= {"left": gen.toy("blue", width=8, height=8)}
    assert len(gen.toy(**examples)) == 1
    drawn = {"prompt": "red", "seed": 1, "steps": 2, "solver": "ddim", "width": 8, "height": 8}
    edits = (
        {**drawn, "vary": examples["init"], "amount": 0.3},
        {**drawn, "interpolate": "prompt:blue", "share": 0.5},
        {**drawn, "init": examples["init"], "edit": "blue"},
        {"prompt": "red", "init": examples["init"], "expand": "8,0,0,0"},
        {"prompt": "red", "init": examples["init"], "restore": "denoise"},
        {"init": examples["init"], "upscale": 2},
    )
    for edit in edits:
        assert gen.toy(**edit).recipe
    assert {*examples, *(name for edit in edits for name in edit)} == schema["properties"].keys()


def test_eval_reports_what_the_plugin_measures_of_which_model(gen_cli: Cli) -> None:
    ran = gen_cli("eval", "toy", "--samples", 3, "--json")
    data = ran.envelope["data"]
    assert data["metrics"] == {"red": 3, "of": 3}
    assert (data["model"]["name"], data["steps"], data["solver"]) == ("crayon", 4, "ddim")
    assert "measured" in ran.err


def test_eval_measures_the_groups_that_are_wanted(gen_cli: Cli) -> None:
    ran = gen_cli("eval", "toy", "--samples", 3, "--group", "of")
    assert json.loads(ran.out)["metrics"] == {"of": 3}
    wrong = gen_cli("eval", "toy", "--samples", 3, "--group", "green")
    assert wrong.code == 2
    assert "the evaluation has no group 'green' (it has red, of)" in wrong.err


def test_eval_draws_more_than_one_request_holds(gen_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEN_STEPS", "1")
    assert json.loads(gen_cli("eval", "toy").out)["metrics"] == {"red": 1200, "of": 1200}


def test_the_doctor_checks_plugins_and_models_and_measures_the_machine_once(
    gen_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEN_PLUGINS", "toy,image")
    assert gen_cli("doctor", "--quick", "--json").envelope["data"]["precision"] is None
    assert "precision: not measured yet" in gen_cli("doctor", "--quick").out
    data = gen_cli("doctor", "--json").envelope["data"]
    measured = data["precision"]
    assert measured["matrix"]["float32"] > 0
    assert measured["convolution"]["float32"] > 0
    assert gen_cli("doctor", "--quick", "--json").envelope["data"]["precision"] == measured
    assert f"float32 {measured['matrix']['float32']:g}" in gen_cli("doctor", "--quick").out
    assert data["trials"].keys() == {"toy", "image"}
    parts = {outcome["what"]: outcome for outcome in data["trials"]["toy"]}
    assert {"model crayon", "gen eval toy", "gen train toy --recipe scribble", "to write png"} <= parts.keys()
    faults = [(outcome["fault"], outcome["optional"]) for outcome in parts.values() if outcome["fault"]]
    assert faults == [("there is no module gen_toy.recipe", True)]
    note = "there is no module gen_toy.recipe; needed for gen train toy --recipe scribble"
    assert data["notes"] == [note]
    assert data["models"] == {"crayon": "ok", "emoji": "ok"}
    assert data["versions"]["gen-toolkit"] == gen.__version__
    assert data["devices"][0].startswith("cpu")
    assert data["environment"] == ["GEN_CACHE", "GEN_CONFIG", "GEN_PLUGINS"]
    import gen_toy.plugin

    monkeypatch.setattr(gen_toy.plugin, "WEIGHTS", Path(gen_toy.plugin.__file__))
    ran = gen_cli("doctor", "--quick")
    assert ran.code == 3
    assert "damaged or another file" in ran.err


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gen to", ["toy"]),
        ("gen toy --mod", ["--model"]),
        ("gen toy --model c", ["crayon"]),
        ("gen toy --solver dpmpp_3", ["dpmpp_3s", "dpmpp_3m", "dpmpp_3m_sde"]),
        ("gen toy --grid ka", ["karras"]),
        ("gen toy --finish ", ["matt", "gloss"]),
        ("gen toy --format p", ["png"]),
        ("gen models show c", ["crayon"]),
        ("gen plugins show t", ["toy"]),
        ("gen schema to", ["toy"]),
        ("gen train to", ["toy"]),
        ("gen train toy --recipe s", ["scribble"]),
        ("gen eval to", ["toy"]),
    ],
)
def test_the_shell_completes_names(
    gen_cli: Cli, monkeypatch: pytest.MonkeyPatch, line: str, expected: list[str]
) -> None:
    words = line.split() + [""] * line.endswith(" ")
    monkeypatch.setenv("_GEN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    ran = gen_cli()
    assert [name for name in ran.out.split() if name in expected] == expected
    assert len(ran.out.split()) <= len(expected) + 1


def test_the_shell_is_not_disturbed_by_errors(gen_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_GEN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "gen train none --recipe s")
    monkeypatch.setenv("COMP_CWORD", "4")
    ran = gen_cli()
    assert (ran.out, ran.err) == ("", "")


def test_the_doctor_reads_the_settings(gen_cli: Cli, toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (toy / "gen.toml").write_text("[toy]\nwitdh = 8\n")
    monkeypatch.setenv("GEN_STPES", "3")
    ran = gen_cli("doctor", "--quick")
    assert ran.code == 3
    assert "did you mean 'width'?" in ran.err
    assert f"{toy / 'gen.toml'} (read)" in ran.out
    assert "GEN_STPES is no setting (did you mean GEN_STEPS?)" in ran.err


@pytest.mark.parametrize("words", [("doctor", "--quick"), ("plugins",)], ids=" ".join)
def test_endings_that_plugins_share_are_named(
    gen_cli: Cli, toy: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(Host, "shared_endings", lambda host: ("the ending .x is shared",))
    assert "the ending .x is shared" in gen_cli(*words).out
    assert gen_cli(*words, "--json").envelope["data"]["shared_endings"] == ["the ending .x is shared"]


def test_the_doctor_says_where_settings_would_be(
    gen_cli: Cli, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GEN_CONFIG", "GEN_CACHE"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(toy / "config"))
    ran = gen_cli("doctor", "--quick")
    assert "environment: no variable GEN_… is set" in ran.out
    assert f"{toy / 'gen.toml'} (none)" in ran.out
    assert "config.toml (none), " in ran.out
    assert "trials" not in gen_cli("doctor", "--quick", "--json").envelope["data"]


def test_training_lists_its_recipes(gen_cli: Cli, toy: Path) -> None:
    listed = gen_cli("train", "toy")
    assert listed.code == 0
    assert listed.out.splitlines()[1].split(maxsplit=2) == ["scribble", "s", "One step."]
    recipes = gen_cli("train", "toy", "--json").envelope["data"]["recipes"]
    assert recipes == [{"name": "scribble", "summary": "One step.", "presets": ["s"]}]
    refused = gen_cli("train", "toy", "--preset", "s")
    assert refused.code == 2
    assert "no recipe is named (add `--recipe NAME`: scribble)" in refused.err
