"""What a trainer's files say about a run, as scenario keys, and what is left to say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any, NamedTuple

from llmcost.catalog import Catalog
from llmcost.errors import InputError
from llmcost.files import packaged, read_toml
from llmcost.scenario.importers.flat import DEFAULT, Item
from llmcost.scenario.importers.names import preset_of
from llmcost.scenario.schema import KEYS
from llmcost.scenario.values import ValueProblem, parse_value, show

#: More lines on keys that were not understood than this are counted, not listed.
_MOST_LINES = 100


#: Optimizers by what their names at trainers hold; the first that fits counts.
_OPTIMIZERS = {
    "muon": ("muon",),
    "adafactor": ("adafactor",),
    "adamw-8bit": (
        "adamw_8bit",
        "adam8bit",
        "adamw8bit",
        "adamw_bnb_8bit",
        "adamw_torch_8bit",
        "adam_8bit",
    ),
    "adamw": ("adam",),
    "sgd": ("sgd",),
}


class Found(NamedTuple):
    """A value of a scenario key, and what it was read from."""

    value: Any
    origin: str


class Run:
    """Collects a scenario; every reader of a trainer's files writes into one of these.

    Attributes
    ----------
    values : dict of str to Found
        By scenario key.
    remarks : dict of str to list of str
        Lines on what a section leaves open, by section.
    notes : list of str
        What was understood but has no key, or was taken on a guess that is named.
    unread : list of str
        Keys that were not understood.
    folder : str
        Where the scenario will be, as paths in it are seen from there.
    facts : dict of str to float
        What values follow from: ``nodes``, ``devices_per_node``, ``steps``, ``samples``, ``tokens``,
        ``accumulation``, ``epochs``.
    """

    def __init__(self, catalog: Catalog, given: Mapping[str, Any] | None = None) -> None:
        self.catalog = catalog
        self.folder = ""
        self.title = ""
        self.trainers: list[str] = []
        self.values: dict[str, Found] = {}
        self.remarks: dict[str, list[str]] = {}
        self.notes: list[str] = []
        self.unread: list[str] = []
        self.problems: list[str] = []
        self.facts: dict[str, float] = {}
        self._hidden = 0
        self._unfit = ""
        self._open: set[str] = set()
        self._defaults: dict[str, Found] = {}
        self._later: dict[str, float] = {}
        for key, value in (given or {}).items():
            whole = isinstance(value, float) and value.is_integer()
            self.values[key] = Found(int(value) if whole else value, "--set")

    # -- what readers call -----------------------------------------------------

    def put(self, key: str, value: Any, origin: str) -> None:
        """Take the value of a scenario key; the first that says something stands."""
        if value is None:
            return
        if key not in KEYS:
            if not origin.endswith(DEFAULT):
                self.note(f"{origin}: {key} = {value}: this version has no such key")
            return
        try:
            parsed = parse_value(KEYS[key], value)
        except ValueProblem as problem:
            if KEYS[key].kind == "choice":
                self.note(f"{origin}: {key} {problem}")
            else:
                self.problems.append(f"{origin}: {key}: {problem}")
            return
        value = int(parsed) if isinstance(parsed, float) and parsed.is_integer() else parsed
        if key in self.values:
            old = self.values[key]
            if old.value != value and not origin.endswith(DEFAULT):
                self.note(
                    f"{origin}: {key} = {value} differs from {old.value} ({old.origin}), which is taken"
                )
            return
        self.values[key] = Found(value, origin)

    def default(self, key: str, value: Any, origin: str) -> None:
        """Take a trainer's default for a key that no file says anything of."""
        if key not in self.values:
            self._defaults.setdefault(key, Found(value, origin))

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a scenario key so far."""
        found = self.values.get(key)
        return default if found is None else found.value

    def fact(self, name: str, value: float | None) -> None:
        """Take a fact that values follow from; the first that says something stands."""
        if value is not None:
            self.facts.setdefault(name, value)

    def later_fact(self, name: str, value: float) -> None:
        """Take a trainer's default for a fact that no file states."""
        self._later.setdefault(name, value)

    @staticmethod
    def ignored(trainer: str) -> tuple[str, ...]:
        """Keys of a trainer that have no bearing on cost, and patterns of them."""
        return tuple(_ignored()[trainer])

    def note(self, text: str) -> None:
        """Say what was understood but is not in the scenario."""
        if text not in self.notes:
            self.notes.append(_printable(text))

    def remark(self, section: str, text: str) -> None:
        """A comment line of a section."""
        lines = self.remarks.setdefault(section, [])
        if text not in lines:
            lines.append(_printable(text))

    def not_understood(self, item: Item) -> None:
        """Say that nobody knows what a key means, or what it stands for here."""
        line = f"{item.where}: {_printable(item.label)} = {show(item.value)}"
        if line in self.unread:
            return
        if len(self.unread) < _MOST_LINES:
            self.unread.append(line)
        else:
            self._hidden += 1

    def problem(self, item: Item, text: str) -> None:
        """A value that the trainer itself would refuse."""
        self.problems.append(f"{item.where}: {_printable(item.label)}: {show(item.value)} {text}")

    def leave_open(self, key: str, item: Item) -> None:
        """Leave a key open that the files give a value that is not known here."""
        self._open.add(key)
        section, _, short = key.partition(".")
        self.remark(section, f"{short} = …  # {item.label} is {show(item.value)}")

    def model(self, name: str, origin: str) -> None:
        """Take a model by the name that others know it by."""
        preset = preset_of(name, self.catalog)
        if preset:
            self.put("model.preset", preset, f"{origin} = {name}")
            return
        flavor = preset_of(name, self.catalog, "flavors")
        if flavor:
            self.flavor(flavor, f"{origin} = {name}")
            return
        self.note(f"{origin}: {show(name)} is not in the catalog of models; give model.config")
        self.remark("model", f'config = "config.json"  # of {name}: it is not in the catalog')

    def flavor(self, name: str, origin: str) -> None:
        """Take the sizes of an entry of the catalog's flavors."""
        entry = self.catalog.entry("flavors", name)
        preset = entry.get("preset") or preset_of(name.replace("/", "-"), self.catalog)
        if preset:
            self.put("model.preset", preset, origin)
            return
        for field, value in entry.items():
            if f"model.{field}" in KEYS:
                self.put(f"model.{field}", value, origin)

    def unfit(self, reason: str) -> None:
        """The architecture is of a kind that the keys of a scenario cannot describe."""
        self._unfit = self._unfit or reason

    def layers(self) -> int | None:
        """Layers of the model so far: given, or those of the catalog's model."""
        if "model.layers" in self.values:
            return int(self.get("model.layers"))
        preset = self.get("model.preset")
        found = self.catalog.entry("models", preset).get("layers") if preset else None
        return None if found is None else int(found)

    def recompute_share(self, share: float, origin: str) -> None:
        """Take the share of the layers that is recomputed in full."""
        if share >= 1:
            self.put("training.activation_recompute", "full", origin)
        elif share <= 0:
            self.put("training.activation_recompute", "none", origin)
        else:
            self.put("training.recompute_share", share, origin)

    def optimizer(self, name: str, origin: str, own: Mapping[str, str] = {}) -> None:
        """Take an optimizer by the name that trainers give it; `own` says what some are at this one."""
        short = name.lower().replace("-", "_")
        if "paged" in short:
            if self.get("training.offload", "none") != "none":
                self.note(f"{origin} = {name}: what is paged is not said beside training.offload")
            self.default("training.offload", "paged", f"{origin} = {name}")
        for kind, words in _OPTIMIZERS.items():
            if any(word in short for word in words):
                by_default = origin.endswith(DEFAULT)
                kind = own.get(kind, kind)
                self.put("training.optimizer", kind, origin if by_default else f"{origin} = {name}")
                return
        self.note(f"{origin}: no key says the optimizer {show(name)}")

    def adapters(self, method: str, rank: int | None, origin: str) -> None:
        """Take a training of adapters alone: ``lora`` or ``qlora``."""
        self.put("training.method", method, origin)
        self.put("training.lora_rank", rank, origin)

    # -- what follows ------------------------------------------------------------

    def finish(self) -> None:
        """Derive what the readings determine together, and say what they leave open.

        Raises
        ------
        InputError
            With every value that no run can have.
        """
        if self.problems:
            raise InputError(list(dict.fromkeys(self.problems)))
        if self._hidden:
            self.unread.append(f"and {self._hidden} more keys")
        self.facts = {**self._later, **self.facts}
        for key, found in self._defaults.items():
            if key not in self.values:
                self.put(key, found.value, found.origin)
        self._architecture()
        self._devices()
        self._batch()
        self._tokens()
        cluster = self.remarks.get("cluster", [])
        if "cluster.devices" not in self.values and not any("devices =" in r for r in cluster):
            size = self._size()
            count = -(-8 // size) * size
            self.remark("cluster", f"devices = {count}  # not in the file; a multiple of {size}")
        if "parallelism.sharding" not in self.values:
            self.remark(
                "parallelism", 'sharding = "…"  # what replicas share: the file does not say'
            )
        if "cluster.accelerator" not in self.values:
            self.remark("cluster", 'accelerator = "h100-sxm"  # not in the file: name yours')

    def _architecture(self) -> None:
        own = [key for key in self.values if key.startswith("model.") and key != "model.seq_len"]
        named = [key for key in ("model.preset", "model.config") if key in self.values]
        if self._unfit:
            self.note(f"{self._unfit}: no key describes it; give model.config or model.preset")
            for key in [key for key in own if key not in named]:
                value = self.values.pop(key).value
                self.remark(
                    "model", f"{key.partition('.')[2]} = {toml_value(value)}  # {self._unfit}"
                )
            return
        sizes = {"model.layers", "model.hidden_size", "model.heads"} <= set(own)
        if named and sizes:  # the file's own sizes are what it trains
            for key in named:
                self.values.pop(key)
        elif not named and not sizes and "model" not in self.remarks:
            self.remark("model", 'preset = "…"  # the file does not say: or its sizes, or params')
        if sizes and "model.vocab_size" not in self.values:
            self.remark("model", "vocab_size = …  # that of the tokenizer, which is not known here")

    def _size(self) -> int:
        """Devices of a replica."""
        sizes = [int(self.get(f"parallelism.{name}", 1)) for name in ("tp", "pp", "cp")]
        return sizes[0] * sizes[1] * sizes[2]

    def _devices(self) -> None:
        if self._open & {"parallelism.tp", "parallelism.pp", "parallelism.cp"}:
            return
        if self.get("parallelism.pp") == 1:
            self.put("parallelism.vpp", 1, "one stage")
        size = self._size()
        nodes, per_node = (self.facts.get(name) for name in ("nodes", "devices_per_node"))
        if nodes and per_node:
            self.put("cluster.devices", int(nodes * per_node), "nodes · devices of a node")
        if per_node and per_node != self.get("cluster.devices_per_node", per_node):
            self.note(f"{per_node:.0f} devices of a node are used")
        devices, dp = self.get("cluster.devices"), self.get("parallelism.dp")
        if isinstance(devices, int) and dp is None:
            if devices % size:
                self.note(
                    f"{devices} devices are no multiple of tp · pp · cp = {size}: cluster.devices is "
                    "left out"
                )
                origin = self.values.pop("cluster.devices").origin
                self.remark("cluster", f"devices = {devices}  # {origin}; tp · pp · cp is {size}")
            else:
                self.put("parallelism.dp", devices // size, "devices / (tp · pp · cp)")
        elif dp is not None and devices is None:
            self.put("cluster.devices", dp * size, "dp · tp · pp · cp")

    def _batch(self) -> None:
        batch, micro = "parallelism.global_batch_seqs", "parallelism.micro_batch"
        rounds = self.facts.get("accumulation")
        dp = self.get("parallelism.dp")
        given, size = self.get(batch), self.get(micro)
        if given is None and size is not None:
            each = int(size * (rounds or 1))
            if dp is not None:
                self.put(batch, each * dp, "micro-batch · accumulation · dp")
            else:
                self.remark(
                    "parallelism",
                    f"global_batch_seqs = {each}  # {each} · dp, and the file does not say dp",
                )
        elif given is not None and size is None and rounds and dp is not None:
            each = given / (rounds * dp)
            if each >= 1 and each == int(each):
                self.put(micro, int(each), "batch / (accumulation · dp)")
        elif given is not None and size is not None and rounds and dp is None:
            replicas = given / (size * rounds)
            if replicas >= 1 and replicas == int(replicas):
                self.put("parallelism.dp", int(replicas), "batch / (micro-batch · accumulation)")
                self._devices()
        one = self.get("parallelism.dp", 1) * self.get(micro, 1)
        if given is not None and given % one:
            self.note(f"a batch of {given} is no multiple of dp · micro_batch = {one}")

    def _tokens(self) -> None:
        length, batch = self.get("model.seq_len"), self.get("parallelism.global_batch_seqs")
        steps, samples, tokens = (self.facts.get(n) for n in ("steps", "samples", "tokens"))
        origin = ""
        if tokens:
            origin = "tokens of the run"
        elif samples and length:
            tokens, origin = samples * length, "samples · sequence length"
        elif steps and batch and length:
            tokens, origin = steps * batch * length, "steps · batch · sequence length"
        if tokens and "data.tokens" not in self.values:
            self.put("data.tokens", int(tokens), origin)
        epochs = self.facts.get("epochs")
        if "data.tokens" not in self.values:
            why = "the file does not say; without it 20 a parameter are taken"
            if steps and length:
                why = f"{steps:.0f} steps · batch · {length}: the batch is not known"
            self.remark("data", f'tokens = "…"  # {why}')
            if epochs:
                self.remark("data", f"epochs = {epochs:g}")


@cache
def _ignored() -> dict[str, list[str]]:
    return read_toml(packaged("scenario", "importers", "ignored.toml"), "list of keys")


def toml_value(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:_}" if abs(value) >= 1_000_000 else str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(_printable(str(value)), ensure_ascii=False)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)[:300]
