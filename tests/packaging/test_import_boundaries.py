"""Who may import whom, read from the source; and what the light paths load, seen in fresh processes."""

from __future__ import annotations

import ast
import functools
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import gen
from gen.api import OPTIONS
from gen.cli import flags
from gen.cli.app import COMMANDS
from gen.plan.abilities import abilities_of_any
from gen.plugin import hookspecs
from gen.plugin.checks import CORE_FLAGS, HEAVY_MODULES, RESERVED
from gen.plugin.host import Host
from gen.plugin.scan import MODALITIES

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "core" / "gen"
PACKAGES = sorted(path for path in (ROOT / "plugins").glob("*/gen_*") if path.is_dir())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LIGHT = [
    "gen",
    "gen.errors",
    "gen.presets",
    "gen.recipe",
    "gen.plugin",
    "gen.plugin.host",
    "gen.plugin.hookspecs",
    "gen.plugin.requirements",
    "gen.cli.main",
]

LAYERS = (
    ("diffusion",),
    (
        *("artifact", "atomic", "checks", "config", "errors", "foreign_recipe", "formats", "json_files"),
        *("kinds", "metadata", "offline", "plugin", "process_state", "recipe", "skeleton", "squares"),
        *("text_files", "torch_state", "words", "writing"),
    ),
    ("hardware", "nn", "presets"),
    ("model",),
    ("checkpoints",),
    ("plan",),
    ("run",),
    ("api", "conversion"),
    ("chains", "linking", "rerunning"),
    ("__main__", "cli", "evaluation", "scaffold", "testing", "train"),
)
"""The parts of the core from the bottom up; none imports one above it, also not inside a function."""


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "templates" not in path.parts)


@functools.cache
def parsed(file: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(file.read_bytes())


def imports(file: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Pairs (module, name or empty) of all that a file imports, at any depth, relative ones made whole."""
    package = list(file.relative_to(root).with_suffix("").parts[:-1])
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield module, alias.name


@functools.cache
def runtime_imports() -> dict[str, set[str]]:
    """Which modules of the core each imports when it runs, at any depth; not what types alone need."""
    files = {}
    for file in sources(CORE):
        parts = file.relative_to(CORE.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    graph: dict[str, set[str]] = {}
    for module, file in files.items():
        tree = parsed(file)
        for_types = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
            for statement in node.body
            for inner in ast.walk(statement)
        }
        names = set()
        for node in ast.walk(tree):
            if id(node) in for_types:
                continue
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                whole = {f"{node.module}.{alias.name}": node.module or "" for alias in node.names}
                names |= {name if name in files else package for name, package in whole.items()}
        graph[module] = {name for name in names if name in files} - {module}
    return graph


def test_no_layer_imports_one_above_it() -> None:
    layer_of = {name: number for number, names in enumerate(LAYERS) for name in names}
    graph = runtime_imports()
    parts = {module.split(".")[1] for module in graph if module != "gen"}
    assert parts == set(layer_of), "every part of the core has its layer"
    for module, imported in graph.items():
        # The package itself imports what is used of it, when it is used.
        for other in imported - {"gen"} if module != "gen" else ():
            low, high = (layer_of[name.split(".")[1]] for name in (other, module))
            assert low <= high, f"{module} imports {other}, which is above it"


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = runtime_imports()
    while leaves := [module for module, imported in graph.items() if not imported]:
        graph = {module: imported - set(leaves) for module, imported in graph.items() if module not in leaves}
    assert not graph, f"in a circle, or above one: {', '.join(sorted(graph))}"


def texts(file: Path) -> Iterator[str]:
    """The string constants of a file that are no documentation."""
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            yield node.value


def test_the_mathematics_imports_torch_alone() -> None:
    allowed = {*sys.stdlib_module_names, "torch", "numpy"}
    for file in sources(CORE / "diffusion"):
        for module, _ in imports(file, CORE.parent):
            own = module == "gen.diffusion" or module.startswith("gen.diffusion.")
            assert own or module.partition(".")[0] in allowed, f"{file} imports {module}"


def test_the_core_knows_no_plugin() -> None:
    packages = {package.name for package in PACKAGES}
    for file in sources(CORE):
        for module, _ in imports(file, CORE.parent):
            assert not module.startswith("gen_"), f"{file} imports {module}"
        for text in texts(file):
            assert re.split(r"[.:/]", text)[0] not in packages, f"{file} names {text!r}"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_plugins_use_public_names(package: Path) -> None:
    for file in sources(package):
        for module, name in imports(file, package.parent):
            top = module.partition(".")[0]
            own = top == package.name or not top.startswith("gen_")
            assert own, f"{file} imports {module} of another modality"
            private = top == "gen" and any(part.startswith("_") for part in (*module.split("."), name))
            assert not private, f"{file} imports {module}:{name}, which is private"


def test_light_modules_stay_light() -> None:
    """One process imports them in turn, and the first one that loads something heavy is named."""
    program = (
        f"import importlib, sys\nfor name in {LIGHT!r}:\n    importlib.import_module(name)\n"
        f"    print(name, sorted(set(sys.modules) & {set(HEAVY_MODULES)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{name} []" for name in LIGHT]


def test_light_commands_stay_light() -> None:
    """One process runs them in turn, and the first one that loads something heavy is named."""
    commands = ["--help", "--version", "plugins", "image --help"]
    program = (
        f"import sys\nfrom gen.cli.main import main\nfor words in {commands!r}:\n"
        "    try:\n        code = main(words.split())\n"
        "    except SystemExit as leaving:\n        code = leaving.code\n"
        f"    print('loaded', sorted(set(sys.modules) & {set(HEAVY_MODULES)!r}), code, words)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found = [line for line in done.stdout.splitlines() if line.startswith("loaded ")]
    assert found == [f"loaded [] 0 {words}" for words in commands]


def test_flags_of_the_core_are_reserved() -> None:
    """What `gen image` takes is the core's or the plugin's own, so no plugin can redefine the core's."""
    command = [sys.executable, "-m", "gen", "image", "--help"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "300"}
    )
    shown = {flag.replace("-", "_") for flag in re.findall(r"--(?:no-)?([a-z][a-z-]+)", done.stdout)}
    host = Host.discover()
    own = {param.name for param in abilities_of_any(host, host.modality("image")).params}
    assert len(shown) > 20
    assert not shown - own - CORE_FLAGS
    assert set(flags.ALIASES) <= CORE_FLAGS
    # What Python takes beside them.
    assert OPTIONS | {"seed", "on_step", "watch"} <= CORE_FLAGS


def test_commands_and_modules_of_the_core_are_reserved() -> None:
    modules = {module.name for module in pkgutil.iter_modules(gen.__path__)} - {"__main__"}
    modules |= set(COMMANDS)
    assert modules <= RESERVED, f"no modality may be called {sorted(modules - RESERVED)}"


def test_hooks_are_documented_and_prefixed() -> None:
    hooks = [value for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec")]
    assert hooks
    for hook in hooks:
        assert hook.__name__.startswith("gen_")
        assert hook.__doc__


def test_every_package_is_declared_everywhere() -> None:
    """A plugin folder counts only when mypy and ruff know it, and the wheel once its weights are there."""
    tool = PROJECT["tool"]
    assert PACKAGES
    for package in PACKAGES:
        folder = package.parent.relative_to(ROOT).as_posix()
        shipped = f"{folder}/{package.name}" in tool["hatch"]["build"]["targets"]["wheel"]["packages"]
        assert shipped == any(package.glob("weights/*.safetensors"))
        assert f"{folder}/{package.name}" in tool["mypy"]["files"]
        assert folder in tool["mypy"]["mypy_path"].split(":")
        assert folder in tool["ruff"]["src"]
        assert (package / "py.typed").exists()


def test_entry_points_of_the_project_are_ours() -> None:
    declared = PROJECT["project"]["entry-points"][MODALITIES]
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    packages = {Path(package).name for package in wheel} - {"gen"}
    assert {value.partition(".")[0] for value in declared.values()} == packages


@pytest.mark.parametrize("name", sorted(PROJECT["project"]["entry-points"][MODALITIES]))
def test_extra_of_each_modality_exists(name: str) -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    extra = Host.discover().modality(name).extra
    assert not extra or extra in extras
    assert not extra or f"gen-toolkit[{extra}" in extras["all"][0] or f",{extra}" in extras["all"][0]


@pytest.mark.parametrize("module", ["gen.plugin", "gen.testing"])
def test_public_names_exist(module: str) -> None:
    found = importlib.import_module(module)
    for name in found.__all__:
        assert getattr(found, name, None) is not None
