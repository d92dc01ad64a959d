"""Settings and fixtures of all tests: one thread each, stand-ins for training data, markers."""

import ctypes.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before torch is imported, here and in the processes that tests start: the tensors are too small to share,
# and several processes of pytest-xdist run side by side.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

# The duration of an example says more about the machine's load than about the code.
settings.register_profile("gen", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gen")

WORKERS = 8
"""Most processes of ``pytest -n auto``: each takes about half a gigabyte."""

INSTALLED: dict[str, Callable[[], bool]] = {
    "fonts-noto-color-emoji": Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf").is_file,
    "unicode-cldr-core": Path("/usr/share/unicode/cldr/common/annotations/en.xml").is_file,
    "fluid-soundfont-gm": Path("/usr/share/sounds/sf2/FluidR3_GM.sf2").is_file,
    "fluidsynth": lambda: shutil.which("fluidsynth") is not None,
    "flite": lambda: ctypes.util.find_library("flite") is not None,
}
"""Debian's packages with training data or its programs, and whether each is installed."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What ``-n auto`` stands for: the processors that this process may use, at most 8."""
    return min(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, WORKERS
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("data"):
        if missing := [package for package in marker.args if not INSTALLED[package]()]:
            pytest.skip(f"apt-get install {' '.join(missing)}")


@pytest.fixture(scope="session")
def training_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with stand-ins for training data, which is searched before the installed packages."""
    import training_data

    folder = tmp_path_factory.mktemp("training-data")
    training_data.write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GEN_TRAINING_DATA", str(folder))
        yield folder
