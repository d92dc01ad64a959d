"""Settings and fixtures of all tests: one thread each, no settings of the user, stand-ins for data."""

import ctypes.util
import gc
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before torch is imported, here and in the processes that tests start: the tensors are too small to share,
# and several processes of pytest-xdist run side by side.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

# Buffers of stdout are part of what is tested.
os.environ.pop("PYTHONUNBUFFERED", None)

# The duration of an example says more about the machine's load than about the code.
settings.register_profile("gen", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gen")

TESTS = Path(__file__).parent
QUICK = tuple(
    TESTS / f"{name}.py"
    for name in (
        *(f"core/test_{name}" for name in ("artifact", "config", "evaluation", "formats", "model_file")),
        *(f"core/test_{name}" for name in ("presets", "recipe", "windows")),
        *(f"core/cli/test_{name}" for name in ("making", "solver_names")),
        *(f"core/diffusion/test_{name}" for name in ("conditioning", "grid", "noise")),
        *(f"core/diffusion/test_{name}" for name in ("parameterization", "process")),
        *(f"core/nn/test_{name}" for name in ("autoencoder", "subwords", "text_transformer")),
        *(f"core/train/test_{name}" for name in ("codec", "diffusion_loss", "emoji", "export")),
        *(f"packaging/test_{name}" for name in ("core_docs", "plugin_guide")),
        *(f"plugins/audio/test_{name}" for name in ("audio_mel", "voice_measures", "voice_reading")),
        *(f"plugins/image/test_{name}" for name in ("model", "scenes")),
        *(f"plugins/mesh/test_mesh_{name}" for name in ("fields", "measures")),
        *(f"plugins/video/test_video_{name}" for name in ("layers", "state", "timing")),
    )
)
"""Modules of every part that take a few seconds or less, for ``-m quick``."""

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


def pytest_configure(config: pytest.Config) -> None:
    if gone := [str(path) for path in QUICK if not path.exists()]:
        raise pytest.UsageError(f"QUICK in {__file__} lists modules that do not exist: {', '.join(gone)}")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name whole files and long texts by their parameter: archives hold the time at which they were made."""
    return argname if isinstance(val, bytes | str) and len(val) > 100 else None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Under ``-m quick``, do not even import the other modules."""
    others = config.getoption("markexpr") == "quick" and collection_path.name.startswith("test_")
    return True if others and collection_path not in QUICK else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while tests are collected, nor look for any among them later.

    Thousands of tests and their imports stay to the end: each search among them takes long and finds nothing.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path in QUICK and not (item.get_closest_marker("slow") or item.get_closest_marker("data")):
            item.add_marker("quick")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("data"):
        if missing := [package for package in marker.args if not INSTALLED[package]()]:
            pytest.skip(f"apt-get install {' '.join(missing)}")


@pytest.fixture(scope="session", autouse=True)
def no_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the settings of the person who runs the tests away from them."""
    empty = tmp_path_factory.mktemp("settings") / "config.toml"
    empty.touch()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("GEN_") and name != "GEN_TRAINING_DATA"]:
            patch.delenv(name)
        patch.setenv("GEN_CONFIG", str(empty))
        yield


@pytest.fixture(scope="session")
def training_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with stand-ins for training data, which is searched before the installed packages."""
    import training_data

    folder = tmp_path_factory.mktemp("training-data")
    training_data.write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GEN_TRAINING_DATA", str(folder))
        yield folder
