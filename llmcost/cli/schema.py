"""``llmcost schema``."""

from __future__ import annotations

from llmcost.cli.options import Common, check_ending

EPILOG = "Example: llmcost schema --output llmcost.schema.json"


def command(
    options: Common = Common(without=("format", "json")),
) -> None:
    """Print the JSON Schema of a scenario file, for editors that complete and check TOML."""
    from llmcost.render.data import to_json
    from llmcost.scenario.json_schema import json_schema

    check_ending(options.output, (".json",))
    options.deliver(to_json(json_schema(options.catalog())))
