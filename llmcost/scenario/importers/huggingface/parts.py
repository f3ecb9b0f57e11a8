"""The part of a model that its ``architectures`` name, and the head that stands on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llmcost.scenario.importers.huggingface import families
from llmcost.scenario.importers.huggingface.fields import Fields

Family = Mapping[str, Any]
Found = dict[str, Any]

#: A model without a head; a class of this name that ends in another word than these has one.
_BARE = re.compile(r"(?<!Head)(?<!Heads)(?<!Chat)(?<!LM)(?<!Reward)Model$")
#: Heads that are counted, or of which the weights are those of the embedding.
_HEADS = re.compile(
    r"For(CausalLM\w*|ConditionalGeneration\w*|MaskedLM|PreTraining|SequenceClassification|TokenClassification"
    r"|QuestionAnswering|MultipleChoice|ImageClassification\w*|CTC|Vision2Seq|ImageTextToText|\w*Reward\w*)$"
)
#: Heads that give classes or places rather than tokens.
_CLASSES = re.compile(r"For(SequenceClassification|TokenClassification|QuestionAnswering)$")
#: Fields of models whose stages differ in width.
_STAGES = ("depths", "hidden_sizes", "embed_dims", "embed_dim", "layer_depths", "stage_names",
           "conv_layer_kernel_sizes", "depth_multiplier", "width_coefficient")  # fmt: skip
#: Classes that are the encoder of an encoder-decoder.
_ENCODERS = ("EncoderModel", "ForTokenClassification")
#: Those of them with a bias.
_WITH_BIAS = ("TokenClassification", "QuestionAnswering")
#: Heads that score an answer: two layers.
_SCORES = re.compile(r"RewardModel$")


def architecture(fields: Fields) -> str:
    """The class that the file was written by; empty where it names none."""
    return (fields.texts("architectures") or [""])[0]


def is_bare(name: str) -> bool:
    """Whether a class is a model without a head."""
    return bool(_BARE.search(name))


def labels(fields: Fields) -> int:
    """Classes of a classifier: of the file, or the two of a new one."""
    named = fields.value("id2label")
    if isinstance(named, dict) and named:
        return len(named)
    return fields.whole("num_labels", 2) or 2


def seen_alone(whole: Fields, family: Family | None) -> tuple[Fields, Family] | None:
    """The tower of images, where the model is a classifier of them."""
    name = (family or {}).get("towers", {}).get("vision_config")
    if name is None or "ForImageClassification" not in architecture(whole):
        return None
    given = whole.data.get("vision_config")
    given = given if isinstance(given, dict) else {}
    beside: dict[str, Any] = {key: whole.data[key] for key in ("architectures", "id2label", "num_labels")
              if key in whole.data}  # fmt: skip
    whole.read.update(whole.data)
    kind = families.family(name) or families.plain()
    special = (*kind.get("special", ()), "classes")
    fields = Fields(
        {**given, **beside}, whole.where, families.silent(name), whole, "vision_config."
    )
    return fields, {**kind, "special": special}


def encoder_alone(whole: Fields, family: Family | None) -> Family | None:
    """The family of the encoder, where the model is nothing else."""
    name = (family or {}).get("encoder")
    if name is None or not architecture(whole).endswith(_ENCODERS):
        return None
    whole.read.update(key for key in whole.data if key.startswith(("decoder_", "num_decoder_")))
    return {**(families.family(name) or families.plain()), "headless": True}


def decoder_alone(whole: Fields, family: Family | None) -> bool:
    """Whether an encoder or the towers are no part of the model."""
    known = family or {}
    if not architecture(whole).endswith("ForCausalLM"):
        return False
    if "encoder" in known:
        whole.read.update(key for key in whole.data if key.startswith("encoder_"))
    return "encoder" in known or bool(known.get("text_alone"))


def unknown(fields: Fields) -> tuple[Family, str]:
    """What a model of a type that nobody knows is read as, by the fields that it has, and in words."""
    name = architecture(fields)
    if fields.has("encoder_layers") and fields.has("decoder_layers"):
        return families.family("bart") or families.plain(), "an encoder with a decoder like BART's"
    if fields.has("type_vocab_size") or (
        name.endswith("MaskedLM") and not fields.has("rms_norm_eps", "num_key_value_heads")
    ):
        return families.family("bert") or families.plain(), "an encoder like BERT's"
    staged = next((key for key in _STAGES if fields.has(key)), None)
    if staged is not None and not fields.has("vocab_size"):
        fields.problem(
            staged,
            "tells stages of different widths, of convolutions or windows over an image: no stack of"
            " equal layers, so such a model is not read; give its size as model.params",
        )
    elif fields.has("patch_size", "num_channels") and not fields.has("vocab_size"):
        return families.family("vit") or families.plain(), "an encoder of images like ViT's"
    return families.plain(), "a decoder like LLaMA's"


def head(whole: Fields, text: Fields, family: Family, found: Found) -> None:
    """Another head than that over the vocabulary, or none."""
    name = architecture(whole)
    hidden = found["hidden_size"]
    if "WithProjection" in name:
        found["other_matmul_params"] += hidden * (text.whole("projection_dim", 512) or 512)
    if "encoder_head" in family.get("special", ()) or not found.get("output_head", True):
        return
    classes = bool(_CLASSES.search(name)) or bool(_SCORES.search(name))
    bare = is_bare(name) and not family.get("head_in_model")
    if not classes and not bare:
        return
    found["output_head"] = False
    if classes:
        found["other_matmul_params"] += hidden * labels(whole)
        found["other_params"] += labels(whole) if name.endswith(_WITH_BIAS) else 0
    if _SCORES.search(name) or (classes and "encoder" in family):
        found["other_matmul_params"] += hidden * hidden
        found["other_params"] += hidden
    if not found["tied_embeddings"]:
        whole.note(f"architectures: {name} has no output head over the vocabulary: none is counted")


def tell_head(whole: Fields) -> None:
    """Warn of a head that is not counted."""
    name = architecture(whole)
    if re.search(r"For[A-Z]\w*$", name) and not _HEADS.search(name):
        whole.note(f"architectures: {name[:60]} may have parts of its own, which are not counted")
