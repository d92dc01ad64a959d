"""`gen MODALITY`: prompts in, files out, and what is said on which stream."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gen
from gen.formats import read
from gen.plugin.host import Host

Cli = Callable[..., Any]


def recipe_of(path: Path) -> gen.Recipe:
    recipe = read(path, Host.discover().formats("image")).recipe
    assert recipe is not None
    return recipe


def feed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_a_file_is_written_and_its_path_is_all_that_stdout_gets(gen_cli: Cli, toy: Path) -> None:
    ran = gen_cli("toy", "red", "-o", "red.png", "--seed", 7)
    assert (ran.code, ran.out) == (0, "red.png\n")
    assert "seed 7" in ran.err
    assert read(toy / "red.png", Host.discover().formats("image")).sizes["width"] == 24
    assert recipe_of(toy / "red.png").seed == 7


def test_the_command_line_and_python_make_the_same(gen_cli: Cli, toy: Path) -> None:
    options = {"seed": 3, "steps": 3, "guidance": 2.0, "negative": "blue", "solver": "heun", "width": 32}
    flags = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    assert gen_cli("toy", "red", *flags, "-o", "a.png").code == 0
    gen.toy("red", **options).save("b.png")
    formats = Host.discover().formats("image")
    a, b = (read(toy / name, formats).arrays["pixels"] for name in ("a.png", "b.png"))
    assert np.array_equal(a, b)


def test_a_preview_stands_beside_the_file_in_another_format(gen_cli: Cli, toy: Path) -> None:
    ran = gen_cli("toy", "red", "-n", 2, "-o", "a-{index}.png", "--preview", "webp")
    assert ran.out.split() == ["a-1.png", "a-1.webp", "a-2.png", "a-2.webp"]
    assert recipe_of(toy / "a-2.webp") == recipe_of(toy / "a-2.png")
    ran = gen_cli("toy", "red", "-o", "b.png", "--preview", "png")
    assert (ran.code, "format of the file itself" in ran.err) == (2, True)
    ran = gen_cli("toy", "red", "-o", "a-1.webp", "--preview", "png")
    assert (ran.code, (toy / "b.png").exists()) == (6, False)


def test_a_file_among_the_options_of_a_modality(gen_cli: Cli, toy: Path) -> None:
    gen_cli("toy", "blue", "-o", "blue.png", "--width", 8)
    ran = gen_cli("toy", "red", "-o", "both.png", "--left", "blue.png", "--json")
    (entry,) = ran.envelope["data"]["artifacts"]
    assert [item["role"] for item in entry["recipe"]["inputs"]] == ["left"]
    assert "left" not in entry["recipe"]["params"]
    formats = Host.discover().formats("image")
    both = read(toy / "both.png", formats).arrays["pixels"]
    assert np.abs(both[:, :8] - read(toy / "blue.png", formats).arrays["pixels"]).max() < 0.01
    assert both[:, 8:, 0].mean() > 0.7 > both[:, :8, 0].mean()
    same = gen.toy("red", left="blue.png", seed=entry["seed"]).arrays["pixels"]
    assert np.abs(same - both).max() < 0.5 / 255
    assert gen_cli("toy", "red", "--left", "none.png").code == 2
    assert "left does not fit" in gen_cli("toy", "red", "--left", "blue.png", "--height", 8).err
    with pytest.raises(gen.errors.UsageError, match="left must be image, not audio"):
        gen.toy(
            "red", left=gen.Artifact("audio", {"samples": np.zeros((1, 8), np.float32)}, {"sample_rate": 8})
        )


def test_without_a_name_files_are_named_by_prompt_and_seed_and_never_replaced(
    gen_cli: Cli, toy: Path
) -> None:
    names = [
        gen_cli("toy", "red, Green!", "--seed", 7, "-q").out.strip(),
        gen_cli("toy", "red, Green!", "--seed", 7, "-q", "--overwrite").out.strip(),
        gen_cli("toy", "…", "--seed", 7, "-q", "-f", "webp").out.strip(),
    ]
    assert names == ["red-green-7.png", "red-green-7-2.png", "toy-7.webp"]
    assert sorted(path.name for path in toy.iterdir()) == sorted(names)


def test_without_a_name_the_items_of_one_seed_are_numbered(gen_cli: Cli, toy: Path) -> None:
    ran = gen_cli("toy", "red", "--interpolate", "red", "--seed", 7, "-n", 3, "-q")
    assert ran.out.split() == ["red-7-1.png", "red-7-2.png", "red-7-3.png"]
    assert sorted(path.name for path in toy.iterdir()) == ran.out.split()


def test_a_folder_gets_named_files(gen_cli: Cli, toy: Path) -> None:
    (toy / "out").mkdir()
    assert gen_cli("toy", "red", "blue", "--seed", 1, "-o", "out").out == "out/red-1.png\nout/blue-2.png\n"


def test_patterns_name_the_files_of_a_batch(gen_cli: Cli, toy: Path) -> None:
    ran = gen_cli("toy", "red", "-n", 2, "--seed", 5, "-o", "{index}-{seed}-{model}.png")
    assert ran.out == "1-5-crayon.png\n2-6-crayon.png\n"
    assert [recipe_of(toy / name).seed for name in ran.out.split()] == [5, 6]


def test_prompts_come_from_arguments_stdin_and_files(
    gen_cli: Cli, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, b"\xef\xbb\xbfgreen\r\n\r\n  blue \r\n")
    (toy / "prompts.txt").write_text("white\nred green\n", "utf-8-sig")
    ran = gen_cli("toy", "red", "-", "--prompt-file", "prompts.txt", "-o", "{index}.png")
    prompts = [recipe_of(toy / name).prompt for name in ran.out.split()]
    assert prompts == ["red", "green", "blue", "white", "red green"]


def test_several_single_words_are_taken_as_prompts_with_a_word_of_warning(gen_cli: Cli) -> None:
    assert "put quotes around" in gen_cli("toy", "red", "blue", "--dry-run").err
    assert "put quotes around" not in gen_cli("toy", "red", "red blue", "--dry-run").err


def test_the_envelope_tells_every_file(gen_cli: Cli, toy: Path) -> None:
    ran = gen_cli("toy", "red", "purple", "--seed", 1, "-o", "{seed}.png", "--json")
    envelope = ran.envelope
    assert (ran.code, ran.out.count("\n")) == (0, 1)
    assert (envelope["schema"], envelope["ok"], envelope["command"]) == ("gen.envelope/1", True, "toy")
    assert envelope["version"] == gen.__version__
    for entry, name in zip(envelope["data"]["artifacts"], ("1.png", "2.png"), strict=True):
        content = (toy / name).read_bytes()
        assert entry["path"] == name
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert entry["media_type"] == "image/png"
        assert entry["recipe"]["seed"] == entry["seed"] == int(name[0])
    assert any("purple" in warning for warning in envelope["data"]["warnings"])
    assert envelope["error"] is None


def test_quiet_says_nothing_but_a_plugins_own_prints_stay_off_stdout(gen_cli: Cli) -> None:
    ran = gen_cli("toy", "purple", "-q", "-o", "a.png")
    assert ran.out == "a.png\n"
    assert set(ran.err.splitlines()) == {"toy: a plugin that talks"}


def test_unknown_words_are_named_on_stderr(gen_cli: Cli) -> None:
    ran = gen_cli("toy", "purple red", "-o", "a.png")
    assert ran.code == 0
    assert "does not know 'purple'" in ran.err
    assert "nearest are red, green" in ran.err
    assert "prompt '" not in ran.err
    ran = gen_cli("toy", "purple red", "green", "mauve", "-o", "{seed}.png")
    lines = [line for line in ran.err.splitlines() if "does not know" in line]
    assert len(lines) == 2
    assert "prompt 'purple red': the model crayon does not know 'purple'" in lines[0]
    assert "prompt 'mauve': the model crayon does not know 'mauve'" in lines[1]


def test_a_dry_run_shows_the_plan_and_loads_nothing(
    gen_cli: Cli, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_FAILS", "it must not run")
    ran = gen_cli("toy", "red", "-n", 2, "--seed", 4, "-o", "{seed}.png", "--dry-run")
    shown = json.loads(ran.out)
    assert ran.code == 0
    assert shown["outputs"] == ["4.png", "5.png"]
    assert [recipe["seed"] for recipe in shown["recipes"]] == [4, 5]
    assert shown["recipes"][0]["params"]["width"] == 24
    assert not list(toy.iterdir())
    assert gen_cli("toy", "red", "--dry-run", "--json").envelope["data"]["recipes"][0]["prompt"] == "red"


def test_overwrite_replaces(gen_cli: Cli, toy: Path) -> None:
    gen_cli("toy", "red", "-o", "a.png")
    assert gen_cli("toy", "blue", "-o", "a.png", "--overwrite").code == 0
    assert recipe_of(toy / "a.png").prompt == "blue"


@pytest.mark.parametrize(("level", "told"), [("full", True), ("minimal", False), ("none", False)])
def test_metadata_levels(gen_cli: Cli, toy: Path, level: str, told: bool) -> None:
    assert gen_cli("toy", "blue", "-o", "a.png", "--metadata", level).code == 0
    assert (b"blue" in (toy / "a.png").read_bytes()) is told


def test_metadata_and_format_may_be_set_for_good(
    gen_cli: Cli, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEN_METADATA", "none")
    monkeypatch.setenv("GEN_FORMAT", "webp")
    name = gen_cli("toy", "blue", "--seed", 1).out.strip()
    assert name == "blue-1.webp"
    assert b"trainedAlgorithmicMedia" not in (toy / name).read_bytes()


def test_a_rerun_reports_as_much_as_is_asked_for_or_set(
    gen_cli: Cli, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gen_cli("toy", "blue", "-o", "a.png")
    assert gen_cli("rerun", "a.png", "-o", "b.png", "--metadata", "none").code == 0
    monkeypatch.setenv("GEN_METADATA", "minimal")
    assert gen_cli("rerun", "a.png", "-o", "c.png").code == 0
    assert gen_cli("rerun", "a.png", "-o", "d.png", "--metadata", "full").code == 0
    told = {name: (toy / f"{name}.png").read_bytes() for name in "bcd"}
    assert [b"blue" in content for content in told.values()] == [False, False, True]
    assert [b"trainedAlgorithmicMedia" in content for content in told.values()] == [False, True, True]
    assert "unknown metadata level" in gen_cli("rerun", "a.png", "-o", "e.png", "--metadata", "some").err


@pytest.mark.parametrize(
    ("alias", "value", "field"),
    [
        ("--negative-prompt", "blue", "negative"),
        ("--cfg-scale", 2.5, "guidance"),
        ("--guidance-scale", 2.5, "guidance"),
        ("--num-inference-steps", 3, "steps"),
        ("--sampler", "heun", "solver"),
    ],
)
def test_flags_of_other_programs_are_understood_and_hidden(
    gen_cli: Cli, alias: str, value: object, field: str
) -> None:
    shown = json.loads(gen_cli("toy", "red", alias, value, "--dry-run").out)
    assert shown["recipes"][0][field] == value
    assert alias not in gen_cli("toy", "--help").out


def test_own_parameters_by_flag_and_by_name(gen_cli: Cli) -> None:
    flags = gen_cli("toy", "red", "--width", 8, "--invert", "--finish", "gloss", "--dry-run").out
    names = gen_cli("toy", "red", "-p", "width=8", "-p", "invert=yes", "-p", "finish=gloss", "--dry-run").out
    params = [json.loads(out)["recipes"][0]["params"] for out in (flags, names)]
    assert params[0] == params[1]
    assert (params[0]["width"], params[0]["invert"], params[0]["finish"]) == (8, True, "gloss")


def test_variations_and_masks_from_files(gen_cli: Cli, toy: Path) -> None:
    gen_cli("toy", "red", "-o", "red.png")
    gen_cli("toy", "white", "--gain", 1, "-o", "mask.png")
    ran = gen_cli("toy", "blue", "--init", "red.png", "--strength", 0.5, "-o", "b.png")
    assert ran.code == 0
    assert recipe_of(toy / "b.png").strength == 0.5
    assert gen_cli("toy", "blue", "--init", "red.png", "--mask", "mask.png", "-o", "c.png").code == 0
    assert [item.role for item in recipe_of(toy / "c.png").inputs] == ["init", "mask"]


def test_what_was_written_before_a_failure_stays_and_the_exit_code_says_so(
    gen_cli: Cli, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gen_toy.model

    real = gen_toy.model.Pixels.decode
    calls = []

    def fail_at_the_second(self: Any, x0: Any, params: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("the paint is used up")
        return real(self, x0, params)

    monkeypatch.setattr(gen_toy.model.Pixels, "decode", fail_at_the_second)
    ran = gen_cli("toy", "red", "-n", 3, "-o", "{index}.png", "--json")
    assert ran.code == 7
    assert ran.envelope["error"]["code"] == "partial"
    message = ran.envelope["error"]["message"]
    assert message.startswith(
        "1 of 3 were written, then: the codec.decode of plugin toy (gen-toy 1.0) raised"
    )
    assert message.endswith("the paint is used up")
    assert [entry["path"] for entry in ran.envelope["data"]["artifacts"]] == ["1.png"]
    assert [path.name for path in toy.iterdir()] == ["1.png"]


def test_an_interrupt_keeps_whole_files_only(
    gen_cli: Cli, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gen_toy.model

    def interrupted(*_: Any) -> Any:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(gen_toy.model.Pixels, "decode", interrupted)
    ran = gen_cli("toy", "red", "-o", "a.png")
    assert (ran.code, ran.out) == (130, "")
    assert ran.err.splitlines()[-1] == "gen: interrupted"
    assert not list(toy.iterdir())


def test_a_name_that_is_taken_meanwhile_is_left_to_the_other_run(
    gen_cli: Cli, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gen.cli import making

    def taken(*arguments: object) -> object:
        (toy / "red-1.png").write_bytes(b"the other's")
        return load(*arguments)

    load = making.load
    monkeypatch.setattr(making, "load", taken)
    assert gen_cli("toy", "red", "--seed", 1, "--preview", "webp").out == "red-1-2.png\nred-1-2.webp\n"
    assert (toy / "red-1.png").read_bytes() == b"the other's"
    (toy / "red-1.png").unlink()
    assert gen_cli("toy", "red", "--seed", 1, "-o", "red-1.png").code == 6


def test_names_avoid_previews_that_exist(gen_cli: Cli, toy: Path) -> None:
    (toy / "red-1.webp").touch()
    assert gen_cli("toy", "red", "--seed", 1, "--preview", "webp").out == "red-1-2.png\nred-1-2.webp\n"
