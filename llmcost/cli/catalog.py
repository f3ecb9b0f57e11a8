"""``llmcost catalog``."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcost.cli.options import Common

EPILOG = "Example: llmcost catalog accelerators h100-sxm"

#: Kinds whose entries are also found by what they are of: that kind, and the field that names it.
_OF = {
    "clouds": ("accelerators", "accelerator"),
    "purchases": ("accelerators", "accelerator"),
    "sites": ("operators", "operator"),
}


def command(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND]", help="accelerators, models, clouds, grids, …; all kinds without it."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="One entry, with every field and its source; of clouds and purchases also an accelerator's, of sites an operator's.",
        ),
    ] = None,
    options: Common = Common(),
) -> None:
    """List accelerators, models, clouds, grids, trends and levers with their sources."""
    from llmcost.catalog import KINDS
    from llmcost.errors import InputError, NoAnswerError, nearest
    from llmcost.render import catalog as show

    entries = options.catalog()
    if kind is not None and kind not in KINDS:
        kinds = nearest(kind, KINDS) or f"; kinds are {', '.join(KINDS)}"
        raise InputError(f'catalog: no kind "{kind[:60]}"{kinds}')
    if kind is None:
        options.deliver(
            show.kinds(
                {item: (text, len(entries.kind(item))) for item, text in KINDS.items()}, options
            )
        )
    elif name is None:
        options.deliver(show.listing(kind, entries.kind(kind), options))
    elif kind in _OF and name not in entries.kind(kind):
        whose, field = _OF[kind]
        device = entries.find(whose, name, "catalog")
        own = {k: v for k, v in entries.kind(kind).items() if v[field] == device}
        if not own:
            from llmcost.catalog.prices import not_sold

            unknown = (
                "no figure by place is known" if kind == "sites" else "nobody's price is known"
            )
            reason = (not_sold(device) if kind == "purchases" else "") or unknown
            raise NoAnswerError(f"catalog {kind}: {device}: {reason}")
        options.deliver(show.listing(kind, own, options))
    else:
        found = entries.find(kind, name, "catalog")
        options.deliver(show.entry(found, entries.kind(kind)[found], options))
