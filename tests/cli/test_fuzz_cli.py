"""Anything at all into the command line: exit 0, 1 or 2, errors that a user can read, nothing else.

`FUZZ_EXAMPLES=5000 pytest tests/cli/test_fuzz_cli.py` looks harder; what it finds goes into tests/corpus.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.catalog import KINDS, load_catalog
from llmcost.engine.results import RESULTS
from llmcost.scenario.read import bundled_names
from llmcost.scenario.schema import KEYS
from tests.cli.fuzz import (
    NUMBERS,
    SETTINGS,
    VALUES,
    WORDS,
    Answer,
    document,
    fitting,
    mostly,
    mutated,
    scenarios,
    toml,
)

CORPUS = Path(__file__).parent.parent / "corpus"
COMMANDS = st.sampled_from([
    ["estimate", "s.toml"], ["estimate", "s.toml", "--json"], ["estimate", "s.toml", "--format", "csv"],
    ["estimate", "s.toml", "--format", "markdown"], ["estimate", "s.toml", "--explain"],
    ["estimate", "s.toml", "--samples", "50", "--json"],
    ["estimate", "s.toml", "--uncertainty", "defaults", "--samples", "50", "--tornado", "cost_total_usd"],
    ["compare", "s.toml", "gpt-4", "--json"], ["compare", "s.toml", "--set-b", "training.mfu=0.5"],
    ["project", "s.toml", "--json", "--threshold", "cost_total_usd=1e9"],
    ["project", "s.toml", "--follow", "frontier", "--roadmap", "--budget", "1e6", "--waterfall", "flops"],
    ["project", "s.toml", "--samples", "20"],
    ["sweep", "s.toml", "--axis", "training.mfu=0.2,0.5", "--json"],
    ["sweep", "s.toml", "--axis", "cluster.devices=8:64:8", "--minimize", "cost_total_usd"],
    ["sweep", "s.toml", "--format", "jsonl"],
    ["sweep", "s.toml", "--solve", "cluster.devices", "--target", "days=30"],
])  # fmt: skip


@given(
    st.one_of(scenarios(), scenarios(), mutated(), mostly(scenarios(), st.text(max_size=60))),
    COMMANDS,
)
@SETTINGS
def test_scenarios(text: str, command: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "s.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
        Answer(command, folder).check(command)
        assert [path.name for path in folder.iterdir()] == ["s.toml"]  # nothing else is written


KEYS_OR_NOT = mostly(
    st.sampled_from([*sorted(KEYS), *RESULTS]), st.one_of(st.just("x"), st.text(max_size=8))
)
RESULTS_OR_NOT = mostly(st.sampled_from(sorted(RESULTS)), st.text(max_size=8))
RAW = st.one_of(
    WORDS,
    NUMBERS.map(str),
    st.sampled_from(["{low=1,high=2}", "[1,2", "1:2:3", "1:10:log:3", "0:1:1e-9", "1:1e30:1", "@x.csv", "a,b,,c", "5:1:1",
                     "2024-01-01:2026-01-01:6mo", "1:2:lin:1000000", "nan:1:1", ",", ":", "::", "1:2", "-1:1:0"]),
)  # fmt: skip
CONDITIONS = st.one_of(
    st.builds(
        "{} {} {}".format,
        st.sampled_from([*RESULTS, *sorted(KEYS), "x"]),
        st.sampled_from(["<", "<=", "==", "=", "and", "**", "%", "if", "."]),
        RAW,
    ),
    st.text(alphabet="abcdays<>=()+-*/ .0123456789_'\"andornot[]{}:,", max_size=40),
    st.sampled_from(["(" * 300 + "1" + ")" * 300, "not " * 500 + "days", "1" * 5000, "days < " + "9" * 400, "__import__('os')", "days.real < 1"]),
)  # fmt: skip


def _pair(key: str) -> st.SearchStrategy[str]:
    good = fitting(KEYS[key]).map(
        lambda value: toml(value) if isinstance(value, dict) else str(value)
    )
    return mostly(good, RAW).map(lambda value: f"{key}={value}")


PAIRS = mostly(
    st.sampled_from([key for key in sorted(KEYS) if key != "model.config"]).flatmap(_pair),
    st.builds("{}={}".format, KEYS_OR_NOT, RAW),
)
AXES = mostly(
    st.sampled_from(["training.mfu=0.2:0.6:0.1", "cluster.devices=8,64", "cluster.accelerator=h100-sxm,tpu-v5p,h800-sxm",
                     "start_date=2024-01-01:2026-01-01:6mo", "model.params=1B:1T:log:7", "carbon.grid=FRA,USA", "training.precision=bf16,fp8"]),
    st.builds("{}={}".format, KEYS_OR_NOT, RAW),
)  # fmt: skip
TARGETS = mostly(
    st.builds(
        "{}={}".format,
        st.sampled_from(["days", "cost_total_usd", "cost_cloud_usd", "total_tco2e", "flops"]),
        st.floats(1e-3, 1e30),
    ),
    st.builds("{}={}".format, RESULTS_OR_NOT, RAW),
)
#: Options by command, each mostly right.
OPTIONS: dict[str, dict[str, st.SearchStrategy[str]]] = {
    "estimate": {
        "--set": PAIRS,
        "--samples": mostly(st.sampled_from(["2", "30", "200"]), RAW),
        "--quantiles": mostly(st.sampled_from(["0.1,0.9", "0.5"]), RAW),
        "--uncertainty": mostly(st.just("defaults"), RAW),
        "--tornado": RESULTS_OR_NOT,
        "--explain": RESULTS_OR_NOT,
        "--format": mostly(st.sampled_from(["json", "csv", "markdown"]), RAW),
    },
    "compare": {
        "--set-b": PAIRS,
        "--set-c": PAIRS,
        "--metrics": mostly(st.lists(RESULTS_OR_NOT, min_size=1, max_size=3).map(",".join), RAW),
        "--fail-if": st.one_of(st.builds("{}.ratio > {}".format, RESULTS_OR_NOT, st.floats(0, 3)), CONDITIONS),
        "--samples": mostly(st.sampled_from(["2", "30"]), RAW),
        "--format": mostly(st.sampled_from(["json", "csv", "markdown"]), RAW),
    },
    "sweep": {
        "--set": PAIRS,
        "--axis": AXES,
        "--zip": AXES,
        "--where": mostly(st.builds("{} < {}".format, RESULTS_OR_NOT, st.floats(0, 1e30)), CONDITIONS),
        "--minimize": RESULTS_OR_NOT,
        "--maximize": RESULTS_OR_NOT,
        "--top": mostly(st.integers(1, 9).map(str), RAW),
        "--pareto": mostly(st.lists(RESULTS_OR_NOT, min_size=1, max_size=3).map(",".join), RAW),
        "--select": mostly(st.lists(KEYS_OR_NOT, min_size=1, max_size=3).map(",".join), RAW),
        "--solve": mostly(st.sampled_from(["cluster.devices", "model.params", "training.mfu", "data.tokens"]), KEYS_OR_NOT),
        "--target": TARGETS,
        "--between": mostly(st.just("1:1e6"), RAW),
        "--samples": mostly(st.sampled_from(["2", "30"]), RAW),
        "--format": mostly(st.sampled_from(["json", "csv", "jsonl", "markdown"]), RAW),
    },
    "project": {
        "--set": PAIRS,
        "--until": mostly(st.integers(2025, 2060).map(str), RAW),
        "--follow": mostly(st.sampled_from(["model", "frontier"]), RAW),
        "--threshold": TARGETS,
        "--waterfall": RESULTS_OR_NOT,
        "--budget": mostly(st.floats(1, 1e12).map(str), RAW),
        "--samples": mostly(st.sampled_from(["2", "30"]), RAW),
        "--metrics": mostly(st.lists(RESULTS_OR_NOT, min_size=1, max_size=3).map(",".join), RAW),
        "--format": mostly(st.sampled_from(["json", "csv", "jsonl", "markdown"]), RAW),
    },
    "catalog": {"--format": mostly(st.sampled_from(["json", "csv", "markdown"]), RAW)},
}  # fmt: skip
SCENARIOS = mostly(
    st.sampled_from(bundled_names()), st.sampled_from(["nope", "", "/", "a\0b", "--"])
)


@st.composite
def options(draw: st.DrawFn) -> list[str]:
    """A command line: each option mostly right."""
    command = draw(st.sampled_from([*OPTIONS, "sweep"]))
    first = (
        mostly(st.sampled_from(list(KINDS)), st.text(max_size=5))
        if command == "catalog"
        else SCENARIOS
    )
    line = [command, draw(first)]
    if command == "sweep":
        line += ["--axis", draw(AXES)]
    for name in draw(st.lists(st.sampled_from(sorted(OPTIONS[command])), max_size=4)):
        line += [name, draw(OPTIONS[command][name])]
    return line


@given(options())
@SETTINGS
def test_options(line: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        Answer(line, Path(name)).check(line)
        assert not list(Path(name).iterdir())


@st.composite
def catalogs(draw: st.DrawFn) -> str:
    """A catalog file: real entries with fields changed, dropped and made up."""
    found: dict[str, Any] = {}
    for kind in draw(st.lists(st.sampled_from(list(KINDS)), max_size=3, unique=True)):
        entries = load_catalog().kind(kind)
        made_up = [] if kind in ("defaults", "trends", "electricity") else ["mine", "", "a.b", "ü"]
        names = st.sampled_from([*sorted(entries)[:40], *made_up])
        for name in draw(st.lists(names, min_size=1, max_size=2, unique=True)):
            entry = dict(entries.get(name) or entries[draw(st.sampled_from(sorted(entries)))])
            for field in draw(st.lists(st.sampled_from(sorted(entry)), max_size=3, unique=True)):
                number = isinstance(entry[field], int | float)
                entry[field] = draw(
                    mostly(st.floats(1e-3, 1e6) if number else st.just(entry[field]), VALUES)
                )
                if draw(st.integers(0, 19)) == 7:
                    del entry[field]
            if draw(st.integers(0, 39)) == 7:
                entry["x"] = draw(VALUES)
            found.setdefault(kind, {})[name] = entry
    if draw(st.integers(0, 39)) == 7:
        found[draw(st.sampled_from([*KINDS, "x"]))] = draw(VALUES)
    return document(found)


@given(mostly(catalogs(), st.text(max_size=40)))
@SETTINGS
def test_catalogs(text: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "c.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
        for line in (
            ["estimate", "gpt-4", "--catalog", "c.toml", "--json"],
            ["estimate", "llama-3.1-8b", "--catalog", "c.toml", "--set", "cluster.accelerator=mine"],
            ["estimate", "llama-3.1-8b", "--catalog", "c.toml", "--set", "parallelism=auto", "--set", "cluster.devices=64", "--set", "cluster.device_hours=", "--set", "training.mfu="],
            ["catalog", "accelerators", "--catalog", "c.toml"],
            ["project", "gpt-4", "--catalog", "c.toml", "--roadmap", "--samples", "20"],
        ):  # fmt: skip
            Answer(line, folder).check(line)


CONFIG_KEYS = ["hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size", "vocab_size",
               "model_type", "architectures", "n_embd", "n_layer", "n_head", "num_experts", "num_local_experts", "num_experts_per_tok",
               "n_routed_experts", "moe_intermediate_size", "kv_lora_rank", "q_lora_rank", "head_dim", "tie_word_embeddings",
               "max_position_embeddings", "text_config", "first_k_dense_replace", "hidden_act"]  # fmt: skip
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.integers(-5, 200_000), st.floats(), st.booleans(), st.none(), st.text(max_size=8),
              st.sampled_from(["llama", "mixtral", "deepseek_v3", "gpt2", "bloom", "silu", ["LlamaForCausalLM"]])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(CONFIG_KEYS), inner, max_size=8)),
    max_leaves=10,
)  # fmt: skip


RIGHT = {
    "model_type": "llama", "hidden_size": 1024, "num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 4,
    "intermediate_size": 4096, "vocab_size": 32000, "max_position_embeddings": 2048, "tie_word_embeddings": False,
}  # fmt: skip
CHANGES = st.dictionaries(
    st.sampled_from(CONFIG_KEYS), st.one_of(st.integers(1, 4096), JSON_VALUES), max_size=2
)


@given(
    mostly(
        CHANGES.map(lambda changes: json.dumps(RIGHT | changes)),
        st.one_of(JSON_VALUES.map(json.dumps), st.text(max_size=30)),
    )
)
@SETTINGS
def test_configs(text: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "c.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        (folder / "s.toml").write_text(
            'name = "f"\n[model]\nconfig = "c.json"\n[cluster]\naccelerator = "h100-sxm"\ndevices = 8\n'
        )
        for line in (
            ["estimate", "s.toml", "--json"],
            ["estimate", "s.toml", "--set", "parallelism=auto"],
        ):
            Answer(line, folder).check(line)


#: Command lines that fuzzing found to fail, and that do not any more.
FOUND = [
    (["sweep", "gpt-4", "--set", "cluster.device_hours=5.7e7", "--axis", "energy.pue=1,2", "--select", "flops"], 0),
    (["sweep", "gpt-4", "--axis", "training.mfu=0.3,0.4", "--select", "days"], 2),
    (["compare", "finetune-8xh100", "--set-b", "data.tokens=1e-300"], 0),
    (["project", "gpt-4", "--until", "99999"], 2),
    (["sweep", "bloom-176b", "--axis", "carbon.grid=FRA,USA", "--select", "days", "--solve", "cluster.devices", "--target", "days=1"], 2),
    (["sweep", "bloom-176b", "--axis", "training.mfu=0.2:0.6:0.1", "--format", "csv"], 2),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code"), FOUND)
def test_what_was_found(line: list[str], code: int, tmp_path: Path) -> None:
    done = Answer(line, tmp_path)
    done.check(line)
    assert done.code == code, done.err
