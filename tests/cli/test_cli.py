"""The command line as a user types it: exit codes, standard output, standard error."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmcost.engine.results import RESULTS
from llmcost.scenario import bundled_names
from tests.conftest import Run

GIVEN = {"file", "set", "derived"}


@pytest.mark.parametrize("name", bundled_names())
def test_every_bundled_scenario_answers(llmcost: Run, name: str) -> None:
    done = llmcost("estimate", name, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    required = ["schema_version", "llmcost_version", "scenario", "inputs", "results", "intervals", "warnings"]  # fmt: skip
    assert [
        key for key in found if key not in ("performance", "stages", "levers", "levers_together")
    ] == required
    assert set(found["results"]) == set(RESULTS)
    assert "NaN" not in done.stdout
    assert "Infinity" not in done.stdout
    for key, item in found["inputs"].items():
        assert item["source"] in GIVEN or item["source"].split(":")[0] in ("catalog", "default"), (
            key
        )
        assert "value" in item
    table = llmcost("estimate", name)
    assert table.returncode == 0
    assert "does not fit" not in table.stderr
    assert max(len(line) for line in table.stdout.splitlines()) <= 80
    assert "\x1b" not in table.stdout


def test_formats_agree(llmcost: Run) -> None:
    results = json.loads(llmcost("estimate", "gpt-4", "--format", "json").stdout)["results"]
    rows = list(csv.DictReader(io.StringIO(llmcost("estimate", "gpt-4", "--format", "csv").stdout)))
    assert len(rows) == 1
    for key, value in results.items():
        assert rows[0][key] == ("" if value is None else rows[0][key])
        if value is not None:
            assert float(rows[0][key]) == value
    markdown = llmcost("estimate", "gpt-4", "--format", "markdown").stdout
    assert "| Result | Value | Key | Source |" in markdown
    assert "$40.2M" in markdown
    assert "$40.2M" in llmcost("estimate", "gpt-4").stdout


def test_defaults_are_shown_as_defaults(llmcost: Run) -> None:
    done = llmcost("estimate", "-", "--json", stdin='name = "x"\nstart_date = 2024-01-01\n[model]\nparams = "7B"\n[cluster]\naccelerator = "h100-sxm"\ndevices = 8\n')  # fmt: skip
    inputs = json.loads(done.stdout)["inputs"]
    assert inputs["training.mfu"]["value"] == 0.375
    assert inputs["training.mfu"]["source"].startswith("default: Cottier et al. 2024")
    assert inputs["energy.pue"] == {"value": 1.25, "source": inputs["energy.pue"]["source"]}
    assert inputs["energy.pue"]["source"].startswith("default")
    assert inputs["cluster.tdp_w"]["source"] == "catalog: accelerators/h100-sxm"
    assert inputs["cluster.devices"] == {"value": 8, "source": "file"}
    assert inputs["cluster.days"]["source"] == "derived"
    assert "Cottier" in llmcost("estimate", "gpt-4").stdout


def test_explain(llmcost: Run) -> None:
    done = llmcost("estimate", "gpt-4", "--explain", "cost_interconnect_usd")
    assert done.returncode == 0
    assert (
        "cost_hardware_usd * interconnect_cost_fraction / (1 - interconnect_cost_fraction)"
        in done.stdout
    )
    assert "arXiv:2405.21015" in done.stdout
    everything = llmcost("estimate", "--explain", "gpt-4")
    assert everything.returncode == 0
    assert "energy_mwh = " in everything.stdout
    wrong = llmcost("estimate", "gpt-4", "--explain", "cost_totl_usd")
    assert wrong.returncode == 2
    assert 'did you mean "cost_total_usd"' in wrong.stderr
    assert llmcost("estimate", "gpt-4", "--explain", "water_m3").returncode == 0


BAD = [
    ("unknown key", 'name = "x"\n[cluster]\nacelerator = "h100-sxm"\n', '[cluster] acelerator: unknown key; did you mean "accelerator"?'),
    ("wrong type", 'name = "x"\n[cluster]\ndevices = "many"\n', '"many" is not a number'),
    ("negative", 'name = "x"\n[cluster]\ndevices = -1\n', "is negative"),
    ("nan", 'name = "x"\n[training]\nmfu = nan\n', "not a finite number"),
    ("infinite", 'name = "x"\n[training]\nflops = inf\n', "not a finite number"),
    ("accelerator", 'name = "x"\n[cluster]\naccelerator = "h100sx"\n', 'did you mean "h100-sxm"?'),
    ("toml", 'name = "x"\n[cluster\n', "line 2, column 9"),
    ("contradiction", 'name = "x"\n[cluster]\ndevices = 100\ndays = 10\ndevice_hours = 5000\n', "5000 and 24000"),
    ("empty", "", "name: is missing"),
    ("missing config", 'name = "x"\n[model]\nconfig = "none.json"\n', "no such config file"),
    ("config is a folder", 'name = "x"\n[model]\nconfig = "."\n', "is a directory"),
    ("config is no json", 'name = "x"\n[model]\nconfig = "bad.toml"\n', "invalid JSON"),
    ("cyclic config", 'name = "x"\n[model]\nconfig = "loop.json"\n', "symbolic links"),
    ("config is no model", 'name = "x"\n[model]\nconfig = "list.json"\n', "the top must be an object"),
    ("big", "# x\n" * 2_600_000, "larger than 1,000,000 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "text", "message"), BAD, ids=[item[0] for item in BAD])
def test_bad_files(llmcost: Run, tmp_path: Path, what: str, text: str, message: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    done = llmcost("estimate", "bad.toml")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: bad.toml:")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_bad_paths(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "rubbish.toml").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "folder").mkdir()
    for source, message in (
        ("rubbish.toml", "not UTF-8"),
        ("folder", "is a directory"),
        ("missing.toml", "no such scenario file"),
        ("llama-3.1-405", 'did you mean "llama-3.1-405b"?'),
        ("", "no such scenario"),
        ("a\0b", "no such scenario"),
    ):
        if "\0" in source:
            continue  # no shell can pass it
        done = llmcost("estimate", source)
        assert (done.returncode, done.stdout) == (2, ""), source
        assert message in done.stderr


USAGE = [
    (["estmate"], 'did you mean "estimate"'),
    (["estimate"], "SCENARIO"),
    (["estimate", "gpt-4", "--formt", "json"], "--format"),
    (["estimate", "gpt-4", "--format", "jsn"], 'did you mean "json"'),
    (["estimate", "gpt-4", "--set", "cluster.devices"], "section.key=value"),
    (["estimate", "gpt-4", "--set", "cluster.devcies=3"], 'did you mean "cluster.devices"'),
    (["estimate", "gpt-4", "--set", "devices=3"], 'did you mean "cluster.devices"'),
    (["estimate", "gpt-4", "--set", "cluster.devices=x"], '"x" is not a number'),
    (["estimate", "gpt-4", "--catalog", "none.toml"], "none.toml: no such catalog file"),
    (["catalog", "acelerators"], 'did you mean "accelerators"'),
    (["catalog", "accelerators", "h100"], None),
    (["catalog", "accelerators", "h10"], "not in the catalog"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE, ids=[" ".join(item[0]) for item in USAGE])
def test_usage(llmcost: Run, arguments: list[str], message: str | None) -> None:
    done = llmcost(*arguments)
    if message is None:
        assert done.returncode == 0
        return
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("estimate", "plot"),
        ("sweep", "plot"),
        ("sweep", "dask"),
        ("project", "plot"),
    ],
)
def test_help_names_the_extra(llmcost: Run, command: str, extra: str) -> None:
    """Square brackets are markup to what draws the help, which would swallow them."""
    assert f"llmcost[{extra}]" in llmcost(command, "--help").stdout


def test_help_shows_an_example(llmcost: Run) -> None:
    for command in ("estimate", "compare", "sweep", "project", "validate", "catalog", "init"):
        done = llmcost(command, "--help")
        assert done.returncode == 0
        assert f"Example: llmcost {command}" in " ".join(done.stdout.split())
    assert llmcost().returncode == 0
    assert llmcost("--version").stdout.startswith("llmcost ")


def test_output_file_is_written_whole(llmcost: Run, tmp_path: Path) -> None:
    done = llmcost("estimate", "gpt-4", "--json", "--output", "out.json")
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads((tmp_path / "out.json").read_text())["scenario"] == "gpt-4"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.json"]
    failed = llmcost("estimate", "gpt-4", "--output", "no/such/folder/out.json")
    assert failed.returncode == 1
    assert "cannot write" in failed.stderr
    assert llmcost("estimate", "gpt-4", "--output", ".").returncode == 1


def test_init(llmcost: Run, tmp_path: Path) -> None:
    assert llmcost("init", "run.toml").returncode == 0
    assert llmcost("estimate", "run.toml").returncode == 0
    (tmp_path / "run.toml").write_text('name = "mine"\n')
    again = llmcost("init", "run.toml")
    assert again.returncode == 1
    assert "--force" in again.stderr
    assert (tmp_path / "run.toml").read_text() == 'name = "mine"\n'
    assert llmcost("init", "run.toml", "--force").returncode == 0


def test_catalog(llmcost: Run) -> None:
    assert "h100-sxm" in llmcost("catalog", "accelerators").stdout
    entry = json.loads(llmcost("catalog", "accelerators", "h100-sxm", "--json").stdout)
    assert entry["tdp_w"] == 700
    assert entry["source"]
    kinds = json.loads(llmcost("catalog", "--json").stdout)
    assert kinds["grids"]["entries"] >= 70
    for kind in kinds:
        for form in ("table", "csv", "json", "markdown"):
            done = llmcost("catalog", kind, "--format", form)
            assert done.returncode == 0
            if form == "table":
                assert max(len(line) for line in done.stdout.splitlines()) <= 80


def test_quiet_and_warnings(llmcost: Run) -> None:
    loud = llmcost("estimate", "deepseek-v3", "--json")
    assert "warning: amortized" in loud.stderr
    quiet = llmcost("estimate", "deepseek-v3", "--json", "--quiet")
    assert quiet.stderr == ""
    assert json.loads(quiet.stdout)["warnings"]


def _shell(command: str) -> subprocess.CompletedProcess[str]:
    line = command.replace("llmcost", f"{sys.executable} -m llmcost", 1)
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, timeout=60
    )


def test_pipes_and_closed_streams() -> None:
    assert _shell("llmcost estimate gpt-4 --json | python3 -m json.tool").returncode == 0
    head = _shell("llmcost estimate gpt-4 --explain | head -n 1")
    assert head.stderr == ""
    assert _shell("llmcost estimate gpt-4 <&-").returncode == 0
    closed = _shell("llmcost estimate - <&-")
    assert closed.returncode == 2
    assert "closed" in closed.stderr
    assert _shell("llmcost estimate gpt-4 >&-").returncode == 1
    assert _shell("llmcost estimate gpt-4 2>&-").returncode == 0
    full = _shell("llmcost estimate gpt-4 >/dev/full")
    assert full.returncode == 1
    assert "No space" in full.stderr
    ascii_only = _shell("PYTHONIOENCODING=ascii llmcost estimate gpt-4")
    assert ascii_only.returncode == 0
    assert _shell("COLUMNS=60 llmcost estimate gpt-4").returncode == 0


def test_interrupt_exits_130() -> None:
    code = (
        "import os, signal, threading, time\n"
        "from llmcost.cli.main import run\n"
        "import llmcost.scenario.read as r\n"
        "def interrupted(*a):\n"
        "    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "    time.sleep(30)\n"
        "r.read_toml = interrupted\n"
        "raise SystemExit(run(['estimate', 'gpt-4']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_colour_only_on_a_terminal() -> None:
    pty = pytest.importorskip("pty")

    def on_terminal(**environment: str) -> str:
        master, slave = pty.openpty()
        clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
        process = subprocess.Popen(
            [sys.executable, "-m", "llmcost", "estimate", "gpt-4"],
            stdout=slave, stderr=slave, env={**clean, "TERM": "xterm-256color", **environment},
        )  # fmt: skip
        os.close(slave)
        shown = b""
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk
        assert process.wait(30) == 0
        return shown.decode(errors="replace")

    assert "\x1b[1m" in on_terminal()
    assert "\x1b" not in on_terminal(NO_COLOR="1")
