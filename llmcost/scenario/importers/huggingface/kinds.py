"""How many layers of a stack are of each kind, and what is counted beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from llmcost.scenario.importers.huggingface import patterns
from llmcost.scenario.importers.huggingface.fields import NAMES, Fields


class Kinds:
    """Layers of a stack by kind.

    Attributes
    ----------
    full, windowed, recurrent, cross : int
        Layers that mix the sequence in each way; a layer may do two.
    dense, sparse : int
        Layers with a feed-forward block of each kind.
    experts : int
        Experts of a router, 0 without.
    matmul, small : float
        Weights beside those of the kinds: of products, and of norms, biases, positions.
    """

    def __init__(
        self, layers: int, mixers: list[str], feed_forwards: list[str], experts: int
    ) -> None:
        self.layers = layers
        self.mixers, self.feed_forwards = mixers, feed_forwards
        counted = Counter(mixers)
        self.full = counted[patterns.FULL] + counted[patterns.BOTH]
        self.windowed = counted[patterns.WINDOW]
        self.recurrent = counted[patterns.RECURRENT] + counted[patterns.BOTH]
        self.cross = counted[patterns.CROSS]
        self.dense = feed_forwards.count(patterns.DENSE)
        self.sparse = feed_forwards.count(patterns.SPARSE)
        self.experts = experts
        self.single = any(kind == patterns.NO for kind in mixers + feed_forwards)
        self.matmul: float = 0.0
        self.small: float = 0.0

    @property
    def attends(self) -> bool:
        """Whether any layer has attention."""
        return bool(self.full + self.windowed + self.cross)

    @classmethod
    def of(
        cls,
        fields: Fields,
        family: Mapping[str, Any],
        layers: int,
        blocks: list[tuple[str, str]] | None,
    ) -> Kinds:
        """Read the kinds of the layers of a stack."""
        experts = _experts(fields, family)
        if blocks:
            kinds = cls(layers, [item[0] for item in blocks], [item[1] for item in blocks], experts)
            kinds.experts = experts if kinds.sparse else 0
            return kinds
        mixers = patterns.mixers(fields, family, layers)
        forwards = [patterns.DENSE] * layers
        if not experts and "sparse" in (fields.value("mlp_layer_types") or ()):
            fields.note(
                "mlp_layer_types: has sparse layers, but no number of experts: read as dense"
            )
        if experts:
            forwards = patterns.feed_forwards(fields, family, layers)
            experts = experts if patterns.SPARSE in forwards else 0
        if family.get("ffn_free"):
            forwards = [patterns.NO] * layers
        return cls(layers, mixers, forwards, experts)

    def norms(self, fields: Fields, family: Mapping[str, Any]) -> float:
        """Norms of all layers."""
        if self.single and "norms" not in family:
            return self.layers
        count = family["norms"]
        key = family.get("parallel_key")
        if key and flag(fields, {"parallel": key}, "parallel"):
            count = 1
        return float(self.layers * count)


def _experts(fields: Fields, family: Mapping[str, Any]) -> int:
    value = fields.value(NAMES["experts"])
    if isinstance(value, list):
        found = set(fields.wholes(NAMES["experts"]) or ())
        if len(found) > 1:
            fields.problem(fields.named(NAMES["experts"]), "differs by layer, which is not read")
        return max(found, default=0)
    experts = fields.whole(NAMES["experts"], 0, 0) or 0
    if family.get("experts_flag") and not flag(fields, family, "experts_flag"):
        return 0
    return 0 if experts == 1 else experts


def flag(fields: Fields, family: Mapping[str, Any], key: str) -> bool:
    """A property of the family, or the field that says it: its name, with "!" where true by default."""
    value = family.get(key, False)
    if isinstance(value, str):
        return fields.flag(value.rstrip("!"), value.endswith("!"))
    return bool(value)


def embedding_width(found: Mapping[str, Any]) -> int:
    """Width of the embedding: the model's, unless it has one of its own."""
    return int(found["embedding_size"] if "embedding_size" in found else found["hidden_size"])


def add(found: dict[str, Any], small: float = 0.0, matmul: float = 0.0) -> None:
    """Count weights that are no product, and of products, beside those of the kinds."""
    found["other_params"] += small
    found["other_matmul_params"] += matmul


def ratio(fields: Fields, name: str, value: Any) -> float:
    """A ratio above 0; a problem of the field where it is none."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1000
    if not good:
        fields.problem(name, f"{str(value)[:40]!r} is not a ratio above 0")
        return 1.0
    return float(value)


#: A family's own correction of what was read.
Function = Callable[[Fields, Mapping[str, Any], dict[str, Any], Kinds], None]
