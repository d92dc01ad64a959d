"""Cases of tests, thinned: some of them with the suite, and all of them with ``-m slow`` besides."""

from collections.abc import Iterable, Sequence

import pytest


def striped(rows: Iterable[object], columns: Sequence[object], every: int) -> list[object]:
    """All pairs as arguments of ``parametrize``, of which one in ``every`` runs with the suite.

    Those lie on stripes, so that each row meets different columns; the others are marked ``slow``.
    """
    return [
        pytest.param(row, column, marks=() if (i + j) % every == 0 else pytest.mark.slow)
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    ]


def thinned(cases: Iterable[object], every: int) -> list[object]:
    """Cases as an argument of ``parametrize``, of which one in ``every`` is not marked ``slow``."""
    return [
        pytest.param(case, marks=() if i % every == 0 else pytest.mark.slow) for i, case in enumerate(cases)
    ]
