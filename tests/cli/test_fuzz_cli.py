"""Anything at all into the command line: exit 0, 1 or 2, errors that a user can read, nothing else.

`FUZZ_EXAMPLES=5000 pytest tests/cli/test_fuzz_cli.py` looks harder; what it finds goes into tests/corpus.
"""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
import time
import warnings
from contextlib import redirect_stderr, redirect_stdout
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmcost.catalog import KINDS, load_catalog
from llmcost.cli.main import run
from llmcost.engine.results import RESULTS
from llmcost.files import packaged
from llmcost.scenario.read import bundled_names
from llmcost.scenario.schema import CHOICE, DATE, ENTRY, FLAG, KEYS, LEVER_KEYS, NUMBER, Key

CORPUS = Path(__file__).parent.parent / "corpus"
#: Any input below 1 MB is answered within this time and this memory.
MOST_SECONDS, MOST_MB = 2.0, 500


class Answer:
    """What a command line gave."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        out, err = io.StringIO(), io.StringIO()
        before, start = os.getcwd(), time.process_time()
        os.chdir(folder)
        try:
            with redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
                warnings.simplefilter("error")  # Python's warnings are no message for a user
                self.code = run(arguments)
        finally:
            os.chdir(before)
        self.seconds = time.process_time() - start
        self.out, self.err = out.getvalue(), err.getvalue()

    def check(self, arguments: list[str]) -> None:
        assert self.code in (0, 1, 2), arguments
        assert "Traceback" not in self.err, (arguments, self.err)
        if self.code == 2:
            assert self.out == "", arguments
        if self.code:
            assert re.search(r"^(error|warning|failed): .", self.err, re.M), (arguments, self.err)
        for line in self.err.splitlines():
            assert len(line) < 2000, (arguments, line)
        assert self.seconds < 5 * MOST_SECONDS, (
            arguments,
            self.seconds,
        )  # 2 s alone; see the corpus
        if self.code == 0 and "--json" in arguments:
            json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))


def toml(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{json.dumps(str(k))} = {toml(v)}" for k, v in value.items()) + " }"
        )
    if isinstance(value, list):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return json.dumps(value) if isinstance(value, str) else str(value)


def document(tables: dict[str, Any]) -> str:
    """A TOML document whose sections are inline tables, which says the same."""
    return "".join(f"{json.dumps(str(key))} = {toml(value)}\n" for key, value in tables.items())


WORDS = st.one_of(
    st.sampled_from(
        ["auto", "405B", "1e9", "-3", "nan", "inf", "1e400", "1E", "k", "", " ", "bf16", "none", "h100-sxm",
         "USA", "2024-02-24", "9999-12-31", "0001-01-01", "llama-3.1-405b", "true", "zero3", "full", "=", "../x"]
    ),
    st.text(max_size=12),
)  # fmt: skip
NUMBERS = st.one_of(
    st.floats(),
    st.integers(-(10**25), 10**25),
    st.sampled_from([0, 1, 2, 8, 64, 1024, 0.4, 1e-320, 1e308, -0.0, 2**63, 1e12, 3.8e25]),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(NUMBERS, WORDS, st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["low", "high", "dist", "mode", "x"]), inner, max_size=4),
    ),
    max_leaves=5,
)


def fitting(key: Key) -> st.SearchStrategy[Any]:
    """Values that the key takes, for the most part."""
    if key.kind == NUMBER:
        low, high = max(key.low, -1e6), min(key.high, 1e13)
        plain: st.SearchStrategy[Any] = (
            st.integers(int(low), int(min(high, 4096)) if high > 1 else 1)
            if key.whole
            else st.floats(low, high, exclude_min=key.open_low, exclude_max=key.open_high)
        )
        if key.open_low and high > 2:
            plain = st.one_of(plain, st.floats(0.5, 1000))
        spread = st.builds(
            lambda low, by, dist: {"low": low, "high": low * by, "dist": dist},
            st.floats(max(key.low, 0.1), max(min(key.high / 3, 1e6), max(key.low, 0.1) + 1e-3)),
            st.floats(1.1, 2.9),
            st.sampled_from(["lognormal", "normal", "uniform"]),
        )
        return st.one_of(plain, plain, plain, spread)
    if key.kind == CHOICE:
        return st.sampled_from(key.choices)
    if key.kind == FLAG:
        return st.booleans()
    if key.kind == DATE:
        return st.dates(date(2015, 1, 1), date(2035, 1, 1)).map(date.isoformat)
    if key.kind == ENTRY:
        return st.sampled_from(sorted(load_catalog().kind(key.catalog)))
    return st.sampled_from(["aws", "text"])


def mostly(good: st.SearchStrategy[Any], bad: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What is right, and now and then what is wrong."""
    return st.integers(0, 39).flatmap(lambda chance: bad if chance == 13 else good)


#: Sets of keys that answer something, so that not every scenario ends at its first contradiction.
QUESTIONS = [
    ["cluster.devices", "cluster.days", "training.mfu", "start_date"],
    ["model.params", "data.tokens", "cluster.devices", "start_date", "cost.method"],
    ["model.preset", "data.tokens_per_param", "cluster.deadline_days", "carbon.grid"],
    ["model.preset", "data.tokens", "cluster.devices", "parallelism"],
    ["cluster.device_hours", "start_date", "cost.experiments_ratio", "staff.fte", "staff.months"],
    ["model.layers", "model.hidden_size", "model.heads", "model.vocab_size", "model.seq_len", "data.tokens", "cluster.devices"],
    ["training.flops", "cluster.days", "reliability.device_mtbf_hours"],
]  # fmt: skip


@st.composite
def scenarios(draw: st.DrawFn) -> str:
    """A scenario that is mostly right, or one that is mostly wrong."""
    wild = draw(st.integers(0, 4)) == 3
    pool = [key for key in sorted(KEYS) if key not in ("model.config", "schema_version")]
    keys = draw(st.sampled_from(QUESTIONS)) if not wild else []
    keys = [*keys, *draw(st.lists(st.sampled_from(pool), max_size=10 if wild else 4))]
    found: dict[str, Any] = {} if draw(st.integers(0, 19)) == 7 else {"name": "f"}
    for key in dict.fromkeys(keys):
        section, _, short = key.rpartition(".")
        value = draw(VALUES if wild else mostly(fitting(KEYS[key]), VALUES))
        if not section:
            found[key] = value
        elif isinstance(found.setdefault(section, {}), dict):
            found[section][short] = value
    if draw(st.integers(0, 9)) != 7 and isinstance(found.setdefault("cluster", {}), dict):
        names = ["h100-sxm", "tpu-v5p", "mi300x", "v100-sxm-32gb", "gb200-nvl72", "h800-sxm"]
        found["cluster"]["accelerator"] = draw(st.sampled_from(names))
    if draw(st.integers(0, 7)) == 5:
        lever = st.fixed_dictionaries(
            {"name": st.sampled_from(["a", "data-formats"])},
            optional={
                name: mostly(fitting(key), VALUES)
                for name, key in LEVER_KEYS.items()
                if name != "name"
            },
        )
        found["levers"] = draw(mostly(st.lists(lever, max_size=3), VALUES))
    if draw(st.integers(0, 7)) == 5:
        pair = st.fixed_dictionaries(
            {
                "keys": mostly(
                    st.lists(st.sampled_from(sorted(KEYS)), min_size=2, max_size=2), VALUES
                ),
                "rho": mostly(st.floats(-0.99, 0.99), VALUES),
            }
        )
        found["correlation"] = draw(mostly(st.lists(pair, max_size=3), VALUES))
    if draw(st.integers(0, 7)) == 5:
        found["sweep"] = draw(mostly(st.just({"axis": ["training.mfu=0.3,0.4"], "top": 1}), VALUES))
    return document(found)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A bundled scenario with a piece cut out, doubled or replaced."""
    text = packaged("scenarios", f"{draw(st.sampled_from(bundled_names()))}.toml").read_text()
    start = draw(st.integers(0, len(text)))
    end = min(len(text), start + draw(st.integers(0, 40)))
    return (
        text[:start]
        + draw(st.one_of(st.just(""), st.just(text[start:end] * 2), st.text(max_size=8)))
        + text[end:]
    )


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
SETTINGS = settings(
    suppress_health_check=list(HealthCheck),
    deadline=None,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "60")),
    # The tests take the same examples every time; a longer search takes others.
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    database=None,
)


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
