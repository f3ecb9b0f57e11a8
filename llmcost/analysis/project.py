"""The road ahead: a run or the stages of a model, year by year, with trends and levers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.roadmap import States, by_state
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.trends import pull
from llmcost.analysis.whole import named, once_known, sums, whole_values
from llmcost.analysis.years import (
    Course,
    Projection,
    drawn_run,
    drawn_states,
    drawn_trends,
    project_run,
    pulled_by,
)
from llmcost.catalog import Catalog
from llmcost.engine.chain import Array
from llmcost.engine.evaluate import evaluate
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError

#: Samples times years that are held in memory.
MOST_SAMPLE_YEARS = 4_000_000


def project(
    base: Estimate,
    catalog: Catalog,
    follow: str = "model",
    until: int | None = None,
    with_levers: bool = True,
    roadmap: bool = False,
) -> Projection:
    """Project an estimate year by year.

    Parameters
    ----------
    base : Estimate
        The scenario in year 0.
    catalog : Catalog
        Where trends and levers come from.
    follow : {"model", "frontier"}
        The same model trained later, or the frontier's model of that year.
    until : int, optional
        Last year; that of the scenario, or 2035, by default.
    with_levers, roadmap : bool
        Whether levers pull, and whether those of the catalog do where the scenario has none.

    Returns
    -------
    Projection
        Year 0 is the estimate to the last bit.

    Raises
    ------
    InputError
        If the scenario has no year, or its trends contradict one another.
    """
    if base.stages:
        return _project_stages(base, catalog, follow, until, with_levers, roadmap)
    return project_run(base, catalog, follow, until, with_levers, roadmap, States(base, catalog))


def with_samples(projection: Projection, sampling: Sampling, catalog: Catalog) -> Projection:
    """The same projection with samples of its uncertain inputs and trends.

    Raises
    ------
    InputError
        If samples times years are more than memory should hold.
    """
    years = projection.years
    if sampling.samples * len(years) > MOST_SAMPLE_YEARS:
        raise InputError(
            f"--samples {sampling.samples}: with {len(years)} years at most {MOST_SAMPLE_YEARS // len(years):,}"
        )
    found = (_drawn_stages if projection.parts else drawn_run)(projection, sampling, catalog)
    shape = (sampling.samples, len(years))
    samples = {key: np.broadcast_to(found[key], shape) for key in RESULTS if key in found}
    return projection._replace(samples=samples, shares=sampling.quantiles)


def _project_stages(
    base: Estimate,
    catalog: Catalog,
    follow: str,
    until: int | None,
    with_levers: bool,
    roadmap: bool,
) -> Projection:
    """Every stage of the same model by year, and their sums."""
    if follow != "model":
        raise InputError(
            f"{base.inputs.scenario.label}: --follow {follow}: nobody published how the stages of the frontier grow; follow the model, or project a stage as a file of its own"
        )
    levers = base.inputs.scenario.levers
    states = States(base, catalog)
    found = [
        project_run(
            stage.estimate._replace(inputs=_with_levers(stage.estimate, levers)),
            catalog,
            follow,
            until,
            with_levers,
            roadmap,
            states.of_part(_stage(place)),
        )
        for place, stage in enumerate(base.stages)
    ]
    first = found[0]
    total = sums([item.values for item in found])
    ends, which = states.along(pulled_by(first.levers, first.years))
    course = first.course._replace(starts=tuple(end.inputs.known for end in ends), which=which)
    values = _whole(course, total)
    notes = named([(s.name, item.warnings) for s, item in zip(base.stages, found, strict=True)])
    notes += [text for text in base.warnings if text not in notes]
    return Projection(
        base,
        follow,
        first.years,
        values,
        first.trends,
        first.levers,
        notes,
        course,
        first.dollars,
        states=states,
        parts=tuple(found),
    )


def _stage(place: int) -> Callable[[Estimate], Estimate]:
    """A stage's estimate, of that of all."""
    return lambda whole: whole.stages[place].estimate


def _with_levers(stage: Estimate, levers: Any) -> Any:
    """The inputs of a stage with the levers that the file pulls on all of them."""
    inputs = copy(stage.inputs)
    inputs.scenario = inputs.scenario._replace(levers=levers)
    return inputs


def _whole(course: Course, total: Mapping[str, Array]) -> dict[str, Array]:
    """What stages are together by year, from their sums and what the file says once in each state."""
    years = len(course.elapsed)

    def of(state: int, at: NDArray[np.int64]) -> Mapping[str, Any]:
        once = course.starts[state]
        mine = {
            key: np.broadcast_to(value, (*np.shape(value)[:-1], years))[..., at]
            for key, value in total.items()
        }
        return whole_values(once, mine | _service(course, once, at))

    return by_state(len(course.starts), course.which, of)


def _service(course: Course, once: Mapping[str, Any], at: NDArray[np.int64]) -> dict[str, Array]:
    """The service of a model made in stages in some years: of the whole, so no stage has it."""
    values, _ = evaluate(once_known(once))
    known = course._replace(starts=(values,)).known(0, at)
    wanted = [key for key in RESULTS if key.startswith("inference_")]
    found, _ = evaluate({**known, **pull(course.levers, course.active[at], known)}, wanted)
    return {key: found[key] for key in wanted if key in found}


def _drawn_stages(projection: Projection, sampling: Sampling, catalog: Catalog) -> dict[str, Array]:
    """Samples by year of what stages are together."""
    starts, inputs = drawn_states(projection, sampling, catalog, lambda item: item.known)
    trends = drawn_trends(projection, inputs, sampling, catalog)
    total = sums([drawn_run(part, sampling, catalog) for part in projection.parts])
    return _whole(projection.course._replace(starts=starts, trends=trends), total)
