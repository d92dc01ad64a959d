"""An environment of its own, into which wheels of other authors are installed."""

from __future__ import annotations

import pytest
from environment import Environment, make_environment


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """One without any plugin but ours."""
    return make_environment(tmp_path_factory.mktemp("outsider"))
