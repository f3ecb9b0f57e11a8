"""The front door: a trainer's files in, a scenario's text out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from llmcost.catalog import Catalog, load_catalog
from llmcost.errors import InputError
from llmcost.scenario.importers import (
    axolotl,
    deepspeed,
    llmfoundry,
    maxtext,
    megatron,
    modelconfig,
    nanotron,
    nemo,
    neox,
    olmo,
    openrlhf,
    torchtitan,
    torchtune,
)
from llmcost.scenario.importers.documents import Document, missing, read_documents
from llmcost.scenario.importers.keys import Keys, plain
from llmcost.scenario.importers.run import Run
from llmcost.scenario.importers.write import scenario_text
from llmcost.scenario.read import parse_scenario


class Reader(NamedTuple):
    """A trainer: its name, whether keys are its own, and how they are read."""

    name: str
    recognises: Callable[[Collection[str]], bool]
    read: Callable[[Keys, Run], None]
    prefixes: Iterable[str] = ()


#: Trainers in the order in which keys are tried on them.
READERS = tuple(
    Reader(module.NAME, module.recognises, module.read, module.PREFIXES)
    for module in (
        modelconfig,
        torchtitan,
        torchtune,
        nanotron,
        maxtext,
        nemo,
        neox,
        openrlhf,
        megatron,
        olmo,
        llmfoundry,
        axolotl,
        deepspeed,
    )
)


def read_run(
    paths: Sequence[str],
    catalog: Catalog | None = None,
    sets: Iterable[str] = (),
    folder: str = "",
) -> Run:
    """Read the configuration of a run.

    Parameters
    ----------
    paths : sequence of str
        Files of one run: the trainer's own, and those it is started with.
    catalog : Catalog, optional
        The catalog whose models and flavors are known.
    sets : iterable of str
        ``section.key=value`` that wins over what the files say.
    folder : str
        Where the scenario will be, as paths in it are seen from there.

    Returns
    -------
    Run
        What was read, and what was not.

    Raises
    ------
    InputError
        If a file cannot be read, is no trainer's, or holds what no run can have.
    """
    catalog = catalog or load_catalog()
    given = parse_scenario({"name": "run"}, sets=sets, catalog=catalog).values
    run = Run(catalog, {key: item.value for key, item in given.items() if item.source == "set"})
    run.folder = folder
    groups: dict[str, list[Document]] = {}
    documents = read_documents(paths)
    for document in documents:
        names = {plain(key) for key in document.values}
        reader = next((item for item in READERS if item.recognises(names)), None)
        if reader is None and document.pointed:
            continue
        if reader is None:
            raise InputError(
                f"{document.where}: no configuration of a trainer that is known: "
                + ", ".join(item.name for item in READERS)
            )
        groups.setdefault(reader.name, []).append(document)
        for comment in document.comments:
            run.remark("cluster", f"a comment of the file: {comment}")
        for file in missing(document, documents):
            run.note(f"{document.where}: {file} is not at hand; give it with another --from")
    for reader in READERS:
        if reader.name in groups:
            run.trainers.append(reader.name)
            keys = Keys(groups[reader.name], run, reader.prefixes)
            reader.read(keys, run)
            keys.finish()
    run.finish()
    return run


def scenario_of(paths: Sequence[str], run: Run) -> str:
    """The text of the scenario that was read from files."""
    names = ["standard input" if path == "-" else Path(path).name for path in paths]
    stem = "run" if paths[0] == "-" else Path(paths[0]).stem
    return scenario_text(
        run, str(run.values["name"].value if "name" in run.values else stem), names
    )
