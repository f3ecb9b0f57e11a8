"""Input and surroundings that once broke the command line, a test for each kind."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Run

RUN = """name = "{name}"
start_date = 2026-01-01
[model]
params = 8e9
[data]
tokens = 1e12
[cluster]
accelerator = "h100-sxm"
devices = 64
[training]
mfu = 0.4
"""
SWEEP = ("--axis", "training.mfu=0.3:0.5:lin:5")


@pytest.fixture
def run(tmp_path: Path) -> str:
    path = tmp_path / "run.toml"
    path.write_text(RUN.format(name="run"))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--shard", "²/3", "--output", "o.csv"), "write it as i/n"),
        (("--where", " and ".join(["days < 90"] * 900)), "longer than"),
        (("--select", "days,days"), "named twice"),
        (("--samples", "50", "--quantiles", "0.5,0.500000000000001"), "have one name"),
        (("--samples", "50", "--quantiles", "0.05,0.05"), "have one name"),
        (("--axis", "cost.currency=EUR,USD"), "cannot be an axis"),
        (("--axis", "cost.usd_per_currency=1,2"), "cannot be an axis"),
        (("--output", ""), "is empty"),
        (("--unknown", "keeep"), 'did you mean "keep"'),
        (("--engine", "dask", "--scheduler", "nonsense"), "tcp://HOST:PORT"),
        (("--plot", "x.bmp"), "the ending must be one of"),
        (("--where", "1 + days"), "not a condition"),
    ],
)
def test_wrong_options_say_so_and_print_nothing_else(
    llmcost: Run, run: str, arguments: tuple[str, ...], said: str
) -> None:
    done = llmcost("sweep", run, *SWEEP, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("plot", "code"), [("x.bmp", 2), ("none/x.svg", 1)])
@pytest.mark.parametrize(
    "arguments",
    [
        ("estimate", "--uncertainty", "defaults", "--samples", "50", "--tornado", "days"),
        ("sweep", *SWEEP),
        ("project", "--until", "2028"),
    ],
)
def test_what_cannot_be_drawn_prints_nothing(
    llmcost: Run, run: str, arguments: tuple[str, ...], plot: str, code: int
) -> None:
    pytest.importorskip("matplotlib")
    done = llmcost(arguments[0], run, *arguments[1:], "--plot", plot)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert plot in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("columns", ["²", "-5", "1e3", "9" * 40, "x"])
def test_columns_that_are_no_number_are_not_there(llmcost: Run, run: str, columns: str) -> None:
    done = llmcost("estimate", run, COLUMNS=columns)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_integers_without_end_are_errors_wherever_they_stand(
    llmcost: Run, run: str, tmp_path: Path
) -> None:
    huge = "0x" + "f" * 5000
    scenario = tmp_path / "huge.toml"
    scenario.write_text(f'name = "x"\n[model]\nlayers = {huge}\n')
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(
        "[accelerators.x]\nbf16_tflops = " + "9" * 400 + '\nsource = "x"\nurl = "x"\n'
        'date = 2026-01-01\nconfidence = "low"\n'
    )
    for arguments in (("estimate", str(scenario)), ("estimate", run, "--catalog", str(catalog))):
        done = llmcost(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "more than 300 digits" in done.stderr
        assert len(done.stderr) < 1000


@pytest.mark.parametrize(
    "escape", ["\\u001b[31m", "\\u009b31m", "\\u202e", "\\u2066", "\\r", "\\u0007"]
)
@pytest.mark.parametrize("place", ["name", "description", "cost.items"])
def test_characters_that_move_a_terminal_are_refused_in_every_text(
    llmcost: Run, tmp_path: Path, escape: str, place: str
) -> None:
    path = tmp_path / "run.toml"
    text = RUN.format(name=f"a{escape}b" if place == "name" else "run")
    if place == "description":
        text = f'description = "a{escape}b"\n' + text
    if place == "cost.items":
        text += f'[[cost.items]]\nname = "a{escape}b"\nusd = 1\n'
    path.write_text(text)
    done = llmcost("estimate", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{place}" in done.stderr
    assert "holds the character U+" in done.stderr
    assert all(char.isprintable() or char == "\n" for char in done.stderr)


def test_what_an_error_quotes_moves_no_terminal_either(llmcost: Run, run: str) -> None:
    done = llmcost("estimate", run, "--set", "mo\x1b[31mdel.x=1")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    done = llmcost("estimate", run, "--set", "name=a\x1b[31m")
    assert done.returncode == 2
    assert "U+001B" in done.stderr


def test_a_cell_is_one_line_and_no_formula(llmcost: Run, run: str, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text('run,training.mfu\n"a\n=1+1",0.3\n=2+2,0.4\n')
    done = llmcost("sweep", run, "--rows", str(rows), "--select", "run,days", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert "\r" not in done.stdout
    found = list(csv.reader(io.StringIO(done.stdout)))
    assert [row[0] for row in found] == ["run", "a =1+1", "'=2+2"]
    assert len(done.stdout.splitlines()) == 3


def test_a_heading_is_text(llmcost: Run, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(RUN.format(name="a # b <script> | `c` *d*"))
    done = llmcost("estimate", str(path), "--format", "markdown")
    assert done.stdout.splitlines()[0] == r"## a \# b \<script\> \| \`c\` \*d\*"


def test_quantiles_of_one_s_own(llmcost: Run, run: str) -> None:
    sampled = ("--samples", "200", "--uncertainty", "defaults", "--quantiles", "0.025,0.975")
    done = llmcost("sweep", run, *SWEEP, *sampled, "--format", "csv", "--quiet")
    head = done.stdout.splitlines()[0].split(",")
    assert {"days_p2.5", "days_p97.5"} <= set(head)
    done = llmcost(
        "sweep", run, *SWEEP, *sampled, "--where", "cost_total_usd_p97.5 < 60k and days < 28",
        "--format", "csv", "--quiet",
    )  # fmt: skip
    kept = list(csv.DictReader(io.StringIO(done.stdout)))
    assert kept
    assert all(float(row["cost_total_usd_p97.5"]) < 60e3 for row in kept)
    done = llmcost("estimate", run, *sampled, "--format", "markdown", "--quiet")
    assert "| p2.5–p97.5 |" in done.stdout
    assert "— to —" not in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX streams")
def test_output_goes_through_links_devices_and_pipes(run: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "llmcost", "sweep", run, *SWEEP, "--format", "csv", "--output"]
    with open(tmp_path / "redirected.csv", "w") as stream:
        done = subprocess.run([*command, "/dev/stdout"], stdout=stream, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    whole = (tmp_path / "redirected.csv").read_text()
    assert whole.startswith("training.mfu,")
    assert os.path.islink("/dev/stdout")
    target = tmp_path / "real.csv"
    target.write_text("old")
    (tmp_path / "link.csv").symlink_to(target)
    done = subprocess.run([*command, str(tmp_path / "link.csv")], stderr=subprocess.PIPE)
    assert done.returncode == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert target.read_text() == whole
    os.mkfifo(tmp_path / "pipe")
    big = [*command, str(tmp_path / "pipe")]
    big[big.index(SWEEP[1])] = "training.mfu=0.3:0.5:lin:50000"
    writer = subprocess.Popen(big, stderr=subprocess.PIPE, text=True)
    with open(tmp_path / "pipe") as stream:
        stream.read(10)
    _, said = writer.communicate(timeout=60)
    assert writer.returncode == 1
    assert "left before all was written" in said


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_ended_run_leaves_no_temporary_file(
    run: str, tmp_path: Path, number: int, suffix: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    command = [
        sys.executable, "-m", "llmcost", "sweep", run, "--axis", "training.mfu=0.3:0.5:lin:3000",
        "--axis", "model.params=1B:1T:log:3000", "--output", str(out / f"rows.{suffix}"),
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(out.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (143 if number == signal.SIGTERM else 130)
    assert said.strip() in ("terminated", "interrupted", "")
    assert list(out.iterdir()) == []


def test_a_closed_standard_output_is_said(run: str) -> None:
    for arguments in (["--version"], ["--help"], ["estimate", run]):
        code = f"import os, sys; os.close(1); sys.stdout = None; from llmcost.cli import main; main({arguments!r})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("estimate", "llama-3.1-405b"),
        ("estimate", "deepseek-v3-stages", "--json"),
        ("sweep", "llama-3.1-405b", *SWEEP, "--format", "csv"),
        ("compare", "llama-3.1-405b", "--with", "cluster.accelerator=h200-sxm,b200-sxm"),
        ("project", "llama-3.1-405b", "--until", "2030"),
        ("catalog", "accelerators"),
    ],
)
def test_no_command_warns_in_python(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-W", "error", "-X", "dev", "-m", "llmcost", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.parametrize(
    "sets",
    [
        ("model.layers=1e15",),
        ("model.experts=1e100", "model.experts_per_token=2"),
        ("model.vocab_size=1e18", "model.hidden_size=1e12"),
    ],
)
def test_sizes_beyond_reason_are_answered_at_once(llmcost: Run, sets: tuple[str, ...]) -> None:
    options = [text for item in sets for text in ("--set", item)]
    before = os.times()
    done = llmcost(
        "estimate", "llama-3.1-8b", "--set", 'parallelism="auto"', "--set", "cluster.devices=64",
        *options,
    )  # fmt: skip
    assert done.returncode in (0, 1, 2)
    assert "Traceback" not in done.stderr
    spent = os.times()
    assert spent.children_user - before.children_user < 10
    assert spent.children_user > before.children_user


@pytest.mark.parametrize(
    "arguments",
    [
        ("estimate", "{run}"),
        ("compare", "{run}", "gpt-3"),
        ("sweep", "{run}", *SWEEP),
        ("project", "{run}"),
        ("report", "{run}"),
        ("catalog", "runs"),
        ("validate",),
        ("schema",),
        ("calibrate", "{run}"),
    ],
)
def test_an_empty_output_is_an_error_of_every_command(
    llmcost: Run, run: str, arguments: tuple[str, ...]
) -> None:
    done = llmcost(*(text.replace("{run}", run) for text in arguments), "--output", "")
    assert (done.returncode, done.stdout) == (2, "")
    assert '--output "": is empty' in done.stderr


@pytest.mark.parametrize("command", [("estimate",), ("compare",), ("project",), ("sweep", *SWEEP)])
@pytest.mark.parametrize("suffix", ["xlsx", "yaml", "tsv", "toml"])
def test_a_suffix_of_another_format_is_refused(
    llmcost: Run, run: str, tmp_path: Path, command: tuple[str, ...], suffix: str
) -> None:
    more = (run, "gpt-3") if command[0] == "compare" else (run,)
    out = tmp_path / f"out.{suffix}"
    done = llmcost(command[0], *more, *command[1:], "--output", str(out))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"cannot write .{suffix}" in done.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "ending"),
    [
        (("schema",), ".json"),
        (("calibrate", "{run}", "--force"), ".toml"),
        (("estimate", "{run}", "--emit", "torchtitan"), ".toml"),
        (("estimate", "{run}", "--emit", "megatron"), ".sh"),
        (("estimate", "{run}", "--emit", "deepspeed"), ".json"),
    ],
)
def test_what_has_one_format_refuses_the_suffix_of_another(
    llmcost: Run, run: str, tmp_path: Path, arguments: tuple[str, ...], ending: str
) -> None:
    out = tmp_path / "out.csv"
    done = llmcost(*(text.replace("{run}", run) for text in arguments), "--output", str(out))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"cannot write .csv; it writes {ending}" in done.stderr
    assert not out.exists()


def test_names_of_columns_are_no_formula_either(llmcost: Run, run: str, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("=1+1,training.mfu\na,0.3\n")
    done = llmcost("sweep", run, "--rows", str(rows), "--format", "csv")
    assert done.returncode == 0, done.stderr
    head = next(csv.reader(io.StringIO(done.stdout)))
    assert "'=1+1" in head
    assert not [name for name in head if name.startswith("=")]


def test_names_stay_in_their_cell_of_a_markdown_table(llmcost: Run, tmp_path: Path) -> None:
    paths = []
    for name in ("a | b", "c \\\\| <b>d"):
        path = tmp_path / f"{len(paths)}.toml"
        path.write_text(RUN.format(name=name))
        paths.append(str(path))
    done = llmcost("compare", *paths, "--set", "training.mfu=0.4", "--format", "markdown")
    assert done.returncode == 0, done.stderr
    tables = [block for block in done.stdout.split("\n\n") if block.startswith("|")]
    for table in tables:
        bars = {
            len([1 for i, char in enumerate(line) if char == "|" and not _escaped(line, i)])
            for line in table.strip().splitlines()
        }
        assert len(bars) == 1, table
    assert "<b>" not in done.stdout.replace("\\<", "")


def _escaped(line: str, at: int) -> bool:
    before = line[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10])
def test_a_scheduler_that_is_another_server_is_said_soon(
    llmcost: Run, run: str, says: bytes
) -> None:
    pytest.importorskip("distributed")
    import socket
    import threading

    kept = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                kept.append(server.accept()[0])
                kept[-1].sendall(says)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        start = time.monotonic()
        done = llmcost("sweep", run, *SWEEP, "--engine", "dask", "--scheduler", address)
        assert time.monotonic() - start < 20
    for stream in kept:
        stream.close()
    assert (done.returncode, done.stdout) == (1, "")
    assert "no dask scheduler" in done.stderr
    assert "Traceback" not in done.stderr
