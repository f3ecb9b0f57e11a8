"""What a scenario file holds besides keys with values: levers, items, correlations, the sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from llmcost.errors import nearest
from llmcost.scenario.keys import near, unquoted
from llmcost.scenario.schema import (
    ITEM_KEYS,
    KEYS,
    LEVER_KEYS,
    LEVER_MULTIPLIERS,
    NUMBER,
    STAGE_KEYS,
    SWEEP_KEYS,
    Key,
)
from llmcost.scenario.values import Distribution, ValueProblem, parse_number, parse_value, show

#: More [[levers]] or [[correlation]] tables than this are no scenario.
MOST_TABLES = 1_000

#: What a file says of itself, which no table of it overrides.
_WHOLE = ("schema_version", "description")


class Correlation(NamedTuple):
    """Rank correlation of two uncertain inputs."""

    keys: tuple[str, str]
    rho: float


def levers(
    label: str, value: Any, problems: list[str]
) -> list[tuple[dict[str, Any], dict[str, Any], str]]:
    """Read [[levers]]: each one's own keys, the rest of its table, and how an error names it."""
    found = []
    for index, raw in enumerate(_tables(label, "levers", value, problems), 1):
        name = raw.get("name")
        where = f"{label}: [[levers]] {index}" + (f" ({name})" if isinstance(name, str) else "")
        own, rest = _parted(where, raw, LEVER_KEYS, problems)
        if "name" not in raw:
            problems.append(f"{where} name: is missing")
        stated = [part for part in LEVER_MULTIPLIERS if part in own]
        if rest and stated:
            problems.append(
                f"{where} {stated[0]}: follows from the keys that the lever changes; leave one of the two out"
            )
        found.append((own, rest, where))
    return found


def items(label: str, value: Any, problems: list[str]) -> list[dict[str, Any]]:
    """Read [[cost.items]]; what is wrong with them joins the problems."""
    found: list[dict[str, Any]] = []
    amounts = [name for name in ITEM_KEYS if name != "name"]
    names: set[str] = set()
    for index, raw in enumerate(_tables(label, "cost.items", value, problems), 1):
        where = f"{label}: [[cost.items]] {index}"
        item = _keys(where, raw, ITEM_KEYS, problems)
        if "name" not in raw:
            problems.append(f"{where} name: is missing")
        elif item.get("name") in names:
            problems.append(f"{where} name: {show(item['name'])} is there already; name each once")
        names.add(str(item.get("name")))
        given = [name for name in amounts if name in raw]
        if len(given) != 1:
            problems.append(
                f"{where}: give one of {', '.join(amounts)}"
                + (f", not {' and '.join(given)}" if given else "")
            )
        for name in amounts:
            if isinstance(item.get(name), Distribution):
                problems.append(f"{where} {name}: is a range; an item takes a number")
        found.append(item)
    return found


def stages(
    label: str, value: Any, problems: list[str]
) -> list[tuple[dict[str, Any], dict[str, Any], str]]:
    """Read [[stages]]: each one's own keys, the rest of its table, and how an error names it."""
    found = []
    names: set[str] = set()
    for index, raw in enumerate(_tables(label, "stages", value, problems), 1):
        name = raw.get("name")
        where = f"{label}: [[stages]] {index}" + (f" ({name})" if isinstance(name, str) else "")
        own, rest = _parted(where, raw, STAGE_KEYS, problems)
        for key in ("name", "kind"):
            if key not in raw:
                problems.append(f"{where} {key}: is missing")
        if own.get("name") in names:
            problems.append(f"{where} name: {show(own['name'])} is there already; name each once")
        names.add(str(own.get("name")))
        for key, item in own.items():
            if isinstance(item, Distribution):
                problems.append(f"{where} {key}: is a range; a stage takes a number")
        found.append((own, rest, where))
    return found


def _parted(
    where: str, raw: Mapping[str, Any], keys: Mapping[str, Key], problems: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A table's own keys, read, and those of the file that it overrides."""
    rest = {
        name: item
        for name, item in raw.items()
        if name not in keys and (isinstance(item, dict) or name in KEYS) and name not in _WHOLE
    }
    mine = {name: item for name, item in raw.items() if name not in rest}
    return _keys(where, mine, keys, problems), rest


def _keys(
    where: str, table: Mapping[str, Any], keys: Mapping[str, Key], problems: list[str]
) -> dict[str, Any]:
    """Read the keys of one table; what is wrong with them joins the problems."""
    found: dict[str, Any] = {}
    for name, raw in table.items():
        key = keys.get(name)
        if key is None:
            problems.append(f"{where} {unquoted(name)}: unknown key{nearest(name, keys)}")
            continue
        try:
            found[name] = parse_value(key, raw)
        except ValueProblem as problem:
            problems.append(f"{where} {name}: {problem}")
    return found


def correlations(label: str, value: Any, problems: list[str]) -> list[Correlation]:
    """Read [[correlation]]; what is wrong with it joins the problems."""
    found: list[Correlation] = []
    seen: set[frozenset[str]] = set()
    for index, item in enumerate(_tables(label, "correlation", value, problems), 1):
        where = f"{label}: [[correlation]] {index}"
        before = len(problems)
        for name in item:
            if name not in ("keys", "rho"):
                problems.append(
                    f"{where} {unquoted(name)}: unknown key{nearest(name, ('keys', 'rho'))}"
                )
        names = item.get("keys")
        if not (
            isinstance(names, list) and len(names) == 2 and all(isinstance(n, str) for n in names)
        ):
            problems.append(f"{where} keys: must be two scenario keys")
        else:
            for name in names:
                if name not in KEYS or KEYS[name].kind != NUMBER:
                    problems.append(f"{where} keys: {show(name)} is no numeric key{near(name)}")
            if names[0] == names[1] or frozenset(names) in seen:
                problems.append(f"{where} keys: name two different keys, and each pair once")
            seen.add(frozenset(names))
        try:
            rho = parse_number(item.get("rho", "missing"))
            if not -1 < rho < 1:
                problems.append(f"{where} rho: {rho:g} is not between -1 and 1")
        except ValueProblem as problem:
            problems.append(f"{where} rho: {problem}")
        if len(problems) == before and isinstance(names, list):
            found.append(Correlation((names[0], names[1]), rho))
    return found


def sweep(label: str, value: Any, problems: list[str]) -> dict[str, Any]:
    """Read [sweep]; what is wrong with it joins the problems."""
    found: dict[str, Any] = {}
    where = f"{label}: [sweep]"
    if not isinstance(value, dict):
        problems.append(f"{where}: must be a table")
        return found
    for name, item in value.items():
        if name not in SWEEP_KEYS:
            problems.append(f"{where} {unquoted(name)}: unknown key{nearest(name, SWEEP_KEYS)}")
            continue
        if name == "top":
            good = isinstance(item, int) and not isinstance(item, bool) and item > 0
            wanted = "a whole number > 0"
        elif name in ("minimize", "maximize"):
            good, wanted = isinstance(item, str), "a result"
        else:
            items = item if isinstance(item, list) else [item]
            good, wanted = all(isinstance(one, str) for one in items), "text or a list of texts"
            item = items
        if good:
            found[name] = item
        else:
            problems.append(f"{where} {name}: must be {wanted}")
    return found


def _tables(label: str, name: str, value: Any, problems: list[str]) -> list[dict[str, Any]]:
    if isinstance(value, list) and len(value) > MOST_TABLES:
        problems.append(
            f"{label}: {name}: {len(value):,} tables; at most {MOST_TABLES:,} are taken"
        )
        return []
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    problems.append(f"{label}: {name}: must be tables; write [[{name}]] for each")
    return []
