"""The loss that a scaling law expects of a model, and what repeated data are worth."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule

_MUENNIGHOFF = "Muennighoff et al. 2023, arXiv:2305.16264, equation 5"
_HOFFMANN = "Hoffmann et al. 2022, arXiv:2203.15556, equation 2; constants of model.scaling_law"


@rule(
    "effective_tokens",
    formula="U + U * repeat_decay * (1 - exp(-R / repeat_decay)), with U = tokens / max(epochs, 1) and R = max(epochs - 1, 0)",
    reference=_MUENNIGHOFF,
)
def effective_tokens(tokens: Array, epochs: Array, repeat_decay: Array) -> Array:
    """Tokens seen once that teach as much as the run's, of which some are seen again.

    Parameters
    ----------
    tokens : array_like
        Tokens seen in training, epochs included [tokens].
    epochs : array_like
        Passes over the data [1].
    repeat_decay : array_like
        Repeats after which another is worth 1/e of the first pass [1].

    Returns
    -------
    ndarray
        Tokens [tokens]; all of them where none is repeated.

    References
    ----------
    .. [1] Muennighoff et al. (2023), arXiv:2305.16264, equation 5.
    """
    unique = tokens / np.maximum(epochs, 1.0)
    repeats = np.maximum(epochs - 1.0, 0.0)
    return unique - unique * repeat_decay * np.expm1(-repeats / repeat_decay)


@rule(
    "loss",
    formula="loss_floor + loss_params_constant / active_params ** loss_params_exponent"
    " + loss_tokens_constant / effective_tokens ** loss_tokens_exponent",
    reference=_HOFFMANN,
)
def loss(
    loss_floor: Array,
    loss_params_constant: Array,
    loss_params_exponent: Array,
    loss_tokens_constant: Array,
    loss_tokens_exponent: Array,
    active_params: Array,
    effective_tokens: Array,
) -> Array:
    """Loss at the end of training, on text like that of the law.

    Parameters
    ----------
    loss_floor : array_like
        E, what no model of the text goes below [nats/token].
    loss_params_constant, loss_params_exponent : array_like
        A [nats/token] and alpha [1].
    loss_tokens_constant, loss_tokens_exponent : array_like
        B [nats/token] and beta [1].
    active_params : array_like
        Parameters used per token, N [1].
    effective_tokens : array_like
        Tokens, repeats at their worth, D [tokens].

    Returns
    -------
    ndarray
        Loss [nats/token].

    References
    ----------
    .. [1] Hoffmann et al. (2022), arXiv:2203.15556.
    .. [2] Besiroglu et al. (2024), arXiv:2404.10102.
    """
    of_params = loss_params_constant / active_params**loss_params_exponent
    of_tokens = loss_tokens_constant / effective_tokens**loss_tokens_exponent
    return loss_floor + of_params + of_tokens
