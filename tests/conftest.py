"""Helpers that the tests share."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from llmcost.analysis.cases import Case
from llmcost.analysis.estimate import Estimate, estimate
from llmcost.analysis.validate import validate
from llmcost.catalog import load_catalog
from llmcost.scenario import parse_scenario

settings.register_profile("ci", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("ci")

Run = Callable[..., subprocess.CompletedProcess[str]]
#: A small scenario for sweeps.
BASE = 'name = "base"\nstart_date = 2025-01-01\n[model]\nparams = "70B"\n[cluster]\naccelerator = "h100-sxm"\ndevices = 1024\n'


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


@pytest.fixture(scope="session")
def cases() -> list[Case]:
    """Every published case as `validate` judges it; seconds, so once for all tests."""
    return validate(load_catalog())


def of(*sets: str, **sections: Any) -> Estimate:
    """Estimate a scenario made of sections."""
    return estimate(parse_scenario({"name": "test", **sections}, sets=sets))


def results(output: str) -> dict[str, Any]:
    """The results of a JSON output."""
    return json.loads(output)["results"]


@pytest.fixture
def base(tmp_path: Path) -> str:
    """That scenario as a file in the test's folder."""
    (tmp_path / "base.toml").write_text(BASE)
    return "base.toml"


def rows_of_csv(output: str) -> list[dict[str, str]]:
    """Rows of a CSV output."""
    return list(csv.DictReader(io.StringIO(output)))
