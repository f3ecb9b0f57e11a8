"""Published step times that no constant has seen: how far off the model is, by source.

``python -m benchmarks.unseen`` predicts every row of the catalog's throughput_unseen_*.csv with the
software that its source states. Calibration reads none of these files. With --rows each row is
printed with the parts of its step.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

from llmcost.analysis.cases import estimate_of, rows, step_interval
from llmcost.analysis.estimate import Estimate
from llmcost.analysis.validate import layout_scenario
from llmcost.catalog import Catalog, load_catalog

DATA = Path(__file__).parent.parent / "llmcost" / "catalog" / "data"
_PARTS = (
    "compute_s", "model_collectives_s", "pipeline_bubble_s", "pipeline_transfer_s", "data_parallel_s",
    "optimizer_s", "straggler_s",
)  # fmt: skip


class Step(NamedTuple):
    """A published step time, the prediction of it and its 90 % interval."""

    row: dict[str, str]
    found: Estimate
    predicted: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Relative error of the prediction."""
        return self.predicted / float(self.row["published_step_s"]) - 1

    @property
    def covered(self) -> bool:
        """Whether the interval holds the published time."""
        return self.low <= float(self.row["published_step_s"]) <= self.high


def steps(catalog: Catalog) -> tuple[list[Step], list[str]]:
    """Every row's prediction, and the rows that have none."""
    done, failed = [], []
    for file in sorted(DATA.glob("throughput_unseen_*.csv")):
        for row in rows(file.name):
            if row["excluded"]:
                continue
            found = estimate_of(layout_scenario(row), catalog)
            predicted = None if found is None else found.result("step_time_s")
            low, high = step_interval(found, predicted)
            if found is None or predicted is None or low is None or high is None:
                failed.append(row["id"])
            else:
                done.append(Step(row, found, predicted, low, high))
    return done, failed


def _line(name: str, members: Sequence[Step]) -> str:
    errors = [step.error for step in members]
    size = mean(abs(error) for error in errors)
    held = mean(step.covered for step in members)
    return f"  {name[:70]:70} {len(members):4} {size:7.1%} {median(errors):+8.1%} {held:7.0%}"


def _by(members: Sequence[Step], key: Callable[[Step], str]) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = {}
    for step in members:
        found.setdefault(key(step), []).append(step)
    return found


def _kind(step: Step) -> str:
    row = step.row
    mixture = step.found.inputs.known.get("experts", 0) > 0
    return f"{row['software'] or 'no software stated'}, {'experts' if mixture else 'dense'}"


def _parts(step: Step) -> str:
    known = step.found.values
    return " ".join(f"{name[:-2]} {float(known[name]):.3g}" for name in _PARTS if name in known)


def main() -> None:
    """Print the errors by source and by kind of run."""
    done, failed = steps(load_catalog())
    for name in failed:
        print(f"no prediction: {name}")
    if "--rows" in sys.argv:
        for step in done:
            row = step.row
            print(
                f"{row['id'][:60]:60} {step.error:+.2f} T {float(row['published_step_s']):.4g} {_parts(step)}"
            )
    print(f"  {'':70} rows   error     bias    held")
    sources = _by(done, lambda step: step.row["source"])
    for name, members in sources.items():
        print(_line(name, members))
    for name, members in sorted(_by(done, _kind).items()):
        print(_line(f"all of {name}", members))
    errors = [mean(abs(step.error) for step in members) for members in sources.values()]
    held = [mean(step.covered for step in members) for members in sources.values()]
    print(
        f"{len(done)} rows of {len(sources)} sources: mean of the sources {mean(errors):.1%}, of the rows "
        f"{mean(abs(step.error) for step in done):.1%}; the 90 % interval holds "
        f"{mean(step.covered for step in done):.0%} of the rows, {mean(held):.0%} with each source counted once"
    )


if __name__ == "__main__":
    main()
