"""The nearest key of a wrong name."""

from __future__ import annotations

import pytest

from llmcost.errors import InputError
from llmcost.scenario.keys import OTHER_NAMES, find_key, near
from llmcost.scenario.schema import KEYS


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("cluster.gpus", "cluster.devices"),
        ("model.file", "model.config"),
        ("cluster.acelerator", "cluster.accelerator"),
        ("modle.params", "model.params"),
        ("token", "data.tokens"),
        ("cluster.tp", "parallelism.tp"),
    ],
)
def test_a_wrong_key_names_the_one_that_was_meant(wrong: str, right: str) -> None:
    with pytest.raises(InputError, match=f'did you mean "{right}"'):
        find_key(wrong)


@pytest.mark.parametrize("wrong", ["model.zzqqx", "cluster.gpz", "foo"])
def test_a_key_near_none_is_given_no_neighbour_of_its_section(wrong: str) -> None:
    assert near(wrong) == "; `llmcost schema` lists the keys"


def test_other_tools_names_are_of_keys_and_are_none() -> None:
    assert set(OTHER_NAMES.values()) <= set(KEYS)
    assert not set(OTHER_NAMES) & {key.short for key in KEYS.values()}
