"""YAML as data alone: what is read as what, and what is refused."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from llmcost.errors import InputError
from llmcost.scenario.importers.flat import flatten
from llmcost.scenario.importers.trainers import read_run
from llmcost.scenario.importers.yamlfile import parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("-3", -3), ("1_000", 1000), ("1e-5", 1e-5), ("2.5", 2.5), (".5", 0.5), ("'1'", "1"), ("1.2.3", "1.2.3"),
        ("true", True), ("no", False), ("~", None), ("", None), ("'no'", "no"), ("a b", "a b"), ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"), ("!!str 5", "5"), ("!anything 5", "5"), ("!!python/object/apply:os.getcwd []", []),
        ("9" * 30, int("9" * 30)), ("9" * 60, 1e60),
    ],
)  # fmt: skip
def test_scalars(text: str, value: Any) -> None:
    assert parse_yaml(f"k: {text}", "f") == {"k": value}


def test_keys_are_what_is_written() -> None:
    assert parse_yaml("on: 1\n--a-b: 2\n3: x", "f") == {"on": 1, "--a-b": 2, "3": "x"}


def test_aliases_and_merges() -> None:
    text = "base: &b {x: 1, y: 2}\nrun:\n  <<: *b\n  y: 3\nagain: *b\n"
    assert parse_yaml(text, "f") == {
        "base": {"x": 1, "y": 2},
        "run": {"x": 1, "y": 3},
        "again": {"x": 1, "y": 2},
    }


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-10**15, 10**15) | st.text("ab: #-'", max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.text("abcd_", min_size=1, max_size=5), _PLAIN, max_size=5))
def test_what_pyyaml_writes_is_read(data: dict[str, Any]) -> None:
    assert parse_yaml(yaml.safe_dump(data), "f") == data


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b: c", "invalid YAML: mapping values are not allowed"),
        ("- " * 200, "more than 40 levels"),
        ("[" * 500, "invalid YAML|levels"),
        ("a: &a 1\n" + "".join(f"k{i}: *a\n" for i in range(101)), "more than 100 aliases"),
        ("a: &a [*a]", "alias"),
        ("? [1, 2]\n: x", "a key that is a table"),
        ("<<: 3", "<< of what is no table"),
    ],
)
def test_what_no_configuration_holds_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_yaml(text, "f")


def test_tables_that_aliases_multiply_are_refused() -> None:
    """Nine levels of three aliases are 20,000 tables, and a kilobyte of text."""
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{i}: &a{i} {{p: *a{i - 1}, q: *a{i - 1}, r: *a{i - 1}}}" for i in range(1, 25)]
    with pytest.raises(InputError, match="more than 20,000 values"):
        flatten(parse_yaml("\n".join(lines), "f"), "f")
    lines = ["a0: &a0 {" + ", ".join(f"k{i}: 1" for i in range(1000)) + "}"]
    lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 11)]
    with pytest.raises(InputError, match="more than 50,000 values"):
        parse_yaml("\n".join(lines), "f")


def test_references_are_put_in() -> None:
    flat = flatten(
        {
            "variables": {"n": 2048},
            "model": {"hidden": 64, "ffn": "${multiply:4, ${.hidden}}", "seq": "${variables.n}"},
            "a": "${b}", "b": "${a}", "name": "x-${model.hidden}", "env": "${oc.env:HOME}", "d": "${oc.env:N,3}",
        },
        "f",
    )  # fmt: skip
    assert flat["model.ffn"] == 256
    assert flat["model.seq"] == 2048
    assert flat["name"] == "x-64"
    assert flat["env"] == "${oc.env:HOME}"
    assert flat["d"] == "3"
    assert "${" in flat["a"]


def test_without_pyyaml_the_error_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    path = tmp_path / "a.yaml"
    path.write_text("base_model: x\n")
    with pytest.raises(
        InputError, match=r'a\.yaml: YAML needs PyYAML: pip install "llmcost\[yaml\]"'
    ):
        read_run([str(path)])


_MEGABYTE = 999_000
#: A piece of a file, and how often it stands there: a megabyte together.
_HOSTILE = {
    "a.yaml": ["a: ", "? ", "a:\n ", "&a ", "'", "k: v\n", "- ", "[", "{a: "],
    "a.sh": [
        "\n", "$(", "${a:-", "(", "a=$a$a\n", "case x in\n", "f() { f; }\nf\n", "x $A ", "a||", "A=( ", "cat <<EOF\n",
        "python a.py --x 1 --y 2 --z\n", "--a 1 ", "#SBATCH --nodes=4\n", "echo $((1+", "[[ a == b ]] && ", "# 8 H100",
        "`", '"', "{ ", "if [ a ]; then\n", "A+=(a b c)\n",
    ],
    "a.json": ["[", '{"a":'],
    "a.toml": ["[", "a.b", "k = 1\n"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "piece"), [(name, piece) for name, pieces in _HOSTILE.items() for piece in pieces]
)
def test_any_file_of_a_megabyte_is_answered_in_two_seconds(
    name: str, piece: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text((piece * (_MEGABYTE // len(piece)))[:_MEGABYTE])
    start = time.process_time()
    with pytest.raises(InputError, match=name):
        read_run([str(path)])
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "model:\n  num_layers: -3\n  micro_batch_size: x\ntrainer:\n  num_nodes: 1\n", "num_layers: -3 is not a whole number"),
        ("a.yaml", "base_model: x\nsequence_len: " + "9" * 40, "is no number of a configuration"),
        ("a.json", '{"train_batch_size": true, "zero_optimization": {"stage": 1}}', "train_batch_size: true is not a number"),
        ("a.json", '{"train_batch_size": 1e999, "zero_optimization": {"stage": 1}}', "no number of a configuration"),
        ("a.json", '{"train_batch_size": ' + "9" * 5000 + "}", "invalid JSON"),
        ("a.toml", "[training]\nseq_len = 0.5\n[parallelism]\ntensor_parallel_degree = 2\n", "0.5 is not a whole number"),
        ("a.toml", "x = 1", "no configuration of a trainer that is known: .*torchtitan"),
        ("a.sh", "ls --all\n", "no configuration of a trainer|no command in it"),
        ("a.py", "print(1)", "a Python program is not run to read it"),
        ("a.yaml", "- 1\n", "the top must be a table"),
    ],
)  # fmt: skip
def test_wrong_values_are_errors_that_name_the_key(
    name: str, text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_run([str(path)])


@pytest.mark.parametrize(
    ("lines", "offload"),
    [
        ("optimizer: paged_adamw_8bit", "paged"),
        ("optimizer: adamw_bnb_8bit", None),
        ("deepspeed: deepspeed_configs/zero3_bf16_cpuoffload_all.json", "parameters"),
        ("deepspeed: deepspeed_configs/zero3_bf16_cpuoffload_params.json", "parameters"),
        ("deepspeed: deepspeed_configs/zero2_cpu_offload.json", "optimizer"),
        ("fsdp_config:\n  reshard_after_forward: true\n  offload_params: true", "parameters"),
        ("fsdp_config:\n  reshard_after_forward: false\n  offload_params: true", "parameters"),
        ("optimizer: paged_adamw_32bit\nactivation_offloading: true", "activations"),
    ],
)
def test_axolotl_says_what_is_on_the_host(tmp_path: Path, lines: str, offload: str | None) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(f"base_model: meta-llama/Llama-3.1-8B\nmicro_batch_size: 2\n{lines}\n")
    run = read_run([str(path)])
    assert run.get("training.offload") == offload
    if "reshard" in lines:  # FSDP shards weights outside of their use, whatever it keeps in between
        assert run.get("parallelism.sharding") == "zero3"
        assert run.get("parallelism.reshard") is ("forward: true" in lines)
    if "8bit" in lines:
        assert run.get("training.optimizer") == "adamw-8bit"
