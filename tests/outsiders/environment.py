"""An environment of its own, into which wheels of other authors are installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder


@dataclass(frozen=True)
class Environment:
    """A virtual environment that sees the packages of this one.

    Args:
        folder: Of the environment.
        work: The working folder of its commands.
    """

    folder: Path
    work: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def install(self, distribution: Path) -> None:
        """Build the wheel of a distribution's source, and install that."""
        [wheel] = WheelBuilder(str(distribution)).build(directory=str(self.folder), versions=["standard"])
        self.install_wheel(Path(wheel))

    def install_wheel(self, wheel: Path) -> None:
        """Install a wheel."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet"]
        subprocess.run([*pip, "--no-deps", "--no-index", "--force-reinstall", str(wheel)], check=True)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run its interpreter."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GEN_")}
        return subprocess.run(
            [str(self.python), *words],
            cwd=self.work,
            env={**kept, "GEN_CONFIG": str(self.work / "none.toml")},
            capture_output=True,
            text=True,
            check=False,
        )

    def gen(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run ``gen``, which must end with this exit code."""
        done = self.run("-m", "gen", *words)
        assert done.returncode == code, f"gen {' '.join(words)}\n{done.stdout}{done.stderr}"
        return done


def make_environment(folder: Path) -> Environment:
    """An environment without any plugin but ours, in a new folder."""
    venv.create(folder / "venv", symlinks=os.name != "nt")
    made = Environment(folder / "venv", folder)
    here = sysconfig.get_paths()["purelib"]
    site = made.run("-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").stdout.strip()
    # Not by its path alone: it may hold .pth files that lead on.
    (Path(site) / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    return made
