"""Files of trainers as keys and values: TOML, JSON, YAML, and the commands of launch scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from llmcost.errors import InputError
from llmcost.files import parse_toml, read_text
from llmcost.scenario.importers.flat import flatten
from llmcost.scenario.importers.shell import Reading, Shell, launcher_options, unquoted, words_of
from llmcost.scenario.importers.yamlfile import parse_yaml

_FORMS = {
    ".toml": "toml",
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    **dict.fromkeys((".sh", ".bash", ".slurm", ".sbatch", ".job", ".pbs", ".lsf"), "shell"),
}
#: A name of a file that a command or a configuration points to.
_FILE = re.compile(r"[\w./+-]+\.(json|ya?ml|toml)$")
#: Options and keys whose value is such a name.
_POINTERS = (
    "deepspeed", "deepspeed_config", "deepspeed_config_file", "ds_config", "ds_config_file", "config",
    "config_file", "base_config", "job.config_file", "yaml_cfg", "CONFIG_FILE",
)  # fmt: skip
_PROGRAM = re.compile(r"(.*/)?[\w.-]+\.py$")
#: What a command overrides: a key with sections; any key, of MaxText's.
_OVERRIDE = r"\+{0,2}([A-Za-z]\w*(?:\.\w+)+|training|model)=(.*)$"
_ANY_OVERRIDE = r"([A-Za-z]\w*)=(.*)$"
#: Packages of which each module is a program.
_MODULES = ("openrlhf.cli.",)
#: What runs a trainer without naming a Python file.
_PROGRAMS = (
    "axolotl.cli",
    "torchtitan.train",
    "MaxText.train",
    "maxtext.trainers.pre_train.train",
    "train",
    "llamafactory-cli",
    "composer",
)


class Document(NamedTuple):
    """The keys and values of one file, or of one command.

    Attributes
    ----------
    where : str
        The file, as messages name it.
    values : mapping of str to object
        Values by key as it is written, sections joined by dots.
    command : bool
        Whether they are options of a command.
    launch : mapping of str to str
        Options of what launches the command: nodes, devices of a node.
    files : tuple of str
        Files that it points to.
    pointed : bool
        Whether it was read because another points to it.
    path : str
        Where the file is.
    comments : tuple of str
        What comments say about devices.
    """

    where: str
    values: Mapping[str, Any]
    command: bool = False
    launch: Mapping[str, str] = {}
    files: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    pointed: bool = False
    path: str = ""


def read_documents(paths: Sequence[str]) -> list[Document]:
    """Read files, and what they point to where it is at hand.

    Launch scripts share their variables in the order in which they are given.

    Raises
    ------
    InputError
        If a file is missing, too large or none of the forms that are read.
    """
    found: list[Document] = []
    shell = Shell()
    for path in paths:
        text = read_text(path, "configuration")
        name = "standard input" if path == "-" else Path(path).name
        form = _form(text, path)
        if form == "shell":
            try:
                reading = shell.read(text)
            except InputError as error:
                raise InputError(f"{name}: {error}") from None
            except RecursionError:
                raise InputError(f"{name}: no launch script: nested too deeply") from None
            found = [item for item in found if not item.command]
            found += _commands(name, reading, text)
        else:
            item = _document(name, parse(text, form, name), _comments(text))
            found.append(item._replace(path=path))
    if not found:
        raise InputError(f"{Path(paths[0]).name}: no command in it that trains a model")
    for item in list(found):
        found += _pointed_to(item, paths, found)
    return found


def _document(name: str, data: Any, comments: tuple[str, ...] = ()) -> Document:
    if not isinstance(data, dict):
        raise InputError(f"{name}: no trainer's configuration: the top must be a table")
    values = flatten(data, name)
    files = tuple(
        value
        for key, value in values.items()
        if isinstance(value, str) and _FILE.fullmatch(value) and key.rpartition(".")[2] in _POINTERS
    )
    return Document(name, values, files=files, comments=comments)


def parse(text: str, form: str, name: str) -> Any:
    """The data of a text in one of the forms ``toml``, ``json`` and ``yaml``."""
    if form == "toml":
        return parse_toml(text, name)
    if form == "yaml":
        return parse_yaml(text, name)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{name}: invalid JSON: {reason}") from None


def _form(text: str, path: str) -> str:
    suffix = Path(path).suffix.lower()
    if suffix in _FORMS:
        return _FORMS[suffix]
    if suffix == ".py":
        raise InputError(
            f"{path}: a Python program is not run to read it; give the configuration that it saves, "
            "or its command as a .sh file"
        )
    start = text.lstrip()[:2000]
    if start.startswith("{"):
        return "json"
    if start.startswith("#!") or re.search(
        r"^\s*(export |[A-Z_]+=\S)|^[^#:\n]* --\w[\w-]* ", start, re.M
    ):
        return "shell"
    return "toml" if re.search(r"^\[[\w.]+\]\s*(#.*)?$", start, re.M) else "yaml"


def _comments(text: str) -> tuple[str, ...]:
    """Comments that name a number of devices."""
    found = []
    for line in text[:200_000].splitlines():
        comment = line.partition("#")[2][:200].strip("# ")
        if comment and re.search(r"\d x? ?[ABHL]\d{2,3}\b", comment):
            found.append(comment)
    return tuple(found[:3])


# -- commands ------------------------------------------------------------------


def _commands(name: str, reading: Reading, text: str) -> list[Document]:
    """The command that launches training, and the configurations that the script writes."""
    best: Document | None = None
    batch = launcher_options(reading.directives)
    for words in reading.commands:
        if words and unquoted(words[0]) in ("cat", "sed", "grep", "mkdir", "cp", "rm"):
            continue
        item = _launch(name, words, batch)
        echoed = bool(words) and words[0] in ("echo", "printf")
        size = len(item.values) - (0.5 if echoed else 0.0)
        if item.values and (best is None or size > len(best.values)):
            best = item
    for words in reading.commands:
        if words and words[0] in ("sbatch", "srun", "salloc"):
            batch = {**launcher_options(words), **batch}
    options = [value for value in reading.variables.values() if value.count("--") > 2]
    words = [word for value in options for word in words_of(value)]
    defined = _launch(name, words, batch)  # options that another script runs with
    if best is None or len(defined.values) > 2 * len(best.values):
        best = defined if defined.values else None
    if best is not None:
        best = best._replace(launch={**batch, **best.launch})
    found = [] if best is None else [best._replace(comments=_comments(text))]
    for written, body in reading.files.items():
        form = _FORMS.get(Path(written).suffix.lower(), "json" if body.lstrip()[:1] == "{" else "")
        if form in ("json", "yaml", "toml"):
            try:
                data = parse(body, form, f"{name} ({written})")
            except InputError:
                continue  # a template with places left to fill in
            if isinstance(data, dict):
                found.append(_document(f"{name} ({Path(written).name})", data))
    return found


def _launch(name: str, words: list[str], batch: Mapping[str, str]) -> Document:
    """A command as a document: the trainer's options, and those of what launches it."""
    words = [part for word in words for part in _split(word)]
    at = next((i for i, word in enumerate(words) if _PROGRAM.fullmatch(unquoted(word))), None)
    if at is None:
        known = (
            i for i, word in enumerate(words) if word in _PROGRAMS or word.startswith(_MODULES)
        )
        at = next(known, -1)
    launch = {**batch, **launcher_options(words[: at + 1])}
    values: dict[str, Any] = {}
    files: list[str] = []
    key = ""
    maxtext = any("maxtext" in word.lower() for word in words[: at + 1])
    overrides = _ANY_OVERRIDE if maxtext else _OVERRIDE
    for word in words[at + 1 :]:
        word = word.strip("\"'") if word.count('"') + word.count("'") == 2 else word
        option = re.match(r"--?([A-Za-z][\w.-]*)(=(.*))?$", word, re.S)
        override = re.match(overrides, word, re.S)
        if option and (word.startswith("--") or len(option[1]) > 1):
            key = word.partition("=")[0]
            values[key] = _value(option[3]) if option[2] else True
        elif override:
            key = ""
            values[override[1]] = _value(override[2])
        elif key:
            old = values[key]
            item = _value(word)
            values[key] = (
                item if old is True else [*(old if isinstance(old, list) else [old]), item]
            )
        named = word.partition("=")[2] or word
        if _FILE.fullmatch(named) and (not key or key.lstrip("-").replace("-", "_") in _POINTERS):
            files.append(named)
    files += [word for word in words[: at + 1] if _FILE.fullmatch(word)]
    return Document(name, values, True, launch, tuple(dict.fromkeys(files)))


def _split(word: str) -> list[str]:
    """Words of a word that holds a command or an option with its value."""
    if not re.search(r"\s", word) or "--" not in word or word.startswith(("$", "`")):
        return [word]
    return [part for item in words_of(word) for part in Shell().expand(item)]


def _value(text: str) -> Any:
    """An option's value: a number or a truth value where it is one."""
    if text in ("null", "None"):
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"-?\d{1,40}", text):
        return int(text)
    try:
        return float(text) if re.fullmatch(r"-?[\d.]+([eE]-?\d+)?", text) else text
    except ValueError:
        return text


# -- files that files point to ---------------------------------------------------


def _pointed_to(item: Document, paths: Sequence[str], found: Sequence[Document]) -> list[Document]:
    """Configurations that a document points to and that lie beside it or in the working folder."""
    more = []
    for file in missing(item, found):
        plain = Path(file)
        if plain.is_absolute() or ".." in plain.parts or "-" in paths:
            continue
        folders = [Path("."), *(Path(path).parent for path in paths)]
        places = [folder / part for folder in folders for part in (plain, plain.name)]
        place = next((place for place in places if _is_file(place)), None)
        if place is not None:
            text = read_text(place, "configuration")
            data = parse(text, _FORMS[place.suffix.lower()], place.name)
            more.append(_document(place.name, data, _comments(text))._replace(pointed=True))
    return more


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def missing(item: Document, found: Sequence[Document]) -> list[str]:
    """Files that a document points to and that are not among those that were read."""
    names = tuple(document.where.rstrip(")") for document in found)
    return [file for file in item.files if not any(n.endswith(Path(file).name) for n in names)]
