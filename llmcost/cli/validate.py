"""``llmcost validate``."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcost.cli.options import Common
from llmcost.cli.progress import tell

EPILOG = "Example: llmcost validate --json"


def command(
    all_cases: Annotated[
        bool, typer.Option("--all", help="Show every case, not the worst alone.")
    ] = False,
    options: Common = Common(),
) -> None:
    """Run the published cases: predicted against published; exit 1 outside a tolerance."""
    from llmcost.analysis.validate import failures, summarize, validate
    from llmcost.errors import NoAnswerError
    from llmcost.render import validate as show

    cases = validate(options.catalog(), tell)
    groups, sources = summarize(cases), summarize(cases, by_source=True)
    if options.format == "json":
        from llmcost.render.data import to_json

        options.deliver(to_json(show.validate_object(cases, groups, sources)))
    elif options.format == "csv":
        options.deliver(show.validate_csv(cases))
    elif options.format == "markdown":
        options.deliver(show.validate_markdown(groups, sources))
    else:
        from llmcost.render.table import console, text_of

        target = console(options.color, options.output is not None)
        show.validate_table(cases, groups, sources, all_cases, target)
        options.deliver(text_of(target))
    broken = failures(groups, sources)
    if broken:
        raise NoAnswerError(
            f"validation failed: {', '.join(broken)} outside the documented tolerance"
        )
