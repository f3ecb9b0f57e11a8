"""Context parallelism: around a ring, and heads for tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llmcost.errors import InputError
from tests.layouts import run


def _found(**layout: Any) -> dict[str, float]:
    plain = {"tp": 1, "pp": 1, "micro_batch": 1, "global_batch_seqs": 64, "sharding": "zero3"}
    values = run(
        model={"preset": "llama-3.1-8b", "seq_len": 65536},
        cluster={"accelerator": "h100-sxm", "devices": 64},
        parallelism={**plain, **layout},
    ).values
    return {name: float(value) for name, value in values.items() if np.ndim(value) == 0}


def test_an_all_to_all_sends_heads_for_tokens() -> None:
    """8 devices of a node, 8,192 tokens each: 32 + 8 + 8 heads of 128 go, 32 return, 7/8 of them."""
    found = _found(cp=8, context_exchange="all-to-all")
    sent = 2 * 8192 * (32 + 8 + 8 + 32) * 128 * 7 / 8
    wire = 2 * sent / (450e9 * found["copies_domain_share"])  # forward and backward
    assert wire < found["context_all_to_all_s"] < 1.25 * wire
    assert found["context_exchange_s"] == found["context_all_to_all_s"]
    ring = _found(cp=8)
    assert ring["context_exchange_s"] == ring["context_ring_s"]
    assert ring["memory_gb_per_device"] == found["memory_gb_per_device"]


def test_between_nodes_it_is_slower_and_alone_it_is_nothing() -> None:
    near, far, alone = (_found(cp=cp, context_exchange="all-to-all") for cp in (8, 16, 1))
    assert far["context_all_to_all_s"] > near["context_all_to_all_s"]
    assert alone["context_exchange_s"] == 0


def test_heads_are_shared_evenly() -> None:
    with pytest.raises(InputError, match=r"cp \* tp does not divide the heads"):
        _found(cp=64, context_exchange="all-to-all")
    assert _found(cp=64)["context_exchange_s"] >= 0
