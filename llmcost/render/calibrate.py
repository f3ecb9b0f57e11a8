"""What measured steps made of the constants."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from llmcost.analysis.calibrate import Calibration
from llmcost.render.grid import grid
from llmcost.render.numbers import significant
from llmcost.version import __version__


def calibrate_object(found: Calibration) -> dict[str, Any]:
    """Constants and errors as one JSON object."""
    return {
        "schema_version": 1,
        "llmcost_version": __version__,
        "rows": found.rows,
        "mean_error_before": found.before,
        "mean_error_after": found.after,
        "constants": [item._asdict() for item in found.constants],
    }


def calibrate_table(found: Calibration, target: Console) -> None:
    """Print the constants that the rows told, those that they could not, and the errors."""
    table = grid("Constant", "before", "after", "± sd", right=[1, 2, 3])
    for item in found.constants:
        if item.told:
            table.add_row(
                f"{item.software} {item.field}",
                significant(item.before),
                significant(item.after),
                significant(item.deviation, 2),
            )
    target.print(table)
    rest = [f"{item.software} {item.field}" for item in found.constants if not item.told]
    if rest:
        target.print()
        target.print(f"Not told by the rows, left as they were: {', '.join(rest)}.", style="dim")
    steps = "1 step" if found.rows == 1 else f"{found.rows} steps"
    target.print(
        f"Mean error of {steps}: {found.before:.1%} before, {found.after:.1%} after.",
        style="dim",
    )
