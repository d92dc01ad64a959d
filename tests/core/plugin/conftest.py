"""Small real distributions, written to a folder that the import system and its metadata then find."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from sample_plugins import Install


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for distributions, with configuration and cache of its own; this process finds it too."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("GEN_CONFIG", str(tmp_path / "config" / "config.toml"))
    monkeypatch.setenv("GEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GEN_PLUGINS", raising=False)
    monkeypatch.delenv("GEN_DISABLE_PLUGINS", raising=False)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Install:
    """Writes a distribution into the folder, as an installer does."""

    def write(
        distribution: str,
        modules: Mapping[str, str],
        *,
        modalities: Mapping[str, str] | None = None,
        plugins: Mapping[str, str] | None = None,
        requires: Sequence[str] = (),
        version: str = "1.0",
    ) -> None:
        for name, source in modules.items():
            (site / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        metadata = [
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\nSummary: It is a test."
        ]
        metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
        (info / "METADATA").write_text("\n".join(metadata) + "\n", encoding="utf-8")
        groups = {"gen.modalities": modalities or {}, "gen.plugins": plugins or {}}
        lines = [
            line
            for group, entries in groups.items()
            for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
        ]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

    return write
