"""A model made in stages: each estimated as a run of its own, and what they are together.

A stage is the scenario with its own keys on top. Reinforcement learning, preferences and
distillation add passes that train nothing: rollouts at the speed of the model in service, a
reference, a reward, a teacher. Their FLOPs and device-hours join those of training before power,
carbon and cost are counted, so a stage has one clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.catalog import Catalog, load_catalog
from llmcost.engine.chain import Array
from llmcost.engine.evaluate import evaluate
from llmcost.engine.results import MEMORY_PARTS, OWNERSHIP_PARTS, RESULTS
from llmcost.errors import InputError
from llmcost.scenario import Scenario, resolve
from llmcost.scenario.read import Given, StageGiven
from llmcost.scenario.schema import KEYS, METHODS

#: What stages have together is the sum of what each has.
SUMMED = (
    "flops", "hardware_flops", "tokens", "days", "device_hours", "energy_mwh", "development_energy_mwh", "operational_tco2e",
    "embodied_tco2e", "total_tco2e", "development_tco2e", "water_m3", "cost_accelerator_usd", "cost_server_usd",
    "cost_interconnect_usd", "cost_energy_usd", "cost_amortized_usd", "cost_cloud_usd", "cost_purchase_usd", "cost_run_usd", "cost_experiments_usd",
    *OWNERSHIP_PARTS,
)  # fmt: skip
#: Results of the whole that follow from those sums and from what the file says once.
_ONCE = (
    "params", "active_params", "cost_staff_usd", "cost_development_usd", "cost_items_usd",
    "cost_total_usd",
)  # fmt: skip
#: Sections that a file says once, for all stages together.
_SHARED_SECTIONS = ("staff", "inference", "projection")
#: What a stage's own keys take the place of.
_INSTEAD = {
    "data.tokens": ("data.tokens_per_param",),
    "data.tokens_per_param": ("data.tokens",),
    "model.preset": ("model.params", "model.active_params", "model.config"),
    "model.config": ("model.params", "model.active_params", "model.preset"),
    "cluster.devices": ("cluster.device_hours",),
    "cluster.device_hours": ("cluster.days",),
    "cluster.days": ("cluster.device_hours",),
}
#: Keys of a loss, which a scaling law gives of a model trained from nothing.
_OF_PRETRAINING = ("model.scaling_law", "data.repeat_decay")
#: Of a run, what a base scenario must not say for all stages together.
_RUN = (
    "flops", "tokens_per_epoch", "tokens_per_param", "default_tokens_per_param", "devices", "days", "device_hours", "mfu",
    "goodput", "peak_flops", "bf16_peak_flops", "time_limit_days", "deadline_days", "typical_mfu",
)  # fmt: skip
_SECONDS_PER_HOUR = 3600.0
#: The value of cost_method that stands for a purchase.
_PURCHASE = METHODS.index("purchase")


class Stage(NamedTuple):
    """A stage: what it does, and its estimate."""

    name: str
    kind: str
    estimate: Estimate


def estimate_any(scenario: Scenario, catalog: Catalog | None = None) -> Estimate:
    """Estimate a scenario of one run, or one of stages.

    Raises
    ------
    InputError, NoAnswerError
        As :func:`llmcost.analysis.estimate.estimate`.
    """
    return (estimate_stages if scenario.stages else estimate)(scenario, catalog)


def estimate_stages(scenario: Scenario, catalog: Catalog | None = None) -> Estimate:
    """Estimate every stage, and add them up.

    Raises
    ------
    InputError
        With the problems of all stages.
    """
    entries = catalog or load_catalog()
    found: list[Stage] = []
    problems: list[str] = []
    for given in scenario.stages:
        try:
            found.append(
                Stage(
                    str(given.own["name"]), str(given.own["kind"]), _stage(scenario, given, entries)
                )
            )
        except InputError as error:
            problems += [_named(given, text) for text in error.problems]
    if problems:
        raise InputError(problems)
    return _together(scenario, entries, found)


def _named(given: StageGiven, problem: str) -> str:
    return problem if problem.startswith(given.where) else f"{given.where}: {problem}"


def scenario_of(scenario: Scenario, given: StageGiven) -> Scenario:
    """The scenario of one stage, without what the file says once for all."""
    dropped = {other for key in given.values for other in _INSTEAD.get(key, ())}
    values = {
        key: item
        for key, item in scenario.values.items()
        if key.partition(".")[0] not in _SHARED_SECTIONS and key not in dropped
    }
    if "parallelism" in given.values or any(k.startswith("parallelism.") for k in given.values):
        values = {k: v for k, v in values.items() if not k.startswith("parallelism")}
    values |= given.values
    values["name"] = Given(f"{scenario.name}: {given.own['name']}", "file", given.where)
    return scenario._replace(values=values, items=(), stages=(), levers=())


def _with(scenario: Scenario, where: str, **given: Any) -> Scenario:
    """A scenario with keys set, ``__`` for the dot; None removes one."""
    values = dict(scenario.values)
    for name, value in given.items():
        key = name.replace("__", ".")
        if value is None:
            values.pop(key, None)
        else:
            values[key] = Given(value, "derived", where)
    return scenario._replace(values=values)


def _stage(scenario: Scenario, given: StageGiven, catalog: Catalog) -> Estimate:
    """One stage, with the passes that train nothing."""
    own, kind = given.own, str(given.own["kind"])
    mine = scenario_of(scenario, given)
    if kind != "pretrain":
        mine = mine._replace(
            values={k: v for k, v in mine.values.items() if k not in _OF_PRETRAINING}
        )
    extra = sorted(set(own) - {"name", "kind"} - _ALLOWED[kind])
    extra += [key for key in _OF_PRETRAINING if key in given.values and kind != "pretrain"]
    if extra:
        raise InputError(
            [f"{given.where} {key}: says nothing in a stage of kind {kind}" for key in extra]
        )
    if kind not in _PASSES:
        return estimate(mine, catalog)
    return _PASSES[kind](mine, given, catalog)


class _Work(NamedTuple):
    """What passes without training take: FLOPs, and device-hours."""

    flops: float
    hours: float


def _number(result: Estimate, key: str) -> float:
    value = result.result(key)
    return math.nan if value is None else value


def _forward(trained: Estimate, params: float) -> _Work:
    """A forward pass of `params` over the trained tokens, at the rate of training."""
    flops = 2 * params * _number(trained, "tokens")
    rate = _number(trained, "device_hours") / _number(trained, "flops")
    return _Work(flops, flops * rate)


def _whole(
    mine: Scenario, given: StageGiven, catalog: Catalog, trained: Estimate, works: list[_Work]
) -> Estimate:
    """The stage with further passes on the same devices, one after the other."""
    flops = _number(trained, "flops") + sum(work.flops for work in works)
    hours = _number(trained, "device_hours") + sum(work.hours for work in works)
    return _final(mine, given, catalog, trained, flops, hours, _number(trained, "devices"))


def _final(
    mine: Scenario,
    given: StageGiven,
    catalog: Catalog,
    trained: Estimate,
    flops: float,
    hours: float,
    devices: float,
) -> Estimate:
    """A run of known compute and device-hours: what it draws, emits and costs."""
    if not (math.isfinite(flops) and math.isfinite(hours)):
        raise InputError(
            f"{given.where}: its compute or its time is not known; give model, data.tokens, cluster.accelerator and cluster.devices"
        )
    plain = {
        key: item
        for key, item in mine.values.items()
        if not key.startswith(("data.", "parallelism", "training.", "reliability."))
        and key not in ("cluster.days", "cluster.deadline_days", "cluster.devices")
    }
    precision = mine.values.get("training.precision")
    if precision is not None:
        plain["training.precision"] = precision
    whole = _with(
        mine._replace(values=plain), given.where, training__flops=flops, cluster__device_hours=hours
    )
    if math.isfinite(devices):
        whole = _with(whole, given.where, cluster__devices=devices)
    found = estimate(whole, catalog)
    values = {**found.values, "tokens": np.asarray(_number(trained, "tokens"))}
    for key in ("memory_gb_per_device", *MEMORY_PARTS):
        if key in trained.values:
            values[key] = trained.values[key]
    return found._replace(values=values, warnings=[*trained.warnings, *found.warnings])


def _preferences(mine: Scenario, given: StageGiven, catalog: Catalog) -> Estimate:
    """Direct preference optimisation: the policy is trained, a frozen reference scores the same answers."""
    trained = estimate(mine, catalog)
    works = []
    if given.own.get("reference_model", True):
        works.append(_forward(trained, _number(trained, "active_params")))
    return _whole(mine, given, catalog, trained, works)


def _distillation(mine: Scenario, given: StageGiven, catalog: Catalog) -> Estimate:
    """Distillation: a teacher reads the tokens that the student is trained on."""
    own = given.own
    if ("teacher" in own) == ("teacher_params" in own):
        raise InputError(f"{given.where} teacher: give it, or teacher_params; one of them")
    if "teacher" in own:
        entry = catalog.entry("models", own["teacher"])
        params = float(entry["active_params"] if "active_params" in entry else entry["params"])
    else:
        params = float(own["teacher_params"])
    trained = estimate(mine, catalog)
    return _whole(mine, given, catalog, trained, [_forward(trained, params)])


def _reinforcement(mine: Scenario, given: StageGiven, catalog: Catalog) -> Estimate:
    """Reinforcement learning: answers are sampled, scored and trained on.

    The devices that train also answer, one after the other, unless `rollout_devices` do; those
    wait for one another unless `overlapped`.
    """
    own = given.own
    missing = [
        name
        for name in ("prompts", "samples_per_prompt", "prompt_tokens", "response_tokens")
        if name not in own
    ]
    if missing:
        raise InputError([f"{given.where} {name}: is missing" for name in missing])
    answers = float(own["prompts"]) * float(own["samples_per_prompt"])
    prompt, response = float(own["prompt_tokens"]), float(own["response_tokens"])
    train = _with(
        mine,
        given.where,
        data__tokens=answers * (prompt + response),
        data__tokens_per_param=None,
        data__epochs=None,
        **({} if "model.seq_len" in given.values else {"model__seq_len": prompt + response}),
    )
    trained = estimate(train, catalog)
    active = _number(trained, "active_params")
    works = []
    if own.get("reference_model", True):
        works.append(_forward(trained, active))
    if own.get("reward_model_params"):
        works.append(_forward(trained, float(own["reward_model_params"])))
    rollouts = _rollouts(mine, given, catalog, answers, prompt, response)
    devices = _number(trained, "devices")
    own_devices = float(own.get("rollout_devices") or 0.0)
    if not own_devices:
        if own.get("overlapped"):
            raise InputError(f"{given.where} overlapped: needs rollout_devices")
        return _whole(mine, given, catalog, trained, [*works, rollouts])
    flops = _number(trained, "flops") + sum(w.flops for w in works) + rollouts.flops
    times = (
        (_number(trained, "device_hours") + sum(w.hours for w in works)) / devices,
        rollouts.hours / own_devices,
    )
    time = max(times) if own.get("overlapped") else sum(times)
    both = devices + own_devices
    return _final(mine, given, catalog, trained, flops, time * both, both)


def _rollouts(
    mine: Scenario,
    given: StageGiven,
    catalog: Catalog,
    answers: float,
    prompt: float,
    response: float,
) -> _Work:
    """Sampling answers at the speed of the model in service; samples share the reading of a prompt."""
    prompts = float(given.own["prompts"])
    served = _with(
        mine,
        given.where,
        data__tokens=1.0,
        data__tokens_per_param=None,
        inference__output_tokens_per_day=answers * response,
        inference__prompt_tokens_per_day=prompts * prompt,
        inference__days=1.0,
        inference__context_tokens=prompt + response / 2,
        inference__utilisation=1.0,
    )
    dropped = {
        k: v for k, v in served.values.items() if not k.startswith(("parallelism", "cluster.days"))
    }
    found = estimate(served._replace(values=dropped), catalog)
    rate = found.result("inference_tokens_per_s_per_device")
    flops = found.result("inference_flops")
    if rate is None or flops is None:
        raise InputError(
            f"{given.where}: nobody can say how fast answers are sampled: rollouts need an architecture (model.preset, model.config or its keys) and cluster.accelerator"
        )
    return _Work(flops, answers * response / rate / _SECONDS_PER_HOUR)


_PASSES = {"dpo": _preferences, "distill": _distillation, "rl": _reinforcement}
_ALLOWED: dict[str, set[str]] = {
    "pretrain": set(), "continue": set(), "sft": set(), "dpo": {"reference_model"},
    "distill": {"teacher", "teacher_params"},
    "rl": {
        "prompts", "samples_per_prompt", "prompt_tokens", "response_tokens", "reference_model", "reward_model_params",
        "rollout_devices", "overlapped",
    },
}  # fmt: skip


def sums(stages: list[Mapping[str, Array]]) -> dict[str, Array]:
    """What stages have together; a result that one of them lacks is not known."""
    found: dict[str, Array] = {}
    for key in SUMMED:
        if all(key in values for values in stages):
            parts = [np.asarray(values[key], dtype=np.float64) for values in stages]
            found[key] = np.asarray(sum(parts[1:], start=parts[0]))
    return found


def _together(scenario: Scenario, catalog: Catalog, stages: list[Stage]) -> Estimate:
    """The sums, and what the file says once: staff, items, the model in service."""
    layoutless = {k: v for k, v in scenario.values.items() if not k.startswith("parallelism")}
    inputs = resolve(scenario._replace(values=layoutless), catalog)
    total = sums([stage.estimate.values for stage in stages])
    values = whole_values(inputs.known, total)
    notes = named([(stage.name, stage.estimate.warnings) for stage in stages])
    if len(stages) > 1 and np.any(np.asarray(values.get("cost_purchase_usd", math.nan)) > 0):
        notes.append(
            f"cost_purchase_usd counts a cluster for each of {len(stages)} stages, even if it is the same one;"
            ' cost.method = "amortized" counts the hours that each takes'
        )
    if inputs.has("model.scaling_law"):
        notes.append(
            "the loss is that of stages of kind pretrain: a scaling law says nothing of later ones"
        )
    return Estimate(inputs, values, (), notes, stages=tuple(stages))


def named(warnings: Iterable[tuple[str, Iterable[str]]]) -> list[str]:
    """Warnings of stages with the names of those that have them."""
    found: dict[str, list[str]] = {}
    for name, texts in warnings:
        for text in dict.fromkeys(texts):
            found.setdefault(text, []).append(name)
    return [f"{', '.join(names)}: {text}" for text, names in found.items()]


def whole_values(known: Mapping[str, Any], total: Mapping[str, Array]) -> dict[str, Array]:
    """Results of the whole from the sums over its stages.

    Clusters of stages add up only where cost.method counts each of them; elsewhere nobody would
    buy one cluster a stage, and what they cost together is not known.
    """
    if "cost_purchase_usd" in total:
        counted = np.asarray(known.get("cost_method", 0.0)) == _PURCHASE
        total = {
            **total,
            "cost_purchase_usd": np.where(counted, total["cost_purchase_usd"], np.nan),
        }
    service = [
        key
        for key in RESULTS
        if key.startswith(("inference_", "lifetime_", "training_share", "break_even_"))
    ]
    kept = {key: value for key, value in known.items() if key not in _RUN and key not in KEYS}
    found, _ = evaluate({**kept, **total}, [*_ONCE, *service])
    wanted = {*_ONCE, *service}
    return {**{key: item for key, item in found.items() if key in wanted}, **total}
