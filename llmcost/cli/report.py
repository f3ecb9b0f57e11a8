"""``llmcost report``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from llmcost.cli.options import SCENARIO_HELP, Common, Force, Sampled, Sets, check_ending
from llmcost.cli.progress import tell

EPILOG = "Example: llmcost report llama-3.1-405b deepseek-v3 --output report.html"
#: Suffixes that it writes; a file without a suffix is a page.
ENDINGS = (".html", ".htm", ".md", ".pdf")


def command(
    scenarios: Annotated[list[str], typer.Argument(metavar="SCENARIO…", help=SCENARIO_HELP)],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="What to write: .html, .md, .pdf (llmcost\\[pdf]); - for a page on standard output.",
        ),
    ] = None,
    sets: Sets = None,
    title: Annotated[str | None, typer.Option("--title", help="Heading of the page.")] = None,
    until: Annotated[
        int | None,
        typer.Option("--until", metavar="YEAR", help="Project to that year; none if not given."),
    ] = None,
    sampled: Sampled = Sampled(uncertainty="defaults", without=("quantiles",)),
    force: Force = False,
    options: Common = Common(without=("format", "json", "output")),
) -> None:
    """Write a report: the answer, what it is made of, its ranges, and what it rests on."""
    from llmcost.analysis.compare import compare
    from llmcost.analysis.report import Section, look_into
    from llmcost.analysis.stages import estimate_any as estimate
    from llmcost.errors import InputError
    from llmcost.files import check_new
    from llmcost.render import pdf
    from llmcost.render.html import html_page
    from llmcost.render.markdown import markdown_page
    from llmcost.render.plots import figure
    from llmcost.render.report import report
    from llmcost.scenario import load_scenario

    if output is None:
        raise InputError("--output: is missing; name the page to write, like report.html")
    suffix = os.path.splitext(output)[1].lower()
    if output != "-":
        check_ending(output, ENDINGS)
        check_new(output, force)
    if suffix == ".pdf":
        pdf.check()  # without a library, say so before the work
    elif suffix != ".md":
        figure()
    entries = options.catalog()
    sampling = sampled.sampling()
    bases = [estimate(load_scenario(name, sets or (), entries), entries) for name in scenarios]
    found: list[Section] = []
    for base in bases:
        tell(f"{base.name}, {len(found) + 1} of {len(bases)}")
        found.append(look_into(base, entries, sampling, until))
    tell("charts and pages")
    both = compare([item.result for item in found]) if len(found) > 1 else None
    heading = title or "What it takes to train " + ", ".join(base.name for base in bases)
    document = report(heading, found, both, sampling)
    for base in bases:
        options.warn(base.warnings)
    if suffix == ".pdf":
        data, lost = pdf.pdf_file(document)
        options.warn(lost)
        with options._replace(output=output).stream(binary=True) as stream:
            stream.write(data)
    else:
        text = markdown_page(document) if suffix == ".md" else html_page(document)
        options._replace(output=None if output == "-" else output).deliver(text)
    if output != "-":
        options.note(f"wrote {output}")
