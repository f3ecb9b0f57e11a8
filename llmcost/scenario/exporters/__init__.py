"""The layout of a run as a trainer's own settings: the way back from what the importers read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llmcost.catalog import Catalog
from llmcost.errors import InputError, NoAnswerError, nearest
from llmcost.scenario.exporters.deepspeed import deepspeed
from llmcost.scenario.exporters.layout import Layout, layout_of
from llmcost.scenario.exporters.megatron import megatron
from llmcost.scenario.exporters.torchtitan import torchtitan

#: What writes each trainer's settings.
EMITTERS: dict[str, Callable[[Layout, Catalog], str]] = {
    "megatron": megatron,
    "torchtitan": torchtitan,
    "deepspeed": deepspeed,
}


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
    if trainer not in EMITTERS:
        raise InputError(
            f"--emit {trainer}: is not one of {', '.join(EMITTERS)}{nearest(trainer, EMITTERS)}"
        )
    layout = layout_of(name, inputs)
    if layout.rounds != int(layout.rounds) or layout.rounds < 1:
        raise NoAnswerError(
            f"{layout.name}: a batch of {layout.degrees['global_batch_seqs']} is no multiple of dp · "
            f"micro_batch = {layout.degrees['dp'] * layout.degrees['micro_batch']}: no trainer runs it"
        )
    return EMITTERS[trainer](layout, catalog)


__all__ = ["EMITTERS", "Layout", "emit", "layout_of"]
