"""The catalog: kinds, listings and single entries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol

from llmcost.catalog.load import SERVING
from llmcost.render.data import to_csv, to_json, to_markdown
from llmcost.render.numbers import plain

#: The columns of a listing, by kind; every other field is shown with the entry.
COLUMNS = {
    "accelerators": (
        "available",
        "bf16_tflops",
        "memory_gb",
        "tdp_w",
        "price_usd",
        "embodied_kgco2e",
    ),
    "models": ("params", "active_params", "layers", "hidden_size", "training_tokens"),
    "clouds": (
        "on_demand_usd_per_device_hour",
        "spot_usd_per_device_hour",
        "one_year_usd_per_device_hour",
        "three_year_usd_per_device_hour",
    ),
    "purchases": ("usd_per_device", "includes_server", "basis", "used"),
    "places": (
        "full_name",
        "electricity_usd_per_kwh",
        "grid_kgco2e_per_kwh",
        "water_supply_l_per_kwh",
    ),
    "staff": ("value", "low", "high", "unit"),
    "electricity": ("usd_per_kwh",),
    "grids": ("full_name", "kgco2e_per_kwh"),
    "operators": ("full_name", "pue"),
    "sites": ("full_name", "pue", "l_per_kwh"),
    "defaults": ("value", "low", "high"),
    "trends": ("value", "low", "high", "unit"),
    "levers": ("year", "flops", "flops_per_device", "device_price", "power", "mfu", "in_trend"),
    "performance": ("software", "early_software", "comm_steal", "straggler_share"),
    "kernels": ("efficiency", "memory_share", "launch_s", "median_error", "p90_error"),
    "software": (
        "product_quality",
        "attention_quality",
        "elementwise_passes",
        "tensor_overlap",
        "data_overlap",
    ),
    "optimizers": ("full_name", "state_bytes", "weight_bytes", "traffic_bytes"),
    "flavors": ("preset", "layers", "hidden_size", "experts"),
    "scaling_laws": ("full_name", "floor", "params_exponent", "tokens_exponent"),
    "tokenizers": ("full_name", "vocab_size"),
    "mixtures": ("full_name", "active_params", "layers", "hidden_size", "experts"),
    "serving": SERVING,
    "service": ("weight_share", "cache_share", "product_share", "layer_s", "expert_layer_s"),
    "runs": (
        "accelerator",
        "devices",
        "device_hours",
        "energy_mwh",
        "operational_tco2e",
        "cost_amortized_usd",
    ),
}
_SHORT = {
    "on_demand_usd_per_device_hour": "$/h",
    "spot_usd_per_device_hour": "spot",
    "usd_per_device": "USD",
    "includes_server": "server",
    "electricity_usd_per_kwh": "$/kWh",
    "grid_kgco2e_per_kwh": "kgCO2e/kWh",
    "water_supply_l_per_kwh": "L/kWh",
    "l_per_kwh": "L/kWh",
    "one_year_usd_per_device_hour": "1 year",
    "three_year_usd_per_device_hour": "3 years",
    "embodied_kgco2e": "kgCO2e",
    "training_tokens": "tokens",
    "hidden_size": "hidden",
    "operational_tco2e": "tCO2e",
    "device_hours": "hours",
    "cost_amortized_usd": "amortized $",
    "bf16_tflops": "bf16 TF/s",
    "early_software": "before",
    "comm_steal": "steal",
    "straggler_share": "waiting",
    "efficiency": "of peak",
    "memory_share": "of memory",
    "launch_s": "launch s",
    "median_error": "error",
    "p90_error": "p90 error",
    "product_quality": "products",
    "attention_quality": "attention",
    "elementwise_passes": "passes",
    "tensor_overlap": "tp hidden",
    "data_overlap": "dp hidden",
    "state_bytes": "states B",
    "weight_bytes": "of it the weight B",
    "traffic_bytes": "traffic B",
    "default_sequences": "sequences",
    "narrow_cache": "8-bit cache",
    "sequence_s": "s/sequence",
    "step_s": "s/step",
    "memory_gb": "GB",
    "tdp_w": "TDP W",
    "price_usd": "USD",
    "flops_per_device": "FLOP/s",
    "device_price": "price",
    "in_trend": "in trend",
}
#: Columns of text; all others hold numbers, to the right.
_TEXTS = ("basis", "available", "full_name", "unit", "accelerator", "software", "early_software")


class Options(Protocol):
    """What the common options say of the output."""

    @property
    def format(self) -> str: ...
    @property
    def output(self) -> str | None: ...
    @property
    def color(self) -> bool: ...


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _cell(value: Any) -> str:
    return "—" if value is None else plain(_plain(value))


def _render(
    header: list[str],
    rows: list[list[Any]],
    data: Any,
    options: Options,
    right: list[int],
) -> str:
    if options.format == "json":
        return to_json(data)
    if options.format == "csv":
        return to_csv(header, [[_plain(cell) for cell in row] for row in rows])
    text = [[_cell(cell) for cell in row] for row in rows]
    if options.format == "markdown":
        return to_markdown(header, text, right)
    from llmcost.render.grid import grid
    from llmcost.render.table import console, text_of

    target = console(options.color, options.output is not None)
    table = grid(*header, right=right)
    for row in text:
        table.add_row(*row)
    target.print(table)
    return text_of(target)


def kinds(found: Mapping[str, tuple[str, int]], options: Options) -> str:
    """All kinds with what they hold."""
    rows = [[name, count, text] for name, (text, count) in found.items()]
    data = {name: {"entries": count, "description": text} for name, (text, count) in found.items()}
    return _render(["kind", "entries", "description"], rows, data, options, [1])


def listing(kind: str, entries: Mapping[str, Mapping[str, Any]], options: Options) -> str:
    """All entries of a kind, with the fields that tell them apart."""
    columns = COLUMNS[kind]
    if options.format == "csv":
        fields = list(dict.fromkeys(field for entry in entries.values() for field in entry))
        header, rows = (
            ["name", *fields],
            [[name, *(entry.get(f) for f in fields)] for name, entry in entries.items()],
        )
    else:
        header = ["name", *(_SHORT.get(column, column) for column in columns)]
        rows = [
            [name, *(entry.get(column) for column in columns)] for name, entry in entries.items()
        ]
        if options.format == "markdown":
            header.append("source")
            rows = [
                [*row, entry["source"]] for row, entry in zip(rows, entries.values(), strict=True)
            ]
    data = {name: _plain_entry(entry) for name, entry in entries.items()}
    numbers = [i for i, column in enumerate(columns, 1) if column not in _TEXTS]
    return _render(header, rows, data, options, numbers)


def entry(name: str, found: Mapping[str, Any], options: Options) -> str:
    """One entry with every field."""
    rows = [
        [field, value if not isinstance(value, list) else ", ".join(map(str, value))]
        for field, value in found.items()
    ]
    return _render([name, "value"], rows, {"name": name, **_plain_entry(found)}, options, [])


def _plain_entry(found: Mapping[str, Any]) -> dict[str, Any]:
    return {field: _plain(value) for field, value in found.items()}
