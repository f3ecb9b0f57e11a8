"""A grid over scenario keys, evaluated in blocks of bounded memory by the one engine.

Each axis is a dimension of the arrays, so what does not depend on an axis is computed once for
it. A block is a run of rows in the order of the axes, the last fastest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from llmcost.analysis.axes import Axis, shaped
from llmcost.analysis.blocks import BLOCK_CELLS, Block, Grid, cut
from llmcost.analysis.cell_samples import sampled_cells
from llmcost.analysis.cells import find_in_cells
from llmcost.analysis.cluster import beyond_deadline, wants_search, with_cluster
from llmcost.analysis.estimate import check_consistent, quantities_to_check, without_answer
from llmcost.analysis.expression import DROP, KEEP, Expression, judge
from llmcost.analysis.names import check_column
from llmcost.analysis.sampling import Sampling, column, label, quantiles_of
from llmcost.analysis.solve import Solve
from llmcost.catalog import Catalog
from llmcost.columns import Columns, Laid
from llmcost.engine.chain import Array, Rule, execute, plan
from llmcost.engine.evaluate import evaluate
from llmcost.engine.results import RESULTS, of_quantile
from llmcost.errors import InputError, every
from llmcost.scenario import Inputs, Scenario, resolve
from llmcost.scenario.keys import spec, stage_key
from llmcost.scenario.read import with_stage_key
from llmcost.scenario.schema import KEYS, NUMBER

#: More cells than this are refused: their number alone would take days.
MOST_CELLS = 10**12


def _check_solvable(solve: Solve, scenario: Scenario, words: Mapping[str, Any]) -> None:
    """Refuse to solve for what a given layout makes a matter of whole numbers that must fit."""
    layout = [
        key
        for key, spec in KEYS.items()
        if key.startswith("parallelism.")
        and spec.kind == NUMBER
        and (key in words or scenario.get(key) is not None)
    ]
    if layout and (solve.key == "cluster.devices" or solve.key.startswith("parallelism.")):
        raise InputError(
            f"--solve {solve.key}: not every value can exist with the layout given ({', '.join(layout)}); "
            f'try its values with --axis {solve.key}=…, or let cluster.devices = "auto" with cluster.deadline_days, or parallelism = "auto", find them'
        )


class Sweep:
    """A sweep of one run that is ready to run; it can be sent to another process.

    Parameters
    ----------
    scenario : Scenario
        What the axes vary.
    axes : sequence of Axis
        Dimensions, in the order of the rows.
    catalog : Catalog
        Where names are looked up.
    where : sequence of str
        Conditions that a row must meet.
    select : sequence of str, optional
        Columns; by default the axes and every result that the scenario determines.
    needed : sequence of str
        Further results that the caller ranks by.
    solve : Solve, optional
        A key to solve for in every cell.
    sampling : Sampling, optional
        How to sample what is uncertain: quantiles of every result in every cell.

    Raises
    ------
    InputError
        If the scenario, a condition or a column is wrong.
    """

    def __init__(
        self,
        scenario: Scenario,
        axes: Sequence[Axis],
        catalog: Catalog,
        where: Sequence[str] = (),
        select: Sequence[str] | None = None,
        needed: Sequence[str] = (),
        solve: Solve | None = None,
        sampling: Sampling | None = None,
        labels: Mapping[str, Any] | None = None,
        unknown: str = DROP,
    ) -> None:
        self.unknown = unknown
        self.axes = tuple(axes)
        self.shape = tuple(axis.size for axis in axes)
        self.cells = math.prod(self.shape)
        if self.cells > MOST_CELLS:
            raise InputError(
                f"the axes make {self.cells:.3g} cells; at most {MOST_CELLS:.0e} can be swept"
            )
        self.words = shaped(self.axes)
        self.solve = solve
        self.sampling = sampling
        self._accept(scenario)
        arrays = dict(self.words)
        if solve is not None:
            arrays[solve.key] = solve.placeholder
        self.inputs: Inputs = self._resolved(scenario, catalog, arrays)
        self.known = {
            name: np.asarray(value, dtype=np.float64) for name, value in self.inputs.known.items()
        }
        if solve is not None:
            solve.attach(self.inputs.known)
        self.finds = "bf16_peak_flops" in self.known and wants_search(self.inputs)
        if self.finds and solve is not None:
            raise InputError(
                f"{scenario.where('parallelism')}: --solve does not go with a layout that is searched; give one (tp, pp, vpp, micro_batch …)"
            )
        self.conditions = [Expression(text, "--where") for text in where]
        self._check_first()
        self._sample(scenario, catalog)
        #: Columns of the rows' file that only pass through, along its dimension.
        self.labels = {
            name: column.reshape(*(1 for _ in self.shape[:-1]), -1)
            for name, column in (labels or {}).items()
        }
        self.key_values |= self.labels
        names = {*self.result_names, *self.key_values, *self.quantile_names}
        self.select = list(select) if select is not None else self._all_columns()
        known = [*RESULTS, *KEYS, *names]
        checks: list[Callable[[], Any]] = [partial(one.check, known) for one in self.conditions]
        checks += [partial(check_column, name, names) for name in self.select]
        every(checks)
        twice = next((name for name in self.select if self.select.count(name) > 1), None)
        if twice is not None:
            raise InputError(f'--select "{twice}": is named twice; a column has one place')
        for name in self.select:
            if stage_key(name) is not None:
                with_stage_key(scenario.stages, name, None, f"--select {name}")
        wanted = {*self.select, *needed}
        for condition in self.conditions:
            wanted |= condition.names()
        self._wanted = wanted
        bare = {
            of_quantile(name)[0] if name in self.quantile_names else name
            for name in wanted
            if name not in self.labels
        }
        quantities = {
            name if name in RESULTS else KEYS[name].quantity
            for name in bare
            if name in RESULTS or name in KEYS
        }
        quantities |= {"mfu", "goodput", "dp", "predicted_mfu", *quantities_to_check(self.inputs)}
        self._quantities_wanted = frozenset(quantities - {""})
        if "loss" in {*quantities, *(name for name, _ in (solve.targets if solve else ()))}:
            from llmcost.analysis.loss import grid_hints

            self.inputs.warnings += grid_hints(self.inputs)
        self.steps = self._plan(self.known)
        self._whole, self._rest = self.known, self.steps
        if not self.finds and solve is None:  # what these find changes from block to block
            self._run_once()
        each = 1 if sampling is None else sampling.samples
        self.grid = Grid.of(self.shape, max(self.most_cells // each, 1))
        self.blocks = self.grid.blocks

    #: Cells of a block.
    most_cells = BLOCK_CELLS

    # -- set-up -----------------------------------------------------------------

    def _asked(self) -> dict[str, str]:
        """The keys that vary or are solved for, and the options that name them."""
        solved = {} if self.solve is None else {self.solve.key: "--solve"}
        return {**dict.fromkeys(self.words, "--axis"), **solved}

    def _accept(self, scenario: Scenario) -> None:
        """Refuse what cannot be asked of the scenario."""
        for name, option in self._asked().items():
            if stage_key(name) is not None:
                with_stage_key(scenario.stages, name, None, f"{option} {name}")
        if self.solve is not None:
            _check_solvable(self.solve, scenario, self.words)

    def _resolved(self, scenario: Scenario, catalog: Catalog, arrays: Mapping[str, Any]) -> Inputs:
        """What is known, with the axes' values in place of the scenario's."""
        return resolve(scenario, catalog, arrays)

    def _check_first(self) -> None:
        """Run one cell: what the scenario determines, and whether its keys fit together."""
        first = {
            name: value[tuple(slice(0, 1) for _ in value.shape)]
            for name, value in self.known.items()
        }
        if self.finds:
            found = find_in_cells(self.inputs, first, tuple(1 for _ in self.shape))
            first = with_cluster(first, found)
        values, _ = evaluate(first)
        self._name_columns(values)

    def _name_columns(self, values: Columns) -> None:
        """The results that a cell has, and where the value of a key is found."""
        self.result_names = [key for key in RESULTS if key in values]
        self.key_values: dict[str, Any] = {}
        for key in KEYS.values():
            if key.name in self.words:
                self.key_values[key.name] = self.words[key.name]
            elif key.quantity and key.quantity in values and key.kind == "number":
                self.key_values[key.name] = key.quantity
            elif key.name in self.inputs.shown:
                self.key_values[key.name] = self.inputs.shown[key.name]

    def _sample(self, scenario: Scenario, catalog: Catalog) -> None:
        """Lay the samples of uncertain inputs along a dimension before those of the axes."""
        self.sampled: dict[str, Array] = {}
        self.quantile_names: list[str] = []
        if self.sampling is None:
            return
        if self.solve is not None:
            raise InputError(
                "--samples: does not go with --solve; solve at the medians, then sample the solution"
            )
        self.sampled = sampled_cells(
            self.inputs, scenario, catalog, self.words, len(self.shape), self.sampling
        )
        self._name_quantiles(self.sampling)

    def _name_quantiles(self, sampling: Sampling) -> None:
        """The columns of quantiles, of every result."""
        self.quantile_names = [
            column(key, label(share)) for key in self.result_names for share in sampling.quantiles
        ]

    def _plan(self, known: Mapping[str, Any]) -> tuple[Rule, ...]:
        """The rules for what is wanted; with a layout found, once that is known."""
        return plan(frozenset(known), self._quantities_wanted)

    def _run_once(self) -> None:
        """Run the rules whose results are no larger than a block on the whole grid; leave the rest to the blocks."""
        values, rest, late = dict(self.known), [], set[str]()
        with np.errstate(all="ignore"):
            for step in self.steps:
                names = {*step.needs, *step.optional}
                shapes = [values[name].shape for name in names & values.keys()]
                if names & late or math.prod(np.broadcast_shapes(*shapes)) > self.most_cells:
                    rest.append(step)
                    late.add(step.gives)
                else:
                    execute([step], values)
        self._whole, self._rest = values, tuple(rest)

    def _all_columns(self) -> list[str]:
        axis_keys = [key for axis in self.axes for key in axis.keys]
        extra = [] if self.solve is None else [self.solve.key]
        return [*self.labels, *axis_keys, *extra, *self.result_names, *self.quantile_names]

    def _quantiles(self, place: tuple[slice, ...], layouts: Columns) -> dict[str, Array]:
        """Quantiles of the wanted results in a block, over the samples that have an answer."""
        assert self.sampling is not None
        values = beyond_deadline(with_cluster(cut(self.sampled, place), layouts))
        steps = self._plan(values)
        execute(steps, values)
        bad = without_answer(self.inputs, values)
        if np.any(bad):
            values |= {step.gives: np.where(bad, np.nan, values[step.gives]) for step in steps}
        found = {}
        wanted = {of_quantile(name)[0] for name in self._wanted if name in self.quantile_names}
        for key in wanted:
            value = values[key]
            if value.ndim <= len(self.shape):
                bands = np.broadcast_to(value, (len(self.sampling.quantiles), *value.shape))
            else:
                bands = quantiles_of(value, self.sampling.quantiles)
            for share, band in zip(self.sampling.quantiles, bands, strict=True):
                found[column(key, label(share))] = band
        return found

    # -- running ----------------------------------------------------------------

    def block(self, index: int) -> Block:
        """Evaluate one block.

        Raises
        ------
        InputError
            If inputs contradict one another in a cell.
        """
        place = self.grid.place(index)
        shape = self.grid.size(place)
        with np.errstate(all="ignore"):
            values, unanswered = self._values(place, shape)
            keep, unknown = self._keep(values, place, shape)
        parts = self._parts(values, place)
        if self.solve is not None:
            parts["solutions"] = self.solve.solutions.astype(np.float64)
        return Block(Laid(parts, shape, keep), math.prod(shape), unanswered, unknown)

    def _values(self, place: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[Columns, int]:
        """Quantities of the cells of a block, and how many of them have no answer."""
        known = cut(self._whole, place)
        if self.solve is not None:
            known.update(self.solve.run(known, shape))
        layouts: Columns = {}
        steps, rest = self.steps, self._rest
        if self.finds:
            layouts = find_in_cells(self.inputs, known, shape)
            known = with_cluster(known, layouts)
            steps = rest = self._plan(known)
        values = dict(known)
        execute(rest, values)
        if self.sampling is not None:
            values |= self._quantiles(place, layouts)
        for part, none in self.inputs.uncounted.items():
            nowhere = cut({part: none}, place)[part]
            for name in values.keys() & {part, *self.quantile_names}:
                if part in (name, of_quantile(name)[0]):
                    values[name] = np.where(nowhere, np.nan, values[name])
        return values, self._unanswered(values, steps, shape)

    def _unanswered(self, values: Columns, steps: Sequence[Rule], shape: tuple[int, ...]) -> int:
        """How many cells have no answer; what they would have is not a number."""
        bad = without_answer(self.inputs, values)
        if not np.any(bad):
            return 0
        if np.all(bad) and self.blocks == 1:
            check_consistent(self.inputs, values)  # no cell can be: say why
        for step in steps:
            if step.gives in values:
                values[step.gives] = np.where(bad, np.nan, values[step.gives])
        return int(np.broadcast_to(bad, shape).sum())

    def _keep(
        self, values: Columns, place: tuple[slice, ...], shape: tuple[int, ...]
    ) -> tuple[Any, dict[str, int]]:
        """Which cells pass the conditions, None for all; how many no condition can judge, by the
        name of what is not known."""
        if not self.conditions:
            return None, {}
        names = set().union(*(condition.names() for condition in self.conditions))
        operands = {name: self._raw(name, values, place) for name in names}
        passed, unknown = judge(self.conditions, operands, shape, self.unknown == KEEP)
        return np.flatnonzero(passed), unknown

    def _parts(self, values: Columns, place: tuple[slice, ...]) -> Columns:
        """The wanted columns of a block, not yet broadcast; words as objects."""
        parts = {}
        for name in self._wanted:
            if (
                name in self.select
                or name in RESULTS
                or name in self.labels
                or spec(name) is not None
            ):
                raw = np.asarray(self._raw(name, values, place))
                parts[name] = raw.astype(object) if raw.dtype.kind in "UbM" else raw
        return parts

    def _raw(self, name: str, values: Columns, place: tuple[slice, ...]) -> Any:
        """A result or key in a block, not yet broadcast."""
        if name in RESULTS or name in self.quantile_names:
            return values.get(name, np.nan)
        if self.solve is not None and name == self.solve.key:
            return values[KEYS[name].quantity]
        source = self.key_values.get(name, np.nan)
        if isinstance(source, np.ndarray):
            return cut({name: source}, place)[name]
        if isinstance(source, str) and KEYS[name].kind == "number":
            return values.get(source, np.nan)
        return source

    def samples(self) -> Columns:
        """A value or none of each column that is selected, of the type that the column has."""
        found = {}
        for name in self.select:
            source = None if name in RESULTS else self.key_values.get(name)
            column = np.asarray(source).ravel()[:1] if source is not None else np.empty(0)
            words = column.dtype.kind in "UObM" and not (
                isinstance(source, str) and KEYS[name].kind == "number"
            )
            found[name] = column.astype(object) if words else np.empty(0)
        return found

    def spans(self, first: int = 0, last: int | None = None) -> Iterator[Block]:
        """Blocks in order, on this thread."""
        for index in range(first, self.blocks if last is None else last):
            yield self.block(index)
