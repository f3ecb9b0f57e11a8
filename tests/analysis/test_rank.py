"""The Pareto front."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llmcost.analysis.rank import beaten, front

points = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40
)


@given(points=points, objectives=st.integers(1, 3))
def test_front_is_what_nothing_beats(points: list[tuple[int, int, int]], objectives: int) -> None:
    table = np.array(points, dtype=float)[:, :objectives]
    expected = [
        i for i, p in enumerate(table) if not any((q <= p).all() and (q < p).any() for q in table)
    ]
    assert sorted(front(table).tolist()) == expected
    if objectives > 1:
        assert np.flatnonzero(~beaten(table, table[expected])).tolist() == expected
