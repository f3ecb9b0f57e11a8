"""Helpers that the tests share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.scenario import parse_scenario

settings.register_profile("ci", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("ci")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def llmcost(tmp_path: Path) -> Run:
    """Run the command line as a user does, in an empty folder."""

    def run(*arguments: str, stdin: str | None = "", **environment: str) -> Any:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("LLMCOST", "COLUMNS"))}
        return subprocess.run(
            [sys.executable, "-m", "llmcost", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**clean, **environment},
            timeout=120,
        )

    return run


def of(*sets: str, **sections: Any) -> Estimate:
    """Estimate a scenario made of sections."""
    return estimate(parse_scenario({"name": "test", **sections}, sets=sets))


def results(output: str) -> dict[str, Any]:
    """The results of a JSON output."""
    return json.loads(output)["results"]
