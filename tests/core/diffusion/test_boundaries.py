"""The core imports torch, numpy and the standard library only, and knows nothing of masks or pixels."""

import ast
import sys
from pathlib import Path

import gen.diffusion

SOURCES = sorted(Path(gen.diffusion.__file__).parent.rglob("*.py"))


def test_imports() -> None:
    allowed = {*sys.stdlib_module_names, "torch", "numpy"}
    imported = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported.update({alias.name: path for alias in node.names})
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                imported[node.module] = path
    strange = {
        name: path.name
        for name, path in imported.items()
        if name.split(".")[0] not in allowed and not name.startswith("gen.diffusion")
    }
    assert imported
    assert not strange


def test_exported_names_exist_and_are_sorted_out() -> None:
    assert len(set(gen.diffusion.__all__)) == len(gen.diffusion.__all__)
    for name in gen.diffusion.__all__:
        assert getattr(gen.diffusion, name) is not None


def test_known_regions_stay_outside_the_core() -> None:
    assert not [path.name for path in SOURCES if '"known"' in path.read_text()]
