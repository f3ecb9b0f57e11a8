"""Kernels that read and write, and do little between."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array


def elementwise_s(
    moved_bytes: Array, memory_bytes_s: Array, memory_share: Array, launch_s: Array
) -> Array:
    """Time of one element-wise kernel: norm, activation, rotation, residual, update.

    Parameters
    ----------
    moved_bytes : array_like
        Bytes that it reads and writes [B].
    memory_bytes_s, memory_share : array_like
        Memory bandwidth [B/s] and the share of it that such a kernel reaches [1].
    launch_s : array_like
        Time to start a kernel [s].

    Returns
    -------
    ndarray
        Time [s], broadcast over the inputs.

    References
    ----------
    .. [1] Williams et al. (2009), Communications of the ACM 52(4) (roofline).
    """
    rate = memory_bytes_s * memory_share
    return np.asarray(launch_s + moved_bytes / rate)
