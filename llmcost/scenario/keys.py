"""Keys by name: as a file shows them, as ``--set`` writes them, and the nearest to a wrong one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from llmcost.errors import InputError, nearest
from llmcost.scenario.schema import (
    KEYS,
    SPECIAL_SECTIONS,
    STAGE_KEYS,
    TEXT,
    Key,
    by_quantity,
    sections,
)
from llmcost.scenario.values import parse_value, show

#: What other tools call a key; a hint only, no second name.
OTHER_NAMES = {
    "gpu": "cluster.accelerator",
    "gpu_type": "cluster.accelerator",
    "gpus": "cluster.devices",
    "num_gpus": "cluster.devices",
    "n_gpus": "cluster.devices",
    "file": "model.config",
    "num_layers": "model.layers",
    "batch_size": "parallelism.global_batch_seqs",
    "global_batch_size": "parallelism.global_batch_seqs",
    "micro_batch_size": "parallelism.micro_batch",
    "sequence_length": "model.seq_len",
    "dtype": "training.precision",
    "hours": "cluster.days",
}
#: Before the name of a stage, in the name of a key of that stage alone.
STAGE_PREFIX = "stages."
#: A key of a stage whose name stands in quotes, as a condition needs it of one that is no word.
_QUOTED_STAGE = re.compile(r"stages\.([\"'])(.*?)\1\.(.+)")

#: Keys that say what a stage or a file is, and that nothing overrides.
STAGE_FIXED = ("name", "kind", "description", "schema_version")


@lru_cache(maxsize=4096)
def spec(name: str) -> Key | None:
    """The key of a dotted name, that of one stage too (``stages.sft.data.tokens``); None if none."""
    if name in KEYS:
        return KEYS[name]
    found = stage_key(name)
    if found is None:
        return None
    own = KEYS.get(found[1]) or STAGE_KEYS[found[1]]
    return own._replace(name=name, quantity="")


def stage_key(name: str) -> tuple[str, str] | None:
    """The stage, and the key in it, of the name of one stage's key; None of any other name."""
    if not name.startswith(STAGE_PREFIX):
        return None
    parts = name.removeprefix(STAGE_PREFIX).split(".")
    for cut in range(1, len(parts)):
        key = ".".join(parts[cut:])
        if (key in KEYS or key in STAGE_KEYS) and key not in STAGE_FIXED:
            return ".".join(parts[:cut]), key
    return None


def unquoted_stage(name: str) -> str:
    """The name of a stage's key without quotes about the stage, ``stages."long context".model.seq_len``."""
    found = _QUOTED_STAGE.fullmatch(name)
    return f"{STAGE_PREFIX}{found[2]}.{found[3]}" if found else name


def place(key: str) -> str:
    """A key as its file shows it: ``[cluster] devices``."""
    section, _, short = key.rpartition(".")
    return f"[{section}] {short}" if section else short


def split_set(text: str, option: str = "--set") -> tuple[Key, str]:
    """Split ``section.key=value`` and find the key.

    Raises
    ------
    InputError
        If there is no ``=`` or no such key.
    """
    name, equals, raw = text.partition("=")
    name = name.strip()
    if not equals:
        raise InputError(f"{option} {show(text)}: write it as section.key=value")
    return find_key(name, f"{option} "), raw.strip()


def find_key(name: str, prefix: str = "") -> Key:
    """The key of a dotted name.

    Raises
    ------
    InputError
        If there is none; the message starts with `prefix` and the name.
    """
    name = unquoted_stage(name)
    found = spec(name)
    if found is not None:
        return found
    short = name.rpartition(".")[2]
    same = [key for key in KEYS if key.rpartition(".")[2] == short]
    hint = f'; did you mean "{same[0]}"?' if same else _likely(name)
    if name.partition(".")[0].partition("[")[0] in SPECIAL_SECTIONS:
        hint = "; that section is written in the file"
    if name.startswith(STAGE_PREFIX):
        hint = "; write a key of one stage as stages.NAME.section.key=value"
    shown = show(name)[1:-1]
    raise InputError(f"{prefix}{shown}: unknown key{hint}")


def parse_raw(key: Key, raw: str) -> Any:
    """Read the value of a key from command-line text: a TOML value, or plain text.

    Raises
    ------
    ValueProblem
        If the key cannot hold it.
    """
    import tomli

    value: Any = raw
    try:
        table = tomli.loads(f"value = {raw}") if len(raw) < 10_000 else {}
        if set(table) == {"value"} and (
            key.kind not in (TEXT, "entry", "choice") or isinstance(table["value"], str)
        ):
            value = table["value"]
    except (tomli.TOMLDecodeError, RecursionError, ValueError):
        pass
    return parse_value(key, value)


def near(name: str) -> str:
    """The nearest key: of the same section first, then of any."""
    section, _, short = name.rpartition(".")
    here = [key.short for key in KEYS.values() if key.section == section]
    if not section:
        here += sections()
    elsewhere = [key for key in KEYS if key.rpartition(".")[2] == short]
    if not elsewhere and short in by_quantity():
        elsewhere = [by_quantity()[short].name]
    if elsewhere:
        return f"; did you mean {place(elsewhere[0])}?"
    return nearest(short, here) or _likely(name)


def _likely(name: str) -> str:
    """The key whose name is near; of a known section only by what follows it, for all its keys start alike."""
    section, _, short = name.rpartition(".")
    here = {key.short: key.name for key in KEYS.values() if key.section == section}
    near_by = nearest(short, here).partition('"')[2].partition('"')[0]
    key = OTHER_NAMES.get(short) or here.get(near_by)
    wrong_section = not section or not here
    hint = f'; did you mean "{key}"?' if key else nearest(name, KEYS) if wrong_section else ""
    return hint or "; `llmcost schema` lists the keys"


def unquoted(text: str) -> str:
    """A name as a message shows it: cut and escaped, without quotes."""
    return show(text)[1:-1]
