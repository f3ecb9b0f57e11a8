"""The ledger against the memory of a device."""

from __future__ import annotations

from llmcost.engine.results import MEMORY_IN_USE
from tests.layouts import LAYOUT_8, run


def test_a_layout_that_does_not_fit_says_so() -> None:
    layout = {"tp": 8, "pp": 1, "micro_batch": 1, "global_batch_seqs": 512, "sharding": "none"}
    said = [note for note in run(parallelism=layout).warnings if "does not fit" in note]
    assert len(said) == 1
    need = run(parallelism=layout).result(MEMORY_IN_USE) or 0
    assert f"needs {need:,.0f} GB a device and a device has 85 to use" in said[0]
    assert not any("does not fit" in note for note in run(parallelism=LAYOUT_8).warnings)
    assert not any("does not fit" in note for note in run(parallelism="auto").warnings)
