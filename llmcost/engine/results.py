"""The registry of results: each is named once, with its unit, and everything else reads it here."""

from __future__ import annotations

from typing import NamedTuple


class Result(NamedTuple):
    """One result of the engine."""

    key: str
    label: str
    unit: str
    group: str
    description: str
    source: str


RUN, LAYOUT, ENERGY, COST = "Run", "Layout", "Energy and carbon", "Cost"
SERVICE, LIFE = "Service", "Training and service"
_IDENTITY = "llmcost identity: flops = devices · days · 86400 · peak · MFU · goodput"
_COTTIER = "Cottier et al. 2024, arXiv:2405.21015"
_WU = "Wu et al. 2024, arXiv:2406.05303"
_LEDGER = "Korthikanti et al. 2022, arXiv:2205.05198; docs/memory.md"
_ALLOCATOR = "PyTorch, CUDA semantics (memory management); docs/memory.md"
_OWNED = "what a scenario counts of ownership (cost.ownership), docs/money.md"
_SERVING = "Pope et al. 2022, arXiv:2211.05102; docs/service.md"

_ALL = [
    Result("flops", "Training compute", "FLOP", RUN, "Model FLOPs of the run", "Faraboschi et al. 2024, arXiv:2404.08811"),
    Result("hardware_flops", "Hardware compute", "FLOP", RUN, "FLOPs that the devices execute, recomputation included", "Korthikanti et al. 2022, arXiv:2205.05198"),
    Result("params", "Parameters", "", RUN, "Parameters of the model, in total", "model or its architecture"),
    Result("active_params", "Active parameters", "", RUN, "Parameters used per token", "model or its architecture"),
    Result("published_active_params", "Active, as published", "", RUN, "Parameters used per token as the publisher counts them; some leave embeddings out", "catalog of models"),
    Result("tokens", "Tokens", "tokens", RUN, "Tokens seen in training, epochs included", "Hoffmann et al. 2022, arXiv:2203.15556"),
    Result("devices", "Devices", "", RUN, "Accelerators", _IDENTITY),
    Result("days", "Duration", "days", RUN, "Wall-clock time of the run", _IDENTITY),
    Result("mfu", "MFU", "1", RUN, "Model FLOPs utilisation: model FLOPs over what the devices could do at peak", "Chowdhery et al. 2022, arXiv:2204.02311"),
    Result("goodput", "Goodput", "1", RUN, "Share of wall-clock time that trains", "Young 1974; Daly 2006"),
    Result("device_hours", "Device-hours", "h", RUN, "Devices times hours", _IDENTITY),
    Result("loss", "Loss", "nats/token", RUN, "Loss that the scaling law of model.scaling_law expects, on text like that of its fit", "Hoffmann et al. 2022, arXiv:2203.15556; docs/loss.md"),
    Result("steps", "Steps", "", LAYOUT, "Training steps: tokens over those of a global batch", "definition"),
    Result("step_time_s", "Step time", "s", LAYOUT, "Time of a training step in the layout", "performance model from measured kernels, docs/method/step-time.md"),
    Result("predicted_mfu", "Predicted MFU", "1", LAYOUT, "MFU that the layout reaches", "performance model from measured kernels, docs/method/step-time.md"),
    Result("predicted_hfu", "Predicted HFU", "1", LAYOUT, "Hardware FLOPs utilisation, recomputation counted", "Korthikanti et al. 2022, arXiv:2205.05198"),
    Result("memory_gb_per_device", "Memory", "GB", LAYOUT, "Memory of the fullest device", "Korthikanti et al. 2022, arXiv:2205.05198"),
    Result("memory_parameters_gb", "Weights", "GB", LAYOUT, "Weights on the fullest device", _LEDGER),
    Result("memory_gradients_gb", "Gradients", "GB", LAYOUT, "Gradients on the fullest device; those of one micro-batch take the place of its activations", _LEDGER),
    Result("memory_optimizer_gb", "Optimizer", "GB", LAYOUT, "Master weights and moments on the fullest device", _LEDGER),
    Result("memory_activations_gb", "Activations", "GB", LAYOUT, "What the fullest device keeps for the backward pass", _LEDGER),
    Result("memory_buffers_gb", "Buffers", "GB", LAYOUT, "Logits, gathered weights and a layer made again, on the fullest device", _LEDGER),
    Result("memory_reserve_gb", "Reserve", "GB", LAYOUT, "What the allocator of the fullest device holds beyond the tensors", _ALLOCATOR),
    Result("memory_context_gb", "Context", "GB", LAYOUT, "CUDA's context, loaded kernels and the buffers of communicators", _ALLOCATOR),
    Result("memory_in_use_gb_per_device", "Memory in use", "GB", LAYOUT, "What nvidia-smi would show of the fullest device: tensors, reserve and context", _ALLOCATOR),
    Result("energy_mwh", "Energy", "MWh", ENERGY, "Electricity of the run, data centre overhead included", "Patterson et al. 2021, arXiv:2104.10350"),
    Result("peak_power_mw", "Peak power", "MW", ENERGY, "Power the site must provide", _COTTIER),
    Result("development_energy_mwh", "Energy with experiments", "MWh", ENERGY, "Electricity of the run and of its experiments", _COTTIER),
    Result("operational_tco2e", "Operational carbon", "tCO2e", ENERGY, "Emissions of the electricity, location-based", "Patterson et al. 2021, arXiv:2104.10350"),
    Result("embodied_tco2e", "Embodied carbon", "tCO2e", ENERGY, "Share of the manufacture of the hardware", "Gupta et al. 2022; Luccioni et al. 2022, arXiv:2211.02001"),
    Result("total_tco2e", "Total carbon", "tCO2e", ENERGY, "Operational plus embodied carbon", _WU),
    Result("development_tco2e", "Carbon with experiments", "tCO2e", ENERGY, "Total carbon of the run and of its experiments", _WU),
    Result("water_m3", "Water", "m3", ENERGY, "Water consumed on site and in electricity generation", "Li et al. 2023, arXiv:2304.03271"),
    Result("cost_accelerator_usd", "Accelerators", "USD", COST, "Amortized cost of the accelerators", _COTTIER),
    Result("cost_server_usd", "Servers", "USD", COST, "Amortized cost of the rest of the servers", _COTTIER),
    Result("cost_interconnect_usd", "Interconnect", "USD", COST, "Amortized cost of the cluster network", _COTTIER),
    Result("cost_energy_usd", "Energy", "USD", COST, "Cost of the electricity", _COTTIER),
    Result("cost_colocation_usd", "Colocation", "USD", COST, "Rent of an owned cluster's floor, electricity apart", _OWNED),
    Result("cost_storage_usd", "Storage", "USD", COST, "Storage beside an owned cluster", _OWNED),
    Result("cost_support_usd", "Vendor support", "USD", COST, "Support and repair of an owned cluster by its vendor", _OWNED),
    Result("cost_capital_usd", "Capital", "USD", COST, "Interest on the value of an owned cluster", _OWNED),
    Result("cost_setup_usd", "Set-up", "USD", COST, "Weeks in which an owned cluster was bought and not yet used", _OWNED),
    Result("cost_amortized_usd", "Amortized", "USD", COST, "Amortized hardware plus energy, and what of owning it is counted (cost.ownership)", _COTTIER),
    Result("cost_purchase_usd", "Purchase", "USD", COST, "Price of buying the whole cluster new", _COTTIER),
    Result("cost_cloud_usd", "Cloud rental", "USD", COST, "Device-hours at a cloud price", _COTTIER),
    Result("breakeven_utilisation", "Break-even use", "1", COST, "Share of its life that an owned cluster must be used to cost what renting does", "amortized cost against rental"),
    Result("cost_experiments_usd", "Experiments", "USD", COST, "Experiments, by the method of the run (cost.method)", _COTTIER),
    Result("cost_staff_usd", "Staff", "USD", COST, "Salaries, equity and overheads of the staff", _COTTIER),
    Result("cost_development_usd", "Development", "USD", COST, "Cost of cost.method with experiments, plus staff", _COTTIER),
    Result("cost_items_usd", "Items", "USD", COST, "The scenario's own items, [[cost.items]]", "the scenario's [[cost.items]]"),
    Result("cost_total_usd", "Total", "USD", COST, "All that the scenario says the project costs: development and items", _COTTIER),
    Result("inference_devices", "Serving devices", "", SERVICE, "Accelerators that serve the model", _SERVING),
    Result("inference_flops", "Service compute", "FLOP", SERVICE, "FLOPs of the service: prompts and output", "Pope et al. 2022, arXiv:2211.05102"),
    Result("inference_tokens_per_s_per_device", "Speed of a device", "tokens/s", SERVICE, "Output tokens that a device writes in a second while it has work", _SERVING),
    Result("inference_energy_mwh", "Service energy", "MWh", SERVICE, "Electricity of the service, data centre overhead included", _SERVING),
    Result("inference_operational_tco2e", "Service, operational", "tCO2e", SERVICE, "Emissions of the service's electricity", _WU),
    Result("inference_embodied_tco2e", "Service, embodied", "tCO2e", SERVICE, "Share of the manufacture of the serving hardware", _WU),
    Result("inference_cost_usd", "Service cost", "USD", SERVICE, "Cost of the service by the method of the run (cost.method)", _COTTIER),
    Result("inference_usd_per_million_tokens", "A million tokens", "USD", SERVICE, "Cost of a million output tokens, their prompts included", _SERVING),
    Result("inference_j_per_token", "An output token", "J", SERVICE, "Electricity for an output token, prompts, idle time and overhead included", _SERVING),
    Result("lifetime_energy_mwh", "Lifetime energy", "MWh", LIFE, "Electricity of training and service", _WU),
    Result("lifetime_tco2e", "Lifetime carbon", "tCO2e", LIFE, "Emissions of training and service, operational and embodied", _WU),
    Result("lifetime_cost_usd", "Lifetime cost", "USD", LIFE, "Cost of training and service", _WU),
    Result("training_share_of_lifetime_tco2e", "Training's share", "1", LIFE, "Share of the life's emissions that training makes", _WU),
    Result("break_even_tokens_energy", "Even in energy after", "tokens", LIFE, "Output tokens after which service has used as much electricity as training", _WU),
    Result("break_even_tokens_tco2e", "Even in carbon after", "tokens", LIFE, "Output tokens after which service has emitted as much as training", _WU),
    Result("break_even_tokens_cost", "Even in cost after", "tokens", LIFE, "Output tokens after which service has cost as much as training", _WU),
]  # fmt: skip

RESULTS: dict[str, Result] = {item.key: item for item in _ALL}
#: Results, and what published cases are checked on beside them.
CHECKED = {
    **RESULTS,
    "device_power_w": Result("device_power_w", "Power of a device", "W", ENERGY, "Average draw of a device, its share of the server included", _COTTIER),
}  # fmt: skip
#: Groups of results by the word that options take.
GROUPS = {
    "run": RUN, "layout": LAYOUT, "energy": ENERGY, "cost": COST, "service": SERVICE, "lifetime": LIFE,
}  # fmt: skip
#: Groups across those, by the units that they are measured in.
BY_UNIT = {"time": ("days", "h", "s"), "carbon": ("tCO2e",), "memory": ("GB",), "money": ("USD",)}


def of_group(word: str) -> list[str]:
    """The results that a word of a group stands for, in their order; none for another word."""
    units = BY_UNIT.get(word, ())
    return [
        key for key, item in RESULTS.items() if item.group == GROUPS.get(word) or item.unit in units
    ]


def of_quantile(name: str) -> tuple[str, str]:
    """The result and the share of a column of quantiles, ``days_p95``; empty for another name."""
    key, _, share = name.rpartition("_p")
    shaped = key in RESULTS and share.replace(".", "", 1).isdecimal()
    return (key, share) if shaped else ("", "")


#: What owning costs beside the hardware, where a scenario counts it.
OWNERSHIP_PARTS = (
    "cost_colocation_usd",
    "cost_storage_usd",
    "cost_support_usd",
    "cost_capital_usd",
    "cost_setup_usd",
)
#: The parts that add up to the amortized cost.
COST_COMPONENTS = (
    "cost_accelerator_usd",
    "cost_server_usd",
    "cost_interconnect_usd",
    "cost_energy_usd",
    *OWNERSHIP_PARTS,
)
#: The results of each method of accounting.
COST_METHODS = {
    "amortized": "cost_amortized_usd",
    "cloud": "cost_cloud_usd",
    "purchase": "cost_purchase_usd",
}
#: What adds up to the cost of the run, by method.
METHOD_PARTS = {
    "amortized": COST_COMPONENTS,
    "cloud": ("cost_cloud_usd",),
    "purchase": ("cost_purchase_usd",),
}
#: What comes to the cost of the run; with it, they add up to the total.
ADDED_PARTS = ("cost_experiments_usd", "cost_staff_usd", "cost_items_usd")
#: Parts of a device's memory, which add up to it.
MEMORY_PARTS = (
    "memory_parameters_gb",
    "memory_gradients_gb",
    "memory_optimizer_gb",
    "memory_activations_gb",
    "memory_buffers_gb",
)
#: What a device's memory holds beside them; all of it adds up to what is in use.
MEMORY_BESIDE = ("memory_reserve_gb", "memory_context_gb")
MEMORY, MEMORY_IN_USE = "memory_gb_per_device", "memory_in_use_gb_per_device"
#: What is known of a device's memory where a layout is.
MEMORY_RESULTS = (MEMORY, *MEMORY_PARTS, *MEMORY_BESIDE, MEMORY_IN_USE)
#: Parts of a step, which add up to its time.
STEP_PARTS = (
    "compute_s",
    "model_collectives_s",
    "pipeline_bubble_s",
    "pipeline_transfer_s",
    "data_parallel_s",
    "optimizer_s",
    "offload_s",
    "straggler_s",
    "software_s",
)
