"""``gen new plugin``: what it writes installs from a wheel, passes its own tests, works from the shell."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from environment import Environment

from gen import scaffold
from gen.errors import OutputError, UsageError

COMMANDS = {
    "modality": (
        'gen NAME "a rising curve" -o up.csv --seed 1',
        'gen NAME "a hill" -n 2 --solver heun --guidance 3 -o {index}.csv',
        'gen NAME "a wave" --init up.csv --strength 0.5 -o wave.csv',
        "gen info up.csv",
        "gen rerun up.csv -o again.csv",
    ),
    "model": ('gen image "a red field" --model NAME -o red.png', "gen models show NAME"),
    "format": ('gen image "a red apple" --steps 2 -o apple.ppm', "gen info apple.ppm"),
    "solver": (
        'gen image "a red apple" --solver NAME --steps 2 -o apple.png',
        "gen rerun apple.png -o again.png",
    ),
    "guidance": (
        'gen image "a red apple" --guidance 3 --guide NAME:power=2 --steps 2 -o apple.png',
        "gen rerun apple.png -o again.png",
    ),
    "converter": (
        "gen audio rain --duration 1 --steps 2 -o rain.wav",
        "gen convert rain.wav -o rain.png --via NAME",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", scaffold.KINDS)
def test_it_works_at_once(kind: str, environment: Environment, tmp_path: Path) -> None:
    name = f"my-{kind}"
    environment.gen("new", "plugin", name, "--kind", kind, "--out", str(tmp_path))
    folder = tmp_path / f"gen-{name}"
    environment.install(folder)
    done = environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    findings = json.loads(environment.gen("plugins", "check", name, "--json").stdout)["data"]["findings"]
    assert findings == []
    for command in COMMANDS[kind]:
        words = shlex.split(command.replace("NAME", name))
        environment.gen(*words[1:], *(("--overwrite",) if "-o" in words else ()))


@pytest.mark.parametrize("kind", scaffold.KINDS)
def test_no_word_of_the_template_is_left(kind: str, tmp_path: Path) -> None:
    paths = scaffold.write_plugin("neat-name", kind, tmp_path)
    assert not any("example" in path.name for path in paths)
    sources = [path for path in paths if path.suffix in {".py", ".toml", ".md"}]
    assert not [path for path in sources if re.search(r"example(?!s=)", path.read_text(), re.IGNORECASE)]


@pytest.mark.slow
def test_templates_are_typed(tmp_path: Path) -> None:
    packages = []
    for kind in scaffold.KINDS:
        scaffold.write_plugin(kind, kind, tmp_path)
        packages += ["-p", f"gen_{kind}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *packages],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": os.pathsep.join(f"gen-{kind}" for kind in scaffold.KINDS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["", "Upper", "two words", "../away", "-dash", "under_score"])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        scaffold.write_plugin(name, "solver", tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    scaffold.write_plugin("mine", "solver", tmp_path)
    with pytest.raises(OutputError, match="exists"):
        scaffold.write_plugin("mine", "format", tmp_path)
    assert (tmp_path / "gen-mine" / "gen_mine" / "solver.py").exists()
