"""``llmcost sweep``."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcost.cli.options import Common, Plot, Sampled, Scenario, Sets

EPILOG = "Example: llmcost sweep llama-3.1-405b --axis training.mfu=0.3:0.5:0.05 --minimize cost_total_usd"
_Many = list[str] | None


def command(
    scenario: Scenario,
    axis: Annotated[
        _Many,
        typer.Option(
            "--axis",
            metavar="KEY=VALUES",
            help="a,b,c; start:stop:step; start:stop:log:count; start:stop:lin:count; @file.csv. Repeatable.",
        ),
    ] = None,
    zip: Annotated[
        _Many,
        typer.Option(
            "--zip",
            metavar="KEY=VALUES",
            help="An axis that moves together with the other --zip axes.",
        ),
    ] = None,
    where: Annotated[
        _Many,
        typer.Option(
            "--where",
            metavar="CONDITION",
            help="Keep rows that meet it, like 'days <= 90 and cost_total_usd < 1e8'.",
        ),
    ] = None,
    minimize: Annotated[
        str | None, typer.Option("--minimize", metavar="KEY", help="Smallest first.")
    ] = None,
    maximize: Annotated[
        str | None, typer.Option("--maximize", metavar="KEY", help="Largest first.")
    ] = None,
    top: Annotated[int | None, typer.Option("--top", metavar="N", help="So many rows.")] = None,
    pareto: Annotated[
        str | None,
        typer.Option(
            "--pareto",
            metavar="A,B,…",
            help="Rows that no other beats in every objective; -KEY is maximized.",
        ),
    ] = None,
    select: Annotated[
        str | None, typer.Option("--select", metavar="A,B,…", help="Columns.")
    ] = None,
    solve: Annotated[
        str | None,
        typer.Option(
            "--solve", metavar="KEY", help="Find the key that meets the targets, in every cell."
        ),
    ] = None,
    target: Annotated[
        _Many,
        typer.Option(
            "--target",
            metavar="RESULT=VALUE",
            help="What --solve has to meet; of several, the one that binds first.",
        ),
    ] = None,
    between: Annotated[
        str | None, typer.Option("--between", metavar="LOW:HIGH", help="Where --solve looks.")
    ] = None,
    plot: Plot = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the sweep in the folder --output.")
    ] = False,
    shard: Annotated[
        str | None, typer.Option("--shard", metavar="I/N", help="The I-th of N parts of the rows.")
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            metavar="local|dask",
            help="Threads here, or a dask cluster (llmcost\\[dask]).",
        ),
    ] = "local",
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            metavar="ADDRESS",
            help="Of the dask scheduler; a cluster on this machine without it.",
        ),
    ] = None,
    unknown: Annotated[
        str,
        typer.Option(
            "--unknown",
            metavar="drop|keep|error",
            help="What becomes of cells that a condition, rank or front cannot judge, as a price or a power is unknown.",
        ),
    ] = "drop",
    rows: Annotated[
        str | None,
        typer.Option(
            "--rows",
            metavar="FILE",
            help="A table of runs, csv or parquet: headers are keys, other columns pass through.",
        ),
    ] = None,
    sets: Sets = None,
    sampled: Sampled = Sampled(),
    options: Common = Common(formats=("table", "json", "jsonl", "csv", "markdown", "parquet")),
) -> None:
    """Evaluate a grid over scenario keys: filter, rank, solve, Pareto front, files."""
    from llmcost.jobs.order import Order
    from llmcost.jobs.question import Question
    from llmcost.jobs.sweep import deliver
    from llmcost.scenario import load_scenario

    entries = options.catalog()
    base = load_scenario(scenario, sets or (), entries)
    question = Question.of(
        base, entries, axis, zip, where, minimize, maximize, top, pareto, select, solve, target, between,
        drawn=plot is not None, sampling=sampled.sampling(), rows=rows,
        unjudged=unknown,
    )  # fmt: skip
    order = Order.of(options.format, options.output, plot, resume, shard, engine, scheduler)
    deliver(question, order, options)
