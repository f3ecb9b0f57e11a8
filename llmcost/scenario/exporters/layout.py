"""The layout of a run, as trainers' settings are written from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from llmcost.errors import InputError, NoAnswerError

_DEGREES = ("tp", "pp", "vpp", "cp", "ep", "dp", "micro_batch", "global_batch_seqs")
_SIZES = (
    "layers", "hidden_size", "heads", "kv_heads", "head_dim", "ffn_hidden_size", "gated_ffn", "vocab_size",
    "tied_embeddings", "experts", "experts_per_token", "shared_experts", "expert_ffn_hidden_size",
    "dense_layers", "q_lora_rank", "kv_lora_rank", "qk_rope_head_dim", "v_head_dim",
)  # fmt: skip


#: Keys of a model that are none of the kinds of its layers.
_NO_SIZES = (*_SIZES, "preset", "config", "params", "active_params", "sparsity", "seq_len")


class Layout(NamedTuple):
    """A layout that trains, with the model that it is for.

    Attributes
    ----------
    name : str
        Name of the scenario.
    degrees : dict of str to int
        ``tp``, ``pp``, ``vpp``, ``cp``, ``ep``, ``dp``, ``micro_batch``, ``global_batch_seqs``; ``expert_tp``
        where the model has experts.
    words : dict of str to str
        ``precision``, ``recompute``, ``sharding``, ``optimizer`` and ``offload`` as a scenario writes them.
    sequence_parallel : bool
        Whether tensor parallelism splits the sequence too.
    devices_per_node : int
        Devices of a server.
    seq_len : int
        Tokens of a sequence.
    tokens : int
        Tokens of the run as the scenario gives them, 0 where it gives none.
    preset : str
        The catalog's model, empty where the scenario names none.
    sizes : dict of str to int or bool
        The architecture, as far as it is known.
    others : dict of str to object
        What else the scenario says of the model, by short key.
    recompute_share : float
        Share of the layers that is recomputed, where ``recompute`` is ``share``.
    """

    name: str
    degrees: Mapping[str, int]
    words: Mapping[str, str]
    sequence_parallel: bool
    devices_per_node: int
    seq_len: int
    tokens: int
    preset: str
    sizes: Mapping[str, Any]
    others: Mapping[str, Any] = {}
    recompute_share: float = 0.0

    @property
    def devices(self) -> int:
        """Devices of the layout."""
        one = self.degrees
        return one["tp"] * one["pp"] * one["cp"] * one["dp"]

    @property
    def rounds(self) -> float:
        """Micro-batches of a replica in a step."""
        return self.degrees["global_batch_seqs"] / (
            self.degrees["dp"] * self.degrees["micro_batch"]
        )

    @property
    def title(self) -> str:
        """The name, as a comment can hold it."""
        return "".join(char if char.isprintable() else "?" for char in self.name)

    def only_usual(self, trainer: str) -> None:
        """Refuse what a trainer's files have no words for: copies of a sharded state, weights that stay."""
        shard = self.degrees.get("dp_shard", self.degrees["dp"])
        if shard != self.degrees["dp"]:
            raise self.cannot(trainer, "parallelism.dp_shard", shard)
        if self.words["sharding"] == "zero3" and self.words["reshard"] == "false":
            raise self.cannot(trainer, "parallelism.reshard", "false")

    def cannot(self, trainer: str, key: str, value: object, instead: str = "") -> NoAnswerError:
        """The error of a setting that a trainer does not have."""
        more = f"; {instead}" if instead else ""
        return NoAnswerError(f"{self.name}: {trainer} cannot say {key} = {value}{more}")


def layout_of(name: str, inputs: Mapping[str, Mapping[str, Any]]) -> Layout:
    """The layout among the inputs of an estimate.

    Parameters
    ----------
    name : str
        Name of the scenario.
    inputs : mapping of str to mapping
        Value and source by scenario key, as an estimate lists them.

    Raises
    ------
    InputError
        If a part of the layout is neither given nor searched.
    """

    def value(key: str, default: Any = None) -> Any:
        entry = inputs.get(key)
        found = default if entry is None else entry["value"]
        return int(found) if isinstance(found, float) and found.is_integer() else found

    missing = [
        key
        for key in (*(f"parallelism.{short}" for short in _DEGREES), "model.seq_len")
        if not isinstance(value(key), int)
    ]
    if missing:
        raise InputError(
            f"{name}: --emit: the layout is not known: {', '.join(missing)}; give [parallelism], or "
            'parallelism = "auto", with cluster.accelerator and cluster.devices'
        )
    given = inputs.get("data.tokens", {})
    tokens = value("data.tokens", 0) if given.get("source") in ("file", "set") else 0
    share = value("training.recompute_share")
    whole = {0: "none", 1: "full"}.get(share, "share")
    words = {
        "precision": value("training.precision", "bf16"),
        "recompute": value("training.activation_recompute", "none") if share is None else whole,
        "sharding": value("parallelism.sharding", "none"),
        "optimizer": value("training.optimizer", "adamw"),
        "offload": value("training.offload", "none"),
        "in_backward": "true" if value("training.optimizer_in_backward") else "none",
        "context_exchange": value("parallelism.context_exchange", "ring"),
        "reshard": str(value("parallelism.reshard", "")).lower(),
    }
    degrees = {short: value(f"parallelism.{short}") for short in _DEGREES}
    if value("model.experts") and isinstance(value("parallelism.expert_tp"), int):
        degrees["expert_tp"] = value("parallelism.expert_tp")
    if isinstance(value("parallelism.dp_shard"), int):
        degrees["dp_shard"] = value("parallelism.dp_shard")
    sizes = {short: value(f"model.{short}") for short in _SIZES}
    model = {key.partition(".")[2]: value(key) for key in inputs if key.startswith("model.")}
    said = {key for key, entry in inputs.items() if entry.get("source") != "derived"}
    others = {
        short: item
        for short, item in model.items()
        if item and short not in _NO_SIZES and f"model.{short}" in said
    }
    return Layout(
        name,
        degrees,
        words,
        bool(value("parallelism.sequence_parallel", False)),
        int(value("cluster.devices_per_node", 8)),
        value("model.seq_len"),
        int(tokens),
        value("model.preset", ""),
        {short: item for short, item in sizes.items() if item is not None},
        others,
        float(share or 0.0),
    )
