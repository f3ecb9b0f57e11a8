"""Activations by hand."""

from __future__ import annotations

import pytest

from llmcost.engine.memory.activations import layer_activation_bytes
from tests.layouts import mixture, once_more


def test_copies_of_a_token_are_kept() -> None:
    copy = 2 * 4096 * 7168
    assert once_more(layer_activation_bytes, mixture(ep=8)) == pytest.approx(copy, rel=1e-9)
