"""Matrix products."""

from __future__ import annotations

import pytest

from llmcost.engine.performance.products import layer_matmul_s
from tests.layouts import mixture, once_more


def test_copies_of_a_token_are_moved() -> None:
    found = mixture(ep=8)
    assert found["ffn_copies"] == pytest.approx((3 + 58 * 9) / 61)
    copy = 2 * 4096 * 7168
    bandwidth = found["memory_tb_s"] * 1e12
    traffic = 2 * copy * found["operand_exposure"] / bandwidth
    assert once_more(layer_matmul_s, found) == pytest.approx(traffic, rel=1e-6)
