"""``llmcost schema``."""

from __future__ import annotations

from llmcost.cli.options import CatalogFiles, NoColor, Output, Quiet, common

EPILOG = "Example: llmcost schema --output llmcost.schema.json"


def command(
    output: Output = None,
    catalog: CatalogFiles = None,
    no_color: NoColor = False,
    quiet: Quiet = False,
) -> None:
    """Print the JSON Schema of a scenario file, for editors that complete and check TOML."""
    from llmcost.render.data import to_json
    from llmcost.scenario.json_schema import json_schema

    options = common("json", False, output, no_color, quiet, catalog)
    options.deliver(to_json(json_schema(options.catalog())))
