"""What a report says about a scenario: its range, what drives it, and how years change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from llmcost.analysis.estimate import Estimate, published_run
from llmcost.analysis.project import project, with_samples
from llmcost.analysis.roadmap import with_levers
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.tornado import Bar, tornado
from llmcost.analysis.uncertainty import uncertain_inputs, with_uncertainty
from llmcost.analysis.years import Projection
from llmcost.catalog import Catalog
from llmcost.errors import LlmcostError

#: Samples of the projection's bands, which hold every year.
_YEARLY_SAMPLES = 2_000
#: What a tornado is drawn of: the first that has a range.
DRIVEN = ("cost_total_usd", "total_tco2e", "energy_mwh", "flops")


class Section(NamedTuple):
    """One scenario of a report.

    `bars` are those of a tornado of `driver`, empty where nothing is uncertain; `projection`
    is None where none is asked for, or the scenario has no year to start from: `notes` says why.
    """

    result: Estimate
    published: Mapping[str, Any] | None
    driver: str | None
    bars: Sequence[Bar]
    projection: Projection | None
    notes: Sequence[str]

    def moving(self, most: int) -> list[Bar]:
        """The inputs that move the driver most, at most so many; none that leaves it as it is."""
        return [bar for bar in self.bars if bar.low is not None and bar.low != bar.high][:most]


def look_into(
    base: Estimate, catalog: Catalog, sampling: Sampling | None, until: int | None
) -> Section:
    """Everything that a report shows of a scenario.

    Parameters
    ----------
    base : Estimate
        The scenario's estimate.
    catalog : Catalog
        Where trends, intervals and published runs come from.
    sampling : Sampling or None
        How ranges are sampled; None for none.
    until : int or None
        Last year of the projection; None for none.

    Returns
    -------
    Section
        What cannot be had is left out, and a note says why.
    """
    notes: list[str] = []
    base = with_levers(base, catalog)
    result, driver, bars = base, None, []
    if sampling is not None and uncertain_inputs(base, sampling.defaults):
        result = with_uncertainty(base, sampling, catalog)
        driver = next((key for key in DRIVEN if _varies(result, key)), None)
        if driver is not None:
            bars = tornado(base, sampling, catalog, driver)
    elif sampling is not None:
        notes.append("No range: none of its inputs is uncertain.")
    projection = None
    if until is not None:
        try:
            projection = project(base, catalog, until=until)
            if result is not base and sampling is not None:
                yearly = sampling._replace(samples=min(sampling.samples, _YEARLY_SAMPLES))
                projection = with_samples(projection, yearly, catalog)
        except LlmcostError as error:
            notes.append(f"No projection: {error.problems[0]}.")
    return Section(result, published_run(base, catalog), driver, bars, projection, notes)


def _varies(result: Estimate, key: str) -> bool:
    """Whether a result has a range that is more than one number."""
    return len(set(result.intervals.get(key, {}).values()) - {None}) > 1
