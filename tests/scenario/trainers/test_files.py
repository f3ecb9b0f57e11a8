"""What trainers' own files say: reduced copies of published ones, against what a careful reader takes from them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from llmcost.analysis.estimate import estimate
from llmcost.catalog import load_catalog
from llmcost.errors import InputError
from llmcost.scenario import parse_scenario
from llmcost.scenario.exporters import emit
from llmcost.scenario.importers.run import Run
from llmcost.scenario.importers.trainers import read_run, scenario_of
from tests.conftest import of

HERE = Path(__file__).parent
TRUTH: dict[str, dict[str, Any]] = tomli.loads((HERE / "truth.toml").read_text())


def files_of(name: str) -> list[str]:
    """The files of an entry of the truth."""
    return [str(HERE / "files" / file) for file in TRUTH[name]["files"]]


def scenario_table(run: Run, files: list[str]) -> dict[str, Any]:
    """The scenario that is written, read back."""
    return tomli.loads(scenario_of(files, run))


def test_there_are_files_of_every_trainer() -> None:
    assert len(TRUTH) >= 16 + 8
    names = {name.partition("_")[0] for name in TRUTH}
    assert names == {
        "torchtitan", "megatron", "nemo", "nemo2", "bridge", "handbook", "huggingface", "axolotl", "llmfoundry",
        "neox", "nanotron", "olmo", "maxtext", "openrlhf",
    }  # fmt: skip
    shells = [file for entry in TRUTH.values() for file in entry["files"] if file.endswith(".sh")]
    assert len(shells) >= 8
    used = {file for entry in TRUTH.values() for file in entry["files"]}
    assert used == {path.name for path in (HERE / "files").iterdir()}


@pytest.mark.parametrize("name", list(TRUTH))
def test_it_says_what_a_careful_reader_takes_from_it(name: str) -> None:
    truth, files = TRUTH[name], files_of(name)
    run = read_run(files)
    result = estimate(parse_scenario(scenario_table(run, files)))
    inputs = result.provenance()
    found = {key: inputs[key]["value"] for key in truth["values"] if key in inputs}
    assert found == truth["values"]
    assert not set(truth.get("open", ())) & set(inputs)
    keys = {line.split(": ", 1)[1].split(" = ")[0] for line in run.unread}
    assert keys == set(truth.get("unread", ()))


#: Where the file's own batch does not divide over 1,024.
DEVICES = {
    "olmo_2_7b": 256,
    "openrlhf_sft": 64,
    "megatron_test_gpt3_15b": 256,
    "bridge_kimi_k2_l8": 16,
    "llmfoundry_mpt_7b": 32,
    "megatron_deepspeed_gpt_1_3b": 256,
}


@pytest.mark.parametrize("name", list(TRUTH))
def test_with_devices_it_can_be_estimated(name: str) -> None:
    """An accelerator, and devices where the files say none, are all that the layout lacks."""
    files = files_of(name)
    sets = ["cluster.accelerator=h100-sxm"]
    if "cluster.devices" not in TRUTH[name]["values"]:
        sets.append(f"cluster.devices={DEVICES.get(name, 1024)}")
    table = scenario_table(read_run(files, sets=sets), files)
    result = estimate(parse_scenario(table))
    unsized = {"model.layers", "model.hidden_size"} & set(TRUTH[name].get("open", ()))
    if unsized:
        assert any(key in warning for warning in result.warnings for key in unsized)
        return
    assert result.result("step_time_s")
    batch = table["parallelism"]["global_batch_seqs"]
    assert batch >= table["parallelism"]["dp"]
    toy = table["model"].get("hidden_size", 1024) < 128  # the host's launches are all of its step
    assert result.result("predicted_mfu") > (0.001 if toy else 0.01)


def test_what_the_files_leave_open_is_a_comment() -> None:
    files = files_of("torchtitan_llama3_8b")
    text = scenario_of(files, read_run(files))
    assert "# global_batch_seqs = 1  # 1 · dp, and the file does not say dp" in text
    assert '# accelerator = "h100-sxm"' in text
    assert "# devices = 8  # not in the file" in text
    assert "# tokens" in text


def test_each_value_says_where_it_was_read() -> None:
    files = files_of("megatron_test_gpt3_15b")
    run = read_run(files)
    text = scenario_of(files, run)
    assert "tp = 8                             # MODEL_ARGS.--tensor-model-parallel-size" in text
    assert "ffn_hidden_size = 24576            # 4 hidden_size, the default" in text
    assert any("0:384 200B:768 400B:1152" in note for note in run.notes)


def test_set_wins_over_the_file() -> None:
    files = files_of("torchtitan_llama3_405b")
    run = read_run(files, sets=["parallelism.micro_batch=1", "cluster.devices=512"])
    assert run.get("parallelism.micro_batch") == 1
    assert run.get("parallelism.dp") == 64
    assert (
        run.get("parallelism.global_batch_seqs") == 64
    )  # the micro-batch that is set, not the 2 of the file
    assert any("micro_batch = 2 differs from 1 (--set)" in note for note in run.notes)


def test_a_model_of_another_kind_is_not_written_as_a_transformer() -> None:
    files = files_of("nemo_t5_11b")
    run = read_run(files)
    assert "model.layers" not in run.values
    assert any("an encoder and a decoder" in note for note in run.notes)


def test_a_config_beside_the_trainer_s_files_is_named(tmp_path: Path) -> None:
    config = tmp_path / "model" / "config.json"
    config.parent.mkdir()
    config.write_text(
        '{"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4,'
        ' "vocab_size": 100, "intermediate_size": 128}'
    )
    job = tmp_path / "ds.json"
    job.write_text('{"train_batch_size": 8, "zero_optimization": {"stage": 3}}')
    run = read_run([str(job), str(config)], folder=str(tmp_path))
    assert run.get("model.config") == "model/config.json"
    table = scenario_table(run, [str(job)])
    inputs = estimate(parse_scenario(table, directory=tmp_path)).provenance()
    assert inputs["model.layers"]["value"] == 2
    assert inputs["parallelism.sharding"]["value"] == "zero3"


def test_a_pointed_file_is_read_where_it_is_at_hand(tmp_path: Path) -> None:
    job = tmp_path / "job.yaml"
    job.write_text(
        "base_model: mistralai/Mistral-7B-v0.1\nsequence_len: 2048\nmicro_batch_size: 1\n"
        "deepspeed: configs/ds.json\n"
    )
    run = read_run([str(job)])
    assert any("configs/ds.json is not at hand" in note for note in run.notes)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "ds.json").write_text('{"zero_optimization": {"stage": 2}}')
    run = read_run([str(job)])
    assert run.get("parallelism.sharding") == "zero2"
    assert not any("at hand" in note for note in run.notes)


def test_the_optimizer_is_taken() -> None:
    assert read_run(files_of("axolotl_llama3_fft_8b")).get("training.optimizer") == "adamw-8bit"
    files = files_of("megatron_gpt3_175b")
    text = scenario_of(files, read_run(files))
    assert 'optimizer = "adamw"' in text


_PIECES = st.sampled_from(
    ["null", "-1", "0", "1e999", ".e-3", "[1, 2]", "{a: b}", "$X", "${a.b}", "9" * 30, "auto", "(", ")", '"', "'", "<<EOF",
     "x:", ":", "\0", "é", "none", "[]", "--x", "#", "\n", " ", "true", "1.2.3B:4"]
)  # fmt: skip


@given(
    st.sampled_from(sorted(path.name for path in (HERE / "files").iterdir())),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 30), _PIECES), min_size=1, max_size=5),
)
def test_a_file_with_slips_is_read_or_refused(name: str, edits: list[tuple[int, int, str]]) -> None:
    """Whatever a slip makes of a file, the scenario that comes of it is one, or the error says why not."""
    text = (HERE / "files" / name).read_text()
    for at, size, piece in edits:
        at %= len(text) + 1
        text = text[:at] + piece + text[at + size :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text)
        try:
            run = read_run([str(path)])
        except InputError:
            return
    parse_scenario(scenario_table(run, [name]))


def test_windows_and_predicted_tokens_are_taken_and_written(tmp_path: Path) -> None:
    arguments = (
        "--num-layers 24 --hidden-size 64 --num-attention-heads 4 --seq-length 512 --micro-batch-size 1 "
        "--global-batch-size 8 --window-size 127,0 --window-attn-skip-freq 2 --mtp-num-layers 1"
    )
    script = tmp_path / "train.sh"
    script.write_text(f"torchrun --nproc_per_node 8 --nnodes 1 pretrain_gpt.py {arguments}\n")
    keys = {"model.window": 128, "model.windowed_layers": 12, "model.mtp_layers": 1}
    run = read_run([str(script)])
    assert {key: run.get(key) for key in keys} == keys
    inputs = {key: {"value": found.value, "source": "file"} for key, found in run.values.items()}
    inputs["model.recurrent_layers"] = {"value": 3, "source": "file"}
    text = emit("run", inputs, "megatron", load_catalog())
    assert "--window-size 127,0 --window-attn-skip-freq 2" in text
    assert "--mtp-num-layers 1" in text
    assert "# not among the arguments: model.recurrent_layers = 3" in text
    script.write_text(text)
    again = read_run([str(script)])
    assert {key: again.get(key) for key in keys} == keys


def test_sizes_that_follow_from_others_are_not_missed_among_the_arguments() -> None:
    layout = {
        "tp": 1,
        "pp": 1,
        "cp": 1,
        "ep": 8,
        "dp": 64,
        "micro_batch": 1,
        "global_batch_seqs": 64,
    }
    found = of(
        model={"preset": "gpt-oss-20b"},
        data={"tokens": "1T"},
        cluster={"accelerator": "h100-sxm", "devices": 64},
        parallelism={**layout, "sharding": "zero1"},
    )
    text = emit("run", found.provenance(), "megatron", load_catalog())
    assert "--window-size 127,0 --window-attn-skip-freq 2" in text
    assert [line.split()[5] for line in text.splitlines() if "not among" in line] == [
        "model.other_params"
    ]
