"""Options that commands share."""

from __future__ import annotations

from inspect import signature

import pytest

from llmcost.cli.options import Common, Sampled, Sets, spread
from llmcost.errors import InputError
from tests.conftest import Run

TAKEN = []


def command(
    name: str,
    sampled: Sampled = Sampled(seed=3, without=("quantiles",)),
    sets: Sets = None,
    output: str = "own",
    options: Common = Common(without=("output",), formats=("table", "json")),
) -> None:
    """Take what is given."""
    TAKEN.append((name, sampled, sets, output, options))


def test_groups_are_spread_where_they_stand() -> None:
    found = spread(command)
    parameters = signature(found).parameters
    assert list(parameters) == [
        "name", "samples", "seed", "uncertainty", "sets", "output",
        "format", "json", "catalog_files", "no_color", "quiet",
    ]  # fmt: skip
    assert parameters["seed"].default == 3
    assert found.__doc__ == command.__doc__
    found(name="x", samples=10, sets=["a=1"], output="mine", json=True)
    name, sampled, sets, output, options = TAKEN.pop()
    assert (name, sets, output) == ("x", ["a=1"], "mine")
    assert (sampled.samples, sampled.seed, sampled.quantiles) == (10, 3, None)
    assert (options.format, options.output) == ("json", None)
    with pytest.raises(InputError, match="table, json"):
        found(name="x", format="csv")


@pytest.mark.parametrize(
    "arguments",
    [("init", "--json"), ("schema", "--format", "csv"), ("report", "gpt-3", "--quantiles", "0.5")],
)
def test_a_command_has_no_option_that_it_does_not_use(
    llmcost: Run, arguments: tuple[str, ...]
) -> None:
    done = llmcost(*arguments)
    assert done.returncode == 2
    assert (
        f"No such option: {arguments[-1] if arguments[0] == 'init' else arguments[-2]}"
        in done.stderr
    )
