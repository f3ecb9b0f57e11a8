"""Blocks of a grid: runs of rows in the order of the axes, the last fastest, of bounded memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from llmcost.columns import length
from llmcost.engine.chain import Array

#: Cells of a block: arrays of this many numbers stay in the cache of a core.
BLOCK_CELLS = 32_768


class Block(NamedTuple):
    """Rows of a sweep: columns of one length, and how many cells were looked at.

    `unknown` counts, by name, cells that a condition cannot judge because a value is not known.
    """

    columns: Mapping[str, Array]
    cells: int
    unanswered: int
    unknown: Mapping[str, int] = {}

    @property
    def rows(self) -> int:
        """Rows that passed."""
        return length(self.columns)


class Grid(NamedTuple):
    """A grid cut into blocks: outer indices fixed, a slice of one dimension, the rest whole."""

    shape: tuple[int, ...]
    outer: tuple[int, ...]
    split: int
    step: int
    slices: int
    blocks: int

    @classmethod
    def of(cls, shape: tuple[int, ...], cells: int) -> Grid:
        """Cut a grid into blocks of at most so many cells."""
        inner, split = 1, len(shape)
        while split > 0 and inner * shape[split - 1] <= cells:
            split -= 1
            inner *= shape[split]
        outer: tuple[int, ...] = ()
        if split == 0:
            step = max(shape[0], 1) if shape else 1
        else:
            split -= 1
            step, outer = max(cells // inner, 1), shape[:split]
        length = shape[split] if shape else 1
        slices = -(-length // step)
        return cls(shape, outer, split, step, slices, math.prod(outer) * slices)

    def place(self, index: int) -> tuple[slice, ...]:
        """Where a block lies, a slice a dimension."""
        if not self.shape:
            return ()
        outer, part = divmod(index, self.slices)
        start = part * self.step
        stop = min(start + self.step, self.shape[self.split])
        fixed: Any = np.unravel_index(outer, self.outer) if self.outer else ()
        places = [slice(int(i), int(i) + 1) for i in fixed] + [slice(start, stop)]
        return (*places, *(slice(None) for _ in self.shape[len(places) :]))

    def size(self, place: tuple[slice, ...]) -> tuple[int, ...]:
        """Cells of a block along each dimension."""
        return tuple(
            self.shape[i] if part == slice(None) else part.stop - part.start
            for i, part in enumerate(place)
        )


def cut(values: Mapping[str, Array], place: tuple[slice, ...]) -> dict[str, Array]:
    """The parts of arrays that belong to a block; dimensions of 1 stay."""
    places: dict[tuple[int, ...], Any] = {(): ...}
    found = {}
    for name, value in values.items():
        shape = value.shape
        if shape not in places:
            # Samples come before the axes.
            sized = (slice(None), *place) if len(shape) == len(place) + 1 else place
            places[shape] = tuple(
                part if size > 1 else slice(None) for part, size in zip(sized, shape, strict=True)
            )
        found[name] = value[places[shape]]
    return found
