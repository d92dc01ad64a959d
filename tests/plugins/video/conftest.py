"""All clips are made of stand-ins for emoji."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _things(training_data: Path) -> None:
    pass
