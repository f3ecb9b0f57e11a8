"""How sure a predicted step time is, by what is known of its case, from sources left out of the fit.

``python -m benchmarks.calibrate`` prints it. Three predictions of each published step: with its
software named, with the software that its family of accelerators is taken to run, and as if nobody
had measured its family's kernels. Quantiles count each source once. What a kind of case adds to
the error of named software is the root of the difference of the squares; each is widened for its few
sources, as Student's distribution is wider than the normal one. Coverage is cross-validated: the
range of a source's rows is made from the other sources.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm, t

from benchmarks.baselines import off
from llmcost.catalog import Catalog
from llmcost.scenario.resolve.accuracy import exchanged_across, is_measured, step_error

#: The ends of a range of nine in ten.
_ENDS = (0.05, 0.95)
#: Sources below which errors of a kind say nothing.
_FEW = 5
#: What adds to the error of named software, in the order in which it is found.
ADDED = ("assumed", "mixture", "unmeasured", "across")
#: Ranges that are not narrowed further. Families whose kernels are hidden are still like the others,
#: as a TPU or an NPU is not; of mixtures, and of experts exchanged between domains, there are few sources.
LEAST = {"unmeasured": (0.7, 1.2), "mixture": (0.8, 1.25), "across": (0.8, 1.25)}
#: Families of which only the vendor publishes steps, and the one whose other software stands for theirs.
LIKE = {"blackwell": "hopper"}


class Unmeasured(Catalog):
    """The catalog as it would be had nobody measured a family's kernels."""

    def kind(self, name: str) -> Mapping[str, Any]:
        """Entries of a kind, of kernels the general ones."""
        found = super().kind(name)
        if name != "kernels":
            return found
        return {key: entry for key, entry in found.items() if key.startswith("general-")}


class Errors(NamedTuple):
    """Rows of all three predictions: logarithm of measured over predicted MFU, and what is known of each."""

    error: Any
    source: Any
    family: Any
    vendors: Any
    kinds: dict[str, Any]

    def of(self, mask: Any) -> Errors:
        """The masked rows."""
        kinds = {name: mine[mask] for name, mine in self.kinds.items()}
        return Errors(*(part[mask] for part in self[:4]), kinds)


def collect(named: Any, assumed: Any, hidden: Any, left_out: Mapping[str, Any]) -> Errors:
    """The errors of rows predicted three ways, each with the constants fitted without its source.

    `left_out` has those constants by source; under the empty name those for sources that were never fitted.
    """
    parts = []
    for data in (named, assumed, hidden):
        error = data.error(left_out[""])
        for source, theta in left_out.items():
            mine = data.source == source
            error[mine] = data.error(theta)[mine]
        count = len(error)
        kernels = np.array([is_measured(data.catalog, device) for device in data.device])
        if data is not named:  # the others are among the rows already
            measured = np.array([is_measured(named.catalog, device) for device in data.device])
            error[~data.stated if data is assumed else ~measured | ~data.named] = np.nan
        kinds = {
            "assumed": ~data.named,
            "mixture": data.mixture,
            "unmeasured": ~kernels,
            "across": np.broadcast_to(exchanged_across(data.known), (count,)),
        }
        vendors = ~data.named & (data.assumed_speed < 1)
        parts.append(Errors(error, data.source, data.family, vendors, kinds))
    every = Errors(
        *(np.concatenate([part[i] for part in parts]) for i in range(4)),
        {name: np.concatenate([part.kinds[name] for part in parts]) for name in ADDED},
    )
    return every.of(~np.isnan(every.error))


def quantile(values: Any, sources: Any, share: float) -> float:
    """Quantile of values, each source counted once."""
    weight = np.array([1 / (sources == source).sum() for source in sources])
    order = np.argsort(values)
    place = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
    return float(np.interp(share, place, values[order]))


def speeds(rows: Errors) -> dict[str, float]:
    """Median of measured over predicted MFU with the vendor's software assumed, by family."""
    found = {}
    for family in dict.fromkeys(rows.family[rows.vendors]):
        if family not in LIKE:
            mine = rows.vendors & (rows.family == family)
            found[family] = math.exp(quantile(rows.error[mine], rows.source[mine], 0.5))
    return found | {family: found[other] for family, other in LIKE.items()}


def beside(rows: Errors, speed: Mapping[str, float]) -> Errors:
    """The errors beside the speed that software without a name is given."""
    given = [
        math.log(speed.get(family, 1.0)) if vendors else 0.0
        for family, vendors in zip(rows.family, rows.vendors, strict=True)
    ]
    return rows._replace(error=rows.error - np.array(given))


def parts(rows: Errors) -> dict[str, Any]:
    """Distances of a range's ends from 1, in logarithms: with named software, and what each kind adds to them."""

    def within(*having: str) -> Any:
        mine = np.ones(len(rows.error), dtype=bool)
        for name in ADDED:
            mine &= rows.kinds[name] == (name in having)
        count = len(set(rows.source[mine]))
        if count < _FEW:
            return np.zeros(2)
        wide = t.ppf(_ENDS[1], count - 1) / norm.ppf(_ENDS[1])
        low, high = (quantile(rows.error[mine], rows.source[mine], share) for share in _ENDS)
        return float(wide) * np.maximum([-low, high], 0.0)

    found = {"stated": within()}
    for name, having in (
        ("assumed", ("assumed",)),
        ("mixture", ("mixture",)),
        ("unmeasured", ("unmeasured",)),
        ("across", ("mixture", "across")),
    ):
        known = found["stated"] ** 2 + sum(found[other] ** 2 for other in having if other != name)
        added = np.sqrt(np.maximum(within(*having) ** 2 - known, 0.0))
        found[name] = np.maximum(added, np.abs(np.log(LEAST.get(name, (1.0, 1.0)))))
    return found


def _ends(rows: Errors, part: Mapping[str, Any]) -> Any:
    """Distances of the ends of each row's range from 1, in logarithms."""
    squares = sum(rows.kinds[name][:, None] * part[name] ** 2 for name in ADDED)
    return np.sqrt(part["stated"] ** 2 + squares)


def _inside(error: Any, ends: Any) -> Any:
    return (-ends[:, 0] <= error) & (error <= ends[:, 1])


def _cross_validated(rows: Errors) -> Any:
    """Whether each row is in the range that the other sources give it."""
    held = np.zeros(len(rows.error), dtype=bool)
    for source in set(rows.source):
        mine = rows.source == source
        others = rows.of(~mine)
        speed = speeds(others)
        ends = _ends(rows, parts(beside(others, speed)))
        held[mine] = _inside(beside(rows, speed).error, ends)[mine]
    return held


def report(rows: Errors, catalog: Catalog) -> list[tuple[str, str, str]]:
    """Print the speed of software without a name, the ranges, and the coverage by kind.

    Returns
    -------
    list of (str, str, str)
        Entry and field of kind performance with what the rows say, ranges rounded outwards.
    """
    families = catalog.kind("performance")
    given = {name: float(entry.get("assumed_speed", 1.0)) for name, entry in families.items()}
    speed = speeds(rows)
    for family, value in speed.items():
        count = len(set(rows.source[rows.vendors & (rows.family == family)]))
        print(f"software not named, {family}: {value:.2f} of its profile, {count} sources")
    found = [(family, "assumed_speed", f"{value:.2f}") for family, value in speed.items()]
    for name, (below, above) in parts(beside(rows, speed)).items():
        low = math.floor(100 * math.exp(-below) + 1e-9) / 100
        high = math.ceil(100 * math.exp(above) - 1e-9) / 100
        print(f"nine in ten, measured over predicted, {name}: {low:.2f} to {high:.2f}")
        found.append(("general", f"error_{name}", f"[{low:g}, {high:g}]"))
    own = beside(rows, given)
    kinds = list(zip(*(rows.kinds[name] for name in ADDED), strict=True))
    ranges = {
        kind: step_error(catalog, [n for n, has in zip(ADDED, kind, strict=True) if has])
        for kind in set(kinds)
    }
    ends = np.abs(np.log([(ranges[kind].low, ranges[kind].high) for kind in kinds]))
    held = {"crossed": _cross_validated(rows), "own": _inside(own.error, ends)}

    def line(words: str, mine: Any) -> None:
        names = set(rows.source[mine])

        def by_source(values: Any) -> float:
            return float(np.mean([values[mine & (rows.source == name)].mean() for name in names]))

        median = math.exp(quantile(own.error[mine], rows.source[mine], 0.5))
        print(
            f"  {words:40} {mine.sum():4} rows {len(names):3} sources {by_source(held['crossed']):5.0%}"
            f" {by_source(held['own']):5.0%} median {median:.2f} mean of sources {by_source(off(own.error)):.1%}"
        )

    print(
        "coverage by kind, cross-validated and of the catalog's ranges; measured over predicted MFU"
    )
    for kind in sorted(ranges):
        words = [name for name, has in zip(ADDED, kind, strict=True) if has] or ["stated"]
        line(", ".join(words), np.array([item == kind for item in kinds]))
    measured = ~rows.kinds["unmeasured"]
    line("all with named software", ~rows.kinds["assumed"] & measured)
    line("all without a name of the software", rows.kinds["assumed"] & measured)
    line("all whose kernels nobody measured", ~measured)
    return found
