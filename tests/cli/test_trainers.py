"""`init --from` and `estimate --emit` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tomli

from tests.conftest import Run

FILES = Path(__file__).parent.parent / "scenario" / "trainers" / "files"
LAYOUT = ("tp", "pp", "vpp", "cp", "ep", "dp", "micro_batch", "global_batch_seqs", "sharding")


def layout(output: str) -> dict[str, object]:
    """The layout of an estimate in JSON."""
    inputs = json.loads(output)["inputs"]
    return {key: inputs[f"parallelism.{key}"]["value"] for key in LAYOUT}


def test_a_scenario_from_a_launch_script(llmcost: Run, tmp_path: Path) -> None:
    script = str(FILES / "huggingface_llama_zero2.sh")
    done = llmcost(
        "init", "run.toml", "--from", script, "--set", "cluster.accelerator=a100-sxm-80gb"
    )
    assert done.returncode == 0
    assert done.stdout == ""
    assert (
        "warning: huggingface_llama_zero2.sh: --no_such_option = 7: not understood" in done.stderr
    )
    assert "wrote run.toml" in done.stderr
    text = (tmp_path / "run.toml").read_text()
    assert "#   huggingface_llama_zero2.sh: --no_such_option = 7" in text
    done = llmcost("estimate", "run.toml", "--json")
    assert layout(done.stdout)["sharding"] == "zero2"
    assert json.loads(done.stdout)["results"]["step_time_s"] > 0


def test_several_files_of_a_run(llmcost: Run) -> None:
    files = [
        "handbook_zephyr7b_sft_zero3__config_full.yaml",
        "handbook_zephyr7b_sft_zero3__zero3.yaml",
    ]
    sources = [part for file in files for part in ("--from", str(FILES / file))]
    done = llmcost("init", "-", *sources, "--quiet")
    assert done.stderr == ""
    table = tomli.loads(done.stdout)
    assert table["cluster"]["devices"] == 8
    assert table["parallelism"]["sharding"] == "zero3"
    assert table["parallelism"]["global_batch_seqs"] == 128


def test_standard_input(llmcost: Run) -> None:
    text = (FILES / "torchtitan_llama3_8b.toml").read_text()
    done = llmcost("init", "-", "--from", "-", stdin=text)
    assert done.returncode == 0
    assert tomli.loads(done.stdout)["model"]["preset"] == "llama-3.1-8b"


def test_no_file_is_overwritten(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("mine")
    source = str(FILES / "torchtitan_llama3_8b.toml")
    done = llmcost("init", "run.toml", "--from", source)
    assert done.returncode == 1
    assert "use --force" in done.stderr
    assert (tmp_path / "run.toml").read_text() == "mine"
    assert llmcost("init", "run.toml", "--from", source, "--force").returncode == 0
    assert "preset" in (tmp_path / "run.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("init", "a.toml", "--from", "nothere.yaml"), "nothere.yaml: no such configuration file"),
        (("init", "a.toml", "--set", "cluster.devices=8"), "--set and --catalog go with --from"),
        (
            (
                "init",
                "a.toml",
                "--from",
                str(FILES / "nemo2_mixtral.yaml"),
                "--set",
                "cluster.devics=8",
            ),
            'did you mean "cluster.devices"',
        ),
        (("estimate", "llama-3.1-405b", "--emit", "megatrn"), 'did you mean "megatron"'),
        (("estimate", "llama-3.1-405b", "--emit", "megatron"), "the layout is not known"),
        (
            ("estimate", "llama-3.1-405b", "--emit", "megatron", "--json"),
            "--emit writes a trainer's settings",
        ),
    ],
)
def test_wrong_input(llmcost: Run, arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = llmcost(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "a.toml").exists()


def test_what_a_trainer_cannot_say_is_no_answer(llmcost: Run) -> None:
    done = llmcost(
        "estimate",
        "llama-3.1-405b",
        "--set",
        "parallelism=auto",
        "--set",
        "training.mfu=",
        "--emit",
        "deepspeed",
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "DeepSpeed's JSON cannot say parallelism.pp" in done.stderr


@pytest.mark.parametrize(
    ("trainer", "suffix", "sets"),
    [
        ("megatron", "sh", []),
        ("torchtitan", "toml", ["parallelism.sharding=zero3"]),
        (
            "deepspeed",
            "json",
            ["parallelism.pp=1", "parallelism.tp=1", "parallelism.sharding=zero3"],
        ),
    ],
)
def test_a_layout_that_was_searched_comes_back(
    llmcost: Run, tmp_path: Path, trainer: str, suffix: str, sets: list[str]
) -> None:
    base = ["llama-3.1-8b", "--set", "cluster.accelerator=h100-sxm", "--set", "cluster.devices=64"]
    base += ["--set", "training.mfu=", "--set", "cluster.device_hours=", "--set", "cluster.days="]
    base += ["--set", "training.flops=", "--set", "parallelism=auto"]
    base += [part for item in sets for part in ("--set", item)]
    searched = llmcost("estimate", *base, "--json")
    assert searched.returncode == 0, searched.stderr
    done = llmcost("estimate", *base, "--emit", trainer, "--output", f"job.{suffix}")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    again = ["--set", "cluster.accelerator=h100-sxm"]
    if trainer == "deepspeed":  # its JSON has no model
        again += ["--set", "model.preset=llama-3.1-8b", "--set", "model.seq_len=8192"]
    assert llmcost("init", "back.toml", "--from", f"job.{suffix}", *again).returncode == 0
    back = llmcost("estimate", "back.toml", "--json")
    assert layout(back.stdout) == layout(searched.stdout)


def test_toml_and_shell_need_no_yaml(llmcost: Run) -> None:
    """PyYAML is an extra: nothing but YAML imports it."""
    from tests.test_structure import _imported

    for name in ("torchtitan_llama3_8b.toml", "megatron_gpt3_175b.sh", "huggingface_zero2.json"):
        assert "yaml" not in _imported("init", "-", "--from", str(FILES / name), "--quiet")
    assert "yaml" in _imported("init", "-", "--from", str(FILES / "nemo2_mixtral.yaml"), "--quiet")
