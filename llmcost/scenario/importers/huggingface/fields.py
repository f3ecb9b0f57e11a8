"""Typed, bounded access to the fields of a configuration, that remembers what was read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

#: A value above this is no model that anybody trains; nor is one with more layers.
_LARGEST, _MOST_LAYERS = 10**9, 10_000
#: Characters of a value that a message shows.
_SHOWN = 40

#: Field names by what they hold; the first that a file has counts.
NAMES: dict[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_transformer_layers",
               "num_layer", "depth"),
    "hidden_size": ("hidden_size", "n_embd", "d_model", "n_embed", "model_dim", "dim", "hidden_dim"),
    "heads": ("num_attention_heads", "n_head", "n_heads", "num_heads", "num_query_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv", "kv_n_heads", "n_kv_heads",
                 "num_key_value_heads_per_layer", "multi_query_group_num", "num_attention_groups"),
    "head_dim": ("head_dim", "attention_head_dim", "kv_channels", "d_kv", "head_size", "d_head"),
    "ffn_hidden_size": ("intermediate_size", "n_inner", "ffn_hidden_size", "ffn_dim", "d_ff", "d_inner",
                        "ff_intermediate_size", "inner_hidden_size", "block_ff_dim", "dff"),
    "vocab_size": ("padded_vocab_size", "vocab_size"),
    "length": ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "context_length",
               "max_context_length", "max_sequence_length", "model_max_length", "max_length", "n_ctx"),
    "experts": ("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts",
                "num_moe_experts", "n_experts"),
    "experts_per_token": ("num_experts_per_tok", "moe_top_k", "moe_topk", "moe_k", "experts_per_token",
                          "num_experts_per_token", "top_k_experts", "num_selected_experts", "topk"),
    "expert_ffn_hidden_size": ("moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size",
                               "expert_intermediate_size", "expert_dim"),
    "shared_experts": ("n_shared_experts", "num_shared_experts", "num_shared_expert",
                       "moe_num_shared_experts"),
    "shared_width": ("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size",
                     "shared_intermediate_size", "share_expert_dim", "share_expert_dims",
                     "n_shared_expert_intermediate_size"),
    "mtp_layers": ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules",
                   "num_mtp_layers", "mtp_num_layers"),
    "window": ("sliding_window", "sliding_window_size", "window_size", "attention_window_size",
               "local_attention"),
}  # fmt: skip

#: Tables whose fields belong to the model itself.
_NESTED = ("attn_config", "ffn_config")
#: A field of this form says how a model is built…
_STRUCTURE = re.compile(
    r"layer|expert|moe|head|hidden|size|dim|rank|ffn|mlp|intermediate|block|pattern|window|state|conv"
    r"|kernel|mamba|ssm|linear|width|depth|group|mult|embed|shared|nextn|mtp|bias|_norm$|qk_"
)
#: … unless it is of this form: how it is trained, rounded, cached, rotated, prompted or served.
_OTHER = re.compile(
    r"rope|rotary|theta|dropout|drop_|_drop|pdrop|token|(^|_)eps|init|cache|dtype|loss|coef|scal|seed|logit"
    r"|beam|penalty|ngram|summary|quantiz|label|chunk_size|act_fn|_act|act_|activation|norm_topk|topk_group"
    r"|topk_method|n_group$|scoring|residual_in|rescale|time_step|grad|mask|prefill|attn_impl|attention_type"
    r"|softmax|position|index|clip|freq|position_embedding|upcast|tie_|fuse|fused|parallel|flash|classifier|pooler_"
    r"|router_(aux|jitter|z)|use_mamba|mamba_(chunk|act|rms|dt_(min|max|init|limit))|layer_norm$|norm_type|apply_residual|apply_query"
    r"|max_window_layers|attn_config|ffn_config|is_|return|output_|seq_aux|torchscript|pruned|cross_attention_hidden|encoder_no"
    r"|ep_size|embd_|embed_|layerdrop|tp_size|expert_(capacity|parallel)|post_layer_norm|rmsnorm|resid|language_model|text_model"
    r"|mem_|memory_blocks|gap_size|down_scale|net_structure|max_tokenizer|aux_|bucket|mixed_|sink_size|context_window"
    r"|conv_bias|no_bias|mamba_proj_bias|projection_dim|indices|mtp_layers_block|mtp_use|router_bias|swa_(rope|theta)|block_size$|weight_block|image_size|num_(channels|return|labels|logits)|finetun|norm_before|bias_u"
)


#: A table of this name is a part of the model.
_PART = re.compile(r"vision|visual|audio|speech|img|image|tower|resampler|perceiver|projector|lora")


class Fields:
    """The fields of one configuration, or of a part of it.

    Attributes
    ----------
    where : str
        How messages name the file.
    read : set of str
        Names that were asked for.
    problems, notes : list of str
        What is wrong, and what a user should know; shared by the parts of a file.
    silent : dict of str to int
        Values of the family that were taken because the file has none.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        where: str,
        silent: Mapping[str, Any] | None = None,
        parent: Fields | None = None,
        prefix: str = "",
    ) -> None:
        self.data = {**data, **_lifted(data)}
        self.where = where
        self.prefix = prefix
        self.unsaid = dict(silent or {})
        self.plain: Fields | None = None
        self.read: set[str] = set()
        self.silent: dict[str, Any] = {}
        self.problems: list[str] = parent.problems if parent else []
        self.notes: list[str] = parent.notes if parent else []

    # -- access ---------------------------------------------------------------

    def value(self, names: str | Iterable[str]) -> Any:
        """Value of the first field that the file has, or else that the family has."""
        wanted = (names,) if isinstance(names, str) else tuple(names)
        self.read.update(wanted)
        for name in wanted:
            if self.data.get(name) is not None:
                return self.data[name]
        if any(name in self.data for name in wanted):
            return None
        for name in wanted:
            if self.unsaid.get(name) is not None:
                self.silent[name] = self.unsaid[name]
                return self.unsaid[name]
        return None

    def named(self, names: str | Iterable[str]) -> str:
        """Name of the field that :meth:`value` takes, for messages."""
        wanted = (names,) if isinstance(names, str) else tuple(names)
        found = (name for name in wanted if self.data.get(name) is not None)
        return next(found, wanted[0])

    def has(self, *names: str) -> bool:
        """Whether the file itself has any of the fields."""
        return any(self.data.get(name) is not None for name in names)

    def problem(self, name: str, text: str) -> None:
        """Remember what is wrong with a field."""
        message = f"{self.where}: {self.prefix}{name}: {text}"
        if message not in self.problems:
            self.problems.append(message)

    def note(self, text: str) -> None:
        """Remember what a user should know."""
        message = f"{self.where}: {text}"
        if message not in self.notes:
            self.notes.append(message)

    def whole(
        self, names: str | Iterable[str], default: int | None = None, least: int = 1
    ) -> int | None:
        """A bounded whole number; `default` where the field is absent or wrong."""
        value = self.value(names)
        if value is None:
            return default
        return self._whole(self.named(names), value, least, default)

    def _whole(self, name: str, value: Any, least: int, default: int | None) -> int | None:
        good = isinstance(value, int) and not isinstance(value, bool)
        if isinstance(value, float):
            good = value == value and abs(value) < _LARGEST and value == int(value)
        most = _MOST_LAYERS if name in NAMES["layers"] else _LARGEST
        if not good or not least <= value <= most:
            shown = str(value)
            shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
            limit = f" and ≤ {most:,}" if good and value > most else ""
            self.problem(name, f"{shown!r} is not a whole number ≥ {least}{limit}")
            return default
        return int(value)

    def optional(self, names: str | Iterable[str]) -> int | None:
        """A bounded whole number; None where the field is absent, or 0, which a user is told of."""
        value = self.whole(names, None, 0)
        if value == 0:
            self.note(f"{self.prefix}{self.named(names)}: 0 is read as if the file did not say")
        return value or None

    def wholes(self, names: str | Iterable[str], least: int = 0) -> list[int] | None:
        """A list of bounded whole numbers; None where the field is no list."""
        value = self.value(names)
        if not isinstance(value, list):
            return None
        name, found = self.named(names), []
        for item in value:
            number = self._whole(name, item, least, None)
            if number is None:  # one entry says what is wrong, however many are
                return []
            found.append(number)
        return found

    def mean(self, key: str, default: float | None = None, least: int = 1) -> float | None:
        """A size that may differ by layer: the number, or the mean of the list."""
        names = NAMES[key]
        if isinstance(self.value(names), list):
            found = self.wholes(names, least)
            return sum(found) / len(found) if found else default
        return self.whole(names, None if default is None else int(default), least)

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false; 0 and 1 count as such."""
        value = self.value(name)
        if value is None:
            return default
        if isinstance(value, bool) or value in (0, 1):
            return bool(value)
        self.problem(name, f"{str(value)[:_SHOWN]!r} is not true or false")
        return default

    def text(self, name: str) -> str:
        """Text, empty where the field is none."""
        value = self.value(name)
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str] | None:
        """A list of texts, None where the field is absent."""
        value = self.value(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.problem(name, "is not a list of texts")
            return None
        return list(value)

    def part(self, name: str, silent: Mapping[str, Any] | None = None) -> Fields | None:
        """A configuration inside this one."""
        value = self.value(name)
        if not isinstance(value, dict):
            return None
        return Fields(value, self.where, silent, self, f"{self.prefix}{name}.")

    # -- what was not read ----------------------------------------------------

    def unread(self) -> list[str]:
        """Fields that say how the model is built and that nobody asked for."""
        return [
            f"{self.prefix}{name}"
            for name, value in self.data.items()
            if name not in self.read
            and _says_something(value)
            and _is_structure(name.lower(), value)
        ]


def _lifted(data: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a table inside that have no place beside it yet (DBRX, MPT)."""
    found: dict[str, Any] = {}
    for name in _NESTED:
        inner = data.get(name)
        if isinstance(inner, dict):
            found.update({key: value for key, value in inner.items() if key not in data})
    return found


def _is_structure(name: str, value: Any) -> bool:
    if isinstance(value, dict) and (_PART.search(name) or _is_stack(value)):
        return True
    return bool(_STRUCTURE.search(name)) and not _OTHER.search(name)


def _is_stack(value: Mapping[str, Any]) -> bool:
    """Whether a table has sizes of its own, or a table inside it has."""
    inner = (part for part in value.values() if isinstance(part, dict))
    own = any(name in value for key in ("layers", "hidden_size") for name in NAMES[key])
    return own or any(_is_stack(part) for part in inner)


def _says_something(value: Any) -> bool:
    """Whether a value can stand for a part: a number above 1, true, a list or a table."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value > 1
    return isinstance(value, list | dict) and bool(value)
