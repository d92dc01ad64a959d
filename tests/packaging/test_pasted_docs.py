"""What README.md and docs/cli.md show can be pasted, from top to bottom, into an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CLI = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
ELSEWHERE = ("pip install", "pytest", "gen train", "gen eval")
"""What starts lines that other tests are for, or that take hours."""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)\n```", text, flags=re.DOTALL)


def environment(folder: Path) -> dict[str, str]:
    """No settings of the user, and `gen` on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GEN_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "PATH": path, "XDG_CONFIG_HOME": str(folder / ".config")}


def paste(lines: list[str], folder: Path) -> None:
    """Run lines one after another, each of which must go well."""
    for line in lines:
        command = line.removeprefix('pip install ".[all]" && ')
        if not command.startswith(ELSEWHERE):
            done = subprocess.run(
                ["bash", "-c", f"set -e; {command.replace(';', '&&')}"],
                cwd=folder,
                env=environment(folder),
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stderr}"


@pytest.mark.slow
def test_the_readme_can_be_pasted(tmp_path: Path) -> None:
    lines = [line.partition("  #")[0] for block in blocks(README, "sh") for line in block.splitlines()]
    assert sum(line.startswith("gen ") for line in lines) > 15
    paste(lines, tmp_path)
    program = blocks(README, "python")[0]
    assert "gen.rerun" in program
    quiet = "from PIL import Image; Image.Image.show = lambda *_: None\n"
    subprocess.run(
        [sys.executable, "-c", quiet + program], cwd=tmp_path, env=environment(tmp_path), check=True
    )


@pytest.mark.slow
def test_the_page_about_the_command_line_can_be_pasted(tmp_path: Path) -> None:
    lines = re.findall(r"^    ((?:gen|printf) .*)$", CLI, flags=re.MULTILINE)
    assert len(lines) > 15
    paste(lines, tmp_path)


@pytest.mark.slow
def test_the_settings_of_the_page_work(tmp_path: Path) -> None:
    settings = re.search(r"^    device = .*?(?=^\S)", CLI, flags=re.MULTILINE | re.DOTALL)
    assert settings is not None
    text = re.sub(r"^    ", "", settings[0], flags=re.MULTILINE)
    assert tomllib.loads(text)["image"]["width"] == 256
    (tmp_path / "gen.toml").write_text(text)
    paste(['gen image "a red apple" -o apple.png'], tmp_path)


def test_the_five_files_of_the_readme_make_a_plugin(tmp_path: Path) -> None:
    example = ROOT / "examples" / "gen-palette" / "gen_palette"
    source, site = tmp_path / "source", tmp_path / "site"
    package = source / "gen_palette"
    package.mkdir(parents=True)
    (source / "pyproject.toml").write_text(blocks(README, "toml")[0])
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(blocks(README, "python")[1])
    for name in ("pipeline.py", "paints.safetensors"):
        shutil.copy(example / name, package)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    env = {**environment(tmp_path), "PYTHONPATH": str(site)}
    for words in (["plugins", "check", "palette"], ["palette", "ocean sunset", "-o", "palette.png"]):
        done = subprocess.run(
            [sys.executable, "-m", "gen", *words],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "palette.png").is_file()
