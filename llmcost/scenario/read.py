"""Read a scenario: a file, standard input or a bundled name, with ``--set`` on top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from llmcost.catalog import Catalog, load_catalog
from llmcost.errors import InputError, nearest
from llmcost.files import packaged, read_toml
from llmcost.scenario.schema import (
    ENTRY,
    KEYS,
    LEVER_KEYS,
    NUMBER,
    SPECIAL_SECTIONS,
    SWEEP_KEYS,
    TEXT,
    Key,
    by_quantity,
    sections,
)
from llmcost.scenario.values import ValueProblem, parse_number, parse_value, show

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

#: More problems than this are cut off: nobody reads them.
MAX_PROBLEMS = 50
#: More [[levers]] or [[correlation]] tables than this are no scenario.
MOST_TABLES = 1_000


class Given(NamedTuple):
    """A value that the user gave, and where."""

    value: Any
    source: str
    where: str


class Correlation(NamedTuple):
    """Rank correlation of two uncertain inputs."""

    keys: tuple[str, str]
    rho: float


class Scenario(NamedTuple):
    """A scenario as given: values by key, nothing looked up or defaulted."""

    label: str
    directory: Path
    values: Mapping[str, Given]
    levers: tuple[Mapping[str, Any], ...] = ()
    correlations: tuple[Correlation, ...] = ()
    sweep: Mapping[str, Any] = {}

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return str(self.get("name"))

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or the default."""
        given = self.values.get(key)
        return default if given is None else given.value

    def where(self, key: str) -> str:
        """How an error message names a key."""
        given = self.values.get(key)
        return given.where if given else f"{self.label}: {place(key)}"

    @property
    def start(self) -> date | None:
        """Start of training."""
        return self.get("start_date")  # type: ignore[no-any-return]


def place(key: str) -> str:
    """A key as its file shows it: ``[cluster] devices``."""
    section, _, short = key.rpartition(".")
    return f"[{section}] {short}" if section else short


def bundled_names() -> list[str]:
    """Names of the bundled scenarios."""
    files = (file.name for file in packaged("scenarios").iterdir())
    return sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml"))


def load_scenario(
    source: str, sets: Iterable[str] = (), catalog: Catalog | None = None
) -> Scenario:
    """Read a scenario.

    Parameters
    ----------
    source : str
        A path, ``-`` for standard input, or the name of a bundled scenario.
    sets : iterable of str
        ``section.key=value`` on top of the file; an empty value removes the key.
    catalog : Catalog, optional
        The catalog whose entries the scenario may name.

    Raises
    ------
    InputError
        With every problem of the file and of `sets`.
    """
    path, label = _find(source)
    directory = Path(path).parent if isinstance(path, str) and source != "-" else Path(".")
    return parse_scenario(read_toml(path, "scenario"), label, directory, sets, catalog)


def _find(source: str) -> tuple[str | Path | Traversable, str]:
    if source == "-":
        return source, "standard input"
    plain = source and "/" not in source and "\\" not in source and "\0" not in source
    if plain and not Path(source).is_file():
        bundled = packaged("scenarios", f"{source}.toml")
        if bundled.is_file():
            return bundled, source
    if plain and not Path(source).exists() and not source.endswith(".toml"):
        hint = nearest(source, bundled_names()) or f"; bundled are {', '.join(bundled_names())}"
        raise InputError(
            f'"{source}": no such scenario file, and no bundled scenario of that name{hint}'
        )
    return source, source


def parse_scenario(
    table: Mapping[str, Any],
    label: str = "scenario",
    directory: Path = Path("."),
    sets: Iterable[str] = (),
    catalog: Catalog | None = None,
) -> Scenario:
    """Check a scenario that was read from TOML or made in Python.

    Raises
    ------
    InputError
        With every problem.
    """
    reader = _Reader(label)
    reader.file(table)
    reader.sets(sets)
    reader.names(catalog or load_catalog())
    reader.finish()
    return Scenario(
        label,
        directory,
        reader.values,
        tuple(reader.levers),
        tuple(reader.correlations),
        reader.sweep,
    )


def with_sets(
    scenario: Scenario,
    sets: Iterable[str],
    name: str | None = None,
    catalog: Catalog | None = None,
) -> Scenario:
    """A variant of a scenario: the same with ``section.key=value`` on top.

    Raises
    ------
    InputError
        With every problem of `sets`.
    """
    reader = _Reader(scenario.label)
    reader.values = dict(scenario.values)
    reader.sets(sets)
    if name is not None:
        reader.values["name"] = Given(name, "set", "--set name")
    reader.names(catalog or load_catalog())
    reader.finish()
    return scenario._replace(values=reader.values)


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
    if name in KEYS:
        return KEYS[name]
    short = name.rpartition(".")[2]
    same = [key for key in KEYS if key.rpartition(".")[2] == short]
    hint = f'; did you mean "{same[0]}"?' if same else nearest(name, KEYS)
    if name.partition(".")[0].partition("[")[0] in SPECIAL_SECTIONS:
        hint = "; that section is written in the file"
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


class _Reader:
    """Collects values and problems."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.values: dict[str, Given] = {}
        self.levers: list[dict[str, Any]] = []
        self.correlations: list[Correlation] = []
        self.sweep: dict[str, Any] = {}
        self.problems: list[str] = []

    def file(self, table: Mapping[str, Any]) -> None:
        for name, value in table.items():
            if name == "parallelism" and not isinstance(value, dict):
                self._value(name, value)
            elif name == "levers":
                self._levers(value)
            elif name == "correlation":
                self._correlations(value)
            elif name == "sweep":
                self._sweep(value)
            elif name in sections():
                if not isinstance(value, dict):
                    self.problems.append(
                        f"{self.label}: {name}: is a section; write [{name}] and its keys below"
                    )
                    continue
                for short, item in value.items():
                    self._value(f"{name}.{short}", item)
            else:
                self._value(name, value)

    def _value(self, name: str, value: Any) -> None:
        where = f"{self.label}: {_quoted(place(name))}"
        key = KEYS.get(name)
        if key is None:
            # To look for the nearest name takes its time: not for more than are shown.
            hint = _hint(name) if len(self.problems) < MAX_PROBLEMS else ""
            self.problems.append(f"{where}: unknown key{hint}")
            return
        try:
            self.values[name] = Given(parse_value(key, value), "file", where)
        except ValueProblem as problem:
            self.problems.append(f"{where}: {problem}")

    def sets(self, sets: Iterable[str]) -> None:
        for text in sets:
            try:
                key, raw = split_set(text)
            except InputError as error:
                self.problems += error.problems
                continue
            where = f"--set {key.name}"
            if not raw:
                self.values.pop(key.name, None)
                continue
            try:
                value = parse_raw(key, raw)
            except ValueProblem as problem:
                self.problems.append(f"{where}: {problem}")
                continue
            if key.name == "parallelism":  # a new search: what a file fixed is free again
                kept = ("parallelism.global_batch_seqs",)
                self.values = {
                    k: v
                    for k, v in self.values.items()
                    if not k.startswith("parallelism.") or k in kept
                }
            self.values[key.name] = Given(value, "set", where)

    def _levers(self, value: Any) -> None:
        for index, item in enumerate(self._tables("levers", value), 1):
            where = f"{self.label}: [[levers]] {index}"
            lever: dict[str, Any] = {}
            for name, raw in item.items():
                key = LEVER_KEYS.get(name)
                if key is None:
                    self.problems.append(
                        f"{where} {_quoted(name)}: unknown key{nearest(name, LEVER_KEYS)}"
                    )
                    continue
                try:
                    lever[name] = parse_value(key, raw)
                except ValueProblem as problem:
                    self.problems.append(f"{where} {name}: {problem}")
            if "name" not in item:
                self.problems.append(f"{where} name: is missing")
            self.levers.append(lever)

    def _correlations(self, value: Any) -> None:
        seen: set[frozenset[str]] = set()
        for index, item in enumerate(self._tables("correlation", value), 1):
            where = f"{self.label}: [[correlation]] {index}"
            before = len(self.problems)
            for name in item:
                if name not in ("keys", "rho"):
                    self.problems.append(
                        f"{where} {_quoted(name)}: unknown key{nearest(name, ('keys', 'rho'))}"
                    )
            names = item.get("keys")
            if not (
                isinstance(names, list)
                and len(names) == 2
                and all(isinstance(n, str) for n in names)
            ):
                self.problems.append(f"{where} keys: must be two scenario keys")
            else:
                for name in names:
                    if name not in KEYS or KEYS[name].kind != NUMBER:
                        self.problems.append(
                            f"{where} keys: {show(name)} is no numeric key{_hint(name)}"
                        )
                if names[0] == names[1] or frozenset(names) in seen:
                    self.problems.append(
                        f"{where} keys: name two different keys, and each pair once"
                    )
                seen.add(frozenset(names))
            try:
                rho = parse_number(item.get("rho", "missing"))
                if not -1 < rho < 1:
                    self.problems.append(f"{where} rho: {rho:g} is not between -1 and 1")
            except ValueProblem as problem:
                self.problems.append(f"{where} rho: {problem}")
            if len(self.problems) == before and isinstance(names, list):
                self.correlations.append(Correlation((names[0], names[1]), rho))

    def _sweep(self, value: Any) -> None:
        where = f"{self.label}: [sweep]"
        if not isinstance(value, dict):
            self.problems.append(f"{where}: must be a table")
            return
        for name, item in value.items():
            if name not in SWEEP_KEYS:
                self.problems.append(
                    f"{where} {_quoted(name)}: unknown key{nearest(name, SWEEP_KEYS)}"
                )
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
                self.sweep[name] = item
            else:
                self.problems.append(f"{where} {name}: must be {wanted}")

    def _tables(self, name: str, value: Any) -> list[dict[str, Any]]:
        if isinstance(value, list) and len(value) > MOST_TABLES:
            self.problems.append(
                f"{self.label}: {name}: {len(value):,} tables; at most {MOST_TABLES:,} are taken"
            )
            return []
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return value
        self.problems.append(f"{self.label}: {name}: must be tables; write [[{name}]] for each")
        return []

    def names(self, catalog: Catalog) -> None:
        """Look the named entries up, and take the catalog's spelling of their names."""
        for name, given in self.values.items():
            key = KEYS[name]
            if key.kind == ENTRY:
                try:
                    found = catalog.find(key.catalog, given.value, given.where)
                    self.values[name] = given._replace(value=found)
                except InputError as error:
                    self.problems += error.problems
        vendor = self.values.get("cost.cloud_vendor")
        if vendor is not None:
            vendors = sorted({entry["vendor"] for entry in catalog.kind("clouds").values()})
            if vendor.value not in vendors:
                hint = nearest(vendor.value, vendors) or f"; vendors are {', '.join(vendors)}"
                self.problems.append(
                    f"{vendor.where}: {show(vendor.value)} is not in the catalog of clouds{hint}"
                )

    def finish(self) -> None:
        if "name" not in self.values and not any(": name:" in item for item in self.problems):
            self.problems.insert(
                0, f'{self.label}: name: is missing; every scenario has one, like name = "my run"'
            )
        if self.problems:
            more = len(self.problems) - MAX_PROBLEMS
            extra = [f"{self.label}: and {more} more problems"] if more > 0 else []
            raise InputError([*self.problems[:MAX_PROBLEMS], *extra])


def _hint(name: str) -> str:
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
    return nearest(short, here) or nearest(name, KEYS)


def _quoted(text: str) -> str:
    return show(text)[1:-1]
