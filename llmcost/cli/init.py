"""``llmcost init``."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcost.cli.options import Common, Force, Sets

EPILOG = "Example: llmcost init my-run.toml --from train.sh && llmcost estimate my-run.toml"


def command(
    path: Annotated[
        str, typer.Argument(metavar="[PATH]", help="Where to write it; - for standard output.")
    ] = "scenario.toml",
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="A trainer's own configuration or launch script; repeatable for the files of one run.",
        ),
    ] = None,
    sets: Sets = None,
    force: Force = False,
    options: Common = Common(without=("format", "json", "output")),
) -> None:
    """Write a scenario: a commented starter, or what a trainer's files say."""
    from pathlib import Path

    from llmcost.errors import InputError
    from llmcost.files import check_new, packaged, write_atomic

    if sources:
        from llmcost.scenario.importers.trainers import read_run, scenario_of

        if path != "-":
            check_new(path, force)
        folder = "" if path == "-" else str(Path(path).parent)
        run = read_run(sources, options.catalog(), sets or (), folder)
        text = scenario_of(sources, run)
        for line in run.notes:
            options.note(f"note: {line}")
        options.warn([f"{line}: not understood" for line in run.unread])
    elif sets or options.catalog_files:
        raise InputError("--set and --catalog go with --from; the starter is edited by hand")
    else:
        text = packaged("scenarios", "starter", "starter.toml").read_text(encoding="utf-8")
    if path == "-":
        from llmcost.cli.options import write_out

        write_out(text)
        return
    write_atomic(path, text, force)
    options.note(f"wrote {path}; try: llmcost estimate {path}")
