"""Rules that stand in packages: every file is imported, in whatever order."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from llmcost.engine import chain, memory, performance, service
from tests.layouts import LAYOUT_8, run


def _file(rule: chain.Rule) -> str:
    return str(rule.function.__module__)


@pytest.mark.parametrize("package", [memory, performance, service])
def test_a_package_enters_the_rules_of_all_its_files(package: ModuleType) -> None:
    files = Path(package.__path__[0]).glob("*.py")
    found = {f"{package.__name__}.{path.stem}" for path in files if "@rule(" in path.read_text()}
    assert len(found) >= 4
    assert found <= {_file(rule) for rule in chain.RULES}


def test_the_order_of_the_files_changes_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """No two files give the same quantity, so only an explanation shows their order."""
    packages = tuple(f"{package.__name__}." for package in (memory, performance, service))
    moved = [rule for rule in chain.RULES if _file(rule).startswith(packages)]
    rest = [rule for rule in chain.RULES if rule not in moved]
    files = list(dict.fromkeys(map(_file, moved)))
    inference = {"output_tokens_per_day": 1e9, "prompt_tokens_per_day": 1e9}
    known = frozenset(run(parallelism=LAYOUT_8, inference=inference).inputs.known)

    def planned(rules: list[chain.Rule]) -> dict[str, chain.Function]:
        monkeypatch.setattr(chain, "RULES", rules)
        return {rule.gives: rule.function for rule in chain.plan.__wrapped__(known)}

    usual = planned(chain.RULES)
    wanted = {"step_time_s", "predicted_mfu", "memory_gb_per_device", "inference_j_per_token"}
    assert wanted <= set(usual)
    backwards = [rule for file in reversed(files) for rule in moved if _file(rule) == file]
    assert planned(rest + backwards) == usual
