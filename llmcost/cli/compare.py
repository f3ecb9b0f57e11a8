"""``llmcost compare``."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcost.cli.options import Common, Draw, Metrics, Plot, Sampled, Sets, kind_of_plot

EPILOG = "Example: llmcost compare llama-3.1-405b --set-b cluster.accelerator=b200-sxm"

_Variant = list[str] | None


def _variant(letter: str, place: str) -> typer.models.OptionInfo:
    text = f"Set a key of the {place} scenario, or of a copy of the first; repeatable."
    return typer.Option(f"--set-{letter}", metavar="KEY=VALUE", help=text)  # type: ignore[no-any-return]


def command(
    scenarios: Annotated[
        list[str],
        typer.Argument(metavar="A [B …]", help="Scenario files, bundled names, or - once."),
    ],
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="NAME",
            help="What the others are measured against; the first by default.",
        ),
    ] = None,
    sets: Sets = None,
    set_b: Annotated[_Variant, _variant("b", "second")] = None,
    set_c: Annotated[_Variant, _variant("c", "third")] = None,
    set_d: Annotated[_Variant, _variant("d", "fourth")] = None,
    ranges: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="KEY=A,B,…",
            help="Copies of the first scenario, one a value, like cluster.accelerator=h200-sxm,mi300x; of several, one a combination.",
        ),
    ] = None,
    places: Annotated[
        str | None,
        typer.Option(
            "--places",
            metavar="A,B,…",
            help="The first scenario in these countries or regions: electricity, grid and water.",
        ),
    ] = None,
    metrics: Metrics = None,
    plot: Plot = None,
    draw: Draw = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if",
            metavar="CONDITION",
            help="Exit 1 where it holds, like 'cost_total_usd.ratio > 1.1'; also .difference.",
        ),
    ] = None,
    sampled: Sampled = Sampled(),
    options: Common = Common(),
) -> None:
    """Set scenarios side by side: what differs in their inputs and their results."""
    from llmcost.analysis.compare import (
        METRICS,
        PLACE_METRICS,
        checked_metrics,
        compare,
        default_metrics,
    )
    from llmcost.analysis.expression import Expression
    from llmcost.analysis.variants import estimate_places, estimate_variants
    from llmcost.errors import InputError, NoAnswerError
    from llmcost.render import compare as show
    from llmcost.render.numbers import mixed_currencies

    shown = checked_metrics(metrics, METRICS)
    kind = kind_of_plot(plot, draw)
    conditions = [Expression(text, "--fail-if") for text in fail_if or ()]
    sampling = sampled.sampling()
    variants = (set_b, set_c, set_d)
    if places is not None:
        if len(scenarios) > 1 or any(variants) or ranges:
            raise InputError("--places compares one scenario with itself; leave the others out")
        estimates = estimate_places(
            scenarios[0], sets or (), places.split(","), options.catalog(), sampling
        )
    else:
        estimates = estimate_variants(
            scenarios, sets or (), variants, options.catalog(), sampling, ranges or ()
        )
    found = compare(estimates, baseline)
    if metrics is None:
        shown = default_metrics(found) if places is None else list(PLACE_METRICS)
    if plot is not None:
        from llmcost.render import charts, plots

        notes = plots.save(plot, charts.estimates_plot(found.estimates, kind))
        bare = charts.not_drawn(found.estimates, kind)
        options.warn([*notes, *(f"--plot {plot}: {kind} of {name} is not known" for name in bare)])
    failing = [(item.text, found.failing(item)) for item in conditions]
    options.warn(mixed_currencies(*(item.inputs.scenario for item in found.estimates.values())))
    options.warn(
        [f"{name}: {text}" for name, item in found.estimates.items() for text in item.warnings]
    )
    if options.format == "table":
        from llmcost.render.table import console, text_of

        target = console(options.color, options.output is not None)
        show.compare_table(found, shown, target)
        options.deliver(text_of(target))
    elif options.format == "json":
        from llmcost.render.data import to_json

        options.deliver(to_json(show.compare_object(found)))
    elif options.format == "csv":
        options.deliver(show.compare_csv(found))
    else:
        options.deliver(show.compare_markdown(found, shown))
    broken = [f"{text}: holds for {', '.join(names)}" for text, names in failing if names]
    if broken:
        for line in broken:
            options.note(f"failed: {line}")
        raise NoAnswerError([])
