"""``llmcost project``."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcost.cli.options import (
    SCENARIO_HELP,
    CatalogFiles,
    Format,
    Json,
    NoColor,
    Output,
    Quantiles,
    Quiet,
    Samples,
    Seed,
    Sets,
    Uncertainty,
    common,
)

EPILOG = "Example: llmcost project frontier --follow frontier --threshold cost_total_usd=1e9"


def command(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help=SCENARIO_HELP)],
    sets: Sets = None,
    until: Annotated[
        int | None, typer.Option("--until", metavar="YEAR", help="Last year; 2035 by default.")
    ] = None,
    follow: Annotated[
        str,
        typer.Option(
            "--follow",
            metavar="model|frontier",
            help="The same model trained later, or the frontier's.",
        ),
    ] = "model",
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold", metavar="KEY=VALUE", help="When a result crosses a value; repeatable."
        ),
    ] = None,
    roadmap: Annotated[
        bool,
        typer.Option("--roadmap", help="Pull the catalog's levers where the scenario has none."),
    ] = False,
    waterfall: Annotated[
        list[str] | None,
        typer.Option(
            "--waterfall",
            metavar="KEY",
            help="What each lever takes off a result in the last year.",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="USD",
            help="The largest compute-optimal model that it trains, by year.",
        ),
    ] = None,
    metrics: Annotated[
        str | None, typer.Option("--metrics", metavar="A,B,…", help="Results to show.")
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option("--plot", metavar="FILE", help="Draw it: svg, png or pdf (llmcost[plot])."),
    ] = None,
    samples: Samples = None,
    seed: Seed = 0,
    quantiles: Quantiles = None,
    uncertainty: Uncertainty = "none",
    format: Format = "table",
    json: Json = False,
    output: Output = None,
    catalog: CatalogFiles = None,
    no_color: NoColor = False,
    quiet: Quiet = False,
) -> None:
    """Project a scenario year by year under growth trends and levers."""
    options = common(
        format,
        json,
        output,
        no_color,
        quiet,
        catalog,
        ("table", "json", "jsonl", "csv", "markdown"),
    )
    from llmcost.analysis import project as analysis
    from llmcost.analysis.compare import checked_metrics
    from llmcost.analysis.estimate import estimate
    from llmcost.analysis.uncertainty import Sampling
    from llmcost.render import project as show
    from llmcost.scenario import load_scenario

    thresholds = [analysis.parse_threshold(text) for text in threshold or ()]
    shown = checked_metrics(metrics, show.COLUMNS)
    falls = [analysis.check_metric(name, "--waterfall") for name in waterfall or ()]
    usd = None if budget is None else analysis.parse_budget(budget)
    entries = options.catalog()
    base = estimate(load_scenario(scenario, sets or (), entries), entries)
    found = analysis.project(base, entries, follow, until, roadmap=roadmap)
    sampling = Sampling.of(samples, seed, quantiles, uncertainty)
    if sampling is not None:
        found = analysis.with_samples(found, sampling, entries)
    crossings = [analysis.crossing(found, *item) for item in thresholds]
    steps = {name: analysis.waterfall(found, name) for name in falls}
    rows = None if usd is None else analysis.budget(base, entries, usd, until, roadmap)
    if plot is not None:
        from llmcost.files import write_atomic
        from llmcost.render import plots

        ending = plots.check_path(plot)
        if falls:
            drawn = plots.waterfall_plot(falls[0], steps[falls[0]], int(found.years[-1]))
        else:
            wanted = shown if metrics else ["flops", "peak_power_mw", "cost_total_usd"]
            drawn = plots.projection_plot(found, wanted, thresholds)
        write_atomic(plot, plots.image(drawn, ending))
    options.warn(found.warnings)
    if options.format == "table":
        from llmcost.render.table import console, text_of

        target = console(options.color, output is not None)
        show.project_table(found, shown, target)
        if crossings:
            show.crossings_table(crossings, target)
        for name, items in steps.items():
            show.waterfall_table(name, items, int(found.years[-1]), target)
        if usd is not None and rows is not None:
            show.budget_table(usd, rows, bool(found.levers), target)
        options.deliver(text_of(target))
    elif options.format == "csv":
        options.deliver(show.project_csv(found))
    elif options.format == "jsonl":
        from llmcost.render.data import to_json

        options.deliver("".join(to_json(row, None) for row in show.year_rows(found)))
    elif options.format == "json":
        from llmcost.render.data import to_json

        options.deliver(
            to_json(
                show.project_object(
                    found, crossings, steps, None if usd is None else {"usd": usd, "years": rows}
                )
            )
        )
    else:
        options.deliver(show.project_markdown(found, shown, crossings))
