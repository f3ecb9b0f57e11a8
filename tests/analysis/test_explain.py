"""explain: the formulas that a number rests on, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from llmcost.analysis.explain import explain_quantities, taking_part
from llmcost.errors import InputError
from tests.conftest import of

RUN = {
    "start_date": "2026-01-01",
    "model": {"preset": "llama-2-7b"},
    "data": {"tokens": "2T"},
    "training": {"mfu": 0.4},
    "cluster": {"accelerator": "h100-sxm", "devices": 64},
    "carbon": {"grid": "DEU"},
}


def test_formulas_of_a_case_that_does_not_hold_are_left_out() -> None:
    short = explain_quantities(of(**RUN), "operational_tco2e")
    assert {"flops_per_token", "flops", "device_hours", "energy_mwh"} < set(short)
    assert not {"score_flops_per_token", "matmul_params", "expert_params"} & set(short)
    long = explain_quantities(of("training.flops_method=architecture", **RUN), "operational_tco2e")
    assert {"score_flops_per_token", "matmul_params"} < set(long)
    assert "expert_params" not in long  # of a model without experts


def test_an_explanation_ends_with_what_was_asked_for() -> None:
    found = of(**RUN)
    for key in ("days", "total_tco2e", "cost_total_usd"):
        assert explain_quantities(found, key)[-1] == key


def test_what_a_formula_rests_on_changes_its_number() -> None:
    found = of(**RUN)
    step = found.step("energy_mwh")
    assert step is not None
    assert taking_part(step, found.values) == ["it_energy_mwh", "pue"]
    step = found.step("inactive_params")
    assert step is not None
    assert taking_part(step, found.values) == []  # none of them alone makes an expert
    assert not np.any(found.values["inactive_params"])


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match='did you mean "days"'):
        explain_quantities(of(**RUN), "dais")
