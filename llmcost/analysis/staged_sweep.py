"""A sweep over a model made in stages: every cell is the estimate of the scenario with its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.stages import estimate_stages
from llmcost.analysis.sweep import Sweep
from llmcost.catalog import Catalog
from llmcost.columns import Columns
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError, NoAnswerError
from llmcost.scenario import Inputs, Scenario, resolve
from llmcost.scenario.read import Given
from llmcost.scenario.schema import KEYS


class StagedSweep(Sweep):
    """A sweep over a model made in stages.

    An axis sets its key for the whole file; a stage that gives the key itself keeps its own. What
    the stages are together is asked of each cell as an estimate asks it.

    Raises
    ------
    InputError
        As :class:`Sweep`; of a key that every stage gives, of samples and of a key to solve for.
    """

    #: A cell takes as long as an estimate: blocks are small, so that progress is seen.
    most_cells = 64

    def _accept(self, scenario: Scenario) -> None:
        """Refuse what is of one run, and axes that every stage overrides."""
        label = f"{scenario.label}: a model of {len(scenario.stages)} stages"
        if self.solve is not None:
            raise InputError(
                f"{label}: --solve is of one run; sweep the key with --axis {self.solve.key}=…"
            )
        if self.sampling is not None:
            raise InputError(
                f"{label}: --samples goes with estimate and compare, not with its sweep"
            )
        for key in self.words:
            if all(key in given.values for given in scenario.stages):
                raise InputError(
                    f"{label}: every one gives {key} itself, so an axis over it would change nothing"
                )

    def _resolved(self, scenario: Scenario, catalog: Catalog, arrays: Mapping[str, Any]) -> Inputs:
        """What the file says for all stages; a layout is a stage's own."""
        self._scenario, self._catalog = scenario, catalog
        layoutless = {k: v for k, v in scenario.values.items() if not k.startswith("parallelism")}
        words = {k: v for k, v in arrays.items() if not k.startswith("parallelism")}
        found = resolve(scenario._replace(values=layoutless), catalog, words)
        #: In the mark of a folder of parts: other stages are another sweep.
        found.shown["stages"] = repr([(given.own, dict(given.values)) for given in scenario.stages])
        return found

    def _check_first(self) -> None:
        """Estimate cells until one has an answer: what the scenario determines."""
        self.finds = False
        problem: NoAnswerError | None = None
        for cell in np.ndindex(self.shape):
            try:
                first = self._cell(cell)
            except NoAnswerError as error:
                problem = problem or error
                continue
            self.inputs.warnings[:] = first.warnings
            self._name_columns(dict(first.values))
            return
        raise problem or NoAnswerError(f"{self._scenario.label}: the axes have no cell")

    def _cell(self, place: Sequence[int]) -> Estimate:
        """The estimate of one cell."""
        values = dict(self._scenario.values)
        for key, word in self.words.items():
            at = tuple(i if size > 1 else 0 for i, size in zip(place, word.shape, strict=True))
            value = word[at]
            value = value.item() if isinstance(value, np.generic) else value
            values[key] = Given(value, "axis", f"--axis {key}")
        return estimate_stages(self._scenario._replace(values=values), self._catalog)

    def _values(self, place: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[Columns, int]:
        """Results of the cells of a block, one by one, and how many of them have no answer."""
        values: Columns = {
            name: np.full(shape, np.nan) for name in (*self.result_names, *self._numeric_keys())
        }
        starts, unanswered = [part.start or 0 for part in place], 0
        for cell in np.ndindex(shape):
            try:
                found = self._cell([start + i for start, i in zip(starts, cell, strict=True)])
            except NoAnswerError:
                unanswered += 1
                continue
            for name in values.keys() & found.values.keys():
                values[name][cell] = float(np.asarray(found.values[name]))
        return values, unanswered

    def _numeric_keys(self) -> list[str]:
        """Quantities of keys that a column may show."""
        return [
            source
            for name, source in self.key_values.items()
            if isinstance(source, str) and KEYS[name].kind == "number" and source not in RESULTS
        ]


def sweep_of(scenario: Scenario, *arguments: Any) -> Sweep:
    """The sweep of a scenario of one run, or of one of stages; arguments as :class:`Sweep`'s."""
    return (StagedSweep if scenario.stages else Sweep)(scenario, *arguments)
