"""Searches in the cells of a sweep: together what each is alone, and no more of them than differ."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmcost.analysis import cluster
from llmcost.analysis.axes import parse_axes
from llmcost.analysis.cells import _read_by_search
from llmcost.analysis.estimate import estimate
from llmcost.analysis.layout import search, search_each
from llmcost.analysis.sweep import Sweep
from llmcost.errors import NoAnswerError
from llmcost.scenario import parse_scenario, resolve
from tests.conftest import Run
from tests.layouts import CATALOG, scenario

_KEYS = ("days", "step_time_s", "memory_gb_per_device", "predicted_mfu")
_AXES: dict[str, tuple[Any, ...]] = {
    "model.preset": ("llama-3.1-70b", "mixtral-8x7b", "deepseek-v3"),
    "cluster.accelerator": ("h100-sxm", "a100-sxm-40gb", "mi300x"),
    "cluster.devices": (64, 96, 512),
    "parallelism.global_batch_seqs": (96, 512),
}


def _columns(table: dict[str, Any], axes: Mapping[str, Sequence[Any]]) -> Any:
    texts = [f"{key}={','.join(str(value) for value in values)}" for key, values in axes.items()]
    sweep = Sweep(parse_scenario(table), parse_axes(texts, [], CATALOG), CATALOG, select=_KEYS)
    return next(block.columns for block in sweep.spans())


def test_cells_searched_together_are_what_each_is_alone() -> None:
    columns = _columns(scenario(parallelism="auto"), _AXES)
    unanswered = 0
    for place, values in enumerate(itertools.product(*_AXES.values())):
        table: dict[str, Any] = scenario(parallelism={})
        for key, value in zip(_AXES, values, strict=True):
            section, _, name = key.partition(".")
            table[section][name] = value
        try:
            alone = estimate(parse_scenario(table), CATALOG)
        except NoAnswerError:
            unanswered += 1
            assert np.isnan(columns["days"][place]), values
        else:
            for key in _KEYS:
                assert columns[key][place] == alone.result(key), (values, key)
    assert 0 < unanswered < len(columns["days"])


@pytest.mark.parametrize("devices", [512, "auto"])
def test_cells_that_differ_in_what_no_search_reads_share_its_answer(
    devices: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[float] = []

    def counted(given: Any, counts: Any, *rest: Any) -> Any:
        searched.extend(counts)
        return search_each(given, counts, *rest)

    def counted_one(given: Any, count: float, *rest: Any) -> Any:
        searched.append(count)
        return search(given, count, *rest)

    monkeypatch.setattr(cluster, "search_each", counted)
    monkeypatch.setattr(cluster, "search", counted_one)
    table = scenario(
        cluster={"accelerator": "h100-sxm", "devices": devices, "deadline_days": 60},
        parallelism="auto",
    )
    made = {}
    for name, axes in {
        "one": {},
        "prices": {"cost.cloud_usd_per_device_hour": (1, 2, 3), "carbon.grid_kgco2e_per_kwh": (0.1, 0.4)},
        "work": {"model.seq_len": (4096, 8192)},
    }.items():  # fmt: skip
        searched.clear()
        _columns(table, axes)
        made[name] = len(searched)
    assert made["prices"] == made["one"] > 0
    assert made["work"] > made["one"]


@pytest.mark.parametrize("devices", [512, "auto"])
def test_what_a_search_does_not_read_does_not_change_it(devices: Any) -> None:
    table = scenario(
        cluster={"accelerator": "h100-sxm", "devices": devices, "deadline_days": 60},
        parallelism="auto",
    )
    inputs = resolve(parse_scenario(table), CATALOG)
    known = dict(inputs.known)
    found = cluster.solve(inputs, known).values
    unread = set(known) - _read_by_search(inputs, known)
    assert "cloud_usd_per_device_hour" in unread
    for name in unread:
        assert cluster.solve(inputs, {**known, name: float(known[name]) * 1.5}).values == found, (
            name
        )


def test_a_search_leaves_what_is_remembered_as_it_is() -> None:
    known = dict(resolve(parse_scenario(scenario(parallelism="auto")), CATALOG).known)
    known.pop("recompute_level")
    first = search(known, 512, "x")
    assert first.excluded["memory"] > 0
    assert search(
        {**known, "usable_memory_gb": 1e6}, 512, "x"
    ).excluded.keys() == first.excluded.keys() - {"memory"}
    assert search(known, 512, "x") == first


def test_an_axis_over_the_devices_is_what_the_cells_have(llmcost: Run, tmp_path: Path) -> None:
    """A scenario that leaves the devices open gives way to the axis."""
    path = tmp_path / "open.toml"
    path.write_text(
        'name = "x"\nstart_date = 2026-12-01\nparallelism = "auto"\n'
        '[model]\npreset = "llama-3.1-8b"\n[data]\ntokens = 1e12\n'
        '[cluster]\naccelerator = "h100-sxm"\ndevices = "auto"\ndeadline_days = 60\n'
    )
    swept = llmcost(
        "sweep", str(path), "--axis", "cluster.devices=256,512", "--format", "jsonl", "-q",
        "--select", "devices,days,step_time_s",
    )  # fmt: skip
    for line, devices in zip(swept.stdout.splitlines(), (256, 512), strict=True):
        row = json.loads(line)
        single = llmcost(
            "estimate", str(path), "--set", f"cluster.devices={devices}", "--json", "-q"
        )
        results = json.loads(single.stdout)["results"]
        assert row["devices"] == devices
        assert row["days"] == pytest.approx(results["days"], rel=1e-12)
