"""Weights, gradients and optimizer states."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI, ZERO


@rule(
    "state_bytes",
    formula="2 weights + 4 gradients + 12 optimizer a parameter of the device, or of own_params where sharded:"
    " the optimizer with zero1, gradients with zero2, weights with zero3",
    reference=f"{KORTHIKANTI}; {ZERO}",
)
def state_bytes(
    device_dense_params: Array, device_expert_params: Array, own_params: Array, sharding: Array
) -> Array:
    """Weights, gradients and optimizer states on the device that holds most.

    Parameters
    ----------
    device_dense_params, device_expert_params : array_like
        Parameters of the device [1].
    own_params : array_like
        Those that it keeps where its replicas share them [1].
    sharding : array_like
        0 none, 1 optimizer, 2 and gradients, 3 and weights [1].

    Returns
    -------
    ndarray
        Memory [B]: 16-bit weights, 32-bit gradients, 32-bit weights and two moments.

    References
    ----------
    .. [1] Rajbhandari et al. (2020), arXiv:1910.02054.
    """
    params = device_dense_params + device_expert_params
    weights = 2 * np.where(sharding > 2, own_params, params)
    gradients = 4 * np.where(sharding > 1, own_params, params)
    return np.asarray(weights + gradients + 12 * np.where(sharding > 0, own_params, params))
