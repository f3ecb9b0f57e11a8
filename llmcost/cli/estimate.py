"""``llmcost estimate``."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcost.cli.options import Common, Plot, Sampled, Scenario, Sets, check_ending, kind_of_plot
from llmcost.errors import InputError

EPILOG = "Example: llmcost estimate llama-3.1-405b --set cluster.accelerator=b200-sxm --json"


def command(
    scenario: Scenario,
    sets: Sets = None,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="[KEY]",
            help="Show the formula of a result with the numbers put in; of all without KEY.",
        ),
    ] = None,
    sources: Annotated[
        bool,
        typer.Option(
            "--sources", help="List every default and figure of the catalog with its source."
        ),
    ] = False,
    details: Annotated[
        bool,
        typer.Option("--details", help="Show all of a table that is longer than a screen."),
    ] = False,
    sampled: Sampled = Sampled(),
    tornado: Annotated[
        str | None,
        typer.Option(
            "--tornado",
            metavar="RESULT",
            help="Which uncertain inputs drive the range of a result.",
        ),
    ] = None,
    plot: Plot = None,
    draw: Annotated[
        str | None,
        typer.Option(
            "--draw",
            metavar="WHAT",
            help="What --plot draws: cost, memory, step or tornado; the tornado where one is asked for, else the cost.",
        ),
    ] = None,
    emit: Annotated[
        str | None,
        typer.Option(
            "--emit",
            metavar="TRAINER",
            help="Write the layout as settings of megatron, torchtitan or deepspeed instead.",
        ),
    ] = None,
    options: Common = Common(own=(".toml",)),
) -> None:
    """Estimate one scenario: devices, days, energy, carbon, water and cost."""
    formatted = options.format != "table" and options.output is None
    if emit is not None and (explain or tornado or plot or sampled.asked or formatted):
        raise InputError(
            "--emit writes a trainer's settings; leave --explain, --tornado, --plot, --samples and --format out"
        )
    if emit is None:
        options.check_ending()
    else:
        from llmcost.scenario.exporters import emit as settings
        from llmcost.scenario.exporters import trainer_of

        check_ending(options.output, (trainer_of(emit).ending,))
    kind = kind_of_plot(plot, draw, "tornado" if tornado else "cost", ("tornado",))
    if kind == "tornado" and not tornado:
        raise InputError("--draw tornado: of which result? give --tornado RESULT")
    from llmcost.analysis.estimate import published_run
    from llmcost.analysis.stages import estimate_any as estimate
    from llmcost.scenario import load_scenario

    entries = options.catalog()
    result = estimate(load_scenario(scenario, sets or (), entries), entries)
    if result.inputs.scenario.levers:
        from llmcost.analysis.roadmap import with_levers

        result = with_levers(result, entries)
    bars = None
    if sampled.asked or tornado:
        from llmcost.analysis.sampling import DEFAULT_SAMPLES, Sampling
        from llmcost.analysis.uncertainty import with_uncertainty

        sampling = sampled.sampling()
        if sampling is None and tornado:
            sampling = Sampling(DEFAULT_SAMPLES, sampled.seed)
        if sampling is not None:
            result = with_uncertainty(result, sampling, entries)
            if tornado:
                from llmcost.analysis.tornado import tornado as driven_by

                bars = driven_by(result, sampling, entries, tornado)
    options.warn(result.warnings)
    if plot is not None:
        from llmcost.render import charts, plots

        if kind == "tornado" and tornado and bars:
            figure = charts.tornado_plot(result, tornado, bars)
        else:
            figure = charts.estimates_plot({result.name: result}, kind)
        options.warn(plots.save(plot, figure))
    if emit is not None:
        options.deliver(settings(result.name, result.provenance(), emit, entries))
    elif explain is not None:
        from llmcost.render.table import console, explanation, text_of

        target = console(options.color, options.output is not None)
        explanation(result, None if explain == "all" else explain, target)
        options.deliver(text_of(target))
    elif options.format == "table":
        from llmcost.render.estimate import estimate_table
        from llmcost.render.table import console, text_of, tornado_table

        target = console(options.color, options.output is not None)
        whole = details or options.output is not None
        estimate_table(result, published_run(result, entries), target, sources, whole)
        if tornado and bars:
            tornado_table(tornado, bars, target)
        options.deliver(text_of(target))
    else:
        from llmcost.render import data

        text = {
            "json": lambda: data.to_json(
                data.estimate_object(result) | data.tornado_object(tornado, bars)
            ),
            "csv": lambda: data.estimates_csv({result.name: result}),
            "markdown": lambda: data.estimate_markdown(result),
        }[options.format]()
        options.deliver(text)
