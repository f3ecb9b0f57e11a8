"""What the people who make a model cost, from the figures of one person in ``data/staff.toml``.

A figure of one person is lognormal with a 90 % interval. A team's average tends to the mean, and
its interval narrows with the number of people, as if each were drawn alone: that is how Epoch AI
computed the staff of Cottier et al. 2024.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

#: Standard normal quantile of the ends of a 90 % interval.
_Z90 = 1.6448536269514722


class Average(NamedTuple):
    """Average of a team, with the 90 % interval that its size leaves."""

    value: float
    low: float
    high: float


def _moments(low: float, high: float) -> tuple[float, float]:
    """Mean and coefficient of variation of a lognormal with this 90 % interval."""
    sigma = math.log(high / low) / (2 * _Z90)
    return math.sqrt(low * high) * math.exp(sigma**2 / 2), math.sqrt(math.expm1(sigma**2))


def _average(mean: float, variation: float, people: float) -> Average:
    """Average of a number of people: lognormal, with the mean kept."""
    sigma = math.sqrt(math.log1p(variation**2 / max(people, 1.0)))
    ends = (mean * math.exp(sign * _Z90 * sigma - sigma**2 / 2) for sign in (-1, 1))
    return Average(mean, *ends)


def fte_share(entries: Mapping[str, Mapping[str, Any]], people: float) -> Average:
    """Share of their time that contributors give, averaged over a team of `people`."""
    return _average(*_moments(entries["fte_share"]["low"], entries["fte_share"]["high"]), people)


def usd_per_fte_year(
    entries: Mapping[str, Mapping[str, Any]], people: float, equity: bool = True
) -> Average:
    """Salary with overheads, and equity, of a full-time year [USD], averaged over a team.

    Parameters
    ----------
    entries : mapping
        The catalog's kind ``staff``.
    people : float
        Contributors.
    equity : bool
        Whether shares in the company count.
    """
    parts = {
        name: _moments(entries[name]["low"], entries[name]["high"])
        for name in ("salary", "overhead", "equity")
    }
    (salary, salary_cv), (overhead, overhead_cv) = parts["salary"], parts["overhead"]
    paid = salary * overhead
    variance = paid**2 * ((1 + salary_cv**2) * (1 + overhead_cv**2) - 1)
    mean = paid
    if equity:
        shares, shares_cv = parts["equity"]
        mean, variance = paid + shares, variance + (shares * shares_cv) ** 2
    return _average(mean, math.sqrt(variance) / mean, people)
