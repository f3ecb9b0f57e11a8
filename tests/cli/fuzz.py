"""Any scenario at all: what is drawn for the tests of the command line, and what any answer must be."""

from __future__ import annotations

import io
import json
import os
import re
import time
import warnings
from contextlib import redirect_stderr, redirect_stdout
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from llmcost.catalog import load_catalog
from llmcost.cli.main import run
from llmcost.files import packaged
from llmcost.scenario.read import bundled_names
from llmcost.scenario.schema import CHOICE, DATE, ENTRY, FLAG, KEYS, LEVER_KEYS, NUMBER, Key

#: Any input below 1 MB is answered within this time, alone on its machine [s].
MOST_SECONDS = 2.0


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


SETTINGS = settings(
    suppress_health_check=list(HealthCheck),
    deadline=None,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "60")),
    # The tests take the same examples every time; a longer search takes others.
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    database=None,
)
