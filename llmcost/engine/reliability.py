"""Goodput: what failures, checkpoints and restarts leave of the wall-clock time."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule

_DALY = "Young 1974; Daly 2006, Future Generation Computer Systems 22"


@rule(
    "optimal_interval_seconds",
    formula="sqrt(2 * checkpoint * mtbf) * (1 + sqrt(checkpoint / (2 mtbf)) / 3"
    " + checkpoint / (2 mtbf) / 9) - checkpoint, with mtbf = device_mtbf_hours * 3600 / devices",
    reference=_DALY,
)
def optimal_interval_seconds(
    devices: Array, device_mtbf_hours: Array, checkpoint_seconds: Array
) -> Array:
    """Time between checkpoints that loses least.

    Parameters
    ----------
    devices : array_like
        Devices of the run [1].
    device_mtbf_hours : array_like
        Mean time between failures of one device [h].
    checkpoint_seconds : array_like
        Time that a checkpoint stops training [s].

    Returns
    -------
    ndarray
        Interval [s].

    References
    ----------
    .. [1] Young (1974), Communications of the ACM 17(9).
    .. [2] Daly (2006), Future Generation Computer Systems 22(3), equation 37.
    """
    mtbf = device_mtbf_hours * 3600 / devices
    # A checkpoint that costs nothing would be taken all the time: a millisecond stands for none.
    cost = np.maximum(checkpoint_seconds, 1e-3)
    ratio = cost / (2 * mtbf)
    interval = np.sqrt(2 * cost * mtbf) * (1 + np.sqrt(ratio) / 3 + ratio / 9) - cost
    return np.where(cost < 2 * mtbf, interval, mtbf)


@rule(
    "goodput",
    formula="interval / (mtbf * exp(restart / mtbf) * (exp((interval + checkpoint) / mtbf) - 1)),"
    " with mtbf = device_mtbf_hours * 3600 / devices",
    reference=_DALY,
)
def goodput(
    devices: Array,
    device_mtbf_hours: Array,
    checkpoint_seconds: Array,
    restart_seconds: Array,
    checkpoint_interval_seconds: Array,
) -> Array:
    """Share of wall-clock time that trains, with failures at random.

    Parameters
    ----------
    devices : array_like
        Devices of the run; any failure stops it [1].
    device_mtbf_hours : array_like
        Mean time between failures of one device [h].
    checkpoint_seconds, restart_seconds, checkpoint_interval_seconds : array_like
        Time to write a checkpoint, to train again after a failure, between checkpoints [s].

    Returns
    -------
    ndarray
        Goodput [1].

    References
    ----------
    .. [1] Daly (2006), Future Generation Computer Systems 22(3), equation 20.
    """
    mtbf = device_mtbf_hours * 3600 / devices
    lost = np.exp(restart_seconds / mtbf) * np.expm1(
        (checkpoint_interval_seconds + checkpoint_seconds) / mtbf
    )
    return np.asarray(checkpoint_interval_seconds / (mtbf * lost))


@rule(
    "checkpoint_interval_seconds",
    formula="optimal_interval_seconds",
    reference=_DALY,
)
def checkpoint_interval_seconds(optimal_interval_seconds: Array) -> Array:
    """Checkpoints at the optimal interval [s]."""
    return optimal_interval_seconds


@rule(
    "goodput",
    formula="Daly's goodput at the number of whole nodes that meets the time limit with it",
    reference=_DALY,
)
def goodput_within_limit(
    flops: Array,
    peak_flops: Array,
    mfu: Array,
    time_limit_days: Array,
    devices_per_node: Array,
    device_mtbf_hours: Array,
    checkpoint_seconds: Array,
    restart_seconds: Array,
) -> Array:
    """Goodput where the devices are solved for: more devices fail more often.

    Parameters
    ----------
    flops, peak_flops, mfu : array_like
        Work [FLOP], peak of a device [FLOP/s], utilisation [1].
    time_limit_days : array_like
        Time allowed [days].
    devices_per_node : array_like
        Devices that come together [1].
    device_mtbf_hours : array_like
        Mean time between failures of one device [h].
    checkpoint_seconds, restart_seconds : array_like
        Time to write a checkpoint, and to train again after a failure [s].

    Returns
    -------
    ndarray
        Goodput at which the cluster is large enough [1]; NaN where no cluster is.
    """
    least = flops / (peak_flops * mfu * time_limit_days * 86400)
    share = np.ones(np.shape(least * device_mtbf_hours))
    for _ in range(60):
        devices = np.ceil(least / share / devices_per_node * (1 - 1e-12)) * devices_per_node
        interval = optimal_interval_seconds(devices, device_mtbf_hours, checkpoint_seconds)
        share = goodput(devices, device_mtbf_hours, checkpoint_seconds, restart_seconds, interval)
    enough = devices * share >= least * (1 - 1e-9)
    return np.where(enough, share, np.nan)
