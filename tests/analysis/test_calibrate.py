"""A user's own steps: constants come back, what is not told stays, the file works."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from llmcost.analysis.calibrate import as_toml, calibrate
from llmcost.analysis.estimate import estimate
from llmcost.catalog import load_catalog
from llmcost.errors import InputError, NoAnswerError
from llmcost.scenario import parse_scenario
from tests.conftest import Run

LAYOUTS = [
    (tp, micro, seq, devices)
    for tp in (1, 2, 4, 8)
    for micro, seq in ((1, 4096), (2, 4096), (1, 16384))
    for devices in (64, 512)
]


def written(path: Path, catalog: Any, layouts: list[tuple[int, int, int, int]]) -> Path:
    """Steps that a catalog predicts, as a user would write measured ones down."""
    rows = []
    for tp, micro, seq, devices in layouts:
        table: dict[str, Any] = {
            "name": "x", "model": {"preset": "llama-3.1-8b", "seq_len": seq}, "cluster": {"accelerator": "h100-sxm", "devices": devices},
            "training": {"software": "megatron-core"},
            "parallelism": {"tp": tp, "pp": 1, "vpp": 1, "micro_batch": micro, "global_batch_seqs": devices // tp * micro * 4, "sharding": "zero1"},
        }  # fmt: skip
        step = estimate(parse_scenario(table), catalog).result("step_time_s")
        flat = {
            f"{s}.{k}": v
            for s in ("model", "cluster", "training", "parallelism")
            for k, v in table[s].items()
        }
        rows.append({"run": len(rows), **flat, "step_time_s": step})
    with path.open("w") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_the_constants_of_another_software_come_back(tmp_path: Path) -> None:
    (tmp_path / "theirs.toml").write_text(
        '[software.megatron-core]\nproduct_quality = 0.8\nelementwise_passes = 2.4\nsource = "theirs"\n'
    )
    theirs = load_catalog([tmp_path / "theirs.toml"])
    steps = written(tmp_path / "steps.csv", theirs, LAYOUTS)
    found = calibrate(str(steps), load_catalog())
    assert found.before > 0.05
    assert found.after < 0.02
    told = {item.field: item.after for item in found.constants if item.told}
    assert told["product_quality"] == pytest.approx(0.8, abs=0.08)
    assert not {"expert_quality", "exchange_overlap"} & set(told)
    (tmp_path / "ours.toml").write_text(as_toml(found, "steps.csv", "2026-11-25"))
    again = calibrate(str(steps), load_catalog([tmp_path / "ours.toml"]))
    assert again.before == pytest.approx(found.after, rel=1e-3)


def test_steps_as_the_catalog_has_them_change_next_to_nothing(tmp_path: Path) -> None:
    steps = written(tmp_path / "steps.csv", load_catalog(), LAYOUTS)
    found = calibrate(str(steps), load_catalog())
    assert found.before < 1e-9
    assert all(item.after == pytest.approx(item.before, rel=1e-3) for item in found.constants)


def test_the_command_writes_a_catalog_that_is_taken(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "slow.toml").write_text(
        '[software.megatron-core]\nproduct_quality = 0.7\nsource = "slow"\n'
    )
    written(tmp_path / "steps.csv", load_catalog([tmp_path / "slow.toml"]), LAYOUTS)
    done = llmcost("calibrate", "steps.csv", "--output", "ours.toml")
    assert done.returncode == 0, done.stderr
    assert "product_quality" in done.stdout
    assert "Not told by the rows" in done.stdout
    line = ["estimate", "llama-3.1-405b", "--set", "training.mfu=", "--set", "parallelism.tp=8", "--set", "parallelism.pp=16", "--json"]  # fmt: skip
    plain, ours, slow = (
        json.loads(llmcost(*line, *more).stdout)["results"]["step_time_s"]
        for more in ((), ("--catalog", "ours.toml"), ("--catalog", "slow.toml"))
    )
    assert ours > 1.1 * plain
    assert ours == pytest.approx(slow, rel=0.05)
    assert llmcost("calibrate", "steps.csv", "--output", "ours.toml").returncode == 1
    found = json.loads(llmcost("calibrate", "steps.csv", "--json").stdout)
    assert found["mean_error_after"] < found["mean_error_before"]


def test_wrong_rows_are_named_and_rows_that_tell_nothing_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("model.preset,step_time_s\nllama-3.1-8b,x\nllama-9,1\n")
    with pytest.raises(InputError) as error:
        calibrate(str(tmp_path / "a.csv"), load_catalog())
    text = "\n".join(error.value.problems)
    assert "line 2" in text
    assert "line 3" in text
    (tmp_path / "b.csv").write_text("model.preset,time\nllama-3.1-8b,1\n")
    with pytest.raises(InputError, match="step_time_s"):
        calibrate(str(tmp_path / "b.csv"), load_catalog())
    (tmp_path / "c.csv").write_text(
        "model.preset,cluster.accelerator,cluster.devices,parallelism.tp,parallelism.pp,parallelism.global_batch_seqs,step_time_s\n"
        "gpt2-124m,h100-sxm,1,1,1,1,0.05\n"
    )
    with pytest.raises(NoAnswerError, match="1 step tells none"):
        calibrate(str(tmp_path / "c.csv"), load_catalog())
    text = (tmp_path / "c.csv").read_text()
    (tmp_path / "ms.csv").write_text(text.replace("0.05", "50"))
    with pytest.raises(InputError, match=r"more than 50 times.*in seconds"):
        calibrate(str(tmp_path / "ms.csv"), load_catalog())
    (tmp_path / "d.csv").write_text(text.replace(",1,1,1,1,", ",3,2,1,1,"))
    with pytest.raises(InputError) as error:
        calibrate(str(tmp_path / "d.csv"), load_catalog())
    assert all(problem.count("line 2") == 1 for problem in error.value.problems)


def test_a_file_that_cannot_be_written_leaves_standard_output_empty(
    llmcost: Run, tmp_path: Path
) -> None:
    rows = written(tmp_path / "steps.csv", load_catalog(), LAYOUTS)
    done = llmcost("calibrate", str(rows), "--output", str(tmp_path / "none" / "x.toml"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot write" in done.stderr


def test_models_of_different_families_stand_in_one_table(tmp_path: Path) -> None:
    (tmp_path / "theirs.toml").write_text(
        '[software.pytorch-compile]\nproduct_quality = 0.7\nsource = "theirs"\n'
    )
    theirs = load_catalog([tmp_path / "theirs.toml"])
    head = "model.preset,model.seq_len,cluster.accelerator,cluster.devices,training.software,parallelism.micro_batch,parallelism.global_batch_seqs,step_time_s"
    lines = [head]
    for preset in (
        "llama-3.1-8b",
        "llama-3.2-3b",
        "qwen3-14b",
    ):  # the catalog says other things of each
        table = {
            "name": "x", "model": {"preset": preset, "seq_len": 2048}, "cluster": {"accelerator": "rtx-3090", "devices": 1},
            "training": {"software": "pytorch-compile"}, "parallelism": {"micro_batch": 1, "global_batch_seqs": 16},
        }  # fmt: skip
        step = estimate(parse_scenario(table), theirs).result("step_time_s")
        lines.append(f"{preset},2048,rtx-3090,1,pytorch-compile,1,16,{step}")
    rows = tmp_path / "mixed.csv"
    rows.write_text("\n".join(lines) + "\n")
    found = calibrate(str(rows), load_catalog())
    assert (found.rows, found.before > 0.15, found.after < 0.05) == (3, True, True)
    assert {item.field for item in found.constants if item.told} == {"product_quality"}
