"""What single families of hybrids and of compressed attention do that no field or flag of the table can say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmcost.scenario.importers.huggingface.fields import NAMES, Fields
from llmcost.scenario.importers.huggingface.kinds import Function, Kinds, add, ratio

Found = dict[str, Any]


def _shared_transformer(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """Zamba 2: a few transformer blocks over state and embedding together, used in turn, with adapters for each use."""
    hidden, ffn, uses = found["hidden_size"], found["ffn_hidden_size"], kinds.full
    blocks = fields.whole("num_mem_blocks", 1) or 1
    if fields.value("tie_word_embeddings") is False:
        fields.note(
            "tie_word_embeddings: false would keep each use of a block apart, which is not counted"
        )
    rank = (fields.whole("adapter_rank", 128) or 128) if family.get("adapters", True) else 0
    wide = fields.whole("attention_hidden_size", 2 * hidden) or 2 * hidden
    inner = found["heads"] * found["head_dim"]
    found["ffn_layers"] = uses
    seen = inner + 2 * found["kv_heads"] * found["head_dim"]
    both = (wide - hidden) * seen  # query, key and value see the embedding too
    attention = hidden * seen + inner * hidden
    one = attention + both + 3 * hidden * ffn
    adapters = rank * (hidden + 2 * ffn)
    if fields.flag("use_shared_attention_adapter"):
        adapters += 3 * rank * (wide + inner)
    add(found, matmul=uses * (both + adapters + hidden * hidden), small=blocks * (wide + hidden))
    add(found, small=-(uses - blocks) * one)  # computed at each use, kept once a block
    fields.read.update(("num_query_groups", "hybrid_layer_ids", "add_bias_linear"))


def _two_mixtures(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """ERNIE 4.5 VL: experts of text and of images in each layer, of two widths, and shared ones as wide as text's."""
    widths = fields.wholes(NAMES["expert_ffn_hidden_size"]) or []
    if not kinds.experts or len(widths) != 2 or not all(widths):
        return
    mean = (
        sum(widths) / 2
    )  # a token visits those of its own kind: as many weights of the mean as of text's
    found["experts"] = kinds.experts = 2 * found["experts"]
    found["experts_per_token"] *= widths[0] / mean
    found["shared_experts"] *= widths[0] / mean
    found["expert_ffn_hidden_size"] = mean
    add(found, small=kinds.sparse * found["experts"] / 2)  # the other half of the routers' biases


def _block_indexer(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """MiniMax-M3: an indexer picks blocks of keys in its sparse layers; the others see everything."""
    part = fields.part("sparse_attention_config") or fields
    heads = part.whole(("sparse_num_index_heads", "index_n_heads"), 4) or 4
    wide = part.whole(("sparse_index_dim", "index_head_dim"), 128) or 128
    chosen = part.whole(("sparse_topk_blocks", "index_topk_blocks"), 16) or 16
    block = part.whole(("sparse_block_size", "index_block_size"), 128) or 128
    where = part.wholes("sparse_attention_freq")
    count = sum(map(bool, where)) if where else 0
    found.update(indexer_width=heads * wide, windowed_layers=count, window=chosen * block)
    add(found, matmul=count * found["hidden_size"] * (heads + 1) * wide, small=2 * count * wide)
    part.read.update(part.data)


def _rounded_feed_forward(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """xLSTM: a factor of the width, rounded up."""
    wide = fields.plain or fields
    two = {wide.data.get(name) for name in ("hidden_size", "embedding_dim")} - {None}
    if len(two) > 1:
        fields.problem("embedding_dim", "differs from hidden_size, which is not read")
    given = fields.value("ffn_proj_factor")
    factor = ratio(fields, "ffn_proj_factor", 2.667 if given is None else given)
    multiple = fields.whole("ffn_round_up_to_multiple_of", 64) or 64
    found["ffn_hidden_size"] = -(-int(factor * found["hidden_size"]) // multiple) * multiple


def _compressed(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """DeepSeek-V4: low ranks before and after attention, a cache that is compressed, streams that are mixed."""
    hidden, layers, heads, wide = (
        found[key] for key in ("hidden_size", "layers", "heads", "head_dim")
    )
    rank = fields.whole("q_lora_rank", 1024) or 1024
    groups, out = fields.whole("o_groups", 8) or 8, fields.whole("o_lora_rank", 1024) or 1024
    found["kv_heads"] = 0.5  # one matrix is key and value
    inner = heads * wide
    low = hidden * rank + rank * inner + out * inner + groups * out * hidden - 2 * hidden * inner
    add(found, matmul=layers * low, small=layers * (rank + wide + heads))
    index_heads = fields.whole("index_n_heads", 64) or 64
    index_dim = fields.whole("index_head_dim", 128) or 128
    for rate in _rates(fields, int(layers)):
        twice = (
            2 if rate == _SPARSE_RATE else 1
        )  # with the indexer, each token counts in two summaries
        add(found, matmul=2 * twice * wide * hidden, small=rate * twice * wide + wide)
        if twice == 2:
            add(found, matmul=4 * index_dim * hidden + rank * index_heads * index_dim + hidden * index_heads,
                small=rate * 2 * index_dim + index_dim)  # fmt: skip
    streams = fields.whole("hc_mult", 4) or 4
    each = streams * (streams + 2)
    add(found, matmul=2 * layers * each * streams * hidden + streams * streams * hidden,
        small=2 * layers * (each + 3) + streams + 1)  # fmt: skip
    fields.read.update(("num_key_value_heads", "qk_rope_head_dim", "index_topk", "num_hash_layers"))
    fields.note("compressed attention: its scores are counted over the whole sequence")


def _low_rank_query(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Step 3: a query of low rank with a norm between its two matrices."""
    hidden, inner = found["hidden_size"], found["heads"] * found["head_dim"]
    rank = fields.whole("share_q_dim")
    if rank:
        add(found, matmul=found["layers"] * (rank * (hidden + inner) - hidden * inner),
            small=found["layers"] * rank)  # fmt: skip


def _memory_of_another_width(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """T5Gemma: keys and values of an encoder that may be wider than the decoder."""
    wide = fields.whole("cross_attention_hidden_size") or found["hidden_size"]
    inner = 2 * found["kv_heads"] * found["head_dim"]
    add(found, matmul=found["layers"] * inner * (wide - found["hidden_size"]))


def _convolved_query(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """ZAYA: convolutions over queries and keys, a router of three matrices, residuals that are scaled."""
    hidden, layers, wide = found["hidden_size"], found["layers"], found["head_dim"]
    both = (found["heads"] + found["kv_heads"]) * wide
    first, second = fields.whole("cca_time0", 2) or 2, fields.whole("cca_time1", 2) or 2
    add(found, matmul=layers * both * (first + wide * second),
        small=layers * (2 * both + found["kv_heads"] + 8 * hidden) + 2 * hidden)  # fmt: skip
    rank = fields.whole("router_hidden_size", 256) or 256
    router = rank * hidden + 2 * rank * rank + rank * (kinds.experts + 1)
    add(found, matmul=layers * (router - hidden * kinds.experts),
        small=layers * 4 * rank + (layers - 1) * rank)  # fmt: skip


def _outer_norms(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """LFM3: norms after each block and gated heads, unless the file says that there are none."""
    if not fields.flag("use_sandwich_norm", True):
        add(found, small=-2 * found["layers"] * found["hidden_size"])
    if not fields.flag("use_attention_gate", True):
        add(found, matmul=-found["attention_layers"] * found["hidden_size"] * found["heads"])


def _short_convolutions(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """Inkling: short convolutions over keys, values and what each block gives, scores by distance."""
    hidden, layers = found["hidden_size"], found["layers"]
    kernel = fields.whole(("conv_kernel_size", "sconv_kernel_size"), 4) or 4
    rank = fields.whole("d_rel", 16) or 16
    far = fields.whole("rel_extent", 1024) or 1024
    for count, sort, extent in (
        (kinds.full, "", far),
        (kinds.windowed, "windowed_", found.get("window") or far),
    ):
        heads, kv_heads, wide = (
            float(found.get(f"{sort}{key}") or found[key])
            for key in ("heads", "kv_heads", "head_dim")
        )
        products = kernel * (2 * kv_heads * wide + 2 * hidden) + hidden * heads * rank
        add(found, matmul=count * products, small=count * rank * extent)
    add(found, small=layers)
    fields.read.update(("number_of_conv_states", "shared_expert_sink", "mtp_hidden_states_first"))
    add(
        found, matmul=kinds.sparse * hidden * found.get("shared_experts", 0)
    )  # shared ones are routed too


def _shared_indexer(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Hy 4: an indexer that layers share, a gate as wide as the values, streams that are mixed."""
    hidden, layers, heads = found["hidden_size"], found["layers"], found["heads"]
    count = fields.whole("index_n_heads", 16) or 16
    wide = fields.whole("index_head_dim", 128) or 128
    words = fields.texts("indexer_types")
    own = layers if words is None else words.count("full")
    each = (found["q_lora_rank"] or hidden) * count * wide + hidden * (wide + count)
    found.update(
        indexer_width=count * wide * own / layers,
        windowed_layers=found["attention_layers"],
        window=fields.whole("index_topk", 2048),
    )
    add(
        found,
        matmul=own * each + layers * hidden * heads * found["v_head_dim"],
        small=own * 2 * wide,
    )
    streams = fields.whole("hc_mult", 4) or 4
    mixed = 2 * layers * 2 * streams
    add(found, matmul=(mixed + streams) * streams * hidden,
        small=mixed + 4 * layers + streams + 1)  # fmt: skip


#: Tokens a summary of the layers that have an indexer.
_SPARSE_RATE = 4
_COMPRESSION = {"compressed_sparse_attention": 4, "heavily_compressed_attention": 128}


def _rates(fields: Fields, layers: int) -> list[int]:
    """Tokens a summary, of each layer that compresses."""
    listed = fields.wholes("compress_ratios")
    if listed is None:
        own = fields.value("compress_rates")
        rates = {**_COMPRESSION, **(own if isinstance(own, dict) else {})}
        listed = [rates.get(word, 0) for word in fields.texts("layer_types") or []]
    if len(listed) < layers or not all(
        isinstance(rate, int) and 0 <= rate < 10**6 for rate in listed
    ):
        fields.problem("compress_ratios", f"does not say the rate of each of {layers} layers")
        return []
    return [rate for rate in listed[:layers] if rate]


#: By the word of the table of families.
HYBRIDS: dict[str, Function] = {
    "shared_transformer": _shared_transformer,
    "two_mixtures": _two_mixtures,
    "block_indexer": _block_indexer,
    "rounded_feed_forward": _rounded_feed_forward,
    "compressed": _compressed,
    "memory_of_another_width": _memory_of_another_width,
    "low_rank_query": _low_rank_query,
    "convolved_query": _convolved_query,
    "short_convolutions": _short_convolutions,
    "outer_norms": _outer_norms,
    "shared_indexer": _shared_indexer,
}
