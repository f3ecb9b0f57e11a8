"""The layout of a run as a trainer's own settings: the way back from what the importers read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from llmcost.catalog import Catalog
from llmcost.errors import InputError, NoAnswerError, nearest
from llmcost.scenario.exporters.deepspeed import deepspeed
from llmcost.scenario.exporters.layout import Layout, layout_of
from llmcost.scenario.exporters.megatron import megatron
from llmcost.scenario.exporters.torchtitan import torchtitan


class Trainer(NamedTuple):
    """What writes a trainer's settings, and the suffix of their file."""

    write: Callable[[Layout, Catalog], str]
    ending: str


EMITTERS = {
    "megatron": Trainer(megatron, ".sh"),
    "torchtitan": Trainer(torchtitan, ".toml"),
    "deepspeed": Trainer(deepspeed, ".json"),
}


def trainer_of(name: str) -> Trainer:
    """The trainer of a name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in EMITTERS:
        raise InputError(
            f"--emit {name}: is not one of {', '.join(EMITTERS)}{nearest(name, EMITTERS)}"
        )
    return EMITTERS[name]


def emit(name: str, inputs: Mapping[str, Mapping[str, Any]], trainer: str, catalog: Catalog) -> str:
    """The settings of a trainer that run the layout of a scenario.

    Parameters
    ----------
    name : str
        Name of the scenario.
    inputs : mapping of str to mapping
        Value and source by scenario key, as an estimate lists them.
    trainer : str
        ``megatron``, ``torchtitan`` or ``deepspeed``.
    catalog : Catalog
        The catalog whose models have names at the trainer.

    Raises
    ------
    InputError
        If there is no such trainer, or the scenario does not determine its layout.
    NoAnswerError
        If the trainer has no setting for a part of the layout.
    """
    write = trainer_of(trainer).write
    layout = layout_of(name, inputs)
    if layout.rounds != int(layout.rounds) or layout.rounds < 1:
        raise NoAnswerError(
            f"{layout.name}: a batch of {layout.degrees['global_batch_seqs']} is no multiple of dp · "
            f"micro_batch = {layout.degrees['dp'] * layout.degrees['micro_batch']}: no trainer runs it"
        )
    if layout.words["in_backward"] == "true" and trainer != "torchtitan":
        raise layout.cannot(trainer, "training.optimizer_in_backward", "true")
    return write(layout, catalog)


__all__ = ["EMITTERS", "Layout", "Trainer", "emit", "layout_of", "trainer_of"]
