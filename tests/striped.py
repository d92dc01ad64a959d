"""Pairs of two sorts of cases, thinned: each case in some pairs, and all pairs with ``-m slow``."""

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
