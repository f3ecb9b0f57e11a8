"""Layers that carry a state along the sequence: their sizes by kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from llmcost.engine import mixers as weights
from llmcost.scenario.importers.huggingface.fields import Fields
from llmcost.scenario.importers.huggingface.kinds import ratio

#: Multiply-adds for each element of a state and token: write and read; a Mamba scan as Megatron-LM
#: counts it (7 FLOPs); a gated delta rule, which also corrects what it reads (8 FLOPs).
_LINEAR, _SCAN, _DELTA = 2.0, 3.5, 4.0


def recurrent(fields: Fields, family: Mapping[str, Any], found: dict[str, Any]) -> None:
    """Fill ``recurrent_params``, ``recurrent_state_size`` and ``recurrent_products``."""
    kind = family.get("recurrent")
    if kind is None:
        fields.problem(
            "layer_types", "has recurrent layers, of which this family's sizes are not known"
        )
        return
    params, state, products = _KINDS[kind](fields, family, found)
    found["recurrent_params"] = params
    found["recurrent_state_size"] = state
    found["recurrent_products"] = products


def _mamba(
    fields: Fields, family: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[float, float, float]:
    hidden = found["hidden_size"]
    fields.read.add("n_mamba_heads")
    inner = fields.whole(("intermediate_size",) if family.get("inner_key") else ("d_inner",))
    expand = fields.whole(("mamba_expand", "expand"), 2) or 2
    inner = inner if inner else expand * hidden
    state = fields.whole(("mamba_d_state", "state_size"), 16) or 16
    names = ("mamba_dt_rank", "time_step_rank")
    named = fields.value(names) not in (None, "auto")
    rank = (fields.whole(names) if named else None) or math.ceil(hidden / 16)
    kernel = fields.whole(("mamba_d_conv", "conv_kernel"), 4) or 4
    params = weights.mamba_params(hidden, inner, state, rank, kernel)
    if family.get("step_norms"):
        params = params + weights.norm_size(rank + 2 * state, 0)
    return float(params), inner * state, _SCAN


def _mamba2(
    fields: Fields, family: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[float, float, float]:
    hidden = found["hidden_size"]
    expand = fields.value(("mamba_expand", "expand"))
    expand = (
        expand
        if isinstance(expand, int | float) and not isinstance(expand, bool) and 0 < expand < 100
        else 2
    )
    heads = fields.whole(("mamba_n_heads", "mamba_num_heads", "n_mamba_heads", "num_heads"))
    width = fields.value(
        ("mamba_d_head", "mamba_head_dim", "mamba_headdim")
        if found.get("attention_layers")
        else ("mamba_head_dim", "head_dim")
    )
    width = width if isinstance(width, int) and not isinstance(width, bool) and width > 0 else None
    inner = fields.whole("mamba_d_ssm") or (
        heads * width
        if heads and width and not family.get("inner_by_expand")
        else round(expand * hidden)
    )
    heads = heads or max(inner // (width or 64), 1)
    state = fields.whole(("mamba_d_state", "ssm_state_size", "state_size"), 128) or 128
    groups = fields.whole(("mamba_n_groups", "n_groups", "mamba_ngroups"), 1) or 1
    kernel = fields.whole(("mamba_d_conv", "conv_kernel"), 4) or 4
    params = weights.mamba2_params(hidden, inner, state, groups, heads, kernel)
    gate = family.get("state_norm", True)
    if gate is True or (isinstance(gate, str) and fields.flag(gate)):
        params = params + weights.norm_size(inner, 0)
    return float(params), inner * state, _SCAN


def _delta(
    fields: Fields, family: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[float, float, float]:
    key_heads = fields.whole("linear_num_key_heads", 16) or 16
    heads = fields.whole("linear_num_value_heads", 32) or 32
    key_dim = fields.whole("linear_key_head_dim", 128) or 128
    value_dim = fields.whole("linear_value_head_dim", 128) or 128
    kernel = fields.whole("linear_conv_kernel_dim", 4) or 4
    params = weights.gated_delta_params(
        found["hidden_size"], key_heads * key_dim, heads * value_dim, heads, value_dim, kernel
    )
    return float(params), heads * key_dim * value_dim, _DELTA


def _kimi(
    fields: Fields, family: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[float, float, float]:
    part = fields.part("linear_attn_config")
    if part is None:
        part = fields
    heads = part.whole(("linear_num_heads", "num_heads"), found["heads"]) or 1
    width = (
        part.whole(("linear_head_dim", "v_head_dim" if part is fields else "head_dim"), 128) or 128
    )
    kernel = part.whole(("linear_conv_kernel_dim", "short_conv_kernel_size"), 4) or 4
    full = part.flag("use_full_rank_gate", bool(family.get("full_rank_gates")))
    params = weights.kimi_delta_params(found["hidden_size"], heads, width, kernel, full)
    return float(params), heads * width * width, _DELTA


def _lightning(
    fields: Fields, family: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[float, float, float]:
    inner = found["heads"] * found["head_dim"]
    params = weights.lightning_params(found["hidden_size"], inner)
    return float(params), inner * found["head_dim"], _LINEAR


def _convolution(
    fields: Fields, family: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[float, float, float]:
    kernel = fields.whole("conv_L_cache", 3) or 3
    params = weights.short_convolution_params(found["hidden_size"], kernel)
    return float(params), found["hidden_size"] * kernel, 1.0


def _gated(
    fields: Fields, family: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[float, float, float]:
    hidden = found["hidden_size"]
    width = fields.whole("lru_width", hidden) or hidden
    kernel = fields.whole("conv1d_width", 4) or 4
    params = weights.gated_recurrence_params(hidden, width, found["heads"], kernel)
    return float(params), width, _LINEAR


def _time_mix(
    fields: Fields, family: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[float, float, float]:
    hidden = found["hidden_size"]
    inner = fields.whole("attention_hidden_size", hidden) or hidden
    return float(weights.time_mix_params(hidden, inner)), inner, _LINEAR


def _gated_time_mix(
    fields: Fields, family: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[float, float, float]:
    hidden = found["hidden_size"]
    inner = fields.whole("attention_hidden_size", hidden) or hidden
    head = fields.whole("head_size", 64) or 64
    # ranks of RWKV-6 that its code fixes by the width
    mix, decay = (64, 128) if hidden == 4096 else (32, 64)
    if not family.get("low_rank_mix"):
        mix = decay = 0
    return float(weights.gated_time_mix_params(hidden, inner, mix, decay)), inner * head, _LINEAR


def _matrix_lstm(
    fields: Fields, family: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[float, float, float]:
    hidden, heads = found["hidden_size"], found["heads"]
    key = _multiple(fields, "qk_dim_factor", 0.5, hidden)
    value = _multiple(fields, "v_dim_factor", 1.0, hidden)
    return (
        float(weights.matrix_lstm_params(hidden, key, value, heads)),
        key * value / heads,
        _LINEAR,
    )


def _multiple(fields: Fields, name: str, default: float, hidden: int) -> int:
    """A factor of the width, rounded up to 64 as xLSTM's code does."""
    given = fields.value(name)
    factor = ratio(fields, name, default if given is None else given)
    return math.ceil(factor * hidden / 64) * 64


_KINDS: dict[str, Callable[..., tuple[float, float, float]]] = {
    "mamba": _mamba,
    "mamba2": _mamba2,
    "delta": _delta,
    "kimi": _kimi,
    "lightning": _lightning,
    "convolution": _convolution,
    "gated": _gated,
    "time_mix": _time_mix,
    "gated_time_mix": _gated_time_mix,
    "matrix_lstm": _matrix_lstm,
}
