"""Bad input to the command line: its exit code, one line that says what to do, and nothing written."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import gen

Cli = Callable[..., Any]
FILES = ("there.png", "text.png", "prompts.txt", "notes.txt", "notes.ppm", "latin.txt", "empty.txt")


@pytest.fixture
def work(toy: Path) -> Path:
    """A folder with a picture that must not be replaced and some texts."""
    Image.fromarray(np.full((16, 24, 3), 9, np.uint8)).save(toy / "there.png")
    (toy / "prompts.txt").write_text("red\nblue\n")
    (toy / "notes.txt").write_text("no picture")
    (toy / "text.png").write_text("no picture")
    (toy / "notes.ppm").write_text("no picture")
    (toy / "latin.txt").write_bytes("grün".encode("latin-1"))
    (toy / "empty.txt").write_text("\n \n")
    return toy


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


USAGE, PLUGIN, MODEL, DEVICE, OUTPUT = 2, 3, 4, 5, 6
CASES: list[tuple[list[object], int, str]] = [
    ([""], USAGE, "the prompt is empty"),
    (["   "], USAGE, "the prompt is empty"),
    ([], USAGE, "there is no prompt"),
    (["x" * 100_000], USAGE, "100,000 characters"),
    (["red", "--negative", "x" * 100_000], USAGE, "the negative has 100,000 characters"),
    (["--prompt-file", "none.txt"], USAGE, "cannot read none.txt"),
    (["--prompt-file", "latin.txt"], USAGE, "latin.txt is not UTF-8"),
    (["--prompt-file", "empty.txt"], USAGE, "no prompt in empty.txt"),
    (["red", "--model", "crayom"], MODEL, "did you mean 'crayon'"),
    (["red", "--model", "none.safetensors"], MODEL, "no model file none.safetensors"),
    (["red", "--model", "hf:org/name"], MODEL, "cannot use 'hf:org/name' as a model"),
    (["red", "--model", "notes.txt"], MODEL, "not a safetensors file"),
    (["red", "--solver", "dpmpp2"], USAGE, "did you mean: dpmpp_2m"),
    (["red", "--grid", "karas"], USAGE, "did you mean: comfy_karras, karras"),
    (["red", "--grid", "trailing", "--steps", 2000], USAGE, "steps must be at most 1000, not 2000"),
    (["red", "--grid", "5,three,1"], USAGE, "the grid holds 'three', which is no number"),
    (["red", "--widht", 8], USAGE, "--width"),
    (["red", "-p", "widht=8"], USAGE, "did you mean 'width'"),
    (["red", "-p", "width"], USAGE, "-p takes NAME=VALUE"),
    (["red", "-p", "width=8", "--width", 8], USAGE, "width is given twice"),
    (["red", "-f", "gif"], USAGE, "unknown format 'gif'"),
    (["red", "-o", "a.gif"], USAGE, "unknown file ending '.gif'"),
    (["red", "-o", "a"], USAGE, "no file ending"),
    (["red", "-o", "a.png", "-f", "webp"], USAGE, "not one of webp"),
    (["red", "--steps", 0], USAGE, "steps must be at least 1"),
    (["red", "--steps", "many"], USAGE, "'many'"),
    (["red", "--guidance", -1], USAGE, "guidance must be at least 0"),
    (["red", "--guidance", "nan"], USAGE, "guidance must be at least 0"),
    (["red", "--guidance", "inf"], USAGE, "guidance must be at least 0"),
    (["red", "--cfg-scale", 3, "-g", 3], USAGE, "--cfg-scale and --guidance are the same"),
    (["red", "--width", 0], USAGE, "width must be at least 8 px"),
    (["red", "--width", 7], USAGE, "width must be at least 8 px"),
    (["red", "--width", 100_000], USAGE, "at most 64 px, not 100,000"),
    (["red", "--width", 20], USAGE, "multiple of 8"),
    (["red", "--width", 64, "--height", 64], USAGE, "nothing of 64 x 64"),
    (["red", "--gain", "nan"], USAGE, "gain must be at least 0"),
    (["red", "--finish", "rough"], USAGE, "one of matt, gloss"),
    (["red", "--seed", -1], USAGE, "seed must be a whole number from 0"),
    (["red", "--seed", 2**63], USAGE, "seed must be a whole number from 0"),
    (["red", "--seed", "1" + "0" * 5000], USAGE, "seed"),
    (["red", "-n", 0], USAGE, "count must be at least 1"),
    (["red", "-n", 10**6], USAGE, "at most 1,000"),
    (["red", "-n", 2, "-o", "a.png"], USAGE, "use a pattern: -o 'a-{index}.png'"),
    (["red", "-n", 2, "-o", "-"], USAGE, "2 items cannot go to stdout"),
    (["red", "-o", "{user}.png"], USAGE, "unknown field {user}"),
    (["red", "-o", "{seed.__class__}.png"], USAGE, "unknown field {seed.__class__}"),
    (["red", "--metadata", "some"], USAGE, "one of full, minimal, none"),
    (["red", "--strength", 0.5], USAGE, "add --init FILE"),
    (["red", "--init", "none.png"], USAGE, "cannot read none.png"),
    (["red", "--init", "notes.txt"], USAGE, "unknown file ending"),
    (["red", "--init", "there.png", "--strength", 0], USAGE, "strength must be above 0"),
    (["red", "--init", "there.png", "--strength", "nan"], USAGE, "strength must be above 0"),
    (["red", "--mask", "there.png"], USAGE, "add --init FILE"),
    (["red", "--init", "there.png", "--init", "there.png"], USAGE, "--init is given twice"),
    (["red", "--decoder", "a", "--decoder", "b"], USAGE, "--decoder is given twice"),
    (["red", "--device", "tpu"], DEVICE, "unknown device 'tpu'"),
    (["red", "--device", "cuda:99"], DEVICE, "cuda:99 is not available"),
    (["red", "--dtype", "int8"], USAGE, "one of float32, bfloat16, float16"),
    (["red", "-o", "none/a.png"], OUTPUT, "the folder does not exist"),
    (["red", "-o", "notes.txt/a.png"], OUTPUT, "cannot write notes.txt/a.png"),
    (["red", "-o", "there.png"], OUTPUT, "use --overwrite"),
    (["red", "-o", "x" * 300 + ".png"], OUTPUT, "the name is too long"),
    (["red", "--unknown"], USAGE, "No such option: --unknown"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), CASES, ids=lambda value: str(value)[:40])
def test_one_line_the_exit_code_and_nothing_written(
    gen_cli: Cli, work: Path, arguments: list[object], code: int, message: str
) -> None:
    before = snapshot(work)
    ran = gen_cli("toy", *arguments)
    lines = [line for line in ran.err.splitlines() if not line.startswith("toy: ")]
    assert ran.code == code, ran.err
    assert message in lines[-1]
    assert lines[-1].startswith("gen: error: ")
    assert len(lines) == 1
    assert len(lines[-1]) < 400
    assert ran.out == ""
    assert snapshot(work) == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [case for case in CASES[::6] if "-" not in case[0]]
    + [(["red", "-o", "-"], USAGE, "--json and -o - both want stdout")],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.usefixtures("work")
def test_the_envelope_tells_the_same(gen_cli: Cli, arguments: list[object], code: int, message: str) -> None:
    ran = gen_cli("toy", *arguments, "--json")
    error = ran.envelope["error"]
    assert ran.code == code
    assert ran.envelope["ok"] is False
    assert message in f"{error['message']} ({error['hint']})"
    assert error["code"] == {2: "usage", 4: "model", 5: "device", 6: "output"}[code]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tou", "red"], USAGE, "did you mean `gen toy`?"),
        (["sculpture", "red"], USAGE, "unknown command 'sculpture'"),
        (["--unknown"], USAGE, "No such option: --unknown"),
        (["models", "show", "none"], MODEL, "unknown model 'none'"),
        (["plugins", "show", "none"], PLUGIN, "no plugin named 'none'"),
        (["plugins", "disable", "none"], PLUGIN, "no plugin named 'none'"),
        (["schema", "none"], PLUGIN, "no modality named 'none'"),
        (["info", "none.png"], USAGE, "cannot read none.png"),
        (["info", "notes.ppm"], USAGE, "unknown file ending '.ppm'"),
        (["rerun", "there.png"], USAGE, "there.png holds no recipe"),
        (["rerun", "text.png"], USAGE, "cannot read text.png: it is "),
        (["rerun", "there.png", "--check", "-o", "a.png"], USAGE, "--check writes nothing"),
        (["train", "toy", "--recipe", "none"], USAGE, "unknown recipe 'none'"),
        (["train", "toy", "--recipe", "scribble", "--preset", "xl"], USAGE, "unknown preset 'xl'"),
        (["train", "toy", "--recipe", "scribble"], PLUGIN, "gen_toy.recipe"),
        (["train", "toy", "--recipe", "scribble", "--steps", "5"], USAGE, "--steps takes NAME=VALUE"),
        (["train", "toy", "--recipe", "scribble", "--steps", "codec=0"], USAGE, "codec=0 is not a whole"),
        (["eval", "toy", "--samples", "0"], USAGE, "--samples"),
    ],
)
def test_other_commands_fail_in_one_line(
    gen_cli: Cli, work: Path, arguments: list[str], code: int, message: str
) -> None:
    before = snapshot(work)
    ran = gen_cli(*arguments)
    assert ran.code == code, ran.err
    assert message in ran.err
    assert (ran.err.count("\n"), ran.out) == (1, "")
    assert snapshot(work) == before


def test_a_folder_that_may_not_be_written(gen_cli: Cli, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (work / "closed").mkdir()
    # Not by its mode, which does not stop the superuser.
    monkeypatch.setattr(os, "access", lambda path, *_, **__: Path(path).name != "closed")
    ran = gen_cli("toy", "red", "-o", "closed/a.png")
    assert ran.code == OUTPUT
    assert "permission denied" in ran.err


@pytest.mark.usefixtures("work")
def test_a_terminal_gets_no_bytes(gen_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    ran = gen_cli("toy", "red", "-o", "-")
    assert ran.code == OUTPUT
    assert "a terminal cannot show the file" in ran.err


def weights(toy_folder: Path) -> bytes:
    return (toy_folder / "gen_toy" / "weights" / "crayon.safetensors").read_bytes()


def test_damaged_model_files(gen_cli: Cli, work: Path, toy_folder: Path) -> None:
    content = weights(toy_folder)
    bad = work / "bad.safetensors"
    for damaged, message in (
        (content[:-10], "is truncated"),
        (content[:40], "is truncated"),
        (b"", "not a safetensors file"),
        (pickle.dumps({"weights": [1.0]}), "pickles can run code and are not read"),
    ):
        bad.write_bytes(damaged)
        ran = gen_cli("toy", "red", "-m", "bad.safetensors")
        assert ran.code == MODEL
        assert message in ran.err
        assert ran.err.count("\n") == 1
    assert [path.name for path in work.iterdir() if path.name not in FILES] == ["bad.safetensors"]


def test_a_registered_model_whose_bytes_changed(
    gen_cli: Cli, work: Path, toy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gen_toy.plugin

    other = work.parent / "other.safetensors"
    content = bytearray(weights(toy_folder))
    content[-1] ^= 1
    other.write_bytes(content)
    monkeypatch.setattr(gen_toy.plugin, "WEIGHTS", other)
    ran = gen_cli("toy", "red")
    assert ran.code == MODEL
    assert "is damaged or another file: sha256" in ran.err
    assert snapshot(work).keys() == set(FILES)


def hostile(path: Path, text: str) -> None:
    info = PngInfo()
    info.add_itxt("gen", text)
    Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(path, pnginfo=info)


def test_recipes_of_strangers(gen_cli: Cli, work: Path) -> None:
    good = gen.toy("red", seed=1).recipe.to_dict()
    model = good["model"]
    marker = work / "marker"
    changes: list[tuple[dict[str, Any], int]] = [
        ({"seed": "1"}, USAGE),
        ({"seed": 10**30}, USAGE),
        ({"steps": 1e9}, USAGE),
        ({"guidance": "much"}, USAGE),
        ({"params": {"width": {"a": 1}}}, USAGE),
        ({"params": {"width": 10**9}}, USAGE),
        ({"params": {"__class__": "x"}}, USAGE),
        ({"prompt": "x" * 20_000}, USAGE),
        ({"prompt": ["red"]}, USAGE),
        ({"solver": "os:system"}, USAGE),
        ({"grid": "gen_toy.model:load"}, USAGE),
        ({"modality": "os:system"}, PLUGIN),
        ({"modality": "../toy"}, USAGE),
        ({"model": {**model, "name": "../../etc/passwd"}}, MODEL),
        ({"model": {**model, "name": f"{work}/there.png"}}, MODEL),
        ({"model": {**model, "sha256": "0" * 64}}, MODEL),
        ({"model": "crayon"}, USAGE),
        ({"device": "cuda:0; touch marker"}, USAGE),
        ({"device": "tpu"}, DEVICE),
        ({"schema": "gen.recipe/9"}, USAGE),
        ({"parents": [good] * 100}, USAGE),
        ({"inputs": [{"role": "init", "name": "/etc/passwd", "sha256": "0" * 64}]}, USAGE),
    ]
    texts = [(json.dumps({**good, **change}), code) for change, code in changes]
    texts += [("{" * 50_000, USAGE), ("[" * 50_000, USAGE), ("x" * 3_000_000, USAGE), ("null", USAGE)]
    for text, code in texts:
        hostile(work / "evil.png", text)
        before = snapshot(work)
        ran = gen_cli("rerun", "evil.png", "-o", "made.png")
        assert ran.code == code, (text[:200], ran.err)
        assert ran.err.startswith("gen: error: ")
        assert ran.err.count("\n") == 1
        assert snapshot(work) == before
    assert not marker.exists()


def test_keys_that_are_not_known_do_nothing(gen_cli: Cli, work: Path) -> None:
    recipe = gen.toy("red", seed=1).recipe.to_dict()
    hostile(work / "odd.png", json.dumps({**recipe, "loader": "os:abort", "__import__": "antigravity"}))
    assert gen_cli("rerun", "odd.png", "-o", "made.png").code == 0


def test_a_broken_settings_file(gen_cli: Cli, work: Path) -> None:
    (work / "gen.toml").write_text("stpes = 3")
    ran = gen_cli("toy", "red")
    assert ran.code == USAGE
    assert "did you mean 'steps'" in ran.err
    shutil.copy(work / "there.png", work / "gen.toml")
    ran = gen_cli("toy", "red")
    assert ran.code == USAGE
    assert "cannot read the settings in gen.toml" in ran.err


@pytest.mark.parametrize(
    ("name", "value", "code", "message"),
    [
        ("GEN_STEPS", "0", USAGE, "steps must be at least 1"),
        ("GEN_STEPS", "many", USAGE, "steps must be a whole number"),
        ("GEN_TOY_WIDTH", "7", USAGE, "width must be at least 8"),
        ("GEN_SEED", "-1", USAGE, "seed must be a whole number from 0"),
        ("GEN_MODEL", "crayom", MODEL, "unknown model 'crayom'"),
        ("GEN_SOLVER", "none", USAGE, "unknown solver 'none'"),
        ("GEN_GRID", "none", USAGE, "unknown grid 'none'"),
        ("GEN_DEVICE", "tpu", DEVICE, "unknown device 'tpu'"),
        ("GEN_DTYPE", "int8", USAGE, "unknown dtype 'int8'"),
        ("GEN_FORMAT", "gif", USAGE, "unknown format 'gif'"),
        ("GEN_METADATA", "some", USAGE, "unknown metadata level 'some'"),
        ("GEN_OFFLINE", "maybe", USAGE, "offline must be true or false"),
    ],
)
def test_a_bad_variable_is_named(
    gen_cli: Cli, work: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, code: int, message: str
) -> None:
    monkeypatch.setenv(name, value)
    before = snapshot(work)
    ran = gen_cli("toy", "red")
    assert ran.code == code
    assert message in ran.err
    assert f"in {name}" in ran.err
    assert ran.err.count("\n") == 1
    assert snapshot(work) == before


def test_a_misspelled_variable_is_reported_and_does_no_harm(
    gen_cli: Cli, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEN_STPES", "3")
    monkeypatch.setenv("GEN_ERATOR", "something else")
    ran = gen_cli("toy", "red", "-o", "a.png", "--json")
    assert ran.code == 0
    assert ran.envelope["data"]["warnings"] == [
        "GEN_ERATOR is no setting (it has no effect)",
        "GEN_STPES is no setting (did you mean GEN_STEPS?)",
    ]


def test_settings_of_another_modality_are_left_to_it_and_a_misspelled_one_is_reported(
    gen_cli: Cli, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEN_IMAGE_STEPS", "3")
    (work / "gen.toml").write_text("[image]\nsteps = 3\n[tooy]\nsteps = 3\n[plugins]\ndisabled = []\n")
    ran = gen_cli("toy", "red", "-o", "a.png", "--json")
    assert ran.code == 0
    assert ran.envelope["data"]["warnings"] == ["[tooy] in gen.toml is no modality (did you mean [toy]?)"]


def test_stdin_that_is_closed(gen_cli: Cli, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    ran = gen_cli("toy", "-")
    assert ran.code == USAGE
    assert "stdin is closed" in ran.err


def test_nothing_that_is_shown_drives_the_terminal(gen_cli: Cli, work: Path) -> None:
    hostile_text = "red \x1b[31m\x9b2J\u202e"
    made = gen_cli("toy", hostile_text, "-o", "a\x1b[2J.png")
    assert made.code == 0
    assert made.out == "a\x1b[2J.png\n", "a program reads the path as it is"
    planned = gen_cli("toy", hostile_text, "--dry-run")
    told = gen_cli("info", "a\x1b[2J.png")
    foreign = PngInfo()
    foreign.add_text("parameters", "a cat\nSteps: 3, Seed: 1, Od\x9bd\x1b[2J: y\x1b[2J")
    Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(work / "foreign.png", pnginfo=foreign)
    strange = gen_cli("info", "foreign.png")
    assert strange.code == 0
    shown = made.err + planned.out + planned.err + told.out + told.err + strange.out
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)
    assert json.loads(planned.out)["recipes"][0]["prompt"] == hostile_text


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("imgae", "image"),
        ("version", "--version"),
        ("help", "--help"),
        ("colour", "toy"),
        ("measures", "eval"),
    ],
)
def test_an_unknown_command_is_answered_with_the_nearest(gen_cli: Cli, word: str, meant: str) -> None:
    ran = gen_cli(word)
    assert ran.code == USAGE
    assert ran.err == f"gen: error: unknown command {word!r} (did you mean `gen {meant}`?)\n"


def test_messages_name_flags_here_and_arguments_in_python(gen_cli: Cli, toy: Path) -> None:
    import gen

    (toy / "a.png").touch()
    assert "(use --overwrite or choose another name)" in gen_cli("toy", "red", "-o", "a.png").err
    with pytest.raises(gen.errors.OutputError, match="use `overwrite=True` or choose"):
        gen.toy("red").save("a.png")
    assert "(add --init FILE)" in gen_cli("toy", "red", "--strength", "0.5").err
    with pytest.raises(gen.errors.UsageError, match="add `init=FILE`"):
        gen.toy("red", strength=0.5)
    gen.toy("blue").save("blue.png", metadata="none")
    gen.toy("red", seed=1, left="blue.png").save("b.png")
    assert "(add --input left=FILE)" in gen_cli("rerun", "b.png", "-o", "c.png").err
    with pytest.raises(gen.errors.UsageError, match=r"add `inputs=\{'left': FILE\}`"):
        gen.rerun("b.png")


def test_minus_zero_is_zero(gen_cli: Cli) -> None:
    ran = gen_cli("toy", "red", "--guidance", "-0", "-o", "a.png", "--json")
    assert str(ran.envelope["data"]["artifacts"][0]["recipe"]["guidance"]) == "0.0"


def test_a_working_folder_that_is_gone(gen_cli: Cli, toy: Path) -> None:
    (toy / "gone").mkdir()
    os.chdir(toy / "gone")
    (toy / "gone").rmdir()
    ran = gen_cli("toy", "red")
    assert (ran.code, ran.err) == (
        USAGE,
        "gen: error: the working folder is gone (go to one that exists)\n",
    )
    assert gen_cli("--help").code == 0


def test_a_completion_that_cannot_be_installed(
    gen_cli: Cli, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (toy / "file").touch()
    monkeypatch.setenv("HOME", str(toy / "file"))
    ran = gen_cli("--install-completion", "bash")
    assert ran.code == OUTPUT
    assert ran.err.startswith("gen: error: cannot install the completion in ")


def test_prompts_lose_a_mark_of_byte_order(gen_cli: Cli, toy: Path) -> None:
    (toy / "prompts.txt").write_bytes(b"\xef\xbb\xbfred\nblue\n")
    ran = gen_cli("toy", "--prompt-file", "prompts.txt", "--dry-run")
    assert [recipe["prompt"] for recipe in json.loads(ran.out)["recipes"]] == ["red", "blue"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--init", "none.png"], "cannot read none.png: No such file"),
        (["--left", "none.png"], "cannot read none.png: No such file"),
        (["-o", "no/where.png"], "the folder does not exist"),
        (["--model", "emoji"], "model emoji makes image, not toy (use it with `gen image`)"),
    ],
    ids=str,
)
def test_paths_and_names_are_checked_before_torch_is_loaded(
    toy: Path, words: list[str], message: str
) -> None:
    program = (
        "import sys\nfrom gen.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        "print(code, 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", program, "toy", "red", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=toy)
    assert message in done.stderr
    assert done.stdout.endswith("False\n")


def test_a_whole_number_is_printed_without_a_fraction(gen_cli: Cli) -> None:
    assert "guidance must be at least 0 and at most 100, not 1,000\n" in gen_cli("toy", "red", "-g", 1000).err
