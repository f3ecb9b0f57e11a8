"""``llmcost report``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from llmcost.cli.options import SCENARIO_HELP, Common, Force, Sampled, Sets

EPILOG = "Example: llmcost report llama-3.1-405b deepseek-v3 --output report.html"


def command(
    scenarios: Annotated[list[str], typer.Argument(metavar="SCENARIO…", help=SCENARIO_HELP)],
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The page to write; - for standard output."
        ),
    ] = None,
    sets: Sets = None,
    title: Annotated[str | None, typer.Option("--title", help="Heading of the page.")] = None,
    until: Annotated[
        int | None, typer.Option("--until", metavar="YEAR", help="Last year of the projection.")
    ] = None,
    sampled: Sampled = Sampled(uncertainty="defaults", without=("quantiles",)),
    force: Force = False,
    options: Common = Common(without=("format", "json", "output")),
) -> None:
    """Write a report as one HTML page: tables, ranges, sources and charts."""
    from llmcost.analysis.compare import compare
    from llmcost.analysis.report import look_into
    from llmcost.analysis.stages import estimate_any as estimate
    from llmcost.errors import InputError
    from llmcost.files import check_new
    from llmcost.render.plots import figure
    from llmcost.render.report import report_page
    from llmcost.scenario import load_scenario

    if output is None:
        raise InputError("--output: is missing; name the page to write, like report.html")
    suffix = os.path.splitext(output)[1].lower()
    if output != "-" and suffix not in ("", ".html", ".htm", ".md"):
        raise InputError(
            f"--output {output}: a report cannot be written as {suffix}; it writes .html, .md; a browser prints the page as PDF"
        )
    if output != "-":
        check_new(output, force)
    if suffix != ".md":
        figure()  # without matplotlib, say so before the work
    entries = options.catalog()
    sampling = sampled.sampling()
    bases = [estimate(load_scenario(name, sets or (), entries), entries) for name in scenarios]
    found = [look_into(base, entries, sampling, until) for base in bases]
    heading = title or "What it takes to train " + ", ".join(base.name for base in bases)
    if suffix == ".md":
        from llmcost.render.data import estimate_markdown, markdown_text

        page = f"# {markdown_text(heading)}\n\n" + "\n".join(
            estimate_markdown(item.result) for item in found
        )
    else:
        both = compare([item.result for item in found]) if len(found) > 1 else None
        page = report_page(heading, found, both, sampling)
    for base in bases:
        options.warn(base.warnings)
    options._replace(output=None if output == "-" else output).deliver(page)
    if output != "-":
        options.note(f"wrote {output}")
