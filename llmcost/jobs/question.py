"""What a sweep is asked: its axes, conditions, order and columns, from options and the file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from llmcost.analysis.axes import parse_axes
from llmcost.analysis.expression import DROP, KEEP, UNKNOWN
from llmcost.analysis.names import nearest_result
from llmcost.analysis.rank import Best, Everything, First, Pareto
from llmcost.analysis.rows import read_rows
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.solve import Solve
from llmcost.analysis.staged_sweep import sweep_of
from llmcost.analysis.sweep import Sweep
from llmcost.catalog import Catalog
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError, every, nearest
from llmcost.scenario import Scenario
from llmcost.scenario.keys import spec, unquoted_stage
from llmcost.scenario.schema import KEYS, NUMBER


class Question(NamedTuple):
    """A sweep and how its rows are ranked."""

    sweep: Sweep
    best: str | None
    largest: bool
    top: int | None
    pareto: tuple[str, ...]
    selected: bool

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        catalog: Catalog,
        axis: Sequence[str] | None = None,
        zip: Sequence[str] | None = None,
        where: Sequence[str] | None = None,
        minimize: str | None = None,
        maximize: str | None = None,
        top: int | None = None,
        pareto: str | None = None,
        select: str | None = None,
        solve: str | None = None,
        target: Sequence[str] | None = None,
        between: str | None = None,
        drawn: bool = False,
        sampling: Sampling | None = None,
        rows: str | None = None,
        unjudged: str = DROP,
    ) -> Question:
        """Read the options on top of the scenario's [sweep].

        Raises
        ------
        InputError
            If an option is wrong, or two contradict each other.
        """
        file = scenario.sweep
        own = {text.partition("=")[0].strip() for text in [*(axis or ()), *(zip or ())]}
        axes = [text for text in file.get("axis", ()) if text.partition("=")[0].strip() not in own]
        zips = [text for text in file.get("zip", ()) if text.partition("=")[0].strip() not in own]
        where = [*file.get("where", ()), *(where or ())]
        if minimize is None and maximize is None and pareto is None:
            minimize, maximize = file.get("minimize"), file.get("maximize")
            pareto = ",".join(file["pareto"]) if "pareto" in file else None
        top = top if top is not None else file.get("top")
        select = (
            select
            if select is not None
            else (",".join(file["select"]) if "select" in file else None)
        )
        minimize, maximize = (name and unquoted_stage(name) for name in (minimize, maximize))
        if minimize and maximize:
            raise InputError("--maximize: contradicts --minimize; give one of them")
        if top is not None and top < 1:
            raise InputError(f"--top {top}: is not a whole number > 0")
        if pareto and (minimize or maximize):
            raise InputError("--pareto: contradicts --minimize and --maximize; give one of them")
        objectives = tuple(_names(pareto))
        if pareto is not None and not objectives:
            raise InputError("--pareto: names no objective")
        if (target or between) and not solve:
            raise InputError("--target and --between go with --solve KEY")
        unknown = Solve(solve, target or (), between) if solve else None
        taken = [unknown.key] if unknown else []
        table = None if rows is None else read_rows(rows, scenario, catalog)
        taken += [] if table is None else table.axis.keys
        if table is not None and (zips or zip):
            raise InputError("--rows: its columns move together as --zip does; leave --zip out")
        best = minimize or maximize
        needed = [name.lstrip("-") for name in objectives] + ([best] if best else [])
        lines, together = [*axes, *(axis or ())], [*zips, *(zip or ())]
        read: list[Any] = [partial(parse_axes, lines, together, catalog, taken)]
        parsed = every([*read, *(partial(_rankable, name) for name in needed)])[0]
        parsed += () if table is None else (table.axis,)
        if not parsed and unknown is None:
            raise InputError(
                "sweep: give at least one --axis KEY=VALUES, --rows FILE, or --solve KEY --target RESULT=VALUE"
            )
        needed += [unknown.key] if unknown else []
        if drawn:
            if len(objectives) == 1:
                raise InputError("--plot: a front has two objectives or more")
            needed += [key for axis in parsed for key in axis.keys] + ["cost_total_usd"]
        wanted = _names(select) if select is not None else None
        if wanted == []:
            raise InputError("--select: names no column")
        labels = None if table is None else table.labels
        if unjudged not in UNKNOWN:
            raise InputError(
                f'--unknown "{unjudged}": is not one of {", ".join(UNKNOWN)}{nearest(unjudged, UNKNOWN)}'
            )
        sweep = sweep_of(
            scenario, parsed, catalog, where, wanted, needed, unknown, sampling, labels, unjudged
        )
        return cls(sweep, best, maximize is not None, top, objectives, wanted is not None)

    @property
    def ranked(self) -> bool:
        """Whether the rows leave the order of the axes, or some of them are left out."""
        return bool(self.best or self.pareto or self.top)

    @property
    def needed(self) -> list[str]:
        """What the rows are ranked by."""
        return [name.lstrip("-") for name in self.pareto] + ([self.best] if self.best else [])

    def collector(self, limit: int | None) -> Any:
        """What keeps the rows that the question is about; at most `limit` where it names no number."""
        if self.pareto:
            return Pareto(self.pareto, self.sweep.unknown == KEEP)
        if self.best:
            return Best(self.best, self.largest, self.top or limit, self.sweep.unknown == KEEP)
        count = self.top or limit
        return Everything() if count is None else First(count)


def _names(text: str | None) -> list[str]:
    names = (name.strip() for name in (text or "").split(","))
    return ["-" * name.startswith("-") + unquoted_stage(name.lstrip("-")) for name in names if name]


def _rankable(name: str) -> None:
    key = spec(name)
    if name in RESULTS or (key is not None and key.kind == NUMBER):
        return
    raise InputError(
        f'"{name}": rows cannot be ranked by it, it is neither a result nor a numeric key{nearest_result(name, KEYS)}'
    )
