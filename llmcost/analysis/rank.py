"""Of many rows, those that count: the first, the best, the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from llmcost.analysis.blocks import Block
from llmcost.columns import Columns
from llmcost.engine.chain import Array
from llmcost.errors import InputError


def take(columns: Mapping[str, Array], index: Any) -> Columns:
    """Rows of a table by position or mask."""
    return {name: column[index] for name, column in columns.items()}


def join(tables: Sequence[Mapping[str, Array]]) -> Columns:
    """Tables one after the other."""
    tables = [table for table in tables if table]
    if not tables:
        return {}
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


class Everything:
    """Keeps every row."""

    def __init__(self) -> None:
        self._tables: list[Mapping[str, Array]] = []

    def add(self, block: Block) -> None:
        """Take the rows of a block."""
        self._tables.append(block.columns)

    def rows(self) -> Columns:
        """The rows kept."""
        return join(self._tables)


class First:
    """Keeps the first rows."""

    def __init__(self, count: int) -> None:
        self.count, self._table = count, Everything()
        self._have = 0

    def add(self, block: Block) -> None:
        """Take the rows of a block while there is room."""
        room = self.count - self._have
        if room > 0 and block.rows:
            self._table.add(block._replace(columns=take(block.columns, slice(0, room))))
            self._have += min(room, block.rows)

    def rows(self) -> Columns:
        """The rows kept."""
        return self._table.rows()


#: Rows that nothing can judge, of which so many are kept beside those that are judged.
MOST_UNKNOWN = 100_000


def _set_aside(keeper: First | None, block: Block, unknown: Any) -> None:
    """Keep a block's rows that cannot be ranked, where they are wanted."""
    if keeper is not None and unknown.any():
        keeper.add(block._replace(columns=take(block.columns, np.flatnonzero(unknown))))


class Best:
    """Keeps the rows with the smallest (or largest) value, in that order.

    Rows whose value is unknown come nowhere, or with `unknown` last, as many as there is room for.
    """

    def __init__(self, key: str, largest: bool, count: int | None, unknown: bool = False) -> None:
        self.key, self.sign, self.count = key, -1.0 if largest else 1.0, count
        self._unknown = First(MOST_UNKNOWN if count is None else count) if unknown else None
        self._kept: Columns = {}
        self._waiting: list[Columns] = []
        self._size = 0

    def add(self, block: Block) -> None:
        """Take the rows of a block that may be among the best."""
        if not block.rows:
            return
        values = self.sign * block.columns[self.key]
        good = ~np.isnan(values)
        _set_aside(self._unknown, block, ~good)
        if self.count is not None:
            if self._kept and len(self._kept[self.key]) >= self.count:
                good &= values < self.sign * self._kept[self.key][-1]
            if good.sum() > self.count:
                bound = np.partition(values[good], self.count - 1)[self.count - 1]
                good &= values <= bound
        index = np.flatnonzero(good)
        if index.size:
            self._waiting.append(take(block.columns, index))
            self._size += index.size
        if self.count is not None and self._size > 4 * self.count + 1000:
            self._merge()

    def _merge(self) -> None:
        merged = join([self._kept, *self._waiting])
        if merged:
            order = np.argsort(self.sign * merged[self.key], kind="stable")
            self._kept = take(merged, order[: self.count])
        self._waiting, self._size = [], 0

    def rows(self) -> Columns:
        """The rows kept, best first."""
        self._merge()
        if self._unknown is None:
            return self._kept
        return take(join([self._kept, self._unknown.rows()]), slice(0, self.count))


class Pareto:
    """Keeps the rows that no other beats in every objective.

    Parameters
    ----------
    objectives : sequence of str
        Results or keys; smaller is better, larger with ``-`` before the name.
    unknown : bool, default False
        Whether rows with an unknown objective follow the front; else they come nowhere.
    """

    def __init__(self, objectives: Sequence[str], unknown: bool = False) -> None:
        self._unknown = First(MOST_UNKNOWN) if unknown else None
        self.names = [name.lstrip("-") for name in objectives]
        self.signs = np.array([-1.0 if name.startswith("-") else 1.0 for name in objectives])
        if len(set(self.names)) != len(self.names):
            raise InputError("--pareto: an objective is named twice")
        self._kept: Columns = {}

    def _points(self, columns: Mapping[str, Array]) -> Array:
        return np.stack(
            [sign * columns[name] for name, sign in zip(self.names, self.signs, strict=True)],
            axis=1,
        )

    def add(self, block: Block) -> None:
        """Take the rows of a block that the front so far does not beat."""
        if not block.rows:
            return
        points = self._points(block.columns)
        good = ~np.isnan(points).any(axis=1)
        _set_aside(self._unknown, block, ~good)
        if self._kept:
            good &= ~beaten(points, self._points(self._kept))
        index = np.flatnonzero(good)
        if not index.size:
            return
        index = index[front(points[index])]
        merged = join([self._kept, take(block.columns, index)])
        self._kept = take(merged, front(self._points(merged)))

    def rows(self) -> Columns:
        """The front, by its first objective."""
        aside = {} if self._unknown is None else self._unknown.rows()
        if not self._kept:
            return aside
        order = np.lexsort(self._points(self._kept).T[::-1])
        return join([take(self._kept, order), aside])


def beaten(points: Array, by: Array) -> Any:
    """Which points another set beats: as good in every objective and better in one.

    Parameters
    ----------
    points, by : ndarray, shape (n, objectives)
        Smaller is better. `by` is a front.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    if points.shape[1] == 2:
        order = np.lexsort((by[:, 1], by[:, 0]))
        xs, ys = by[order, 0], np.minimum.accumulate(by[order, 1])
        # The best second objective among those with a first objective below, and at most, one's own.
        below = np.searchsorted(xs, points[:, 0], side="left")
        upto = np.searchsorted(xs, points[:, 0], side="right")
        pad = np.concatenate([[np.inf], ys])
        left = (below > 0) & (pad[below] <= points[:, 1])
        return left | ((upto > 0) & (pad[upto] < points[:, 1]))
    found = np.zeros(len(points), dtype=bool)
    for other in by:
        rest = np.flatnonzero(~found)
        if not rest.size:
            break
        here = points[rest]
        found[rest] = (other <= here).all(axis=1) & (other < here).any(axis=1)
    return found


def front(points: Array) -> Any:
    """Positions of the points that no other beats.

    Parameters
    ----------
    points : ndarray, shape (n, objectives)
        Smaller is better; no NaN.

    Returns
    -------
    ndarray of int
        In increasing order; equal points are all kept.
    """
    if points.shape[1] == 1:
        return np.flatnonzero(points[:, 0] == points[:, 0].min())
    if points.shape[1] == 2:
        return np.flatnonzero(~beaten(points, _staircase(points)))
    # The sum of its ranks is higher for a point than for any that beats it; a sum of values would
    # lose the small ones in the rounding of the largest, and knows no infinity.
    ranks = [np.unique(column, return_inverse=True)[1].reshape(-1) for column in points.T]
    left = np.argsort(np.sum(ranks, axis=0), kind="stable")
    kept = []
    while left.size:
        best = points[left[0]]
        here = points[left]
        same = (here == best).all(axis=1)
        kept.append(left[same])
        left = left[~((best <= here).all(axis=1))]
    candidates = np.sort(np.concatenate(kept))
    return candidates


def _staircase(points: Array) -> Array:
    """The lower left steps of points in two objectives."""
    order = np.lexsort((points[:, 1], points[:, 0]))
    y = points[order, 1]
    lowest = np.minimum.accumulate(y)
    first = np.concatenate([[True], y[1:] < lowest[:-1]])
    return np.asarray(points[order[first]])
