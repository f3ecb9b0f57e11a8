"""The keys of a scenario: what each holds, its unit and its bounds. Everything else reads them here."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

NUMBER, FLAG, CHOICE, DATE, TEXT, ENTRY = "number", "flag", "choice", "date", "text", "entry"
INFINITY = float("inf")


class Key(NamedTuple):
    """One scenario key.

    `quantity` is the name that the engine knows the number by; `catalog` the kind of catalog
    entry that an `entry` key names; `low` and `high` are bounds, excluded where `open_low` or
    `open_high` says so; `words` are the words that a number may also be ("auto").
    """

    name: str
    kind: str
    help: str
    unit: str = ""
    low: float = 0.0
    high: float = INFINITY
    open_low: bool = False
    open_high: bool = False
    whole: bool = False
    choices: tuple[str, ...] = ()
    catalog: str = ""
    quantity: str = ""
    words: tuple[str, ...] = ()

    @property
    def section(self) -> str:
        """Section of the file, empty at the top."""
        return self.name.rpartition(".")[0]

    @property
    def short(self) -> str:
        """Name inside its section."""
        return self.name.rpartition(".")[2]

    @property
    def allowed(self) -> str:
        """What the key may hold, in words."""
        if self.kind == NUMBER:
            what = "a whole number" if self.whole else "a number"
            if self.open_low or self.low > -INFINITY:
                what += f" {'>' if self.open_low else '≥'} {self.low:g}"
            if self.high < INFINITY:
                what += f" and {'<' if self.open_high else '≤'} {self.high:g}"
            what += "".join(f' or "{word}"' for word in self.words)
            return what + (f" [{self.unit}]" if self.unit not in ("", "1") else "")
        if self.kind == CHOICE:
            return "one of " + ", ".join(self.choices)
        if self.kind == ENTRY:
            return f"a name of `llmcost catalog {self.catalog}`"
        return {FLAG: "true or false", DATE: "a date, like 2024-02-24", TEXT: "text"}[self.kind]


def _positive(name: str, text: str, unit: str = "", **more: object) -> Key:
    return Key(name, NUMBER, text, unit, open_low=True, quantity=_short(name), **more)  # type: ignore[arg-type]


def _amount(name: str, text: str, unit: str = "", **more: object) -> Key:
    return Key(name, NUMBER, text, unit, quantity=_short(name), **more)  # type: ignore[arg-type]


def _share(name: str, text: str, **more: object) -> Key:
    return Key(name, NUMBER, text, "1", high=1.0, open_low=True, quantity=_short(name), **more)  # type: ignore[arg-type]


def _whole(name: str, text: str, unit: str = "", low: float = 1, **more: object) -> Key:
    return Key(name, NUMBER, text, unit, low=low, whole=True, quantity=_short(name), **more)  # type: ignore[arg-type]


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _owned(name: str, text: str, unit: str) -> Key:
    return _amount(f"cost.{name}", text, unit, words=(DEFAULT,))


PRECISIONS = ("fp32", "tf32", "bf16", "fp16", "fp8", "fp4")
POWER_MODELS = ("activity", "constant")
SCOPES = ("hardware", "life-cycle")
METHODS = ("amortized", "cloud", "purchase")
OWNERSHIPS = ("hardware", "full")
#: The word that asks for the catalog's figure of a key that is left out unless it is asked for.
DEFAULT = "default"
COMMITMENTS = ("on-demand", "spot", "1m", "6m", "1y", "3y")
RECOMPUTE = ("none", "selective", "full")
SHARDINGS = ("none", "zero1", "zero2", "zero3")
TRAINING_METHODS = ("full", "lora", "qlora")
SCHEDULES = ("1f1b", "zero-bubble", "dualpipe")
#: How the devices of context parallelism share keys and values: blocks that go around, or heads for tokens.
CONTEXT_EXCHANGES = ("ring", "all-to-all")
ATTENTION_FLOPS = ("full", "causal")
OFFLOADS = ("none", "optimizer", "activations", "parameters", "paged")
PARAM_PRECISIONS = ("bf16", "fp8")
#: How tokens reach the experts: once to each device and node that wants them (DeepEP, HybridEP), or
#: a copy for each expert (NCCL's all-to-all).
EXPERT_DISPATCH = ("deduplicated", "all-to-all")
#: Formats of weights in service; int8 and int4 are weights alone, multiplied in 16 bits.
SERVICE_PRECISIONS = (*PRECISIONS, "int8", "int4")

_KEYS = [
    _whole("schema_version", "Version of this file format: 1", high=1),
    Key("name", TEXT, "Name of the scenario, the only key that is required"),
    Key("description", TEXT, "What the scenario is"),
    Key("start_date", DATE, "Start of training: dates prices, depreciation and electricity", quantity="start_day"),
    # model
    Key("model.preset", ENTRY, "A model of the catalog; the other keys override it", catalog="models"),
    Key("model.config", TEXT, "A Hugging Face config.json, its path relative to the scenario"),
    _positive("model.params", "Parameters, in total"),
    _positive("model.active_params", "Parameters used per token (mixture of experts)"),
    Key("model.scaling_law", ENTRY, "Scaling law that the loss follows; no loss without one", catalog="scaling_laws"),
    Key("model.sparsity", NUMBER, "Parameters over active parameters, the K of 120·P²/K", low=1, quantity="sparsity"),
    _whole("model.layers", "Transformer blocks"),
    _whole("model.hidden_size", "Width of the model"),
    _whole("model.heads", "Query heads"),
    _whole("model.kv_heads", "Key-value heads (grouped-query attention)"),
    _whole("model.head_dim", "Width of a head; in latent attention its part without position"),
    _whole("model.ffn_hidden_size", "Width inside a dense feed-forward block"),
    Key("model.gated_ffn", FLAG, "Whether the feed-forward block is gated: three matrices, not two", quantity="gated_ffn"),
    _whole("model.vocab_size", "Tokens of the vocabulary; 0 of a model that reads no text", "tokens", low=0),
    Key("model.tied_embeddings", FLAG, "Whether input embedding and output head share weights", quantity="tied_embeddings"),
    _whole("model.experts", "Experts per layer that the router chooses from", low=0),
    _whole("model.experts_per_token", "Experts that each token visits", low=0),
    _whole("model.expert_groups", "Groups of experts that the router chooses among first (node-limited routing); 0 without", low=0),
    _whole("model.groups_per_token", "Groups of experts that each token may enter; 0 without a limit", low=0),
    _whole("model.shared_experts", "Experts that every token visits", low=0),
    _whole("model.expert_ffn_hidden_size", "Width inside an expert"),
    _whole("model.dense_layers", "Layers with a dense feed-forward block in a mixture of experts", low=0),
    _whole("model.ffn_layers", "Layers with a feed-forward block of either kind; all if not given", low=0),
    _whole("model.expert_hidden_size", "Width that the router's experts read and write; hidden_size if not given"),
    _whole("model.attention_layers", "Layers with softmax attention; all but the recurrent ones if not given", low=0),
    _whole("model.windowed_layers", "Attention layers whose tokens attend within a window", low=0),
    _whole("model.window", "Tokens that a token of a windowed layer attends to", "tokens", low=0),
    _positive("model.windowed_heads", "Query heads of windowed layers; heads if not given"),
    _positive("model.windowed_kv_heads", "Key-value heads of windowed layers; kv_heads if not given"),
    _whole("model.windowed_head_dim", "Width of a head of windowed layers; head_dim if not given"),
    _whole("model.indexer_width", "Heads times width of the scores that choose what sparse attention sees; 0 without", low=0),
    _whole("model.recurrent_layers", "Layers with linear attention, a state space or a gated convolution", low=0),
    _amount("model.recurrent_params", "Weights of one such mixer"),
    _amount("model.recurrent_state_size", "Elements of the state of one such mixer"),
    _amount("model.recurrent_products", "Multiply-adds a token for each element of that state: 2 linear attention, 3.5 Mamba, 4 gated delta rule"),
    _whole("model.mtp_layers", "Layers that predict further tokens in training, not counted among the parameters", low=0),
    _whole("model.q_lora_rank", "Rank of the query in latent attention; 0 without", low=0),
    _whole("model.kv_lora_rank", "Rank of keys and values in latent attention; 0 without", low=0),
    _whole("model.qk_rope_head_dim", "Rotary part of a head in latent attention", low=0),
    _whole("model.v_head_dim", "Width of a value head in latent attention", low=0),
    _whole("model.embedding_size", "Width of the embedding where it is not hidden_size (ALBERT)"),
    Key("model.output_head", FLAG, "Whether it ends in an output head over the vocabulary", quantity="output_head"),
    _whole("model.layer_uses", "Layers that use the same weights (ALBERT: all)"),
    Key("model.other_matmul_params", NUMBER, "Weights of products that no other key describes: gates, projections", low=-INFINITY, quantity="other_matmul_params"),
    _amount("model.other_params", "Parameters that are no product: norms, biases, positions; two norms a layer if not given"),
    _amount("model.encoder_params", "Parameters of an encoder or of vision and audio towers"),
    _amount("model.encoder_attention_width", "Heads times their width in encoder and towers, summed over their layers"),
    _amount("model.encoder_seq_len", "Tokens that encoder and towers see for each training sequence", "tokens"),
    _whole("model.cross_layers", "Blocks of attention to the encoder's tokens", low=0),
    _whole("model.seq_len", "Tokens of a training sequence", "tokens"),
    # data
    Key("data.tokens", NUMBER, "Tokens of the data set, seen once per epoch", "tokens", open_low=True, quantity="tokens_per_epoch"),
    _positive("data.tokens_per_param", "Tokens as a multiple of the parameters", "tokens"),
    Key("data.tokens_basis", CHOICE, "What tokens_per_param multiplies", choices=("total", "active"), quantity="tokens_basis_active"),
    _positive("data.epochs", "Passes over the data"),
    _positive("data.repeat_decay", "Repeats after which another pass is worth 1/e of the first, to the loss"),
    # training
    _positive("training.flops", "Training compute; replaces the formula", "FLOP"),
    _positive("training.flops_per_param_token", "FLOPs of a parameter and token: 6 in full training, 4 with frozen weights", "FLOP"),
    Key("training.flops_method", CHOICE, "How FLOPs are counted: by the rule of thumb of parameters, or of the architecture", choices=("params", "architecture"), quantity="by_architecture"),
    Key("training.attention_flops", CHOICE, "Whether FLOPs and MFU count the whole score matrix, or the half that causal kernels compute", choices=ATTENTION_FLOPS, quantity="causal_flops"),
    Key("training.precision", CHOICE, "Number format: picks the dense peak", choices=PRECISIONS),
    Key("training.activation_recompute", CHOICE, "What the backward pass recomputes", choices=RECOMPUTE, quantity="recompute_level"),
    Key("training.software", ENTRY, "Software that trains: its profile of the performance model; by the layout and the accelerator if not given", catalog="software"),
    _share("training.software_speed", "Speed of the software as a share of what its profile reaches; 1 where training.software names it, else what published runs say"),
    Key("training.recompute_share", NUMBER, "Share of a layer's forward pass that the backward pass does again; by activation_recompute if not given", "1", high=1.0, quantity="recompute_share"),
    Key("training.method", CHOICE, "Whether all weights are trained, or adapters beside frozen ones, in 16 or 8 bits (lora) or in 4 (qlora)", choices=TRAINING_METHODS),
    Key("training.offload", CHOICE, "What is kept in the hosts' memory: the optimizer's states (ZeRO-Offload), with them weights and gradients (parameters, of zero3), activations, or moments that have no room (paged)", choices=OFFLOADS),
    Key("training.optimizer_in_backward", FLAG, "Whether the optimizer steps a weight as soon as its gradient is made, so that one layer's gradients are kept", quantity="steps_in_backward"),
    Key("training.double_quantisation", FLAG, "Whether the constants of 4-bit weights are in 8 bits themselves (qlora); true if not given"),
    _whole("training.loss_chunks", "Pieces of a micro-batch that the loss is computed in, one after the other (chunked cross-entropy); 1 if not given"),
    _whole("training.lora_rank", "Rank of the adapters"),
    Key("training.lora_dropout", NUMBER, "Dropout of the adapters' inputs; 0 if not given", "1", high=1.0, open_high=True, quantity="lora_dropout"),
    Key("training.lora_targets", TEXT, "Products with adapters: all-linear, attention, or names like q_proj,v_proj"),
    Key("training.optimizer", ENTRY, "Optimizer: bytes of its states", catalog="optimizers"),
    Key("training.param_precision", CHOICE, "Format of the weights that compute, beside their master copy", choices=PARAM_PRECISIONS),
    Key("training.synchronous_launch", FLAG, "Whether the host waits for each kernel (CUDA_LAUNCH_BLOCKING=1)", quantity="synchronous_launch"),
    Key("training.expert_overlap", NUMBER, "Share of the exchange between experts that computation hides; all with DualPipe, else that of the software if not given", "1", high=1.0, quantity="expert_overlap"),
    Key("training.expert_dispatch", CHOICE, "Whether a token crosses once to each device and node with a chosen expert (DeepEP, HybridEP), or as a copy for each expert; that of the software if not given", choices=EXPERT_DISPATCH, quantity="exchange_copies"),
    Key("training.fused_experts", FLAG, "Whether the products of experts also sort, activate and quantise, and no host is waited for; by date, accelerator and precision if not given", quantity="fused_experts"),
    Key("training.fused_attention", FLAG, "Whether attention scores stay on the chip (FlashAttention); by date and layout if not given", quantity="fused_attention"),
    _share("training.mfu", "Model FLOPs utilisation"),
    _share("training.goodput", "Share of wall-clock time that trains"),
    # cluster
    Key("cluster.accelerator", ENTRY, "Accelerator of the catalog", catalog="accelerators"),
    _whole("cluster.devices", "Accelerators", words=("auto",)),
    _positive("cluster.days", "Wall-clock time of the run", "days"),
    _positive("cluster.deadline_days", "Time within which the run must end; devices are solved for", "days"),
    _positive("cluster.device_hours", "Devices times hours", "h"),
    _whole("cluster.devices_per_node", "Accelerators of a server"),
    _positive("cluster.peak_flops", "Dense peak of one device at the precision of training", "FLOP/s"),
    *(
        _positive(f"cluster.{name}_tflops", f"Dense peak of one device in {name}", "TFLOP/s")
        for name in PRECISIONS
    ),
    *(
        _positive(f"cluster.{name}_matmul_tflops", f"Highest measured matmul rate in {name}", "TFLOP/s")
        for name in ("bf16", "fp8")
    ),
    _positive("cluster.memory_gb", "Memory of one device", "GB"),
    _positive("cluster.memory_tb_s", "Memory bandwidth of one device", "TB/s"),
    _positive("cluster.tdp_w", "Thermal design power of one device", "W"),
    _positive("cluster.scale_up_gb_s_each_way", "Bandwidth of one device inside its domain, each way", "GB/s"),
    _positive("cluster.host_link_gb_s_each_way", "Bandwidth between one device and its host, each way", "GB/s"),
    _positive("cluster.host_memory_gb_s", "One device's share of the bandwidth of its host's memory", "GB/s"),
    _whole("cluster.scale_up_domain", "Devices that the fast network joins"),
    _whole("cluster.scale_up_axes", "Axes of the torus that the fast network is, 1 where any device reaches any other"),
    _positive("cluster.scale_out_gbit_s_per_device", "Network bandwidth of one device between nodes", "Gbit/s"),
    _positive("cluster.max_power_mw", "Most facility power that a search may take", "MW"),
    # parallelism
    Key("parallelism", CHOICE, 'Layout of the run: a section, or "auto" to search for the best', choices=("auto",)),
    _whole("parallelism.tp", "Tensor-parallel devices"),
    _whole("parallelism.pp", "Pipeline stages"),
    _whole("parallelism.vpp", "Virtual stages of each pipeline stage (interleaving)"),
    _whole("parallelism.cp", "Context-parallel devices"),
    _whole("parallelism.ep", "Expert-parallel devices"),
    _whole("parallelism.expert_tp", "Devices that share each expert's weights (Megatron's expert tensor parallelism)"),
    _whole("parallelism.dp", "Data-parallel replicas"),
    _whole("parallelism.micro_batch", "Sequences of a micro-batch"),
    _whole("parallelism.global_batch_seqs", "Sequences of a global batch"),
    Key("parallelism.schedule", CHOICE, "Schedule of the pipeline", choices=SCHEDULES, quantity="schedule"),
    Key("parallelism.sharding", CHOICE, "What data parallelism shards", choices=SHARDINGS, quantity="sharding"),
    _whole("parallelism.dp_shard", "Replicas that share states where they are sharded, copied in all others (HSDP); all if not given"),
    Key("parallelism.reshard", FLAG, "Whether zero3 frees weights after the forward pass and gathers them again for the backward (reshard_after_forward); not in a pipeline if not given", quantity="reshard"),
    Key("parallelism.context_exchange", CHOICE, "How context parallelism shares keys and values: blocks around a ring, or heads for tokens in an all-to-all (Ulysses)", choices=CONTEXT_EXCHANGES, quantity="context_exchange"),
    Key("parallelism.sequence_parallel", FLAG, "Whether tensor parallelism also splits the sequence", quantity="sequence_parallel"),
    # cost
    Key("cost.currency", TEXT, "Currency of the tables, by its code of three letters; JSON stays in USD"),
    _positive("cost.usd_per_currency", "US dollars that one of that currency costs", "USD"),
    Key("cost.method", CHOICE, "How the run is paid for: as cost_total_usd counts it", choices=METHODS, quantity="cost_method"),
    _amount("cost.device_price_usd", "Price of one device, new", "USD"),
    _amount("cost.purchase_price_usd", "Price of buying one device with its share of the server when the run starts", "USD"),
    Key("cost.price_includes_server", FLAG, "Whether that price has the share of the server in it", quantity="price_includes_server"),
    Key("cost.available_date", DATE, "When the hardware came to market", quantity="available_day"),
    Key("cost.server_cost_ratio", NUMBER, "Server price over that of its devices", "1", low=1, quantity="server_cost_ratio"),
    Key("cost.interconnect_cost_fraction", NUMBER, "Network share of the cluster's cost", "1", high=1, open_high=True, quantity="interconnect_cost_fraction"),
    _amount("cost.depreciation_ooms_per_year", "Progress of price-performance, orders of magnitude per year", "1/yr"),
    Key("cost.owner_utilisation", NUMBER, "Share of an owned cluster's life that runs pay for", "1", high=1, open_low=True, quantity="owner_utilisation"),
    Key("cost.ownership", CHOICE, "Whether the amortized cost is of hardware and electricity, or of all that owning takes: the keys below, by default where not given", choices=OWNERSHIPS),
    _owned("colocation_usd_per_kw_month", "Rent of the floor for a kilowatt of IT power, electricity apart", "USD/kW/month"),
    _owned("storage_tb_per_device", "Storage beside the cluster", "TB"),
    _owned("storage_usd_per_tb_month", "Price of that storage", "USD/TB/month"),
    _owned("support_share_per_year", "Vendor's support a year, as a share of the cluster's value", "1/yr"),
    _owned("capital_rate_per_year", "Interest a year on the cluster's value", "1/yr"),
    _owned("setup_weeks", "Time between the purchase of the cluster and its first use", "weeks"),
    Key("cost.cloud_vendor", TEXT, "Cloud vendor of the rental price"),
    Key("cost.cloud_commitment", CHOICE, "Term of the rental price", choices=COMMITMENTS),
    _amount("cost.cloud_usd_per_device_hour", "Rental price of one device and hour", "USD/h"),
    _amount("cost.experiments_ratio", "Compute of experiments, as a multiple of the final run", "1"),
    # energy
    _positive("energy.device_power_w", "Average draw of one device at the server", "W"),
    Key("energy.server_power_ratio", NUMBER, "Server power over that of its devices", "1", low=1, quantity="server_power_ratio"),
    Key("energy.power_model", CHOICE, "Whether a device's draw follows what a layout lets it do, or is a share of its rated power", choices=POWER_MODELS),
    _share("energy.host_utilisation", "Average draw of a server beside its devices over its rated power"),
    _share("energy.power_utilisation", "Average draw over the rated power"),
    Key("energy.pue", NUMBER, "Power usage effectiveness of the data centre", "1", low=1, quantity="pue"),
    Key("energy.operator", ENTRY, "Operator of the data centre: picks its PUE", catalog="operators"),
    Key("energy.region", ENTRY, "Country, US state or cloud region of the data centre: picks its price of electricity; carbon.grid if not given", catalog="places"),
    _amount("energy.electricity_usd_per_kwh", "Price of electricity", "USD/kWh"),
    # carbon
    Key("carbon.grid", ENTRY, "Grid of the catalog: picks its carbon intensity", catalog="grids"),
    _amount("carbon.grid_kgco2e_per_kwh", "Carbon intensity of the electricity", "kgCO2e/kWh"),
    _amount("carbon.embodied_kgco2e_per_device", "Embodied carbon of one device with its server share", "kgCO2e"),
    Key("carbon.scope", CHOICE, "Whether embodied carbon is the hardware's alone or the building's and the end of life too", choices=SCOPES),
    _amount("carbon.construction_kgco2e_per_kw", "Embodied carbon of building the data centre, per kilowatt that it can supply", "kgCO2e/kW"),
    _share("carbon.end_of_life_share", "End of life of the hardware, as a share of its manufacture"),
    _positive("carbon.hardware_lifetime_years", "Service life of the hardware", "yr"),
    _share("carbon.fleet_utilisation", "Share of its life that the hardware is in use"),
    _amount("carbon.water_l_per_kwh", "Water used on site per IT energy", "L/kWh"),
    _amount("carbon.water_supply_l_per_kwh", "Water used to generate electricity", "L/kWh"),
    # inference
    _positive("inference.output_tokens_per_day", "Tokens that the service writes", "tokens/day"),
    _amount("inference.prompt_tokens_per_day", "Tokens of prompts that it reads, those found in a cache left out", "tokens/day"),
    Key("inference.days", NUMBER, "How long the model is in service", "days", open_low=True, quantity="service_days"),
    Key("inference.accelerator", ENTRY, "Accelerator that serves; that of the cluster if not given", catalog="accelerators"),
    Key("inference.precision", CHOICE, "Format of the weights in service", choices=SERVICE_PRECISIONS),
    Key("inference.kv_precision", CHOICE, "Format of keys and values in the cache; by the software if not given", choices=("bf16", "fp8")),
    _positive("inference.context_tokens", "Tokens that an output token attends to, on average", "tokens"),
    Key("inference.batch", NUMBER, "Sequences in flight a replica; all that there is room for if not given", open_low=True, quantity="service_wanted_batch"),
    Key("inference.utilisation", NUMBER, "Share of the time in which a replica has work", "1", high=1.0, open_low=True, quantity="service_utilisation"),
    _whole("inference.devices_per_replica", "Devices that hold one copy of the model; the fewest with room if not given"),
    Key("inference.tp", NUMBER, "Tensor-parallel devices of a replica", low=1, whole=True, quantity="service_tp"),
    Key("inference.ep", NUMBER, "Devices that a replica's experts are spread over", low=1, whole=True, quantity="service_ep"),
    Key("inference.software", ENTRY, "Software that serves: its waits, its default batch; by the accelerator if not given", catalog="serving"),
    Key("inference.tokens_per_s_per_device", NUMBER, "Measured output tokens of a device that has work; replaces the model's", "tokens/s", open_low=True, quantity="inference_tokens_per_s_per_device"),
    Key("inference.device_power_w", NUMBER, "Measured average draw of a serving device at the server; replaces the model's", "W", open_low=True, quantity="service_device_power_w"),
    # staff
    _positive("staff.people", "Contributors by headcount; each gives staff.fte_share of their time", "persons"),
    _share("staff.fte_share", "Share of their time that contributors give"),
    _amount("staff.fte", "Full-time equivalents", "persons"),
    _amount("staff.months", "Time they work on the model", "months"),
    _amount("staff.usd_per_fte_year", "Cost of one person and year, equity and overheads included", "USD/yr"),
    # reliability
    _positive("reliability.device_mtbf_hours", "Mean time between failures of one device", "h"),
    _amount("reliability.checkpoint_seconds", "Time that a checkpoint stops training", "s"),
    _positive("reliability.checkpoint_interval_seconds", "Time between checkpoints; the optimum by default", "s"),
    _amount("reliability.restart_seconds", "Time from a failure to training again", "s"),
    # projection
    _whole("projection.from_year", "Year that the scenario stands for; that of start_date by default", low=1950, high=2200),
    _whole("projection.until", "Last year", low=1950, high=2200),
    _positive("projection.cost_growth_per_year", "Growth of the frontier's cost", "x/yr"),
    _positive("projection.compute_growth_per_year", "Growth of the frontier's compute", "x/yr"),
    _amount("projection.hardware_price_performance_ooms_per_year", "Progress of FLOP/s per dollar, orders of magnitude", "1/yr"),
    _positive("projection.energy_efficiency_growth_per_year", "Growth of FLOP/s per watt", "x/yr"),
    _positive("projection.algorithmic_efficiency_growth_per_year", "Growth of what a FLOP trains", "x/yr"),
    _positive("projection.electricity_growth_per_year", "Growth of the electricity price", "x/yr"),
    _positive("projection.grid_carbon_growth_per_year", "Growth of the grid's carbon intensity", "x/yr"),
    _positive("projection.run_length_growth_per_year", "Growth of the frontier's run length", "x/yr"),
]  # fmt: skip

KEYS: dict[str, Key] = {key.name: key for key in _KEYS}

#: What a lever may multiply.
LEVER_MULTIPLIERS = ("flops", "flops_per_device", "device_price", "power", "mfu")
#: Keys of one [[levers]] table, beside those of the file that it changes.
LEVER_KEYS: dict[str, Key] = {
    key.name: key
    for key in (
        Key("name", TEXT, "Name; that of a lever of the catalog takes what is not given from it"),
        _whole("year", "Year from which it applies", low=1950, high=2200),
        _positive("flops", "Multiplies the compute"),
        _positive("flops_per_device", "Multiplies the FLOP/s of a device of the same price and power"),
        _positive("device_price", "Multiplies the price per FLOP/s"),
        _positive("power", "Multiplies the power per FLOP/s"),
        _positive("mfu", "Multiplies the MFU"),
        Key("in_trend", NUMBER, "Share of it that the trends in price-performance, energy efficiency and algorithms already contain; 0 if not given", "1", high=1.0),
    )
}  # fmt: skip
#: Keys of one [[cost.items]] table.
ITEM_KEYS: dict[str, Key] = {
    key.name: key
    for key in (
        Key("name", TEXT, "What it is"),
        _amount("usd", "What it costs, once", "USD"),
        _amount("usd_per_month", "What it costs a month, for staff.months or as long as the run", "USD/month"),
        _amount("share", "Share of everything above it: the run, experiments, staff, earlier items", "1"),
    )
}  # fmt: skip
#: Keys of the [sweep] table, all text or lists of text, as on the command line.
SWEEP_KEYS = ("axis", "zip", "where", "minimize", "maximize", "top", "pareto", "select")
#: Sections that are tables or lists of their own kind.
SPECIAL_SECTIONS = ("levers", "correlation", "sweep", "stages")
#: What a stage of a model's making does.
STAGE_KINDS = ("pretrain", "continue", "sft", "dpo", "rl", "distill")
#: Keys of one [[stages]] table, beside those of the file that it overrides.
STAGE_KEYS: dict[str, Key] = {
    key.name: key
    for key in (
        Key("name", TEXT, "Name of the stage"),
        Key("kind", CHOICE, "What it does", choices=STAGE_KINDS),
        _positive("prompts", "Prompts that reinforcement learning answers", ""),
        _positive("samples_per_prompt", "Answers to each prompt", ""),
        _positive("prompt_tokens", "Length of a prompt", "tokens"),
        _positive("response_tokens", "Length of an answer", "tokens"),
        Key("reference_model", FLAG, "Whether a frozen copy of the policy scores the answers too; true in rl and dpo"),
        _amount("reward_model_params", "Parameters of the model that rewards answers; 0 for rules", ""),
        _positive("rollout_devices", "Devices of their own that answer prompts; else those that train", ""),
        Key("overlapped", FLAG, "Whether devices of their own answer while the others train"),
        Key("teacher", ENTRY, "Model of the catalog that a distillation learns from", catalog="models"),
        _positive("teacher_params", "Parameters that a token uses in the teacher", ""),
    )
}  # fmt: skip


@lru_cache(maxsize=1)
def sections() -> tuple[str, ...]:
    """Names of all sections."""
    named = dict.fromkeys(key.section for key in _KEYS if key.section)
    return (*named, *SPECIAL_SECTIONS)


@lru_cache(maxsize=1)
def by_quantity() -> dict[str, Key]:
    """Keys by the name that the engine knows them by."""
    return {key.quantity: key for key in _KEYS if key.quantity}
