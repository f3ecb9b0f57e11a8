"""Names of results as people say them: the nearest one to what was asked for."""

from __future__ import annotations

from collections.abc import Iterable

from llmcost.engine.results import RESULTS
from llmcost.errors import InputError, nearest
from llmcost.scenario.keys import spec
from llmcost.scenario.schema import KEYS

#: The result that a word of everyday speech stands for.
_SAID = {
    "cost": "cost_total_usd", "costs": "cost_total_usd", "price": "cost_total_usd", "money": "cost_total_usd",
    "total": "cost_total_usd", "usd": "cost_total_usd", "rent": "cost_cloud_usd", "cloud": "cost_cloud_usd",
    "carbon": "total_tco2e", "co2": "total_tco2e", "co2e": "total_tco2e", "emissions": "total_tco2e",
    "energy": "energy_mwh", "electricity": "energy_mwh", "power": "peak_power_mw", "water": "water_m3",
    "time": "days", "duration": "days", "flop": "flops", "compute": "flops", "memory": "memory_gb_per_device",
    "gpus": "devices", "gpu_hours": "device_hours", "hours": "device_hours", "step_time": "step_time_s",
}  # fmt: skip


def nearest_result(name: str, others: Iterable[str] = ()) -> str:
    """Say which result or other name is nearest: ``; did you mean "days"?`` or nothing."""
    from difflib import get_close_matches

    names = [*RESULTS, *others]
    said = _SAID.get(name.lower().replace("-", "_"))
    if said is None:
        near = nearest(name, names)
        close = [] if near else get_close_matches(name.lower(), _SAID, n=1, cutoff=0.7)
        said = _SAID[close[0]] if close else None
    return f'; did you mean "{said}"?' if said else near


def check_result(name: str, option: str) -> str:
    """A result's name, checked.

    Raises
    ------
    InputError
        If it is none.
    """
    if name not in RESULTS:
        raise InputError(f'{option} "{name}": is not a result{nearest_result(name)}')
    return name


def check_column(name: str, others: Iterable[str]) -> str:
    """The name of a column of a sweep, checked: a result, a scenario key or one of its own.

    Raises
    ------
    InputError
        If it is none.
    """
    if name not in {*RESULTS, *others} and spec(name) is None:
        raise InputError(
            f'--select "{name}": is neither a result nor a scenario key{nearest_result(name, KEYS)}'
        )
    return name
