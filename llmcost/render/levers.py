"""Levers that change keys of the scenario, a row each: what they divide, beside what is stated."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.roadmap import DIVIDED, Pulled, stated_together, together
from llmcost.engine.results import RESULTS
from llmcost.render.grid import grid
from llmcost.render.numbers import plain, readable, significant

#: Results that levers divide, with short headings.
_COLUMNS = {
    "flops": "FLOP",
    "device_hours": "Hours",
    "energy_mwh": "Energy",
    "total_tco2e": "Carbon",
    "cost_total_usd": "Cost",
}


def header(result: Estimate) -> list[str]:
    """Headings of the rows."""
    loss = ["Loss"] if result.result("loss") is not None else []
    return ["Lever", *_COLUMNS.values(), *loss, "Stated"]


def rows(result: Estimate) -> list[list[str]]:
    """Cells of the levers in order, then of all that change keys."""
    levers = result.levers
    found = []
    for lever in levers:
        factors = [divided(lever.factors.get(key)) for key in _COLUMNS]
        found.append([lever.name, *factors, *_loss(result, lever), divided(lever.stated)])
    whole = ["Together", *(divided(together(levers, key)) for key in _COLUMNS)]
    return [*found, [*whole, *_loss(result, None), divided(stated_together(levers))]]


def _loss(result: Estimate, lever: Pulled | None) -> list[str]:
    if result.result("loss") is None:
        return []
    after = None if lever is None or lever.after is None else lever.after.result("loss")
    return [readable(after, RESULTS["loss"].unit).removesuffix(" nats/token") if after else ""]


def divided(factor: float | None) -> str:
    """A factor as a table shows it."""
    return "" if factor is None else f"÷{significant(factor)}"


def changes(result: Estimate) -> list[str]:
    """What each lever changes, a line each."""
    return [
        f"{lever.name}: {', '.join(f'{key} = {plain(value)}' for key, value in lever.changes.items())}"
        for lever in result.levers
        if lever.changes
    ]


def note(result: Estimate) -> str:
    """How the figures are to be read."""
    said = (
        "A factor divides what the levers before it leave; Together is the product of the factors, and Stated is"
        " what the source of a lever divides the cost by."
    )
    bare = [lever.name for lever in result.levers if not lever.changes]
    if bare:
        said += (
            f" Of {', '.join(bare)} nothing is computed, as no key is changed: only the stated figure is shown,"
            " and it is not in Together."
        )
    return said


def levers_table(result: Estimate, target: Console) -> None:
    """Print what each lever does, and which keys it changes."""
    names = header(result)
    table = grid(*names, right=range(1, len(names)))
    for row in rows(result):
        table.add_row(*row)
    target.print()
    target.print(table)
    for line in changes(result):
        target.print(f"  {line}", style="dim")
    target.print(note(result), style="dim")


def levers_line(result: Estimate, target: Console) -> None:
    """What each lever divides the cost by, in a few words."""
    each = [
        f"{lever.name} {divided(lever.factors['cost_total_usd'])}"
        for lever in result.levers
        if lever.factors.get("cost_total_usd") is not None
    ]
    all_ = together(result.levers, "cost_total_usd")
    computed = f"{', '.join(each)}; together {divided(all_)}, " if all_ is not None else ""
    stated = divided(stated_together(result.levers))
    target.print(f"Levers, of the cost: {computed}stated {stated}.")


def objects(result: Estimate) -> dict[str, Any]:
    """The levers as JSON has them."""
    levers = result.levers
    return {
        "levers": [
            {
                "name": lever.name,
                "changes": lever.changes,
                "stated_cost_factor": lever.stated,
                "factors": lever.factors or None,
                "results": None if lever.after is None else lever.after.results,
            }
            for lever in levers
        ],
        "levers_together": {
            "factors": {key: together(levers, key) for key in DIVIDED},
            "stated_cost_factor": stated_together(levers),
        },
    }
