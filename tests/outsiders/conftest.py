"""An environment of its own, into which wheels of other authors are installed."""

from __future__ import annotations

import os
import sysconfig
import venv
from pathlib import Path

import pytest
from environment import Environment


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """One without any plugin but ours."""
    folder = tmp_path_factory.mktemp("outsider")
    venv.create(folder / "venv", symlinks=os.name != "nt")
    made = Environment(folder / "venv", folder)
    here = sysconfig.get_paths()["purelib"]
    site = made.run("-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").stdout.strip()
    # Not by its path alone: it may hold .pth files that lead on.
    (Path(site) / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    return made
