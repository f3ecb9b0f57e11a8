"""Scenario keys in words, for those who do not write scenarios."""

from __future__ import annotations

import re

from llmcost.engine.results import COST, RESULTS
from llmcost.scenario.keys import spec


def key_words(key: str) -> str:
    """What an input is, in a few words; its key where the schema has none."""
    found = spec(key)
    return key if found is None else re.split(r"[;:(,]", found.help)[0].strip()


def is_word(name: str) -> bool:
    """Whether a column is a key that holds no number."""
    key = spec(name)
    return key is not None and key.kind != "number"


def result_words(key: str) -> str:
    """What a result is where no heading says its group: a total is one of cost."""
    entry = RESULTS[key]
    bare = entry.group == COST and entry.unit == "USD" and "cost" not in entry.label.lower()
    return f"{entry.label} cost" if bare else entry.label
