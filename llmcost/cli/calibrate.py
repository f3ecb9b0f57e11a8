"""``llmcost calibrate``."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcost.cli.options import Common, Force, check_ending

EPILOG = "Example: llmcost calibrate steps.csv --output ours.toml && llmcost estimate run.toml --catalog ours.toml"


def command(
    rows: Annotated[
        str,
        typer.Argument(
            metavar="ROWS",
            help="Measured steps, csv or parquet: headers are scenario keys and step_time_s.",
        ),
    ],
    force: Force = False,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="The catalog file to write, .toml."),
    ] = None,
    options: Common = Common(without=("output",), formats=("table", "json")),
) -> None:
    """Make constants for your own cluster from steps that you measured."""
    from datetime import date

    from llmcost.analysis.calibrate import as_toml, calibrate
    from llmcost.files import check_new, write_atomic
    from llmcost.render import calibrate as show

    if output is not None:
        check_new(output, force)
        check_ending(output, (".toml",))
    found = calibrate(rows, options.catalog())
    options.warn(found.warnings)
    text = as_toml(found, rows, date.today().isoformat())
    if output is not None:  # before the table: a file that fails leaves standard output empty
        write_atomic(output, text, force)
    if options.format == "json":
        from llmcost.render.data import to_json

        options.deliver(to_json(show.calibrate_object(found)))
    else:
        from llmcost.render.table import console, text_of

        target = console(options.color)
        show.calibrate_table(found, target)
        options.deliver(text_of(target))
    if output is not None:
        options.note(f"wrote {output}; try: llmcost estimate … --catalog {output}")
