"""Read the catalog: one TOML file a kind, and files of the user's own on top."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llmcost.catalog.profiles as profiles
from llmcost.errors import InputError, nearest
from llmcost.files import packaged, read_text, read_toml

if TYPE_CHECKING:
    from llmcost.catalog.prices import Rental

Entry = dict[str, Any]

#: What the catalog holds, with a line on each kind.
KINDS = {
    "accelerators": "devices: peak rates, memory, power, price, embodied carbon",
    "models": "published models and their architectures",
    "clouds": "rental prices by accelerator, vendor and date",
    "purchases": "purchase prices by accelerator and date, with their basis",
    "places": "electricity, grid and water by country, state and cloud region",
    "staff": "what the people who develop a model cost",
    "electricity": "industrial electricity prices in the United States by year",
    "grids": "carbon intensity of electricity by country and cloud region",
    "operators": "data centre operators: PUE",
    "sites": "PUE and water on site of operators, by country or state and year",
    "defaults": "assumptions taken when a scenario gives none",
    "trends": "growth rates of compute, cost, hardware, algorithms and energy",
    "levers": "the roadmap of cost levers of Faraboschi et al. 2024",
    "runs": "published runs to check against",
    "performance": "what the performance model knows of the hardware, by accelerator family",
    "kernels": "measured kernels and collectives, by device or family",
    "software": "what the performance model knows of the software that trains",
    "optimizers": "bytes of an optimizer's states and of its step",
    "flavors": "models by torchtitan's names for them",
    "serving": "constants of the serving model by the software that serves",
    "service": "constants of the serving model of any software",
    "scaling_laws": "loss by parameters and tokens: constants, and what they were fitted to",
    "tokenizers": "sizes of vocabularies by the names that trainers give tokenizers",
    "mixtures": "active parameters of further mixtures of experts as published, by shape",
}
#: The constants of a profile of software. A profile may also give each for one family of
#: accelerators, with the family's name before it (hopper_attention_quality), and takes what it
#: does not give from the profile that its field `base` names.
PROFILE = (
    "product_quality", "expert_quality", "attention_quality", "fused_attention", "elementwise_passes", "kernels_per_layer",
    "expert_kernels", "kernels_per_expert", "kernel_launch_s", "tensor_overlap", "exchange_overlap", "exchange_copies",
    "data_overlap", "pipeline_overlap", "gradient_bytes", "reduced_bytes", "gathered_bytes", "loss_bytes",
    "optimizer_passes", "score_bytes", "dropout", "saved_factor", "fp8_saved_input_bytes",
    "logit_memory_bytes", "master_is_weight", "recompute_stops_early", "selective_products", "saves_gathered",
    "gradient_buffer", "packed_inputs", "keeps_graph", "joined_adapters", "sums_whole", "repeats_heads", "whole_logit_bytes",
    "hybrid_exchange", "fused_exchange_overlap", "fp8_quality", "exchange_processors", "fp8_dispatch_bytes",
    "remakes_cheap", "fp8_saved_gate_bytes", "fp8_shared_output_bytes", "weighs_inside", "turned_copies",
    "fp8_saved_attention_bytes", "joined_gates", "keeps_joined", "keeps_normed",
    "sharded_logit_bytes", "keeps_outputs", "receive_buffers", "caching_allocator", "fragment_share", "expandable_share", "step_bytes",
    "bucket_gb", "loaded_kernels_gb",
    "hidden_passes", "gradient_overlap", "sums_in_product", "expert_streams",
    "casts_in_norms",
)  # fmt: skip
#: Constants that profiles of users from before them do without, and what then holds.
LATER = {
    "gradient_buffer": 1.0, "packed_inputs": 0.0, "keeps_graph": 0.0, "joined_adapters": 0.0, "sums_whole": 0.0,
    "repeats_heads": 0.0, "whole_logit_bytes": 4.0, "hybrid_exchange": 0.0, "fused_exchange_overlap": 0.0,
    "fp8_quality": 1.0, "exchange_processors": 0.0, "fp8_dispatch_bytes": 2.0, "remakes_cheap": 0.0,
    "fp8_saved_gate_bytes": 2.0, "fp8_shared_output_bytes": 0.0, "weighs_inside": 0.0, "turned_copies": 1.0,
    "fp8_saved_attention_bytes": 2.0, "joined_gates": 0.0, "keeps_joined": 0.0, "keeps_normed": 0.0,
    "sharded_logit_bytes": 0.0, "keeps_outputs": 0.0, "receive_buffers": 0.0, "caching_allocator": 1.0,
    "fragment_share": 0.08, "expandable_share": 0.01, "step_bytes": 0.0, "bucket_gb": 0.0,
    "loaded_kernels_gb": 0.1,
    "hidden_passes": 8.0, "gradient_overlap": 0.0, "sums_in_product": 0.0,
    "expert_streams": 0.0, "casts_in_norms": 0.0,
}  # fmt: skip
#: The constants of a profile of software that serves.
SERVING = (
    "step_s", "sequence_s", "overlap", "default_sequences", "memory_share", "narrow_cache",
)  # fmt: skip
#: Constants of a scaling law.
LAW_CONSTANTS = (
    "floor", "params_constant", "params_exponent", "tokens_constant", "tokens_exponent",
)  # fmt: skip
#: How sure the constants of a law are: covariances of its estimates, and scatter of single runs.
LAW_ERRORS = (
    "cov_e_e", "cov_e_a", "cov_e_b", "cov_e_alpha", "cov_e_beta", "cov_a_a", "cov_a_b", "cov_a_alpha", "cov_a_beta",
    "cov_b_b", "cov_b_alpha", "cov_b_beta", "cov_alpha_alpha", "cov_alpha_beta", "cov_beta_beta", "scatter",
)  # fmt: skip
#: What a scaling law gives: its constants and the models that it was fitted to.
SCALING_LAW = (
    *LAW_CONSTANTS, "fitted_params_low", "fitted_params_high", "fitted_tokens_low", "fitted_tokens_high",
)  # fmt: skip
#: Kinds that are tables of rows, not TOML.
_TABLES = ("clouds", "purchases", "places", "sites")
#: Kinds of which each entry is a file of its own, named after it.
_ONE_FILE_EACH = ("models",)
#: Characters of a name that can be that of a file.
_LONGEST_NAME = 100
#: What an entry of a kind cannot be without; every entry also says where it comes from.
REQUIRED = {
    "clouds": ("accelerator", "vendor", "date"),
    "electricity": ("usd_per_kwh",),
    "grids": ("kgco2e_per_kwh",),
    "operators": ("pue",),
    "defaults": ("value",),
    "trends": ("key", "value", "low", "high", "unit"),
    "levers": ("year",),
    "optimizers": ("state_bytes", "weight_bytes", "traffic_bytes"),
    "tokenizers": ("vocab_size",),
    "mixtures": (
        "active_params",
        "layers",
        "hidden_size",
        "heads",
        "vocab_size",
        "experts",
        "experts_per_token",
    ),
    "serving": SERVING,
    "scaling_laws": SCALING_LAW,
}


class Catalog:
    """Entries by kind and name; a kind is read when it is first asked for."""

    def __init__(self, files: Iterable[str | Path] = ()) -> None:
        self._extra: dict[str, dict[str, Entry]] = {}
        self._merged: dict[str, dict[str, Entry]] = {}
        self._spellings: dict[str, dict[str, str]] = {}
        #: Prices of the user's price lists, and accelerators in them that nobody knows.
        self.price_lists: tuple[Rental, ...] = ()
        self.unknown_devices: tuple[str, ...] = ()
        problems: list[str] = []
        for file in map(Path, files):
            if file.suffix.lower() == ".csv":
                problems += self._price_list(file)
            else:
                problems += self._add(file)
        if problems:
            raise InputError(problems)

    def _price_list(self, path: Path) -> list[str]:
        from llmcost.catalog.skypilot import read_skypilot

        try:
            found = read_skypilot(path, self.kind("accelerators"))
        except InputError as error:
            return error.problems
        self.price_lists += found.prices
        self.unknown_devices += found.unknown
        return []

    def own(self, kind: str) -> Mapping[str, Entry]:
        """The user's own entries of a kind."""
        return self._extra.get(kind, {})

    def _add(self, path: Path) -> list[str]:
        problems = []
        table = read_toml(path, "catalog")
        for kind, entries in table.items():
            if kind not in KINDS:
                problems.append(f'{path}: unknown kind "{kind}"{nearest(kind, KINDS)}')
                continue
            if not isinstance(entries, dict):
                problems.append(f"{path}: [{kind}] must hold tables, one an entry")
                continue
            if kind in _TABLES and kind != "clouds":
                problems.append(f"{path}: [{kind}] cannot be added to")
                continue
            known = builtin(kind)
            samples = _samples(kind, table)
            fields = {*samples, *(f"{key}_{end}" for key in samples for end in ("low", "high"))}
            for name, entry in entries.items():
                where = f"{path}: [{kind}.{name}]"
                if not isinstance(entry, dict):
                    problems.append(f"{where} must be a table")
                    continue
                problems += [
                    f"{where} {key}: unknown field{nearest(key, fields)}"
                    for key in entry
                    if key not in fields
                ]
                merged = {**known.get(name, {}), **entry}
                if "source" not in entry:
                    problems.append(f"{where} source: every entry says where it comes from")
                problems += [
                    f"{where} {key}: is missing"
                    for key in (*REQUIRED.get(kind, ()), *_unbased(kind, merged))
                    if key not in merged
                ]
                if kind == "electricity" and not (name.isdecimal() and len(name) == 4):
                    problems.append(f"{where}: is not a year, like [electricity.2024]")
                if kind in ("defaults", "trends") and name not in known:
                    problems.append(f"{where}: unknown entry{nearest(name, known)}")
                if kind == "trends" and merged.get("key") != known.get(name, merged).get("key"):
                    problems.append(f"{where} key: is {known[name]['key']}; it cannot change")
                problems += _wrong_types(where, entry, samples)
                problems += _empty_ranges(where, merged)
                if kind == "software":
                    problems += profiles.problems(where, entry, PROFILE)
                    problems += profiles.base_problems(where, name, {**known, **entries}, _plain)
                self._extra.setdefault(kind, {})[name] = merged
        return problems

    def kind(self, kind: str) -> Mapping[str, Entry]:
        """All entries of a kind."""
        if kind not in self._merged:
            self._merged[kind] = {**builtin(kind), **self._extra.get(kind, {})}
        return self._merged[kind]

    def entry(self, kind: str, name: str) -> Entry:
        """One entry by its exact name, without parsing the rest of a built-in file."""
        if kind in self._merged or self._extra.get(kind):
            return self.kind(kind)[name]
        return builtin_entry(kind, name) or self.kind(kind)[name]

    def find(self, kind: str, name: str, where: str) -> str:
        """The name of an entry, given its name, its full name or an alias, however spelt.

        Raises
        ------
        InputError
            If there is none of that name; the message starts with `where`.
        """
        if not self._extra.get(kind) and builtin_entry(kind, name) is not None:
            return name
        entries = self.kind(kind)
        if name in entries:
            return name
        if kind not in self._spellings:
            known: dict[str, str] = {}
            for key, entry in entries.items():
                for spelling in (key, entry.get("full_name", key), *entry.get("aliases", ())):
                    known.setdefault(_plain(spelling), key)
            if kind == "grids":  # a grid of the catalog is that of the place of its name
                for key, entry in builtin("places").items():
                    for spelling in entry.get("aliases", ()) if key in entries else ():
                        known.setdefault(_plain(spelling), key)
            self._spellings[kind] = known
        if _plain(name) in self._spellings[kind]:
            return self._spellings[kind][_plain(name)]
        hint = nearest(name, entries) or f"; `llmcost catalog {kind}` lists them"
        shown = "".join(char if char.isprintable() else "?" for char in name)[:60]
        raise InputError(f'{where}: "{shown}" is not in the catalog of {kind}{hint}')


def _plain(name: str) -> str:
    """A name without case, spaces and signs, to compare spellings."""
    return "".join(char for char in name.lower() if char.isalnum())


def _unbased(kind: str, entry: Entry) -> tuple[str, ...]:
    """Fields that a profile of software needs where no other profile gives them."""
    if kind != "software" or "base" in entry:
        return ()
    return tuple(name for name in PROFILE if name not in LATER)


def _samples(kind: str, table: Mapping[str, Any]) -> Entry:
    """A value of each field that an entry of a kind may have, to compare the user's with.

    A profile of software may name the families of the user's own accelerators too.
    """
    samples: Entry = {}
    for entry in builtin(kind).values():
        samples = {**entry, **samples}
    if kind == "software":
        samples |= {"base": ""}
        own = table.get("accelerators")
        devices = [
            *builtin("accelerators").values(),
            *(own.values() if isinstance(own, dict) else ()),
        ]
        families = {item.get("family") for item in devices if isinstance(item, dict)} - {None}
        samples |= {f"{family}_{name}": 1.0 for family in families for name in PROFILE}
    return samples


def _wrong_types(where: str, entry: Entry, samples: Mapping[str, Any]) -> list[str]:
    """Compare the fields of a user's entry with those that the catalog carries."""
    problems = []
    for key, value in entry.items():
        base = re.sub(r"_(low|high)$", "", key)
        sample = samples.get(key, samples.get(base))
        if sample is None:
            continue
        number = isinstance(sample, int | float) and not isinstance(sample, bool)
        if number:
            good = isinstance(value, int | float) and not isinstance(value, bool)
            good = good and 0 <= value < float("inf")
        else:
            good = type(value) is type(sample)
            if isinstance(value, list):
                good = good and all(isinstance(item, str) for item in value)
        if not good:
            wanted = "a number ≥ 0" if number else _NAMES.get(type(sample).__name__, "text")
            problems.append(f"{where} {key}: {str(value)[:60]!r} is not {wanted}")
    return problems


_NAMES = {"bool": "true or false", "date": "a date, like 2024-02-24", "list": "a list of texts"}


def _empty_ranges(where: str, entry: Entry) -> list[str]:
    """Ranges whose low end is not below their high end, or that a lognormal cannot have."""
    problems = []
    for low in entry:
        high = re.sub(r"(^|_)low$", r"\1high", low)
        if high == low or high not in entry:
            continue
        ends = entry[low], entry[high]
        if all(isinstance(end, int | float) for end in ends) and not 0 < ends[0] < ends[1]:
            problems.append(f"{where} {low}: {ends[0]} is not > 0 and below {high} {ends[1]}")
    return problems


@cache
def builtin(kind: str) -> dict[str, Entry]:
    """Read the entries of a kind that llmcost carries."""
    if kind in ("clouds", "purchases"):
        from llmcost.catalog.prices import purchase_entries, rental_entries

        return rental_entries() if kind == "clouds" else purchase_entries()
    if kind == "places":
        from llmcost.catalog.places import entries as places

        return places()
    if kind == "sites":
        from llmcost.catalog.sites import entries as sites

        return sites()
    if kind in _ONE_FILE_EACH:
        folder = packaged("catalog", "data", kind)
        files = sorted(item.name for item in folder.iterdir() if item.name.endswith(".toml"))
        names = (name.removesuffix(".toml") for name in files)
        return {name: _own_file(kind, name) for name in names}
    return read_toml(packaged("catalog", "data", f"{kind}.toml"), "catalog")


def _own_file(kind: str, name: str) -> Entry:
    return read_toml(packaged("catalog", "data", kind, f"{name}.toml"), "catalog")


@cache
def _builtin_text(kind: str) -> str:
    return read_text(packaged("catalog", "data", f"{kind}.toml"), "catalog")


def _carries(kind: str, name: str) -> bool:
    return packaged("catalog", "data", kind, f"{name}.toml").is_file()


@cache
def builtin_entry(kind: str, name: str) -> Entry | None:
    """Parse one table of a built-in file; None where there is none under that header.

    Models have a file each. The other files hold plain ``[name]`` tables alone, so a table ends where a line starts
    with the next bracket. Parsing 40 tables for one costs a start-up 4 ms a kind.
    """
    import tomli

    if kind in _ONE_FILE_EACH:
        known = name.isprintable() and not set(name) & set("/\\:") and len(name) < _LONGEST_NAME
        return _own_file(kind, name) if known and _carries(kind, name) else None
    if kind in _TABLES:
        return builtin(kind).get(name)
    text = _builtin_text(kind)
    for header in (f"\n[{name}]\n", f'\n["{name}"]\n'):
        at = text.find(header)
        if at >= 0 and "\n" not in name:
            end = text.find("\n[", at + 1)
            table: Entry = tomli.loads(text[at : end if end > 0 else None])
            return table.get(name)
    return None


def load_catalog(files: Iterable[str | Path] = ()) -> Catalog:
    """Open the catalog with the user's files on top.

    Parameters
    ----------
    files : iterable of path
        Files that add or override entries; those that ``LLMCOST_CATALOG`` names come first.
    """
    named = [item for item in os.environ.get("LLMCOST_CATALOG", "").split(os.pathsep) if item]
    return Catalog([*named, *files])
