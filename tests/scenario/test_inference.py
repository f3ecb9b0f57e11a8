"""`[inference]`: what it leaves open, what it refuses, where its figures come from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.errors import InputError
from llmcost.scenario import parse_scenario, resolve
from tests.conftest import Run
from tests.layouts import CATALOG

SERVICE = {"output_tokens_per_day": 1e9, "prompt_tokens_per_day": 1e9}


def of(inference: dict[str, Any], **more: Any) -> Estimate:
    table = {
        "name": "x",
        "model": {"preset": "llama-3.1-8b"},
        "cluster": {"accelerator": "h100-sxm"},
        "inference": {**SERVICE, **inference},
        **more,
    }
    return estimate(parse_scenario(table), CATALOG)


def problem(inference: dict[str, Any], **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        of(inference, **more)
    return str(caught.value)


def test_a_scenario_without_service_has_none() -> None:
    table = {"name": "x", "model": {"preset": "llama-3.1-8b"}}
    found = estimate(parse_scenario(table), CATALOG)
    assert found.result("inference_devices") is None
    assert not any(key.startswith("inference.") for key in found.provenance())


def test_what_is_wrong_names_its_key() -> None:
    assert "[inference] output_tokens_per_day: is missing" in _without_traffic()
    assert "[inference] accelerator: is missing" in problem({}, cluster={})
    assert "[inference] tp: 3 does not divide the model's 32 heads" in problem({"tp": 3})
    both = problem({"tp": 4, "devices_per_replica": 6})
    assert "[inference] tp: 4 does not divide inference.devices_per_replica, 6" in both
    assert "[inference] ep: 8: the model has no experts" in problem({"ep": 8})
    assert 'did you mean "vllm"' in problem({"software": "vlm"})
    assert "fp4, int8, int4" in problem({"precision": "int3"})


def _without_traffic() -> str:
    service = {"accelerator": "h100-sxm"}
    table = {"name": "x", "model": {"preset": "llama-3.1-8b"}, "inference": service}
    with pytest.raises(InputError) as caught:
        estimate(parse_scenario(table), CATALOG)
    return str(caught.value)


def test_a_model_without_architecture_is_a_warning() -> None:
    found = of({}, model={"params": 8e9})
    assert found.result("inference_devices") is None
    assert any("the service is not known: model.layers" in text for text in found.warnings)


def test_defaults_say_where_they_come_from() -> None:
    shown = of({}).provenance()
    assert shown["inference.accelerator"]["source"] == "default: that of the cluster"
    assert shown["inference.utilisation"]["value"] == 0.8
    assert shown["inference.software"]["value"] == "vllm"
    assert shown["inference.kv_precision"]["value"] == "bf16"
    home = of({"accelerator": "rtx-4090"}).provenance()
    assert home["inference.software"]["value"] == "llama.cpp"
    narrow = of({"software": "tensorrt-llm", "precision": "fp8"}).provenance()
    assert narrow["inference.kv_precision"]["value"] == "fp8"


def test_the_same_accelerator_twice_is_the_cluster_s() -> None:
    """Figures that the scenario changes of its cluster hold for a service on the same one."""
    changed = {"accelerator": "h100-sxm", "memory_tb_s": 6.7}
    plain, named = of({"batch": 1}), of({"batch": 1, "accelerator": "h100-sxm"})
    assert plain.values["inference_j_per_token"] == named.values["inference_j_per_token"]
    for inference in ({"batch": 1}, {"batch": 1, "accelerator": "h100-sxm"}):
        faster = of(inference, cluster=changed)
        speed = "inference_tokens_per_s_per_device"
        assert faster.values[speed] > 1.3 * plain.values[speed]


def test_another_accelerator_has_its_own_figures_prices_and_server() -> None:
    table = {
        "name": "x",
        "start_date": "2025-01-01",
        "model": {"preset": "llama-3.1-8b"},
        "cluster": {"accelerator": "h100-sxm"},
        "inference": {**SERVICE, "accelerator": "mi300x"},
    }
    other = resolve(parse_scenario(table), CATALOG).known
    alone = resolve(
        parse_scenario({**table, "cluster": {"accelerator": "mi300x"}, "inference": SERVICE}),
        CATALOG,
    ).known
    names = [name for name in alone if name.startswith("service_")]
    assert len(names) > 30
    for name in names:
        np.testing.assert_array_equal(other[name], alone[name], err_msg=name)


def test_an_axis_of_accelerators_is_as_each_alone() -> None:
    table = {
        "name": "x",
        "model": {"preset": "llama-3.1-8b"},
        "cluster": {"accelerator": "h100-sxm"},
        "inference": SERVICE,
    }
    words = np.array(["h100-sxm", "b200-sxm", "mi300x"], dtype=object)
    forms = np.array(["bf16", "fp8", "fp4"], dtype=object)
    arrays = {"inference.accelerator": words[:, None], "inference.precision": forms[None, :]}
    together = resolve(parse_scenario(table), CATALOG, arrays).known
    for i, word in enumerate(words):
        for j, form in enumerate(forms):
            sets = [f"inference.accelerator={word}", f"inference.precision={form}"]
            one = resolve(parse_scenario(table, sets=sets), CATALOG).known
            for name in ("service_peak_flops", "service_memory_gb", "service_flop_pj"):
                if name in one:
                    np.testing.assert_allclose(
                        np.broadcast_to(together[name], (3, 3))[i, j], one[name]
                    )


def test_a_profile_of_the_user_s_own_is_taken(llmcost: Run, tmp_path: Any) -> None:
    (tmp_path / "mine.toml").write_text(
        "[serving.mine]\nstep_s = 0.05\nsequence_s = 0.0\noverlap = 0.0\ndefault_sequences = 64\n"
        'memory_share = 0.9\nnarrow_cache = true\nsource = "measured on our servers"\n'
    )
    (tmp_path / "s.toml").write_text(
        'name = "s"\n[model]\npreset = "llama-3.1-8b"\n[inference]\naccelerator = "h100-sxm"\n'
        "output_tokens_per_day = 1e9\n"
    )
    mine = ("--catalog", "mine.toml", "--set", "inference.software=mine")
    done = llmcost("estimate", "s.toml", *mine, "--explain", "service_host_s")
    assert done.returncode == 0, done.stderr
    assert "service_step_s = 0.05  (catalog: serving/mine)" in done.stdout
    (tmp_path / "mine.toml").write_text('[serving.mine]\nstep_s = 0.05\nsource = "x"\n')
    done = llmcost("estimate", "s.toml", *mine)
    assert done.returncode == 2
    assert "[serving.mine] sequence_s: is missing" in done.stderr
