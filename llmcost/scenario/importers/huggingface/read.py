"""From a config.json to an architecture: the file, its parts, and what a user should know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from llmcost.errors import InputError, nearest
from llmcost.files import read_text
from llmcost.scenario.importers.huggingface import families, parts
from llmcost.scenario.importers.huggingface.fields import NAMES, Fields
from llmcost.scenario.importers.huggingface.stack import stack
from llmcost.scenario.importers.huggingface.towers import (
    encoder,
    patches,
    renamed_fields,
    tower_input,
    towers,
)

#: A configuration is a few kilobytes; one this large is something else [B].
_MOST_BYTES = 4_000_000
#: Digits of the largest integer that is looked at.
_MOST_DIGITS = 18
#: Fields that are named of those that are not understood.
_MOST_NAMES = 50
#: What a run trains with where a file only says what may be served [tokens].
_TRAINED_LENGTH = 4096
#: Where a model of several parts keeps its language model.
_TEXT = ("text_config", "llm_config", "language_config", "thinker_config", "lm_config")


#: Fields that some files keep beside the text model's, not in it.
_TIED = "tie_word_embeddings"
_LIFTED = (_TIED, "architectures", "vocab_size")


class Model(NamedTuple):
    """A configuration that was read.

    Attributes
    ----------
    architecture : dict
        Quantities by model key, as a catalog entry holds them.
    sources : dict of str to str
        Where a value comes from that the file does not say.
    warnings : list of str
        What a user should know.
    """

    architecture: dict[str, Any]
    sources: dict[str, str]
    warnings: list[str]


def read_config(path: Path, where: str) -> Model:
    """Read the architecture of a config.json.

    Parameters
    ----------
    path : Path
        The file.
    where : str
        How an error message names the key that gave it.

    Raises
    ------
    InputError
        If the file is missing or is no such configuration.
    """
    try:
        text = read_text(path, "config")
        if len(text) > _MOST_BYTES:
            raise InputError(f"{path}: is larger than {_MOST_BYTES // 10**6} MB: no config.json")
        data = json.loads(text, parse_int=_bounded)
    except InputError as error:
        raise InputError([f"{where}: {problem}" for problem in error.problems]) from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{where}: {path}: invalid JSON: {reason}") from None
    return read_model(data, f"{where}: {path}")


def _bounded(digits: str) -> Any:
    """An integer, or the text of one that is longer than any size."""
    return int(digits) if len(digits) <= _MOST_DIGITS else digits


def read_model(data: Any, where: str) -> Model:
    """The architecture of a configuration that was parsed.

    Raises
    ------
    InputError
        With every problem.
    """
    if not isinstance(data, dict):
        raise InputError(f"{where}: is not a Hugging Face config: the top must be an object")
    whole = Fields(data, where)
    model_type = whole.text("model_type").lower()
    family = families.family(model_type)
    if model_type == "chatglm" and whole.has(
        "inner_hidden_size"
    ):  # the first ChatGLM is another model
        family = families.family("chatglm_1")
    whole.read.update((family or {}).get("beside", ()))
    seen_alone = parts.seen_alone(whole, family)
    text, text_family = seen_alone or _language_model(whole, model_type, family)
    alone = parts.decoder_alone(whole, family or text_family)
    text_family = parts.encoder_alone(whole, family) or text_family
    if "keys" in text_family:
        text = renamed_fields(text, text_family)
    found = stack(text, text_family)
    sources: dict[str, str] = {}
    if found:
        if text_family.get("input") in ("image", "wave", "frames"):
            found["other_matmul_params"] += tower_input(text, text_family, found)
            found["seq_len"] = patches(text, text_family)
            sources["seq_len"] = "default: patches of one image or sound"
        if family is not None and "encoder_key" in family:
            key, unsaid = family["encoder_key"], families.silent(text_family["encoder"])
            text.plain = whole.part(key, unsaid) or Fields(
                {}, whole.where, unsaid, whole, f"{key}."
            )
        parts.head(whole, text, text_family, found)
        if alone:
            found["cross_layers"] += found["layers"] if "encoder" in text_family else 0
        else:
            found.update(encoder(text, text_family, found, sources))
        if not alone and not seen_alone:
            seen = towers(whole, family or {}, found, sources)
            _merge(found, seen)
            if seen and text is whole and "towers" not in (family or {}):
                whole.note(
                    f'model_type "{model_type[:40]}" is not one that sees or hears, but the file has a'
                    f" tower: its {seen['encoder_params']:,.0f} parameters are counted"
                )
        _length(text, text_family, found, sources)
    if whole.problems:
        raise InputError(whole.problems)
    _tell(whole, text, found, model_type, family)
    return Model(found, sources, whole.notes)


def _language_model(
    whole: Fields, model_type: str, family: Mapping[str, Any] | None
) -> tuple[Fields, Mapping[str, Any]]:
    """The stack that predicts tokens, and its family."""
    known = family or {}
    name = next(
        (
            name
            for name in (*_TEXT, known.get("text_key", ""))
            if isinstance(whole.data.get(name), dict)
        ),
        None,
    )
    inner = whole.data.get(name, {}) if name else {}
    nested = inner.get("text_config") if name == "thinker_config" else None
    if isinstance(nested, dict):
        inner = nested
    kind = str(inner.get("model_type") or known.get("text") or model_type).lower()
    text_family: Mapping[str, Any] | None = families.family(kind)
    if text_family is None and "text" in known:
        text_family = families.family(known["text"])
    if name is None and "text" not in known:
        whole.unsaid = families.silent(model_type)
        return whole, family or _guessed(whole, model_type)
    silent = {
        **families.silent(str(known.get("text", kind))),
        **families.silent(kind),
        **known.get("text_silent", {}),
    }
    if text_family is None:
        text_family = _guessed(Fields(inner, whole.where, silent, whole, f"{name}."), kind)
    whole.read.update(_TEXT)
    beside = {} if inner else {k: v for k, v in whole.data.items() if not isinstance(v, dict)}
    lifted = {
        key: whole.data[key] for key in _LIFTED if key in whole.data and inner.get(key) is None
    }
    outer, own = whole.data.get(_TIED), inner.get(_TIED)
    if isinstance(
        outer, bool
    ):  # the whole model's word goes before its part's, but in some families
        tied = outer or (own is True and bool(known.get("tied_by_text")))
        if isinstance(own, bool) and own != outer and tied == outer:
            whole.note(f"{_TIED}: {str(outer).lower()} of the whole file is taken, not its text's")
        inner = {**inner, _TIED: tied}
    elif "tied_whole" in known:
        inner = {**inner, _TIED: known["tied_whole"]}
    if known.get("never_tied"):
        inner = {**inner, _TIED: False}
    wide = whole.data.get(known.get("encoder_key", ""))
    if isinstance(wide, dict) and "hidden_size" in wide:  # what the decoder's layers attend to
        inner = {**inner, "cross_attention_hidden_size": wide["hidden_size"]}
    fields = Fields(
        {**beside, **inner, **lifted}, whole.where, silent, whole, f"{name}." if name else ""
    )
    whole.read.update((*beside, *_LIFTED, "hidden_size", name or ""))
    return fields, text_family


def _merge(found: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        found[key] = found.get(key, 0) + value


def _length(
    fields: Fields, family: Mapping[str, Any], found: dict[str, Any], sources: dict[str, str]
) -> None:
    """Tokens of a training sequence: what may be served, at most 4,096."""
    if "seq_len" in found:
        return
    served = fields.value((family.get("length_key", ""), *NAMES["length"]))
    served = (
        fields.whole((family.get("length_key", ""), *NAMES["length"]))
        if served is not None
        else None
    )
    found["seq_len"] = min(served or _TRAINED_LENGTH, _TRAINED_LENGTH)
    if served:
        name = fields.named((family.get("length_key", ""), *NAMES["length"]))
        sources["seq_len"] = (
            f"default: {name} {served:,} of the config, at most {_TRAINED_LENGTH:,}"
        )
    else:
        sources["seq_len"] = f"default: {_TRAINED_LENGTH:,}, the config names no length"


def _tell(
    whole: Fields,
    text: Fields,
    found: Mapping[str, Any],
    model_type: str,
    family: Mapping[str, Any] | None,
) -> None:
    """Warn of what was guessed and of what was not read."""
    parts.tell_head(whole)
    if family is None:
        if any(isinstance(whole.data.get(name), dict) for name in _TEXT):
            whole.note(
                f'model_type "{model_type[:40]}" is not known: what joins its parts is not counted'
            )
    elif "partial" in family:
        whole.note(f"{family['partial']} are not counted, of model_type {model_type!r}")
    elif family.get("tie_unsure") and not text.has(_TIED):  # its code ties where its weights do not
        whole.note(f"{_TIED} is not in the file: embedding and output head are counted as two")
    routed = {name for key in NAMES if "expert" in key for name in NAMES[key]}
    sizes = _SIZES if found.get("experts") else _SIZES - routed
    taken = {name: value for name, value in text.silent.items() if name in sizes}
    if taken:
        listed = ", ".join(f"{name} {value}" for name, value in taken.items())
        whole.note(f"not in the file, so the family's own defaults: {listed}")
    unread = sorted({*whole.unread(), *(text.unread() if text is not whole else [])})
    if unread:
        more = f" and {len(unread) - _MOST_NAMES} more" if len(unread) > _MOST_NAMES else ""
        whole.note(f"not understood and not counted: {', '.join(unread[:_MOST_NAMES])}{more}")


def _guessed(fields: Fields, model_type: str) -> Mapping[str, Any]:
    """A family for a type that nobody knows, which a user is told of."""
    family, words = parts.unknown(fields)
    if fields.problems:
        raise InputError(fields.problems)
    if model_type:
        hint = nearest(model_type, families.names())
        fields.note(f'model_type "{model_type[:40]}" is not known: read as {words}{hint}')
    else:
        fields.note(f"has no model_type: read as {words}")
    return family


#: Fields of which a default is worth a word.
_SIZES = frozenset(
    name for key in ("layers", "hidden_size", "heads", "kv_heads", "head_dim", "ffn_hidden_size",
                     "vocab_size", "experts", "experts_per_token", "expert_ffn_hidden_size")
    for name in NAMES[key]
)  # fmt: skip
