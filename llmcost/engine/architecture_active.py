"""Parameters of a model where none are given, and those of them that a token uses."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule

#: Counts this close are the same count, rounded.
_SAME_COUNT = 0.005


@rule("params", formula="architecture_params", reference="count of the architecture")
def params(architecture_params: Array) -> Array:
    """Parameters when none are given: the count of the architecture [1]."""
    return architecture_params


@rule(
    "params",
    formula="active_params * sparsity",
    reference="Faraboschi et al. 2024, arXiv:2404.08811",
)
def params_from_sparsity(active_params: Array, sparsity: Array) -> Array:
    """Total parameters from the active ones and the sparsity K [1]."""
    return active_params * sparsity


@rule(
    "active_params",
    formula="params / sparsity",
    reference="Faraboschi et al. 2024, arXiv:2404.08811",
)
def active_params_from_sparsity(params: Array, sparsity: Array) -> Array:
    """Active parameters from the total and the sparsity K [1]."""
    return params / sparsity


@rule(
    "active_params",
    formula="preset_active_params, or params - inactive_params where none are published",
    reference="published count of the model",
)
def active_params_of_presets(
    preset_active_params: Array, params: Array, inactive_params: Array
) -> Array:
    """Active parameters along an axis of named models: published ones, counted where there are none [1]."""
    counted = active_params(params, inactive_params)
    return np.where(preset_active_params > 0, preset_active_params, counted)


@rule(
    "active_params",
    formula="params - inactive_params",
    reference="Jiang et al. 2024, arXiv:2401.04088",
)
def active_params(params: Array, inactive_params: Array) -> Array:
    """Parameters used per token: all but the experts that it does not visit.

    Parameters
    ----------
    params, inactive_params : array_like
        All parameters, and those of experts that a token does not visit [1].

    Returns
    -------
    ndarray
        Active parameters [1], the input embedding and encoders included in every family.

    References
    ----------
    .. [1] Jiang et al. (2024), arXiv:2401.04088.
    """
    return np.asarray(params - np.nan_to_num(inactive_params))


@rule("active_params", formula="params", reference="a dense model uses all its parameters")
def active_params_dense(params: Array) -> Array:
    """Active parameters of a dense model: all of them [1]."""
    return params


@rule(
    "published_active_params",
    formula="publisher_active_params where they differ from active_params",
    reference="published count of the model",
)
def published_active_params(publisher_active_params: Array, active_params: Array) -> Array:
    """The publisher's own count of active parameters, where it is another [1].

    Some leave out the input embedding, or encoders; all round.
    """
    differs = np.abs(publisher_active_params / active_params - 1) > _SAME_COUNT
    return np.where(differs, publisher_active_params, np.nan)
