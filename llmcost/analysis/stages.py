"""A model made in stages: each estimated as a run of its own, and what they are together.

A stage is the scenario with its own keys on top. Reinforcement learning, preferences and
distillation add passes that train nothing: rollouts at the speed of the model in service, a
reference, a reward, a teacher. Their FLOPs and device-hours join those of training before power,
carbon and cost are counted, so a stage has one clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.analysis.passes import SAMPLED, Passes, at_medians
from llmcost.analysis.whole import named, sums, whole
from llmcost.catalog import Catalog, load_catalog
from llmcost.errors import InputError
from llmcost.scenario import Scenario, resolve
from llmcost.scenario.read import Given, StageGiven

#: Sections that a file says once, for all stages together.
_SHARED_SECTIONS = ("staff", "inference")
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
#: What reinforcement learning may say of [inference]: how answers are sampled.
_SAMPLING = (
    "inference.precision", "inference.kv_precision", "inference.batch", "inference.devices_per_replica", "inference.tp", "inference.ep", "inference.software", "inference.tokens_per_s_per_device",
)  # fmt: skip
#: Keys of a loss, which a scaling law gives of a model trained from nothing.
_OF_PRETRAINING = ("model.scaling_law", "data.repeat_decay")


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
            made = _stage(scenario, given, entries)
            found.append(Stage(str(given.own["name"]), str(given.own["kind"]), made))
        except InputError as error:
            problems += [_named(given, text) for text in error.problems]
    if problems:
        raise InputError(problems)
    return _together(scenario, entries, found)


def _named(given: StageGiven, problem: str) -> str:
    return problem if problem.startswith(given.where) else f"{given.where}: {problem}"


def overridden(values: Mapping[str, Given], changes: Mapping[str, Given]) -> dict[str, Given]:
    """Keys of a file with others on top; what those take the place of is gone."""
    dropped = {other for key in changes for other in _INSTEAD.get(key, ())}
    return {key: item for key, item in values.items() if key not in dropped} | dict(changes)


def scenario_of(scenario: Scenario, given: StageGiven) -> Scenario:
    """The scenario of one stage, without what the file says once for all."""
    shared = {
        k: v for k, v in scenario.values.items() if k.partition(".")[0] not in _SHARED_SECTIONS
    }
    if any(key.startswith("parallelism") for key in given.values):
        shared = {k: v for k, v in shared.items() if not k.startswith("parallelism")}
    values = overridden(shared, given.values)
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


def _without(scenario: Scenario, *starts: str) -> Scenario:
    """A scenario without the keys that start so."""
    values = {key: item for key, item in scenario.values.items() if not key.startswith(starts)}
    return scenario._replace(values=values)


def _stage(scenario: Scenario, given: StageGiven, catalog: Catalog) -> Estimate:
    """One stage, with the passes that train nothing."""
    own, kind = given.own, str(given.own["kind"])
    mine = scenario_of(scenario, given)
    if kind != "pretrain":
        mine = _without(mine, *_OF_PRETRAINING)
    extra = sorted(set(own) - {"name", "kind"} - _ALLOWED[kind])
    sampled = _SAMPLING if kind == "rl" else ()
    extra += [k for k in given.values if k.startswith("inference.") and k not in sampled]
    extra += [key for key in _OF_PRETRAINING if key in given.values and kind != "pretrain"]
    if extra:
        why = f"says nothing in a stage of kind {kind}"
        raise InputError([f"{given.where} {key}: {why}" for key in extra])
    if kind not in _PASSES:
        return estimate(mine, catalog)
    return _PASSES[kind](mine, given, catalog)


def _number(values: Mapping[str, Any], key: str) -> float:
    return float(np.asarray(values.get(key, math.nan)))


def _of_hours(key: str) -> bool:
    """Whether a key says how long a run takes, which a stage with further passes knows already."""
    return key.startswith(("data.", "parallelism", "training.", "reliability.")) or key in (
        "cluster.days",
        "cluster.deadline_days",
        "cluster.devices",
    )


def _whole(mine: Scenario, given: StageGiven, catalog: Catalog, passes: Passes) -> Estimate:
    """A stage of several passes: what it draws, emits and costs in all."""
    known = passes.quantities(at_medians)
    flops, hours, devices = (_number(known, key) for key in ("flops", "device_hours", "devices"))
    if not (math.isfinite(flops) and math.isfinite(hours)):
        raise InputError(
            f"{given.where}: its compute or its time is not known; give model, data.tokens, cluster.accelerator and cluster.devices"
        )
    plain = {key: item for key, item in mine.values.items() if not _of_hours(key)}
    precision = mine.values.get("training.precision")
    if precision is not None:
        plain["training.precision"] = precision
    whole = _with(
        mine._replace(values=plain), given.where, training__flops=flops, cluster__device_hours=hours
    )
    if "devices" in known:
        whole = _with(whole, given.where, cluster__devices=devices)
    found = estimate(whole, catalog)
    warnings = [*passes.trained.warnings, *found.warnings]
    return found._replace(values={**found.values, **known}, warnings=warnings, passes=passes)


def _readers(given: StageGiven) -> tuple[float, ...]:
    """Parameters of the frozen models that read what is trained on: a reference, a reward."""
    own = given.own
    found = [math.nan] if own.get("reference_model", True) else []
    if own.get("reward_model_params"):
        found.append(float(own["reward_model_params"]))
    return tuple(found)


def _preferences(mine: Scenario, given: StageGiven, catalog: Catalog) -> Estimate:
    """Direct preference optimisation: the policy is trained, a frozen reference scores the same answers."""
    return _whole(mine, given, catalog, Passes(estimate(mine, catalog), _readers(given)))


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
    return _whole(mine, given, catalog, Passes(estimate(mine, catalog), (params,)))


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
    sampler, mine = mine, _without(mine, "inference.")
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
    served = _rollouts(sampler, given, catalog, answers, prompt, response)
    own_devices = float(own.get("rollout_devices") or 0.0)
    overlapped = bool(own.get("overlapped"))
    if overlapped and not own_devices:
        raise InputError(f"{given.where} overlapped: needs rollout_devices")
    passes = Passes(trained, _readers(given), served, answers * response, own_devices, overlapped)
    return _whole(mine, given, catalog, passes)


def _rollouts(
    mine: Scenario,
    given: StageGiven,
    catalog: Catalog,
    answers: float,
    prompt: float,
    response: float,
) -> Estimate:
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
    found = estimate(_without(served, "parallelism", "cluster.days"), catalog)
    if any(found.result(key) is None for key in SAMPLED):
        raise InputError(
            f"{given.where}: nobody can say how fast answers are sampled: rollouts need an architecture (model.preset, model.config or its keys) and cluster.accelerator"
        )
    return found


_PASSES = {"dpo": _preferences, "distill": _distillation, "rl": _reinforcement}
_ALLOWED: dict[str, set[str]] = {
    "pretrain": set(), "continue": set(), "sft": set(), "dpo": {"reference_model"},
    "distill": {"teacher", "teacher_params"},
    "rl": {
        "prompts", "samples_per_prompt", "prompt_tokens", "response_tokens", "reference_model", "reward_model_params",
        "rollout_devices", "overlapped",
    },
}  # fmt: skip


def _together(scenario: Scenario, catalog: Catalog, stages: list[Stage]) -> Estimate:
    """The sums, and what the file says once: staff, items, the model in service."""
    layoutless = {k: v for k, v in scenario.values.items() if not k.startswith("parallelism")}
    inputs = resolve(scenario._replace(values=layoutless), catalog)
    total = sums([stage.estimate.values for stage in stages])
    values, steps = whole(inputs.known, total)
    notes = named([(stage.name, stage.estimate.warnings) for stage in stages])
    if len(stages) > 1 and np.any(np.asarray(values.get("cost_purchase_usd", math.nan)) > 0):
        notes.append(
            f"cost_purchase_usd counts a cluster for each of {len(stages)} stages, even if it is the same one;"
            ' cost.method = "amortized" counts the hours that each takes'
        )
    if "service_wanted_batch" in values:
        from llmcost.analysis.service import service_hints

        notes += service_hints(inputs, values)
    if inputs.has("model.scaling_law"):
        notes.append(
            "the loss is that of stages of kind pretrain: a scaling law says nothing of later ones"
        )
    return Estimate(inputs, values, steps, notes, stages=tuple(stages), given=scenario)
