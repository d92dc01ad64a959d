"""Chains: what they mean, that they run once, and that what is wrong in them is said in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gen
from gen.chains import Chain, Step, load, parse
from gen.chains.text import formatted
from gen.errors import GenError, OutputError, UsageError

Cli = Callable[..., Any]

HEAD = 'schema = "gen.chain/1"\n'
STORY = (
    HEAD
    + """
seed = 3
[variables]
who = "red"
colours = ["green", "blue", "white"]
sizes = [24, 32, 40]
seconds = 0.5

[[step]]
name = "film"
to = "video"
by = "join"
from = "clip-1"
inputs = { next = "clip-*" }
options = { fade = 0.25 }

[[step]]
name = "hero"
make = "toy"
prompt = "{who}"

[[step]]
name = "picture-{index}"
for = "colour in colours"
make = "toy"
prompt = "{colour}"
inputs = { left = "hero" }

[[step]]
name = "clip-{index}"
for = "colour in colours"
to = "video"
from = "picture-{index}"
format = "zip"
options = { seconds = "{seconds}", fps = "8", width = 24, height = 24, zoom = 1.0 }
"""
)


def step(name: str, source: str = "", **fields: Any) -> Step:
    if source:
        return Step(name=name, to="video", inputs={"source": source}, **fields)
    return Step(name=name, make="toy", prompt="red", **fields)


def names(chain: Chain) -> list[str]:
    return [one.name for one in chain.resolved()]


def test_loops_lists_and_patterns_become_steps_in_an_order_that_works() -> None:
    # A pattern stands for steps before it, so the film has to stand last.
    start, _, rest = STORY.partition("[[step]]")
    film, _, others = rest.partition("[[step]]")
    chain = parse(f"{start}[[step]]{others}[[step]]{film}")
    steps = {one.name: one for one in chain.resolved()}
    assert next(iter(steps)) == "hero"
    assert steps["picture-2"].prompt == "blue"
    assert steps["clip-3"].options["seconds"] == 0.5, "a number stays one"
    assert steps["film-part1"].inputs == {"source": "clip-1", "next": "clip-2"}
    assert steps["film"].inputs == {"source": "film-part1", "next": "clip-3"}
    order = list(steps)
    assert all(
        order.index(source) < order.index(name) for name, one in steps.items() for source in one.sources
    )


def test_other_lists_go_along_with_a_loop() -> None:
    each = Step(
        name="a-{index}",
        make="toy",
        prompt="{colour}",
        each="colour in colours",
        options={"width": "{sizes[index]}"},
    )
    chain = gen.chain(each, colours=["red", "blue"], sizes=[8, 16])
    assert [(one.prompt, one.options["width"]) for one in chain.resolved()] == [("red", 8), ("blue", 16)]
    with pytest.raises(UsageError, match=r"unknown variable 'sizes\[index\]'"):
        gen.chain(each, colours=["red", "blue"], sizes=[8]).resolved()


def test_a_chain_comes_back_from_its_file(tmp_path: Path) -> None:
    chain = parse(STORY)
    assert parse(formatted(chain)) == chain
    odd = gen.chain(
        step("a", options={"x": '"quoted" \\ \n\x7f é 😀', "y": -1.5e-9, "z": True}), list=[1, "b"]
    )
    odd.save(tmp_path / "odd.toml")
    assert load(tmp_path / "odd.toml") == odd
    with pytest.raises(OutputError):
        odd.save(tmp_path / "odd.toml")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "schema = "),
        ("schema = 3", "its schema is '3'"),
        ("x = ", "it is not TOML"),
        ("a=" + "[" * 5000, "TOML"),
        (HEAD + "[" + ".".join(["a"] * 50_000) + "]", "a key of 64 or more parts"),
        (HEAD + "x = {" + " . ".join(['"a"'] * 30_000) + " = 1}", "a key of 64 or more parts"),
        (HEAD + "a" * 200_000, "it is not TOML"),
        (HEAD, "the chain has no steps"),
        (HEAD + "steps = 1", "unknown key 'steps'"),
        (HEAD + "step = 1", "step is not a list"),
        (HEAD + "[[step]]\nmake='toy'", "step 1 has no name"),
        (HEAD + "[[step]]\nname='a'\nmake='toy'\nfactory='os:system'", "unknown key 'factory'"),
        (HEAD + "[[step]]\nname='../a'\nmake='toy'", "cannot be named '../a'"),
        (HEAD + "[[step]]\nname='a'\nmake='os:system'", "'os:system', which is no name"),
        (HEAD + "[[step]]\nname='a'\nmake='toy'\nto='video'", "either make or to"),
        (HEAD + "[[step]]\nname='a'\nto='video'", "says not what from"),
        (
            HEAD + "[[step]]\nname='a'\nto='video'\nfrom='/etc/passwd'",
            "'/etc/passwd', not the name of a step",
        ),
        (HEAD + "[[step]]\nname='a'\nto='video'\nfrom='b'", "unknown step 'b'"),
        (HEAD + "[[step]]\nname='a'\nto='video'\nfrom='a'", "in a circle: a → a"),
        (HEAD + "[[step]]\nname='a'\nmake='toy'\nprompt='{who}'", "unknown variable 'who'"),
        (HEAD + "[[step]]\nname='a'\nmake='toy'\nfor='x in y'", "unknown variable 'y'"),
        (
            HEAD + "[variables]\ny=[1,2]\n[[step]]\nname='a'\nmake='toy'\nfor='x in y'",
            "two steps are named 'a'",
        ),
        (
            HEAD + "[variables]\ny='../../x'\nz=['{y}']\n[[step]]\nname='{y}'\nmake='toy'\nfor='x in z'",
            "named '../../x'",
        ),
        (HEAD + "[variables]\ny=1979-05-27\n[[step]]\nname='a'\nmake='toy'", "the variable y is date"),
        (HEAD + "[[step]]\nname='a'\nmake='toy'\noptions={x=[1]}", "x is list, not a number"),
        (HEAD + "seed=-1\n[[step]]\nname='a'\nmake='toy'", "the seed of the chain is -1"),
        (HEAD + "[[step]]\nname='a'\nmake='toy'\nprompt=3", "the prompt is not a text"),
        (
            HEAD
            + "[[step]]\nname='a'\nmake='toy'\n[[step]]\nname='b'\nto='video'\nfrom='a'\ninputs={next='c*'}",
            "no step before it matches",
        ),
    ],
)
def test_a_hostile_file_is_refused_in_one_line(text: str, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text).resolved()
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_circle_is_shown_and_loops_are_bounded() -> None:
    with pytest.raises(UsageError, match="a → c → b → a"):
        gen.chain(step("a", "c"), step("b", "a"), step("c", "b")).resolved()
    loops = [Step(name=f"s{n}-{{index}}", make="toy", each="x in xs") for n in range(4)]
    with pytest.raises(UsageError, match="more than 500 steps"):
        gen.chain(*loops, xs=list(range(200))).resolved()


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (step("b", options={"model": "/etc/passwd"}), "unknown model '/etc/passwd'"),
        (step("b", options={"grid": "/etc/passwd"}), "/etc/passwd"),
        (step("b", options={"init": "a.png"}), "unknown option 'init'"),
        (step("b", options={"left": "a.png"}), "unknown option 'left'"),
        (step("b", options={"steps": 0}), "steps must be"),
        (step("b", options={"width": 9}), "width must be a multiple"),
        (step("b", inputs={"right": "a"}), "unknown input 'right'"),
        (Step(name="b", make="nothing", prompt="x"), "no modality named 'nothing'"),
        (Step(name="b", to="smell", inputs={"source": "a"}), "no way from image to smell"),
        (step("b", "a", by="join"), "converter join takes video, not image"),
        (step("b", "a", options={"zoom": 100}), "zoom must be"),
        (step("b", "a", options={"speed": 1}), "unknown option 'speed'"),
        (step("b", "a", format="docx"), "unknown format 'docx'"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_made(toy: Path, bad: Step, line: str) -> None:
    with pytest.raises(GenError) as caught:
        gen.chain(step("a"), bad).run("out")
    assert line in str(caught.value)
    assert "step 'b'" in str(caught.value)
    assert not Path("out").exists()


def two(size: int = 24, zoom: float = 1.0) -> Chain:
    options = {"seconds": 0.5, "zoom": zoom, "width": 24, "height": 24}
    clip = step("clip", "a", options=options, format="zip")
    return gen.chain(step("a", options={"width": size}), clip, seed=5)


def test_only_what_changed_is_made_again(toy: Path) -> None:
    def made(chain: Chain, **options: Any) -> list[str]:
        lines: list[str] = []
        chain.run("out", report=lines.append, **options)
        return [line.split(", ")[1].split(":")[0] for line in lines if not line.endswith("is there")]

    assert made(two()) == ["a", "clip"]
    first = Path("out/a.png").read_bytes()
    assert made(two()) == []
    assert made(two(zoom=1.5)) == ["clip"]
    assert made(two(size=32, zoom=1.5)) == ["a", "clip"]
    assert Path("out/a.png").read_bytes() != first
    assert made(two(size=32, zoom=1.5), start="clip") == ["clip"]
    assert made(two(size=32, zoom=1.5), start="a") == ["a", "clip"]
    Path("out/a.png").write_bytes(b"damaged")
    assert made(two(size=32, zoom=1.5)) == ["a", "clip"]
    Path("out/chain.json").write_text('{"schema": []}')
    with pytest.raises(OutputError, match=r"a\.png exists and does not belong to the chain"):
        made(two())


def test_a_step_that_fails_leaves_what_was_made(toy: Path) -> None:
    late = step("late", "clip", by="frame")
    frame = Step(name="late", to="image", by="frame", inputs=late.inputs, options={"at": 9.0})
    chain = gen.chain(*two().steps, frame)
    with pytest.raises(
        UsageError, match=r"step 'late' \(out/late\.png\): clip\.zip|step 'late'.*no picture at 9 s"
    ):
        chain.run("out")
    assert {path.name for path in Path("out").iterdir()} == {"a.png", "clip.zip", "chain.json"}
    lines: list[str] = []
    with pytest.raises(UsageError):
        chain.run("out", report=lines.append)
    assert [line.endswith("is there") for line in lines] == [True, True]


def test_a_lost_entry_is_no_obstacle(toy: Path) -> None:
    two().run("out")
    state = json.loads(Path("out/chain.json").read_text())
    state["steps"]["clip"] |= {"key": "", "sha256": ""}
    Path("out/chain.json").write_text(json.dumps(state))
    lines: list[str] = []
    two().run("out", report=lines.append)
    assert lines[0].endswith("is there")
    assert lines[1].endswith("clip.zip")


def test_the_result_is_made_again_from_nothing(gen_cli: Cli) -> None:
    two().run("out")
    assert gen_cli("rerun", "out/clip.zip", "--check").code == 0
    again = gen.rerun("out/clip.zip")
    assert again.recipe is not None
    assert again.recipe.parents[0].seed == gen.rerun("out/a.png").recipe.seed  # type: ignore[union-attr]


def test_the_commands_show_plan_and_run(gen_cli: Cli, toy: Path) -> None:
    two().save("two.toml")
    shown = gen_cli("chain", "show", "two.toml").out
    assert "└─ a (make toy)" in shown
    planned = gen_cli("chain", "run", "two.toml", "-o", "out", "--dry-run")
    assert planned.out.count("to be made") == 2
    assert not Path("out").exists()
    assert gen_cli("chain", "run", "two.toml", "-o", "out").out == "out/clip.zip\n"
    assert gen_cli("chain", "run", "two.toml", "-o", "out", "--dry-run").out.count("is there") == 2
    assert "to be made" in gen_cli("chain", "run", "two.toml", "-o", "out", "--dry-run", "--from", "clip").out
    for words, line in (
        (["none.toml", "-o", "x"], "cannot read none.toml"),
        (["two.toml", "-o", "x", "--set", "y=1"], "unknown variable 'y'"),
        (["two.toml", "-o", "x", "--from", "y"], "unknown step 'y'"),
    ):
        ran = gen_cli("chain", "run", *words)
        assert ran.code == 2
        assert line in ran.err


def test_variables_can_be_set(gen_cli: Cli) -> None:
    gen.chain(step("a", options={"width": "{size}"}), size=24).save("a.toml")
    assert gen_cli("chain", "run", "a.toml", "-o", "out", "--set", "size=32").code == 0
    assert gen_cli("info", "out/a.png", "--json").envelope["data"]["sizes"]["width"] == 32
    assert "size" in gen_cli("chain", "run", "a.toml", "-o", "out", "--set", "size=big").err


def test_artifacts_lead_to_others_in_python(toy: Path) -> None:
    red = gen.toy("red", seed=1)
    clip = red.to("video", seconds=0.5, width=24, height=24)
    assert clip.kind == "video"
    assert gen.rerun(clip).arrays["frames"].tolist() == clip.arrays["frames"].tolist()
    assert red.to("toy", "blue", steps=1).recipe.inputs[0].role == "init"  # type: ignore[union-attr]
    assert red.to("image") is red
    with pytest.raises(UsageError, match="there is no sound"):
        clip.with_audio()
    with pytest.raises(UsageError, match="no way"):
        red.to("smell")


def test_edits_are_options_and_their_files_are_steps(toy: Path) -> None:
    edited = Step(name="b", make="toy", prompt="blue", inputs={"init": "a"}, options={"mask": "0,0,4,4"})
    made = gen.chain(step("a"), edited, seed=5).run("out")
    assert set(made) == {"a", "b"}
    for option in ({"mask": "/etc/passwd"}, {"interpolate": "/etc/passwd"}):
        bad = Step(name="b", make="toy", prompt="blue", inputs={"init": "a"}, options=option)
        with pytest.raises(UsageError, match="step 'b'"):
            gen.chain(step("a"), bad).run("other")
        assert not Path("other").exists()
