"""Published figures and the predictions of them."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from io import StringIO
from typing import Any, NamedTuple

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.catalog import Catalog
from llmcost.errors import LlmcostError
from llmcost.files import packaged, read_text
from llmcost.scenario import parse_scenario
from llmcost.scenario.resolve.accuracy import MEMORY, kinds
from llmcost.scenario.values import Distribution


class Case(NamedTuple):
    """A published figure and the prediction of it, where there is one with its 90 % interval.

    `known` is what is known of a step, which its interval goes by.
    """

    group: str
    case: str
    source: str
    result: str
    published: float
    predicted: float | None
    low: float | None = None
    high: float | None = None
    known: str = ""

    @property
    def error(self) -> float | None:
        """Relative error of the prediction."""
        return None if self.predicted is None else self.predicted / self.published - 1

    @property
    def covered(self) -> bool | None:
        """Whether the interval holds the published figure; None where none is predicted."""
        if self.low is None or self.high is None:
            return None
        return self.low <= self.published <= self.high


def rows(name: str) -> list[dict[str, str]]:
    """A file of published cases."""
    return list(csv.DictReader(StringIO(read_text(packaged("catalog", "data", name), "cases"))))


def estimate_of(scenario: Mapping[str, Any], catalog: Catalog) -> Estimate | None:
    """The estimate of a case's scenario, None where it has none."""
    try:
        return estimate(parse_scenario(scenario, catalog=catalog), catalog)
    except LlmcostError:
        return None


def step_interval(
    found: Estimate | None, predicted: float | None
) -> tuple[float | None, float | None]:
    """90 % interval of a step time: measured over predicted MFU divides it."""
    error = _error(found, "training.mfu")
    if predicted is None or error is None:
        return None, None
    return predicted / error.high, predicted / error.low


#: What adds to the error of a step time, as a reader knows it.
_KINDS = {
    "assumed": "software not named",
    "mixture": "mixture of experts",
    "unmeasured": "kernels not measured",
    "across": "exchange between domains",
}


def what_is_known(found: Estimate | None) -> str:
    """What is known of a predicted step, in words."""
    if _error(found, "training.mfu") is None or found is None:
        return ""
    having = kinds(found.inputs)
    words = [] if "assumed" in having else ["software named"]
    return ", ".join([*words, *(_KINDS[kind] for kind in having)])


def memory_interval(
    found: Estimate | None, predicted: float | None
) -> tuple[float | None, float | None]:
    """90 % interval of a memory: measured over predicted."""
    error = _error(found, MEMORY)
    if predicted is None or error is None:
        return None, None
    return predicted * error.low, predicted * error.high


def _error(found: Estimate | None, key: str) -> Distribution | None:
    """What a prediction may be off by: the interval of an input, None without one."""
    error = None if found is None else found.inputs.intervals.get(key, (None, None))[1]
    return error if isinstance(error, Distribution) else None
