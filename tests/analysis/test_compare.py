"""compare: differences, variants, conditions, tables that fit."""

from __future__ import annotations

import csv
import io
import json

import pytest

from llmcost.analysis.compare import checked_metrics
from llmcost.analysis.estimate import estimate
from llmcost.analysis.variants import estimate_variants
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError
from llmcost.scenario import load_scenario
from llmcost.scenario.schema import FLAG, KEYS
from tests.conftest import Run
from tests.layouts import CATALOG


def test_json(llmcost: Run) -> None:
    done = llmcost("compare", "gpt-3", "gpt-4", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert [item["scenario"] for item in found["scenarios"]] == ["gpt-3", "gpt-4"]
    assert found["baseline"] == "gpt-3"
    single = json.loads(llmcost("estimate", "gpt-4", "--json").stdout)
    assert found["scenarios"][1] == single
    a, b = (item["results"]["cost_total_usd"] for item in found["scenarios"])
    difference = found["differences"]["gpt-4"]["cost_total_usd"]
    assert difference == {"difference": pytest.approx(b - a), "ratio": pytest.approx(b / a)}
    assert set(found["differences"]["gpt-4"]) == set(RESULTS)
    assert found["differences"]["gpt-4"]["params"] == {"difference": None, "ratio": None}
    assert found["differing_inputs"]["cluster.devices"] == {"gpt-3": 10000, "gpt-4": 25000}


def test_variants(llmcost: Run) -> None:
    done = llmcost(
        "compare",
        "llama-3.1-405b",
        "--set-b",
        "cluster.accelerator=b200-sxm",
        "--set-c",
        "training.mfu=0.45",
        "--set-c",
        "cluster.devices=8192",
        "--json",
    )
    found = json.loads(done.stdout)
    names = [item["scenario"] for item in found["scenarios"]]
    assert names == ["llama-3.1-405b", "accelerator=b200-sxm", "mfu=0.45, devices=8192"]
    assert found["differing_inputs"]["training.mfu"][names[2]] == 0.45
    assert found["scenarios"][1]["inputs"]["cluster.accelerator"]["source"] == "set"
    assert llmcost("compare", "gpt-4", "gpt-4", "--json").returncode == 0


def test_baseline_and_conditions(llmcost: Run) -> None:
    found = json.loads(llmcost("compare", "gpt-3", "gpt-4", "--baseline", "gpt-4", "--json").stdout)
    assert list(found["differences"]) == ["gpt-3"]
    assert found["differences"]["gpt-3"]["cost_total_usd"]["ratio"] < 1
    arguments = ("compare", "gpt-3", "gpt-4", "--fail-if")
    broken = llmcost(*arguments, "cost_total_usd.ratio > 1.1")
    assert broken.returncode == 1
    assert "gpt-4" in broken.stderr
    assert "gpt-3" in broken.stdout
    assert llmcost(*arguments, "cost_total_usd.ratio > 100").returncode == 0
    assert llmcost(*arguments, "cost_total_usd.difference < 0 and days > 1").returncode == 0
    assert llmcost(*arguments, "params.ratio > 0").returncode == 0  # not known is never true
    wrong = llmcost(*arguments, "cost_totl_usd.ratio > 1.1")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean" in wrong.stderr


@pytest.mark.parametrize(
    "names", [["gpt-3", "gpt-4"], ["gpt-3", "gpt-4", "palm-540b", "bloom-176b", "llama-2-70b"]]
)
def test_tables_fit(llmcost: Run, names: list[str]) -> None:
    done = llmcost("compare", *names)
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    for name in names:
        assert name in done.stdout
    rows = list(csv.DictReader(io.StringIO(llmcost("compare", *names, "--format", "csv").stdout)))
    assert [row["scenario"] for row in rows] == names
    assert "| Result against gpt-3 |" in llmcost("compare", *names, "--format", "markdown").stdout


def test_bad_input(llmcost: Run) -> None:
    for arguments, message in (
        (["gpt-3"], "name two scenarios"),
        (["gpt-3", "gpt-5"], "gpt-4"),
        (["gpt-3", "gpt-4", "--baseline", "x"], "none of the scenarios"),
        (["gpt-3", "gpt-4", "--metrics", "costs"], "is neither a result nor a group"),
        (["-", "-"], "once only"),
        (["gpt-3", "--set-c", "cluster.devices=3"], "--set-b is missing"),
        (["gpt-3", "--set-b", "cluster.devcies=3"], "did you mean"),
    ):
        done = llmcost("compare", *arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert message in done.stderr


def test_any_number_of_variants_and_their_combinations() -> None:
    found = estimate_variants(
        ["llama-3.1-405b"], (), (), CATALOG,
        ranges=["cluster.accelerator=h200-sxm,b200-sxm", "training.mfu=0.3:0.5:0.1"],
    )  # fmt: skip
    assert len(found) == 7
    names = [item.name for item in found]
    assert "accelerator=b200-sxm, mfu=0.5" in names
    last = found[names.index("accelerator=b200-sxm, mfu=0.5")]
    alone = estimate(
        load_scenario(
            "llama-3.1-405b", ["cluster.accelerator=b200-sxm", "training.mfu=0.5"], CATALOG
        ),
        CATALOG,
    )
    assert last.results == alone.results
    with pytest.raises(InputError, match="--with"):
        estimate_variants(["llama-3.1-405b"], (), (), CATALOG, ranges=["training.mfu=0:1:lin:50"])


def test_metrics_by_group() -> None:
    assert "cost_total_usd" in checked_metrics("cost", ())
    assert checked_metrics("days,run", ())[0] == "days"
    assert len(checked_metrics("run,run,days", ())) == len(set(checked_metrics("run", ())))
    with pytest.raises(InputError, match="cost"):
        checked_metrics("costs", ())


def test_a_flag_is_shown_as_one_whoever_gave_it() -> None:
    """A price of the catalog says true or false, one that is derived too."""
    found = [
        estimate(load_scenario("llama-3.1-8b", [f"cluster.accelerator={name}"]))
        for name in ("h100-sxm", "h200-sxm")
    ]
    flags = {key.name for key in KEYS.values() if key.kind == FLAG}
    for item in found:
        shown = {key: entry["value"] for key, entry in item.provenance().items() if key in flags}
        assert len(shown) > 2
        assert all(isinstance(value, bool) for value in shown.values()), shown


def test_what_is_equal_in_all_says_so_once(llmcost: Run) -> None:
    arguments = ("compare", "llama-3.1-405b", "--quiet", "--with", "cost.ownership=hardware,full")
    for width in ("160", "60"):
        lines = llmcost(*arguments, COLUMNS=width).stdout.splitlines()
        results = lines[next(i for i, line in enumerate(lines) if line.startswith("Against")) :]
        assert "" not in results[1:]
        place = next(i for i, line in enumerate(results) if line.startswith("  Energy"))
        assert results[place + 1].startswith("  Peak power")
        total = next(i for i, line in enumerate(results) if line.split()[:1] == ["Total"])
        assert any("×" in line for line in results[total + 1 :])
