"""The loss in estimates, sweeps, comparisons, projections and stages."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmcost
from llmcost.analysis.stages import estimate_stages
from llmcost.catalog.load import LAW_ERRORS
from llmcost.errors import InputError
from llmcost.scenario import load_scenario, parse_scenario
from tests.conftest import Run, of

LAW = "besiroglu-2024"
MODEL = {"params": 7e9, "scaling_law": LAW}


def _loss(*sets: str, **data: float) -> float:
    found = of(*sets, model=MODEL, data={"tokens": 140e9, **data}).result("loss")
    assert found is not None
    return found


def test_one_epoch_is_none() -> None:
    assert _loss(epochs=1) == _loss()
    assert _loss(epochs=4) > _loss(tokens=560e9)
    assert _loss(epochs=4) < _loss()
    assert _loss(epochs=4, repeat_decay=1.0) > _loss(epochs=4)


def test_no_law_no_loss(llmcost: Run, base: str) -> None:
    assert of(model={"params": 7e9}).result("loss") is None
    done = llmcost("estimate", base, "--explain", "loss")
    assert done.returncode == 2
    assert "model.scaling_law" in done.stderr
    done = llmcost("sweep", base, "--solve", "data.tokens", "--target", "loss=2")
    assert done.returncode == 1
    assert "model.scaling_law" in done.stderr
    done = llmcost("sweep", base, "--axis", "data.epochs=1,2", "--select", "loss")
    assert "model.scaling_law" in done.stderr
    assert llmcost("estimate", base, "--set", "data.repeat_decay=3").stderr.count("repeat_decay")


def test_a_table_names_the_law(llmcost: Run, base: str) -> None:
    for law, source in ((LAW, "Besiroglu 2024"), ("hoffmann-2022", "Hoffmann 2022")):
        done = llmcost("estimate", base, "--set", f"model.scaling_law={law}")
        line = next(line for line in done.stdout.splitlines() if line.startswith("  Loss"))
        assert line.endswith(source)


def test_a_wrong_law_is_named(llmcost: Run, base: str) -> None:
    done = llmcost("estimate", base, "--set", "model.scaling_law=hofmann-2022")
    assert done.returncode == 2
    assert 'did you mean "hoffmann-2022"?' in done.stderr


@pytest.mark.parametrize(
    ("params", "tokens", "words"),
    [
        (7e9, 140e9, ()),
        (70e9, 140e9, ("7e+10 parameters",)),
        (7e9, 1e12, ("1e+12 tokens",)),
        (10e6, 1e9, ("1e+07 parameters", "1e+09 tokens")),
    ],
)
def test_beyond_the_fit_is_a_warning(params: float, tokens: float, words: tuple[str, ...]) -> None:
    found = of(model={**MODEL, "params": params}, data={"tokens": tokens})
    said = [text for text in found.warnings if "extrapolates" in text]
    assert len(said) == bool(words)
    assert all(word in said[0] for word in words)


def test_a_mixture_counts_what_a_token_uses_and_says_so() -> None:
    mixture = of(model={**MODEL, "params": 40e9, "active_params": 7e9}, data={"tokens": 140e9})
    assert mixture.result("loss") == _loss()
    assert any("mixture" in text for text in mixture.warnings)
    dense = of(model=MODEL, data={"tokens": 140e9})
    assert not any("mixture" in text for text in dense.warnings)


def test_what_is_missing_is_named() -> None:
    found = of(model={"scaling_law": LAW}, data={"tokens": 1e11})
    assert found.result("loss") is None
    assert any(
        text.startswith("the loss is not known") and "model.params" in text
        for text in found.warnings
    )


def test_adapters_and_later_stages_have_no_loss() -> None:
    tutor = llmcost.estimate("classroom-tutor", sets=[f"model.scaling_law={LAW}"])
    assert tutor.result("loss") is None
    assert any("adapters" in text for text in tutor.warnings)
    both = llmcost.sweep(
        "classroom-tutor",
        axis=["training.method=full,qlora"],
        select=["loss"],
        sets=[f"model.scaling_law={LAW}"],
    )
    assert np.isnan(both["loss"]).tolist() == [False, True]
    sets = [f"model.scaling_law={LAW}"]
    whole = estimate_stages(load_scenario("deepseek-v3-stages", sets))
    losses = {stage.kind: stage.estimate.result("loss") for stage in whole.stages}
    assert losses.pop("pretrain") is not None
    assert set(losses.values()) == {None}
    assert whole.result("loss") is None
    assert any("stages of kind pretrain" in text for text in whole.warnings)
    own = {"name": "later", "kind": "sft", "model": {"scaling_law": LAW}, "data": {"tokens": 1e9}}
    with pytest.raises(InputError, match="says nothing in a stage of kind sft"):
        estimate_stages(parse_scenario({"name": "x", "model": {"params": 7e9}, "stages": [own]}))


@pytest.mark.parametrize("law", ["besiroglu-2024", "hoffmann-2022"])
@pytest.mark.parametrize("key", ["data.tokens", "model.params"])
def test_solve_hits_the_loss(law: str, key: str) -> None:
    found = llmcost.sweep(
        {"name": "x", "model": {**MODEL, "scaling_law": law}, "data": {"tokens": 300e9}},
        axis=["data.epochs=1,3,10"],
        solve=key,
        target=["loss=2.3"],
        select=[key, "loss"],
    )
    assert found["loss"] == pytest.approx(np.full(3, 2.3), rel=1e-12)
    assert np.all(np.diff(found[key]) < 0)  # with each pass less of either is needed


def test_a_loss_below_the_floor_has_no_solution(llmcost: Run, base: str) -> None:
    law = ("--set", f"model.scaling_law={LAW}")
    done = llmcost("sweep", base, *law, "--solve", "data.tokens", "--target", "loss=1.8")
    assert done.returncode == 1
    assert "meets loss = 1.8" in done.stderr


def test_laws_are_compared_and_projected(llmcost: Run, base: str) -> None:
    law = ("--set", f"model.scaling_law={LAW}")
    done = llmcost(
        "compare", base, *law, "--set-b", "model.scaling_law=hoffmann-2022", "--metrics", "loss",
        "--json",
    )  # fmt: skip
    found = json.loads(done.stdout)
    values = [item["results"]["loss"] for item in found["scenarios"]]
    assert values == pytest.approx([1.974, 1.936], abs=1e-3)
    assert "model.scaling_law" in json.dumps(found["differing_inputs"])
    years = json.loads(llmcost("project", base, *law, "--until", "2027", "--json").stdout)
    losses = [year["loss"] for year in years["years"]]
    assert losses == [values[0]] * len(losses)
    frontier = llmcost("project", base, *law, "--follow", "frontier", "--until", "2026", "--json")
    assert json.loads(frontier.stdout)["years"][-1]["loss"] is None


@pytest.mark.parametrize(
    ("params", "tokens", "half"), [("7B", "140B", 0.0285), ("1T", "20T", 0.0391)]
)
def test_the_laws_error_is_sampled(
    llmcost: Run, base: str, params: str, tokens: str, half: float
) -> None:
    sets = [f"model.scaling_law={LAW}", f"model.params={params}", f"data.tokens={tokens}"]
    given = [word for text in sets for word in ("--set", text)]
    done = llmcost(
        "estimate", base, *given, "--json", "--uncertainty", "defaults", "--samples", "2000"
    )
    found = json.loads(done.stdout)
    band = found["intervals"]["loss"]
    assert band["p95"] - band["p5"] == pytest.approx(2 * half, rel=0.03)
    assert band["p50"] == pytest.approx(found["results"]["loss"], abs=1e-3)
    assert ("extrapolates" in done.stderr) == (params == "1T")
    drives = llmcost(
        "estimate",
        base,
        *given,
        "--tornado",
        "loss",
        "--uncertainty",
        "defaults",
        "--samples",
        "50",
    )
    assert "model.scaling_law" in drives.stdout


def test_a_law_without_errors_has_no_range_and_half_of_them_is_refused(
    llmcost: Run, base: str, tmp_path: Path
) -> None:
    law = (
        "--set", "model.scaling_law=hoffmann-2022", "--set", "data.tokens=1T", "--uncertainty", "defaults", "--json",
    )  # fmt: skip
    band = json.loads(llmcost("estimate", base, *law).stdout)["intervals"]["loss"]
    assert band["p5"] == band["p95"]
    text = "[scaling_laws.mine]\nfloor = 1.7\nparams_constant = 400\nparams_exponent = 0.3\n"
    text += "tokens_constant = 400\ntokens_exponent = 0.3\nfitted_params_low = 1e8\nfitted_params_high = 1e9\n"
    text += 'fitted_tokens_low = 1e9\nfitted_tokens_high = 1e10\nsource = "mine"\ncov_e_e = 1e-4\n'
    for more, said in (
        ("", "and not cov_e_a"),
        (_matrix(0.0), ""),
        (_matrix(2e-4), "no estimates"),
    ):
        (tmp_path / "mine.toml").write_text(text + more)
        done = llmcost(
            "estimate", base, "--set", "model.scaling_law=mine", "--catalog", "mine.toml"
        )
        assert done.returncode == (2 if said else 0), done.stderr
        assert said in done.stderr


def _matrix(off: float) -> str:
    """Errors beside ln E's of 1e-4, all of its covariances alike."""
    names = LAW_ERRORS[1:-1]
    each = (1e-4 if name.split("_")[1] == name.split("_")[2] else off for name in names)
    lines = (f"{name} = {value}" for name, value in zip(names, each, strict=True))
    return "\n".join([*lines, "scatter = 0.01", ""])


#: Sizes of a family, from a billion parameters to a hundred.
HEADS = (8, 12, 16, 20, 24, 28, 32, 36, 40, 48, 56, 64)
FAMILY = [
    f"{key}=" + ",".join(str(factor * heads) for heads in HEADS)
    for key, factor in (
        ("model.layers", 1), ("model.hidden_size", 128), ("model.heads", 1), ("model.ffn_hidden_size", 448),
    )
]  # fmt: skip
SERVED: dict[str, Any] = {
    "name": "served",
    "model": {"scaling_law": LAW, "vocab_size": 128256, "seq_len": 8192, "kv_heads": 4},
    "cluster": {"accelerator": "h100-sxm", "devices": 1024},
    "inference": {"output_tokens_per_day": 1e9, "prompt_tokens_per_day": 1e9, "days": 365},
}


@settings(max_examples=15)
@given(target=st.floats(2.0, 2.4), prompts=st.floats(0, 1e8))
def test_the_more_is_served_the_smaller_the_best_size(target: float, prompts: float) -> None:
    found = llmcost.sweep(
        {**SERVED, "inference": {**SERVED["inference"], "prompt_tokens_per_day": prompts}},
        axis=["inference.output_tokens_per_day=1e6:1e12:log:13"],
        zip=FAMILY,
        solve="data.tokens",
        target=[f"loss={target!r}"],
        select=["inference.output_tokens_per_day", "params", "loss", "flops", "inference_flops"],
    )
    work = found["flops"] + found["inference_flops"]
    best = []
    for traffic in np.unique(found["inference.output_tokens_per_day"]):
        cells = found["inference.output_tokens_per_day"] == traffic
        best.append(found["params"][cells][np.nanargmin(work[cells])])
    assert all(later <= earlier for earlier, later in pairwise(best))
    assert best[-1] < best[0]
