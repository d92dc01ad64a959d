"""CPU time of ``gen --help`` with many plugins installed, beside none more and python itself.

The plugins are distributions in a temporary folder on the import path: by turns one that brings a modality,
and one that brings a model and a solver. Each command runs several times; the median of its CPU time is
printed, user and system, since other programs do not add to that. The first run, which reads all metadata, is
printed by itself: later ones find its result in the cache.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

GEN = [str(Path(sys.executable).with_name("gen"))]
GOAL = 0.250

MODALITY = """
from gen.plugin import ModalitySpec, hookimpl


@hookimpl
def gen_modality():
    return ModalitySpec(
        name="{name}",
        kind="{name}",
        summary="Make {name}.",
        loader="{module}:load",
        default_model="tiny",
        default_format="txt",
    )
"""
EXTENSION = """
from gen.plugin import SolverSpec, hookimpl


@hookimpl
def gen_solvers():
    return [SolverSpec(name="{name}", summary="It steps.", factory="{module}:make", order=1)]
"""


def install(folder: Path, count: int) -> None:
    """Write so many distributions into a folder, as an installer does."""
    for number in range(count):
        name = f"thing{number}"
        module = f"gen_{name}"
        is_modality = number % 2 == 0
        source = MODALITY if is_modality else EXTENSION
        (folder / f"{module}.py").write_text(source.format(name=name, module=module))
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: gen-{name}\nVersion: 1.0\nSummary: A thing.\n"
            "Requires-Dist: gen-toolkit>=0.1\nRequires-Dist: numpy\n"
        )
        group = "gen.modalities" if is_modality else "gen.plugins"
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")


def cpu_seconds(command: list[str], folder: Path) -> float:
    """User and system time of one run."""
    variables = {
        **os.environ,
        "PYTHONPATH": str(folder / "site"),
        "GEN_CACHE": str(folder / "cache"),
        "GEN_CONFIG": str(folder / "config.toml"),
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=variables)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--plugins", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    cases = {
        "python -c pass": ([sys.executable, "-c", "pass"], 0),
        "gen --help, no other plugin": ([*GEN, "--help"], 0),
        f"gen --help, {arguments.plugins} other plugins": ([*GEN, "--help"], arguments.plugins),
    }
    with tempfile.TemporaryDirectory() as temporary:
        folders = {}
        for label, (_, count) in cases.items():
            folders[label] = Path(temporary) / str(len(folders))
            (folders[label] / "site").mkdir(parents=True)
            install(folders[label] / "site", count)
        first = {label: cpu_seconds(command, folders[label]) for label, (command, _) in cases.items()}
        times: dict[str, list[float]] = {label: [] for label in cases}
        for _ in range(arguments.rounds):
            for label, (command, _) in cases.items():
                times[label].append(cpu_seconds(command, folders[label]))
    print(f"{'CPU time':<34}{'median':>10}{'first run':>12}")
    for label, found in times.items():
        print(f"{label:<34}{1000 * statistics.median(found):>7.0f} ms{1000 * first[label]:>9.0f} ms")
    median = statistics.median(times[f"gen --help, {arguments.plugins} other plugins"])
    print(f"goal: {1000 * GOAL:.0f} ms, {'met' if median <= GOAL else 'missed'}")


if __name__ == "__main__":
    main()
