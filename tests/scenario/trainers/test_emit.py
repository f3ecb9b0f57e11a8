"""A layout written as a trainer's settings and read back is the same layout."""

from __future__ import annotations

import json
import shlex
import tempfile
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from llmcost import estimate as api_estimate
from llmcost.catalog import load_catalog
from llmcost.errors import InputError, NoAnswerError
from llmcost.scenario.exporters import EMITTERS, emit
from llmcost.scenario.importers.run import Run
from llmcost.scenario.importers.trainers import read_run

CATALOG = load_catalog()
SUFFIX = {"megatron": ".sh", "torchtitan": ".toml", "deepspeed": ".json"}
_DENSE = {
    "layers": 60, "hidden_size": 1536, "heads": 16, "kv_heads": 4, "head_dim": 96, "ffn_hidden_size": 4096,
    "gated_ffn": True, "vocab_size": 50000, "tied_embeddings": False,
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "dense": _DENSE,
    "plain": {**_DENSE, "layers": 37, "kv_heads": 16, "gated_ffn": False, "tied_embeddings": True},
    "experts": {
        **_DENSE, "experts": 64, "experts_per_token": 6, "shared_experts": 2, "expert_ffn_hidden_size": 512,
        "dense_layers": 3,
    },
    "latent": {
        **_DENSE, "kv_heads": 16, "experts": 8, "experts_per_token": 2, "shared_experts": 0, "dense_layers": 0,
        "expert_ffn_hidden_size": 512, "q_lora_rank": 256, "kv_lora_rank": 128, "qk_rope_head_dim": 32,
        "v_head_dim": 64,
    },
    "llama-3.1-405b": dict(CATALOG.entry("models", "llama-3.1-405b")),
}  # fmt: skip


def inputs_of(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Values as an estimate lists its inputs."""
    return {key: {"value": value, "source": "file"} for key, value in values.items()}


def read_back(text: str, trainer: str) -> Run:
    """What `init --from` makes of settings."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"run{SUFFIX[trainer]}"
        path.write_text(text)
        return read_run([str(path)])


@st.composite
def layouts(draw: st.DrawFn) -> dict[str, Any]:
    """Layouts of a model with what a scenario says of them."""
    name = draw(st.sampled_from(list(MODELS)))
    sizes = MODELS[name]
    tp, cp = draw(st.sampled_from([1, 2, 4, 8])), draw(st.sampled_from([1, 1, 2]))
    pp = draw(st.sampled_from([1, 1, 2, 3, 4, 8]))
    vpp = draw(st.integers(1, 5)) if pp > 1 else 1
    dp, micro = draw(st.sampled_from([1, 2, 3, 4, 8, 16])), draw(st.integers(1, 4))
    values: dict[str, Any] = {
        "parallelism.tp": tp, "parallelism.pp": pp, "parallelism.vpp": vpp, "parallelism.cp": cp,
        "parallelism.ep": draw(st.sampled_from([1, 2, 4])) if "experts" in sizes else 1,
        "parallelism.dp": dp, "parallelism.micro_batch": micro,
        "parallelism.global_batch_seqs": dp * micro * draw(st.integers(1, 9)),
        "parallelism.sharding": draw(st.sampled_from(["none", "zero1", "zero2", "zero3"])),
        "parallelism.sequence_parallel": tp > 1 and draw(st.booleans()),
        "training.precision": draw(st.sampled_from(["fp32", "tf32", "bf16", "fp16", "fp8", "fp4"])),
        "training.activation_recompute": draw(st.sampled_from(["none", "selective", "full"])),
        "training.offload": draw(st.sampled_from(["none", "none", "optimizer", "activations", "parameters", "paged"])),
        "model.seq_len": draw(st.sampled_from([2048, 8192])),
        "cluster.devices": tp * pp * cp * dp, "cluster.devices_per_node": 8,
    }  # fmt: skip
    if values["training.offload"] == "parameters":
        values["parallelism.sharding"] = "zero3"
    values |= {f"model.{key}": value for key, value in sizes.items() if f"model.{key}" in _KEYS}
    if name in CATALOG.kind("models"):
        values["model.preset"] = name
    return values


_KEYS = {f"model.{key}" for sizes in MODELS.values() for key in sizes} - {
    "model.params", "model.seq_len", "model.full_name", "model.training_tokens", "model.source", "model.url",
    "model.date", "model.confidence", "model.active_params",
}  # fmt: skip


def cannot(trainer: str, v: dict[str, Any]) -> bool:
    """Whether a trainer has no setting for a part of a layout."""
    p = {key.rpartition(".")[2]: value for key, value in v.items()}
    if trainer == "megatron":
        nodes = -(-p["devices"] // 8)
        if p["offload"] not in ("none", "optimizer") or (
            p["offload"] != "none" and p["sharding"] == "none"
        ):
            return True
        return p["precision"] == "tf32" or (p["devices"] % nodes != 0 and p["devices"] % 8 != 0)
    if trainer == "torchtitan":
        return (
            p["sharding"] == "zero1"
            or (p["tp"] > 1 and not p["sequence_parallel"])
            or p["precision"] in ("tf32", "fp16", "fp4")
            or (p["sharding"] == "none" and p["cp"] > 1)
            or (p["sharding"] != "none" and p["dp"] * p["cp"] == 1)
            or p["offload"] in ("optimizer", "activations", "paged")
        )
    return (
        p["pp"] > 1
        or (p["tp"] > 1 and (p["ep"] > 1 or p["sequence_parallel"]))
        or p["precision"] in ("tf32", "fp8", "fp4")
        or p["activation_recompute"] == "selective"
        or p["offload"] == "paged"
        or (p["offload"] == "optimizer" and p["sharding"] == "none")
        or (p["offload"] == "activations" and p["activation_recompute"] != "full")
    )


#: What a trainer's settings do not hold, so that nothing can be read back.
NOT_IN = {
    "megatron": {"cluster.devices_per_node", "model.preset"},
    "torchtitan": {"cluster.devices_per_node", "parallelism.sequence_parallel"},
    "deepspeed": {"cluster.devices_per_node", "parallelism.sequence_parallel", "model.seq_len"},
}


@pytest.mark.parametrize("trainer", list(EMITTERS))
@given(values=layouts())
def test_round_trip(trainer: str, values: dict[str, Any]) -> None:
    if cannot(trainer, values):
        with pytest.raises(NoAnswerError, match=r"cannot say (parallelism|training)|whole nodes"):
            emit("run", inputs_of(values), trainer, CATALOG)
        return
    run = read_back(emit("run", inputs_of(values), trainer, CATALOG), trainer)
    compared = {
        key: value
        for key, value in values.items()
        if key not in NOT_IN[trainer] and (trainer == "megatron" or not key.startswith("model."))
    }
    silent = {
        "parallelism.sequence_parallel": False, "training.activation_recompute": "none", "training.offload": "none",
        "model.dense_layers": 0, "model.shared_experts": 0, "model.q_lora_rank": 0,
    }  # fmt: skip
    if trainer == "torchtitan" and values["parallelism.sharding"] == "zero2":
        compared |= {"parallelism.sharding": "zero3", "parallelism.reshard": False}
    found = {key: run.get(key, silent.get(key)) for key in compared}
    assert found == compared
    assert not run.unread


@pytest.mark.parametrize(
    ("reshard", "policy"), [(True, "always"), (False, "never"), (None, "default")]
)
def test_torchtitan_says_whether_weights_stay_after_the_forward_pass(
    reshard: bool | None, policy: str
) -> None:
    values = {
        **{f"parallelism.{key}": 1 for key in ("tp", "vpp", "cp", "ep", "micro_batch")},
        "parallelism.pp": 2, "parallelism.dp": 4, "parallelism.global_batch_seqs": 8,
        "parallelism.sharding": "zero3", "model.seq_len": 2048, "model.layers": 10,
    } | ({} if reshard is None else {"parallelism.reshard": reshard})  # fmt: skip
    job = emit("run", inputs_of(values), "torchtitan", CATALOG)
    assert tomli.loads(job)["parallelism"]["fsdp_reshard_after_forward"] == policy
    run = read_back(job, "torchtitan")
    assert (run.get("parallelism.sharding"), run.get("parallelism.reshard")) == ("zero3", reshard)


def test_round_trip_of_the_tokens_and_the_model_s_name() -> None:
    values = {
        "parallelism.tp": 8, "parallelism.pp": 16, "parallelism.vpp": 8, "parallelism.cp": 1, "parallelism.ep": 1,
        "parallelism.dp": 8, "parallelism.micro_batch": 1, "parallelism.global_batch_seqs": 512,
        "parallelism.sharding": "zero3", "parallelism.sequence_parallel": True, "model.seq_len": 8192,
        "model.preset": "llama-3.1-405b", "model.layers": 126, "data.tokens": 512 * 8192 * 1000,
        "training.precision": "fp8",
    }  # fmt: skip
    job = emit("run", inputs_of(values), "torchtitan", CATALOG)
    assert tomli.loads(job)["model"] == {
        "name": "llama3",
        "flavor": "405B",
        "converters": ["float8"],
    }
    for trainer in ("megatron", "torchtitan"):
        run = read_back(emit("run", inputs_of(values), trainer, CATALOG), trainer)
        assert run.get("data.tokens") == values["data.tokens"]
        assert run.get("parallelism.vpp") == 8


def test_uneven_stages_are_a_list_of_layers() -> None:
    values = inputs_of(
        {
            **{f"parallelism.{key}": 1 for key in ("tp", "vpp", "cp", "ep", "dp", "micro_batch")},
            "parallelism.pp": 4, "parallelism.global_batch_seqs": 8, "model.seq_len": 2048, "model.layers": 10,
        }
    )  # fmt: skip
    text = emit("run", values, "megatron", CATALOG)
    assert "--pipeline-model-parallel-layout 'Et*3|t*3|t*2|t*2L'" in text
    words = shlex.split(text.replace("\\\n", " "), comments=True)
    assert words[:2] == ["torchrun", "--nnodes"]
    assert words[words.index("--pipeline-model-parallel-size") + 1] == "4"


def test_deepspeed_s_batches_multiply_out() -> None:
    values = inputs_of(
        {
            **{f"parallelism.{key}": 1 for key in ("tp", "pp", "vpp", "cp", "ep")},
            "parallelism.dp": 16, "parallelism.micro_batch": 2, "parallelism.global_batch_seqs": 128,
            "parallelism.sharding": "zero2", "model.seq_len": 2048,
        }
    )  # fmt: skip
    config = json.loads(emit("run", values, "deepspeed", CATALOG))
    assert config["train_batch_size"] == 128
    assert (
        config["train_micro_batch_size_per_gpu"] * config["gradient_accumulation_steps"] * 16 == 128
    )
    assert config["zero_optimization"] == {"stage": 2}


def test_what_has_no_layout_or_no_such_trainer_is_an_error() -> None:
    with pytest.raises(InputError, match=r"parallelism\.tp, .*give \[parallelism\]"):
        emit("run", inputs_of({"parallelism.pp": 1}), "megatron", CATALOG)
    with pytest.raises(InputError, match='did you mean "megatron"'):
        emit("run", {}, "megatrn", CATALOG)
    uneven = {f"parallelism.{key}": 1 for key in ("tp", "pp", "vpp", "cp", "ep", "micro_batch")}
    uneven |= {"parallelism.dp": 3, "parallelism.global_batch_seqs": 8, "model.seq_len": 1024}
    with pytest.raises(NoAnswerError, match="a batch of 8 is no multiple"):
        emit("run", inputs_of(uneven), "megatron", CATALOG)


@pytest.mark.parametrize(("trainer", "share"), [("megatron", 0.25), ("torchtitan", 0.5)])
def test_a_share_of_recompute_comes_back(trainer: str, share: float) -> None:
    values = {f"parallelism.{key}": 1 for key in ("tp", "vpp", "cp", "ep", "micro_batch")}
    values |= {
        "parallelism.pp": 2,
        "parallelism.dp": 4,
        "parallelism.global_batch_seqs": 16,
        "model.seq_len": 2048,
    }
    values |= {
        "training.recompute_share": share,
        "model.layers": 32,
        "model.hidden_size": 64,
        "model.heads": 4,
    }
    run = read_back(emit("run", inputs_of(values), trainer, CATALOG), trainer)
    assert run.get("training.recompute_share") == share
    for other, shares in (("megatron", 0.3), ("torchtitan", 0.3), ("deepspeed", 0.5)):
        odd = {**values, "training.recompute_share": shares, "parallelism.pp": 1}
        with pytest.raises(NoAnswerError, match=r"cannot say training\.recompute_share"):
            emit("run", inputs_of(odd), other, CATALOG)


@pytest.mark.parametrize(("name", "windows"), [("llama-3.1-8b", False), ("gemma-2-27b", True)])
def test_what_a_models_sizes_imply_is_no_note(name: str, windows: bool) -> None:
    """Of windows that every second layer has, the arguments say it, though their heads are those of all layers."""
    given = {
        "name": "run",
        "start_date": "2026-06-01",
        "parallelism": "auto",
        "model": {"preset": name},
        "data": {"tokens": 1e12},
        "cluster": {"accelerator": "h100-sxm", "devices": 64},
    }
    inputs = api_estimate(given).provenance()
    assert inputs["model.attention_layers"]["source"] == "derived"
    text = emit("run", inputs, "megatron", CATALOG)
    assert "not among the arguments" not in text
    assert ("--window-size 4095,0 --window-attn-skip-freq 2" in text) == windows
