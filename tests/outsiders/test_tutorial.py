"""The tutorial for authors, from its first command to its last."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from pathlib import Path

import pytest
from environment import Environment

TUTORIAL = (Path(__file__).resolve().parents[2] / "docs" / "plugin-tutorial.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_it_leads_to_a_trained_model_in_a_wheel(environment: Environment) -> None:
    folder = environment.work / "gen-curve"
    words, step = re.findall(r"```python\n(.*?)\n```", TUTORIAL, re.DOTALL)
    for block in re.findall(r"```sh\n(.*?)\n```", TUTORIAL, re.DOTALL):
        for line in block.splitlines():
            command = shlex.split(line)
            if command[:2] == ["gen", "train"]:
                change(folder / "gen_curve" / "model.py", r"^WORDS = .*$", words)
                change(
                    folder / "gen_curve" / "training.py",
                    r"^        \],\n        1,",
                    f"            {step},\n\\g<0>",
                )
                # The tutorial's installation is editable, this one is a wheel.
                environment.install(folder)
                done = environment.gen(*command[1:])
                size = re.search(r"size=(\d+)", done.stderr)
                digest = re.search(r'sha256="([0-9a-f]{64})"', done.stderr)
                assert size is not None, done.stderr
                assert digest is not None, done.stderr
            elif command[0] == "gen":
                environment.gen(*command[1:], *(("--overwrite",) if "-o" in command else ()))
            elif command[0] == "cp":
                (folder / "gen_curve" / "first.safetensors").write_bytes(
                    (environment.work / command[1]).read_bytes()
                )
                change(folder / "gen_curve" / "plugin.py", r'sha256="[0-9a-f]{64}"', digest[0])
                change(folder / "gen_curve" / "plugin.py", r"size=\d+", size[0])
            elif command[0] == "pytest":
                done = environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder))
                assert done.returncode == 0, done.stdout
            elif command[:2] in (["pip", "install"], ["pip", "wheel"]):
                environment.install(folder)
    environment.gen("curve", "a step", "-n", "10", "--seed", "0", "-o", "step-{index}.json")
    rises = 0
    for path in environment.work.glob("step-*.json"):
        values = json.loads(path.read_text())["arrays"]["values"]["data"]
        rises += max(b - a for a, b in itertools.pairwise(values)) > 0.5
    assert rises >= 7


def change(file: Path, pattern: str, text: str) -> None:
    """Replace the one place where a pattern stands in a file."""
    changed, count = re.subn(pattern, text, file.read_text(), flags=re.MULTILINE)
    assert count == 1, (file, pattern)
    file.write_text(changed)
