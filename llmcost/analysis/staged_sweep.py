"""A sweep over a model made in stages: every cell is the estimate of the scenario with its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.sampling import column
from llmcost.analysis.stages import estimate_stages
from llmcost.analysis.sweep import Sweep
from llmcost.analysis.uncertainty import with_uncertainty
from llmcost.catalog import Catalog
from llmcost.columns import Columns
from llmcost.engine.chain import Array
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError, LlmcostError, NoAnswerError
from llmcost.scenario import Inputs, Scenario, resolve
from llmcost.scenario.keys import STAGE_PREFIX, stage_key
from llmcost.scenario.read import Given, with_stage_key
from llmcost.scenario.schema import KEYS

#: Where the value of the key that is solved for stands among the values of a block.
_SOLVED = "solved for"


class StagedSweep(Sweep):
    """A sweep over a model made in stages.

    An axis sets its key for the whole file; a stage that gives the key itself keeps its own. A key
    of one stage is an axis by its name, ``stages.NAME.KEY``. What the stages are together is asked
    of each cell as an estimate asks it, with its samples, and as often as a key is solved for.

    Raises
    ------
    InputError
        As :class:`Sweep`; of a key that every stage gives.
    """

    #: A cell takes as long as an estimate: blocks are small, so that progress is seen.
    most_cells = 64

    def _accept(self, scenario: Scenario) -> None:
        """Refuse axes that every stage overrides, and stages that there are not."""
        for key, option in self._asked().items():
            if stage_key(key) is not None:
                with_stage_key(scenario.stages, key, None, f"{option} {key}")
            elif all(key in given.values for given in scenario.stages):
                names = ", ".join(str(given.own["name"]) for given in scenario.stages)
                raise InputError(
                    f"{scenario.label}: a model of {len(scenario.stages)} stages: every one gives {key} itself, so an axis over it"
                    f" would change nothing; {option} stages.NAME.{key} takes one of {names}"
                )

    def _resolved(self, scenario: Scenario, catalog: Catalog, arrays: Mapping[str, Any]) -> Inputs:
        """What the file says for all stages; a layout is a stage's own."""
        self._scenario, self._catalog = scenario, catalog
        own = ("parallelism", "stages.")
        layoutless = {k: v for k, v in scenario.values.items() if not k.startswith(own)}
        words = {k: v for k, v in arrays.items() if not k.startswith(own)}
        found = resolve(scenario._replace(values=layoutless), catalog, words)
        #: In the mark of a folder of parts: other stages are another sweep.
        found.shown["stages"] = repr([(given.own, dict(given.values)) for given in scenario.stages])
        return found

    def _check_first(self) -> None:
        """Estimate cells until one has an answer: what the scenario determines."""
        self.finds = False
        problem: LlmcostError | None = None
        for cell in np.ndindex(self.shape):
            try:
                first = self._cell(cell)
            except LlmcostError as error:
                problem = problem or error
                continue
            self.inputs.warnings[:] = first.warnings
            self._name_columns(dict(first.values))
            self.key_values |= self._of_stages()
            return
        raise problem or NoAnswerError(f"{self._scenario.label}: the axes have no cell")

    def _of_stages(self) -> dict[str, Any]:
        """Values of stages' keys along the axes: those of the file, and of the axes on top."""
        found: dict[str, Any] = {}
        for given in self._scenario.stages:
            values = {**given.own, **{key: item.value for key, item in given.values.items()}}
            for key, value in values.items():
                name = f"{STAGE_PREFIX}{given.own['name']}.{key}"
                number = isinstance(value, int | float) and not isinstance(value, bool)
                if stage_key(name) is not None:
                    found[name] = np.full(
                        (1,) * len(self.shape), value, dtype=float if number else object
                    )
        return found | {key: word for key, word in self.words.items() if stage_key(key)}

    def _sample(self, scenario: Scenario, catalog: Catalog) -> None:
        """Name the quantiles; each cell is sampled on its own."""
        if self.sampling is None or self.solve is not None:
            super()._sample(scenario, catalog)
            return
        self.sampled = {}
        self._name_quantiles(self.sampling)

    def _cell(self, place: Sequence[int], solved: float | None = None) -> Estimate:
        """The estimate of one cell, with a value of the key that is solved for."""
        found = self._scenario
        for key, word in self.words.items():
            at = tuple(i if size > 1 else 0 for i, size in zip(place, word.shape, strict=True))
            value = word[at]
            value = value.item() if isinstance(value, np.generic) else value
            found = _with(found, key, value, "--axis")
        if self.solve is not None and solved is not None:
            found = _with(found, self.solve.key, solved, "--solve")
        return estimate_stages(found, self._catalog)

    def _solution(self, place: Sequence[int]) -> tuple[float, int]:
        """The value of the key that meets the targets in a cell, and how many there are."""
        assert self.solve is not None
        seen: dict[float, dict[str, float]] = {}

        def one(x: float) -> dict[str, float]:
            if x not in seen:
                try:
                    found = self._cell(place, x).results
                except LlmcostError:
                    found = {}
                seen[x] = {name: np.nan if v is None else v for name, v in found.items()}
            return seen[x]

        def results(x: Array) -> dict[str, Array]:
            each = [one(float(value)) for value in np.ravel(x)]
            return {
                name: np.array([values.get(name, np.nan) for values in each]).reshape(np.shape(x))
                for name, _ in self.solve.targets  # type: ignore[union-attr]
            }

        found = float(self.solve.search(results, ()))
        return found, int(self.solve.solutions)

    def _values(self, place: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[Columns, int]:
        """Results of the cells of a block, one by one, and how many of them have no answer."""
        names = (*self.result_names, *self._numeric_keys(), *self.quantile_names, _SOLVED)
        values: Columns = {name: np.full(shape, np.nan) for name in names}
        solutions = np.zeros(shape, dtype=np.int64)
        starts, unanswered = [part.start or 0 for part in place], 0
        for cell in np.ndindex(shape):
            where = [start + i for start, i in zip(starts, cell, strict=True)]
            try:
                solved = None
                if self.solve is not None:
                    solved, solutions[cell] = self._solution(where)
                    values[_SOLVED][cell] = solved
                    if np.isnan(solved):
                        continue
                found = self._cell(where, solved)
                if self.sampling is not None:
                    found = with_uncertainty(found, self.sampling, self._catalog)
            except LlmcostError:
                unanswered += 1
                continue
            for name in values.keys() & found.values.keys():
                values[name][cell] = float(np.asarray(found.values[name]))
            for key, band in found.intervals.items():
                for share, value in band.items():
                    if value is not None and column(key, share) in values:
                        values[column(key, share)][cell] = value
        if self.solve is not None:
            self.solve.solutions = solutions
        return values, unanswered

    def _raw(self, name: str, values: Columns, place: tuple[slice, ...]) -> Any:
        """A result or key in a block, not yet broadcast."""
        if self.solve is not None and name == self.solve.key:
            return values[_SOLVED]
        return super()._raw(name, values, place)

    def _numeric_keys(self) -> list[str]:
        """Quantities of keys that a column may show."""
        return [
            source
            for name, source in self.key_values.items()
            if isinstance(source, str)
            and name in KEYS
            and KEYS[name].kind == "number"
            and source not in RESULTS
        ]


def _with(scenario: Scenario, key: str, value: Any, option: str) -> Scenario:
    """A scenario with one key set, of the file or of a stage."""
    given = Given(value, "axis", f"{option} {key}")
    if stage_key(key) is None:
        return scenario._replace(values={**scenario.values, key: given})
    return scenario._replace(stages=tuple(with_stage_key(scenario.stages, key, given, given.where)))


def sweep_of(scenario: Scenario, *arguments: Any) -> Sweep:
    """The sweep of a scenario of one run, or of one of stages; arguments as :class:`Sweep`'s."""
    return (StagedSweep if scenario.stages else Sweep)(scenario, *arguments)
