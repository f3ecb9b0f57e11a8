"""Scenario keys in words, for those who do not write scenarios."""

from __future__ import annotations

import re

from llmcost.scenario.schema import KEYS


def key_words(key: str) -> str:
    """What an input is, in a few words; its key where the schema has none."""
    return re.split(r"[;:(,]", KEYS[key].help)[0].strip() if key in KEYS else key
