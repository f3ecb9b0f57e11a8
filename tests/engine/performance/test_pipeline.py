"""Stages of a pipeline and its bubble."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.layouts import run


def _parts(**layout: Any) -> dict[str, float]:
    more = {
        "parallelism": {
            "tp": 8, "pp": 16, "vpp": 1, "micro_batch": 1, "global_batch_seqs": 256,
            "sharding": "zero1", "sequence_parallel": True, **layout,
        }
    }  # fmt: skip
    values = run(**more, model={"preset": "llama-3.1-405b"}).values
    return {name: float(np.asarray(values[name])) for name in (
        "layer_s", "layer_collectives_s", "head_s", "busiest_layers", "last_stage_layers",
        "pipeline_bubble_s", "compute_s", "micro_batches",
    )}  # fmt: skip


def test_126_layers_on_16_stages_are_8_in_each_and_7_beside_embedding_and_head() -> None:
    found = _parts()
    layer = found["layer_s"] + found["layer_collectives_s"]
    assert found["last_stage_layers"] == 7
    pace = max(8 * layer, 7 * layer + found["head_s"])
    others = 126 * layer + found["head_s"] - pace
    assert found["pipeline_bubble_s"] == pytest.approx(others, rel=1e-12)


def test_equal_stages_wait_pp_minus_1_micro_batches() -> None:
    found = _parts(pp=2)
    layer = found["layer_s"] + found["layer_collectives_s"]
    assert found["busiest_layers"] == 63
    assert found["pipeline_bubble_s"] == pytest.approx(63 * layer, rel=1e-12)


def test_interleaving_shortens_the_bubble() -> None:
    assert _parts(pp=2, vpp=3)["pipeline_bubble_s"] == pytest.approx(
        _parts(pp=2)["pipeline_bubble_s"] / 3, rel=1e-12
    )


@pytest.mark.parametrize(
    ("pp", "vpp", "first", "last"), [(4, 1, 16, 13), (8, 1, 8, 5), (16, 1, 4, 1), (8, 2, 8, 5)]
)
def test_predicted_tokens_take_all_the_room_of_the_last_stage(
    pp: int, vpp: int, first: int, last: int
) -> None:
    """Layouts of DeepSeek-V3 in Megatron Bridge: recipes/deepseek/deepseek_v3.py, layout_map."""
    layout = {"tp": 1, "pp": pp, "vpp": vpp, "ep": 8, "micro_batch": 1, "global_batch_seqs": 2048}
    found = run(model={"preset": "deepseek-v3"}, parallelism=layout).values
    assert float(found["first_stage_layers"]) == first
    assert float(found["last_stage_layers"]) == last
