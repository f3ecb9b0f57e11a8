"""The identity flops = devices · days · 86400 · peak · MFU · goodput, solved for what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from llmcost.engine.chain import DEFAULT_MFU, LAST, Array, rule
from llmcost.engine.flops import tokens_from_ratio

_IDENTITY = (
    "llmcost identity (docs/method/time.md): flops = devices · days · 86400 · peak · MFU · goodput"
)

#: Two ways to the same quantity may differ by this much before they contradict each other.
TOLERANCE = 0.01


@rule("device_hours", formula="devices * days * 24", reference=_IDENTITY)
def device_hours(devices: Array, days: Array) -> Array:
    """Device-hours of a cluster over a time [h]."""
    return devices * days * 24


@rule(
    "device_hours",
    formula="flops / (peak_flops * mfu * goodput * 3600)",
    reference=_IDENTITY,
)
def device_hours_from_flops(flops: Array, peak_flops: Array, mfu: Array, goodput: Array) -> Array:
    """Device-hours that a compute takes.

    Parameters
    ----------
    flops : array_like
        Training compute [FLOP].
    peak_flops : array_like
        Dense peak of one device at the precision of training [FLOP/s].
    mfu, goodput : array_like
        Model FLOPs utilisation, and share of wall-clock that trains [1].

    Returns
    -------
    ndarray
        Device-hours [h].
    """
    return flops / (peak_flops * mfu * goodput * 3600)


@rule(
    "devices",
    formula="ceil(device_hours / (24 * time_limit_days) / devices_per_node) * devices_per_node",
    reference=_IDENTITY,
)
def devices(device_hours: Array, time_limit_days: Array, devices_per_node: Array) -> Array:
    """Devices that finish within a time limit, rounded up to whole nodes.

    Parameters
    ----------
    device_hours : array_like
        Work to do [h].
    time_limit_days : array_like
        Time allowed [days].
    devices_per_node : array_like
        Devices that come together [1].

    Returns
    -------
    ndarray
        Devices [1].
    """
    nodes = device_hours / (24 * time_limit_days) / devices_per_node
    # A whole number of nodes must not become one more by a rounding error of the division.
    return np.ceil(nodes * (1 - 1e-12)) * devices_per_node


@rule("days", formula="device_hours / (24 * devices)", reference=_IDENTITY)
def days(device_hours: Array, devices: Array) -> Array:
    """Wall-clock time of the run [days]."""
    return device_hours / (24 * devices)


@rule(
    "mfu",
    formula="flops / (device_hours * 3600 * peak_flops * goodput)",
    reference=_IDENTITY,
)
def mfu(flops: Array, device_hours: Array, peak_flops: Array, goodput: Array) -> Array:
    """Model FLOPs utilisation that the rest implies [1]."""
    return flops / (device_hours * 3600 * peak_flops * goodput)


@rule(
    "flops",
    formula="device_hours * 3600 * peak_flops * mfu * goodput",
    reference=_IDENTITY,
)
def flops(device_hours: Array, peak_flops: Array, mfu: Array, goodput: Array) -> Array:
    """Compute that a cluster delivers [FLOP]."""
    return device_hours * 3600 * peak_flops * mfu * goodput


@rule(
    "default_mfu",
    formula="typical_mfu * experts_factor * max(narrow_peak_ratio, 1) ** (narrow_gain - 1)",
    reference="published runs and pairs of step times (docs/method/time.md)",
)
def default_mfu(
    typical_mfu: Array,
    experts_factor: Array,
    narrow_peak_ratio: Array,
    narrow_gain: Array,
) -> Array:
    """MFU of a run of which nothing is known but its kind and its number format.

    A format of 8 or 4 bits has a multiple of the 16-bit peak, of which a run sees only a power:
    attention, element-wise kernels and communication stay as they are.

    Parameters
    ----------
    typical_mfu : array_like
        Median of published runs of dense models in 16 bits [1].
    experts_factor : array_like
        The same of mixtures of experts over that; 1 for a dense model [1].
    narrow_peak_ratio : array_like
        Peak of a format of fewer than 16 bits over that of 16; 1 for others [1].
    narrow_gain : array_like
        Exponent of the gain in speed over that in peak [1].

    Returns
    -------
    ndarray
        MFU, of the peak of the format [1].
    """
    slower = np.power(np.maximum(narrow_peak_ratio, 1.0), narrow_gain - 1.0)
    return typical_mfu * experts_factor * slower


@rule(
    "mfu",
    formula="default_mfu",
    reference="published runs (docs/method/time.md)",
    stage=DEFAULT_MFU,
)
def mfu_by_default(default_mfu: Array, flops: Array, peak_flops: Array) -> Array:
    """MFU when it is neither given, derivable nor predictable [1]."""
    return default_mfu


@rule("days", formula="time_limit_days", reference="given", stage=LAST)
def days_given(time_limit_days: Array) -> Array:
    """Time when nothing says how much work there is [days]."""
    return time_limit_days


#: What a contradiction is found with, by the given quantities that can contradict one another.
_COMPARED = (
    ({"devices", "days", "device_hours"}, {"devices", "days", "device_hours"}),
    ({"flops", "mfu"}, {"flops", "mfu", "device_hours", "peak_flops", "goodput"}),
    ({"deadline_days", "devices"}, {"days"}),
    (
        {"tokens_per_epoch", "tokens_per_param"},
        {"tokens", "tokens_per_param", "params", "active_params", "tokens_basis_active"},
    ),
    ({"params", "active_params", "sparsity"}, {"params", "active_params", "sparsity"}),
)


def compared(given: frozenset[str]) -> set[str]:
    """Quantities that have to be known to find contradictions of the given ones."""
    return {name for together, needed in _COMPARED if given >= together for name in needed}


class Comparison(NamedTuple):
    """Two ways to one quantity: the keys that give them, the quantity, its two values."""

    names: tuple[str, ...]
    quantity: str
    left: Array
    right: Array

    @property
    def gap(self) -> Array:
        """Relative difference of the two in each cell, 0 where one is not known [1]."""
        left, right = np.broadcast_arrays(self.left, self.right)
        with np.errstate(all="ignore"):
            gap = np.abs(left - right) / np.maximum(np.abs(left), np.abs(right))
        return np.where(np.isfinite(gap), gap, 0.0)

    @property
    def worst(self) -> tuple[float, float]:
        """The two values in the cell in which they are furthest apart."""
        left, right = np.broadcast_arrays(self.left, self.right)
        cell = int(np.argmax(self.gap))
        return float(left.flat[cell]), float(right.flat[cell])


def comparisons(given: frozenset[str], values: Mapping[str, Array]) -> list[Comparison]:
    """Compare the given quantities that can contradict one another.

    Parameters
    ----------
    given : frozenset of str
        Quantities that the user gave, and ``flops`` where the given model and tokens fix it.
    values : mapping of str to ndarray
        All quantities.
    """
    found: list[Comparison] = []

    def compare(names: tuple[str, ...], what: str, left: Array, right: Array) -> None:
        found.append(Comparison(names, what, left, right))

    if given >= {"devices", "days", "device_hours"}:
        cluster = device_hours(values["devices"], values["days"])
        compare(
            ("device_hours", "devices", "days"), "device_hours", values["device_hours"], cluster
        )
    time = ("device_hours",) if "device_hours" in given else ("devices", "days")
    known = set(values)
    if given >= {"flops", "mfu", *time} and {"peak_flops", "goodput", "device_hours"} <= known:
        hours = values["device_hours"]
        delivered = flops(hours, values["peak_flops"], values["mfu"], values["goodput"])
        compare(("flops", *time, "mfu"), "flops", values["flops"], delivered)
    limit = values.get("deadline_days")
    if limit is not None and "devices" in given and "days" in values:
        # A run that ends before its deadline contradicts nothing.
        taken = np.maximum(values["days"], limit)
        compare(("deadline_days", "devices", "flops", "mfu", "device_hours"), "days", limit, taken)
    if given >= {"tokens_per_epoch", "tokens_per_param"} and "params" in values:
        ratio = tokens_from_ratio(
            values["tokens_per_param"],
            values["params"],
            values["active_params"],
            values["tokens_basis_active"],
        )
        compare(
            ("tokens_per_epoch", "tokens_per_param", "params"), "tokens", values["tokens"], ratio
        )
    if given >= {"params", "active_params", "sparsity"}:
        active = values["params"] / values["sparsity"]
        compare(
            ("active_params", "params", "sparsity"),
            "active_params",
            values["active_params"],
            active,
        )
    return found
