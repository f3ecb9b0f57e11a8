"""Layouts that cannot exist.

One set of tests on arrays: an estimate refuses such a layout, a search leaves it out, and a sweep
has no answer in its cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from llmcost.engine.chain import Array


class Fault(NamedTuple):
    """One way in which a layout cannot exist."""

    reason: str
    holds: Callable[..., Any]
    needs: tuple[str, ...]
    keys: tuple[str, ...]


FAULTS: list[Fault] = []


def _fault(reason: str, *keys: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a test; its parameter names say what it needs, `keys` which of them may be changed."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        needs = function.__code__.co_varnames[: function.__code__.co_argcount]
        FAULTS.append(Fault(reason, function, needs, keys))
        return function

    return enter


@_fault("devices are not tp * pp * cp * dp", "devices", "dp", "tp", "pp", "cp")
def devices_differ(devices: Array, dp: Array, tp: Array, pp: Array, cp: Array) -> Any:
    """Replicas that are no whole number, or devices that the layout does not use."""
    return (devices != tp * pp * cp * dp) | (dp % 1 != 0)


@_fault("tp does not divide the heads", "tp")
def heads_split(heads: Array, tp: Array) -> Any:
    """Heads that tensor parallelism would cut."""
    return heads % tp != 0


@_fault("cp * tp does not divide the heads, which an all-to-all shares", "cp", "context_exchange")
def heads_shared(heads: Array, tp: Array, cp: Array, context_exchange: Array) -> Any:
    """Heads that devices of context parallelism would cut where each takes some for all tokens."""
    return (context_exchange > 0) & (heads % (tp * cp) != 0)


@_fault("dp_shard does not divide dp", "dp_shard", "dp")
def shards_split(dp_shard: Array, dp: Array) -> Any:
    """Replicas that are no whole number of groups that share states."""
    return (dp_shard > dp) | (dp % dp_shard != 0)


@_fault("of kv_heads and tp neither divides the other", "tp")
def key_value_heads_split(kv_heads: Array, tp: Array) -> Any:
    """Key-value heads that tensor parallelism would cut; fewer than tp are copied."""
    return (kv_heads % tp != 0) & (tp % np.maximum(kv_heads, 1) != 0)


@_fault("tp does not divide the feed-forward width", "tp")
def feed_forward_split(ffn_hidden_size: Array, tp: Array) -> Any:
    """A feed-forward block that tensor parallelism would cut unevenly."""
    # A width that is a mean over unequal layers is no whole number, and says nothing.
    return (ffn_hidden_size % tp != 0) & (ffn_hidden_size % 1 == 0)


@_fault("more virtual stages than layers", "pp", "vpp")
def stages_empty(layers: Array, pp: Array, vpp: Array) -> Any:
    """Stages without a layer; uneven ones can exist, and embedding and head may stand for one each."""
    return pp * vpp > layers + 2


@_fault("ep does not divide the experts", "ep")
def experts_split(experts: Array, ep: Array) -> Any:
    """Experts that expert parallelism would cut, or devices without one; without experts, ep 1."""
    return (ep > 1) & ((ep > experts) | (experts % ep != 0))


@_fault("ep does not divide dp * cp * tp", "ep", "dp")
def experts_outnumber(ep: Array, dp: Array, cp: Array, tp: Array) -> Any:
    """A group of experts that takes in no whole number of times the devices of a stage."""
    return (dp * cp * tp) % ep != 0


@_fault("without experts expert_tp is 1", "expert_tp")
def no_expert_split(expert_tp: Array, experts: Array) -> Any:
    """Devices to share experts that the model does not have."""
    return (expert_tp > 1) & (experts < 1)


@_fault("expert_tp does not divide the width of an expert", "expert_tp")
def expert_width_split(expert_tp: Array, experts: Array, expert_ffn_hidden_size: Array) -> Any:
    """Experts whose inner width their devices would cut unevenly."""
    uneven = (expert_ffn_hidden_size % expert_tp != 0) & (expert_ffn_hidden_size % 1 == 0)
    return (experts > 0) & uneven


@_fault("ep * expert_tp does not divide dp * cp * tp", "expert_tp", "ep", "dp")
def expert_devices_outnumber(
    ep: Array, expert_tp: Array, experts: Array, dp: Array, cp: Array, tp: Array
) -> Any:
    """A group of experts, each shared, that takes in no whole number of times a stage's devices."""
    return (experts > 0) & ((dp * cp * tp) % (ep * expert_tp) != 0)


@_fault("dp * micro_batch does not divide the batch", "global_batch_seqs", "micro_batch", "dp")
def batch_split(global_batch_seqs: Array, dp: Array, micro_batch: Array) -> Any:
    """Replicas without whole micro-batches."""
    return global_batch_seqs % (dp * micro_batch) != 0


def faults(
    values: Mapping[str, Any], tests: Iterable[Fault] = FAULTS
) -> Iterator[tuple[Fault, Any]]:
    """Each way in which a layout can be at fault, and where it is.

    Parameters
    ----------
    values : mapping of str to array_like
        Architecture and layout by engine names; a test of what is not known is left out.
    tests : iterable of Fault
        The ways to look for, all by default.

    Yields
    ------
    fault, mask : Fault, ndarray of bool
    """
    if "dp" not in values and {"devices", "tp", "pp", "cp"} <= values.keys():
        model = np.asarray(values["tp"]) * values["pp"] * values["cp"]
        values = {**values, "dp": np.asarray(values["devices"]) / model}
    for item in tests:
        if all(name in values for name in item.needs):
            with np.errstate(invalid="ignore", divide="ignore"):
                given = [np.asarray(values[name]) for name in item.needs]
                found = np.asarray(item.holds(*given))
                # What is not known in a cell is no fault of its layout.
                for part in given:
                    found = found & ~np.isnan(part)
                yield item, found


def at_fault(values: Mapping[str, Any]) -> Any:
    """Where a layout cannot exist for any reason [bool]."""
    found = np.zeros((), dtype=bool)
    for _, mask in faults(values):
        found = found | mask
    return found


#: Numbers tried in place of one that is at fault go up to so many times it.
_REACH = 4
_MOST_TRIED = 65_536


def remedies(values: Mapping[str, Any], name: str, count: int = 4) -> list[int]:
    """Whole numbers that would do in place of one quantity of a layout, the nearest first.

    Parameters
    ----------
    values : mapping of str to float
        A layout at fault.
    name : str
        The quantity to change.
    count : int
        How many to name at most.
    """
    now = float(values[name])
    tried = np.arange(1, min(max(_REACH * now, 64), _MOST_TRIED) + 1)
    good = tried[np.broadcast_to(~at_fault({**values, name: tried}), tried.shape)]
    order = np.argsort(np.abs(np.log(good / now)), kind="stable")
    return sorted(int(n) for n in good[order][:count])
