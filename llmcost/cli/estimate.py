"""``llmcost estimate``."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcost.cli.options import Common, Sampled, Scenario, Sets, check_ending
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
    sampled: Sampled = Sampled(),
    tornado: Annotated[
        str | None,
        typer.Option(
            "--tornado",
            metavar="RESULT",
            help="Which uncertain inputs drive the range of a result.",
        ),
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(
            "--plot", metavar="FILE", help="Draw the tornado: svg, png or pdf (llmcost\\[plot])."
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
    from llmcost.analysis.estimate import published_run
    from llmcost.analysis.stages import estimate_any as estimate
    from llmcost.scenario import load_scenario

    entries = options.catalog()
    result = estimate(load_scenario(scenario, sets or (), entries), entries)
    if result.inputs.scenario.levers:
        from llmcost.analysis.roadmap import with_levers

        result = with_levers(result, entries)
    bars = None
    if sampled.asked or tornado or plot:
        from llmcost.analysis import uncertainty as analysis

        if plot and not tornado:
            raise InputError("--plot draws a tornado; give --tornado RESULT")
        sampling = sampled.sampling()
        if sampling is None and tornado:
            sampling = analysis.Sampling(analysis.DEFAULT_SAMPLES, sampled.seed)
        if sampling is not None:
            result = analysis.with_uncertainty(result, sampling, entries)
            bars = analysis.tornado(result, sampling, entries, tornado) if tornado else None
    options.warn(result.warnings)
    if plot and tornado and bars:  # first: what cannot be drawn leaves standard output empty
        from llmcost.files import write_atomic
        from llmcost.render import plots
        from llmcost.render.numbers import show_in

        show_in(result.inputs.scenario)
        write_atomic(
            plot, plots.image(plots.tornado_plot(result, tornado, bars), plots.check_path(plot))
        )
    if emit is not None:
        options.deliver(settings(result.name, result.provenance(), emit, entries))
    elif explain is not None:
        from llmcost.render.table import console, explanation, text_of

        target = console(options.color, options.output is not None)
        explanation(result, None if explain == "all" else explain, target)
        options.deliver(text_of(target))
    elif options.format == "table":
        from llmcost.render.table import console, estimate_table, text_of, tornado_table

        target = console(options.color, options.output is not None)
        estimate_table(result, published_run(result, entries), target, sources)
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
