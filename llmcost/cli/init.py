"""``llmcost init``."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcost.cli.options import Common, Force

EPILOG = "Example: llmcost init my-run.toml && llmcost estimate my-run.toml"


def command(
    path: Annotated[
        str, typer.Argument(metavar="[PATH]", help="Where to write it.")
    ] = "scenario.toml",
    force: Force = False,
    options: Common = Common(without=("format", "json", "output", "catalog_files")),
) -> None:
    """Write a commented starter scenario."""
    from llmcost.files import packaged, write_atomic

    text = packaged("scenarios", "starter", "starter.toml").read_text(encoding="utf-8")
    if path == "-":
        from llmcost.cli.options import write_out

        write_out(text)
        return
    write_atomic(path, text, force)
    options.note(f"wrote {path}; try: llmcost estimate {path}")
