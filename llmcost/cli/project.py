"""``llmcost project``."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from llmcost.cli.options import Common, Metrics, Plot, Sampled, Scenario, Sets

EPILOG = "Example: llmcost project frontier --follow frontier --threshold cost_total_usd=1e9"


def command(
    scenario: Scenario,
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
    metrics: Metrics = None,
    plot: Plot = None,
    sampled: Sampled = Sampled(),
    options: Common = Common(formats=("table", "json", "jsonl", "csv", "markdown")),
) -> None:
    """Project a scenario year by year under growth trends and levers."""
    from llmcost.analysis import milestones
    from llmcost.analysis.compare import checked_metrics
    from llmcost.analysis.names import check_result
    from llmcost.analysis.project import project, with_samples
    from llmcost.analysis.stages import estimate_any as estimate
    from llmcost.errors import every
    from llmcost.render import project as show
    from llmcost.scenario import load_scenario

    said = threshold or ()
    checks: list[Any] = [partial(milestones.parse_threshold, text) for text in said]
    checks += [partial(check_result, name, "--waterfall") for name in waterfall or ()]
    *checked, asked = every([*checks, partial(checked_metrics, metrics, ())])
    thresholds, falls = checked[: len(said)], checked[len(said) :]
    usd = None if budget is None else milestones.parse_budget(budget)
    if plot is not None:
        from llmcost.render.plots import check_path

        check_path(plot)
    entries = options.catalog()
    base = estimate(load_scenario(scenario, sets or (), entries), entries)
    found = project(base, entries, follow, until, roadmap=roadmap)
    shown = asked or list(show.columns(found))
    sampling = sampled.sampling()
    if sampling is not None:
        found = with_samples(found, sampling, entries)
    crossings = [milestones.crossing(found, *item) for item in thresholds]
    steps = {name: milestones.waterfall(found, name) for name in falls}
    rows = None if usd is None else milestones.budget(base, entries, usd, until, roadmap)
    budgets = None if usd is None else {"usd": usd, "years": rows}
    if plot is not None:
        from llmcost.render import plots, year_charts

        if falls:
            drawn = year_charts.waterfall_plot(found, falls[0], steps[falls[0]])
        else:
            wanted = shown if metrics else ["flops", "peak_power_mw", "cost_total_usd"]
            drawn = year_charts.projection_plot(found, wanted, thresholds)
        options.warn(plots.save(plot, drawn))
    asked_for = {"--threshold": thresholds, "--waterfall": falls, "--budget": budgets}
    apart = [name for name, value in asked_for.items() if value]
    left = {"csv": apart, "jsonl": apart, "markdown": [n for n in apart if n == "--waterfall"]}
    unsaid = [
        f"{n}: is not in {options.format}; table and json have it"
        for n in left.get(options.format, ())
    ]
    options.warn([*found.warnings, *unsaid])
    if options.format == "table":
        from llmcost.render.table import console, text_of

        target = console(options.color, options.output is not None)
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

        options.deliver(to_json(show.project_object(found, crossings, steps, budgets)))
    else:
        options.deliver(show.project_markdown(found, shown, crossings, budgets))
