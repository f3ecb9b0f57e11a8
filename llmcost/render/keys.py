"""Scenario keys in words, for those who do not write scenarios."""

from __future__ import annotations

import re

from llmcost.scenario.keys import spec


def key_words(key: str) -> str:
    """What an input is, in a few words; its key where the schema has none."""
    found = spec(key)
    return key if found is None else re.split(r"[;:(,]", found.help)[0].strip()
