"""How long `gen` takes to answer, beside what cannot be avoided: python itself, Typer, and `import torch`.

All commands run in turn, several rounds in one go, so that what else the machine does weighs on all alike;
the best of each is printed with its ratio. Then the heavy packages that each command left in `sys.modules`.
Modalities whose model is installed also make one thing each, with the defaults, from the shell to the file.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gen.errors import GenError
from gen.model import find_model
from gen.plugin.host import Host

GEN = [str(Path(sys.executable).with_name("gen"))]
PYTHON = [sys.executable, "-c"]
MADE = {
    "image": ("a red apple on a blue background", "apple.png"),
    "audio": ("a slow piano melody in c major", "melody.wav"),
    "video": ("a rocket flies up", "rocket.mp4"),
    "mesh": ("a tall red mug with a big handle", "mug.glb"),
}
HEAVY = (
    "torch",
    "numpy",
    "PIL",
    "safetensors",
    "tokenizers",
    "diffusers",
    "transformers",
    "scipy",
    "pydantic",
)
REPORT = """
import sys
from gen.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(*{name.partition(".")[0] for name in sys.modules}, file=open("modules.txt", "w"))
"""
GOALS = {"gen --help": 0.150, "gen plugins": 0.200, "gen audio": 5.0, "gen video": 8.0, "gen mesh": 8.0}
TORCH_ALLOWANCE = 2.5


def seconds(command: list[str], folder: str) -> float:
    """Wall time of one run."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def heavy_modules(arguments: list[str], folder: str) -> list[str]:
    """Heavy packages that a command imports."""
    subprocess.run([*PYTHON, REPORT, *arguments], cwd=folder, check=True, capture_output=True)
    found = set(Path(folder, "modules.txt").read_text().split())
    return [name for name in HEAVY if name in found]


def works(modality: str) -> bool:
    """Whether the model of a modality is installed."""
    host = Host.discover()
    try:
        find_model(host.modality(modality).default_model, modality, host.models(modality))
    except GenError:
        return False
    return True


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each command runs")
    rounds = parser.parse_args().rounds
    light = {
        "python -c pass": [*PYTHON, "pass"],
        "import typer": [*PYTHON, "import typer"],
        "gen --help": [*GEN, "--help"],
        "gen plugins": [*GEN, "plugins"],
        "gen image --help": [*GEN, "image", "--help"],
    }
    slow = {"import torch": [*PYTHON, "import torch"]}
    made = {
        f"gen {modality}": [modality, prompt, "--overwrite", "-o", file]
        for modality, (prompt, file) in MADE.items()
        if works(modality)
    }
    slow.update({name: [*GEN, *arguments] for name, arguments in made.items()})
    with tempfile.TemporaryDirectory() as folder:
        best: dict[str, float] = {}
        for commands, repeats in ((light, rounds), (slow, max(2, rounds // 2))):
            for _ in range(repeats):
                for name, command in commands.items():
                    best[name] = min(best.get(name, float("inf")), seconds(command, folder))
        for name, best_time in best.items():
            goal = f"   goal {GOALS[name] * 1e3:.0f} ms" if name in GOALS else ""
            print(
                f"{name:18} {best_time * 1e3:8.0f} ms   {best_time / best['import typer']:6.2f} x typer{goal}"
            )
        if "gen image" in made:
            beyond = best["gen image"] - best["import torch"]
            print(f"gen image beyond import torch: {beyond:.2f} s   goal {TORCH_ALLOWANCE} s")
        for name, arguments in {
            "gen --help": ["--help"],
            "gen plugins": ["plugins"],
            "gen image --help": ["image", "--help"],
            **made,
        }.items():
            print(f"{name:18} imports {', '.join(heavy_modules(arguments, folder)) or 'nothing heavy'}")


if __name__ == "__main__":
    main()
