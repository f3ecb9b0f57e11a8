"""Read a scenario: a file, standard input or a bundled name, with ``--set`` on top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from llmcost.catalog import Catalog, load_catalog
from llmcost.errors import InputError, nearest
from llmcost.files import packaged, read_toml
from llmcost.scenario.keys import near, parse_raw, place, split_set, stage_key, unquoted
from llmcost.scenario.schema import (
    ENTRY,
    KEYS,
    SPECIAL_SECTIONS,
    STAGE_KEYS,
    sections,
)
from llmcost.scenario.values import Distribution, ValueProblem, parse_value, show

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from llmcost.scenario.tables import Correlation

#: More problems than this are cut off: nobody reads them.
MAX_PROBLEMS = 50


class Given(NamedTuple):
    """A value that the user gave, and where."""

    value: Any
    source: str
    where: str


class StageGiven(NamedTuple):
    """A stage as given: its own keys, and the scenario's that it overrides."""

    own: Mapping[str, Any]
    values: Mapping[str, Given]
    where: str


class Scenario(NamedTuple):
    """A scenario as given: values by key, nothing looked up or defaulted."""

    label: str
    directory: Path
    values: Mapping[str, Given]
    levers: tuple[Mapping[str, Any], ...] = ()
    correlations: tuple[Correlation, ...] = ()
    sweep: Mapping[str, Any] = {}
    items: tuple[Mapping[str, Any], ...] = ()
    stages: tuple[StageGiven, ...] = ()

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
        tuple(reader.items),
        tuple(reader.stages),
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
    reader.stages = list(scenario.stages)
    reader.sets(sets)
    if name is not None:
        reader.values["name"] = Given(name, "set", "--set name")
    reader.names(catalog or load_catalog())
    reader.finish()
    return scenario._replace(values=reader.values, stages=tuple(reader.stages))


def searched_again(values: Mapping[str, Given]) -> dict[str, Given]:
    """Values for a new search of the layout: what a file fixed is free again, but for its batch."""
    kept = "parallelism.global_batch_seqs"
    return {k: v for k, v in values.items() if not k.startswith("parallelism.") or k == kept}


def _changed(values: Mapping[str, Given], name: str, given: Given | None) -> dict[str, Given]:
    """Values with one set, or without it."""
    if given is None:
        return {key: item for key, item in values.items() if key != name}
    kept = searched_again(values) if name == "parallelism" else dict(values)
    return {**kept, name: given}


def with_stage_key(
    stages: Sequence[StageGiven], name: str, given: Given | None, where: str
) -> list[StageGiven]:
    """Stages with the key of one of them set, or without it.

    Parameters
    ----------
    name : str
        ``stages.NAME.KEY``, the key one of the file or of the stage itself.

    Raises
    ------
    InputError
        If there is no such stage, or it cannot hold the value.
    """
    stage, key = stage_key(name) or ("", "")
    names = [str(one.own["name"]) for one in stages]
    if stage not in names:
        hint = nearest(stage, names) or (f"; they are {', '.join(names)}" if names else "")
        what = f"no stage is named {show(stage)}" if names else "the scenario has no [[stages]]"
        raise InputError(f"{where}: {what}{hint}")
    at = names.index(stage)
    one, found = stages[at], list(stages)
    if key not in STAGE_KEYS:
        found[at] = one._replace(values=_changed(one.values, key, given))
        return found
    if given is not None and isinstance(given.value, Distribution):
        raise InputError(f"{where}: is a range; a stage takes a number")
    own = {name: value for name, value in one.own.items() if name != key}
    found[at] = one._replace(own=own if given is None else {**own, key: given.value})
    return found


class _Reader:
    """Collects values and problems."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.values: dict[str, Given] = {}
        self.levers: list[dict[str, Any]] = []
        self.correlations: list[Correlation] = []
        self.sweep: dict[str, Any] = {}
        self.items: list[dict[str, Any]] = []
        self.stages: list[StageGiven] = []
        self.problems: list[str] = []

    def file(self, table: Mapping[str, Any]) -> None:
        for name, value in table.items():
            if name == "parallelism" and not isinstance(value, dict):
                self._value(name, value)
            elif name in SPECIAL_SECTIONS:
                self._special(name, value)
            elif name in sections():
                if not isinstance(value, dict):
                    self.problems.append(
                        f"{self.label}: {name}: is a section; write [{name}] and its keys below"
                    )
                    continue
                for short, item in value.items():
                    if f"{name}.{short}" == "cost.items":
                        self._special("cost.items", item)
                    else:
                        self._value(f"{name}.{short}", item)
            else:
                self._value(name, value)

    def _special(self, name: str, value: Any) -> None:
        from llmcost.scenario.tables import correlations, items, levers, stages, sweep

        if name == "cost.items":
            self.items = items(self.label, value, self.problems)
        elif name == "stages":
            for own, rest, where in stages(self.label, value, self.problems):
                self.stages.append(StageGiven(own, self._on_top(rest, where), where))
        elif name == "levers":
            for own, rest, where in levers(self.label, value, self.problems):
                changes = self._on_top(rest, where)
                self.problems += [
                    f"{given.where}: is a range; a lever takes a number"
                    for given in changes.values()
                    if isinstance(given.value, Distribution)
                ]
                self.levers.append({**own, "changes": changes, "where": where} if rest else own)
        elif name == "correlation":
            self.correlations = correlations(self.label, value, self.problems)
        else:
            self.sweep = sweep(self.label, value, self.problems)

    def _on_top(self, table: Mapping[str, Any], where: str) -> dict[str, Given]:
        """Keys of the file that a table of its own overrides."""
        reader = _Reader(where)
        once = [name for name in SPECIAL_SECTIONS if name in table]
        reader.file({name: value for name, value in table.items() if name not in once})
        self.problems += reader.problems
        if reader.items:
            once.append("cost.items")
        for name in once:
            shown = "[sweep]" if name == "sweep" else f"[[{name}]]"
            hint = "; keys here cannot name one stage" if name == "stages" else ""
            self.problems.append(f"{where}: {shown} is of the whole file; write it there{hint}")
        return reader.values

    def _value(self, name: str, value: Any) -> None:
        where = f"{self.label}: {unquoted(place(name))}"
        key = KEYS.get(name)
        if key is None:
            # To look for the nearest name takes its time: not for more than are shown.
            hint = near(name) if len(self.problems) < MAX_PROBLEMS else ""
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
            try:
                given = Given(parse_raw(key, raw), "set", where) if raw else None
                if stage_key(key.name) is None:
                    self.values = _changed(self.values, key.name, given)
                else:
                    self.stages = with_stage_key(self.stages, key.name, given, where)
            except ValueProblem as problem:
                self.problems.append(f"{where}: {problem}")
            except InputError as error:
                self.problems += error.problems

    def names(self, catalog: Catalog) -> None:
        """Look the named entries up, and take the catalog's spelling of their names."""
        self._names(self.values, catalog)
        for index, stage in enumerate(self.stages):
            values, own = dict(stage.values), dict(stage.own)
            self._names(values, catalog)
            if "teacher" in own:
                try:
                    own["teacher"] = catalog.find(
                        "models", own["teacher"], f"{stage.where} teacher"
                    )
                except InputError as error:
                    self.problems += error.problems
            self.stages[index] = StageGiven(own, values, stage.where)
        for lever in self.levers:
            self._names(lever.get("changes", {}), catalog)

    def _names(self, values: dict[str, Given], catalog: Catalog) -> None:
        for name, given in values.items():
            key = KEYS[name]
            if key.kind == ENTRY:
                try:
                    found = catalog.find(key.catalog, given.value, given.where)
                    values[name] = given._replace(value=found)
                except InputError as error:
                    self.problems += error.problems

    def finish(self) -> None:
        if "name" not in self.values and not any(": name:" in item for item in self.problems):
            self.problems.insert(
                0, f'{self.label}: name: is missing; every scenario has one, like name = "my run"'
            )
        self.problems += [
            f"{given.where}: every stage gives {name} itself, so it would change nothing; set it of one stage, --set stages.NAME.{name}"
            for name, given in self.values.items()
            if given.source == "set"
            and self.stages
            and all(name in one.values for one in self.stages)
        ]
        if self.problems:
            more = len(self.problems) - MAX_PROBLEMS
            extra = [f"{self.label}: and {more} more problems"] if more > 0 else []
            raise InputError([*self.problems[:MAX_PROBLEMS], *extra])
