"""Layouts that cannot exist are refused, and what the message names does."""

from __future__ import annotations

import re
from typing import Any

import pytest

from llmcost.analysis.estimate import estimate
from llmcost.engine.performance.faults import FAULTS, at_fault, remedies
from llmcost.errors import InputError
from llmcost.scenario import parse_scenario
from tests.layouts import CATALOG, scenario

OK = {"tp": 8, "pp": 4, "vpp": 1, "micro_batch": 1, "global_batch_seqs": 512}
KV_HEADS_6 = {"layers": 32, "hidden_size": 6144, "heads": 48, "kv_heads": 6, "ffn_hidden_size": 24576, "vocab_size": 32000, "seq_len": 4096}  # fmt: skip
MIXTURE = {"model": {"preset": "deepseek-v3"}}


@pytest.mark.parametrize(
    ("devices", "layout", "more", "reason"),
    [
        (16, OK, {}, "devices are not"),
        (510, {**OK, "tp": 3}, {}, "tp does not divide the heads"),
        (64, {**OK, "tp": 4, "pp": 1}, {"model": KV_HEADS_6}, "neither divides"),
        (960, {**OK, "pp": 96, "tp": 1}, {}, "more virtual stages than layers"),
        (512, {**OK, "vpp": 32}, {}, "more virtual stages than layers"),
        (64, {**OK, "ep": 7, "pp": 1}, MIXTURE, "ep does not divide"),
        (64, {**OK, "ep": 512, "tp": 1, "pp": 1}, MIXTURE, "ep does not divide"),
        (64, {**OK, "expert_tp": 2, "pp": 1}, {}, "without experts expert_tp is 1"),
        (64, {**OK, "ep": 8, "expert_tp": 3, "pp": 1}, MIXTURE, "does not divide the width of an expert"),
        (64, {**OK, "ep": 64, "expert_tp": 2, "pp": 1}, MIXTURE, "ep . expert_tp does not divide"),
        (64, {**OK, "tp": 1, "pp": 1, "global_batch_seqs": 100}, {}, "does not divide the batch"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_each_remedy_does(
    devices: int, layout: dict[str, Any], more: dict[str, Any], reason: str
) -> None:
    def made(**change: float) -> Any:
        cluster = {"accelerator": "h100-sxm", "devices": change.pop("devices", devices)}
        table = scenario(cluster=cluster, parallelism={**layout, **change}, **more)
        return estimate(parse_scenario(table), CATALOG)

    with pytest.raises(InputError) as error:
        made()
    problems = [text for text in error.value.problems if re.search(reason, text)]
    assert problems
    for text in problems:
        for key, numbers in re.findall(
            r"(\w+(?:\.\w+)+) ((?:\d+ or )*\d+)(?=,? or \w+\.| would do)", text
        ):
            for number in numbers.split(" or "):
                name = key.rpartition(".")[2]
                assert made(**{name: float(number)}).result("step_time_s") is not None, (
                    key,
                    number,
                )


def test_every_fault_has_remedies_by_its_own_test() -> None:
    values = {
        "devices": 500.0, "dp": 15.625, "tp": 8.0, "pp": 4.0, "cp": 1.0, "vpp": 1.0, "ep": 1.0, "heads": 64.0, "kv_heads": 8.0,
        "ffn_hidden_size": 28672.0, "layers": 80.0, "experts": 0.0, "expert_tp": 1.0, "expert_ffn_hidden_size": 28672.0, "micro_batch": 1.0, "global_batch_seqs": 512.0,
        "context_exchange": 0.0, "dp_shard": 1.0,
    }  # fmt: skip
    assert all(set(item.needs) <= values.keys() for item in FAULTS)
    del values["dp"]
    assert at_fault(values)
    found = remedies(values, "devices")
    assert found
    assert not any(at_fault({**values, "devices": float(n)}) for n in found)
