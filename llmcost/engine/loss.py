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
    "loss_params_term",
    formula="loss_params_constant / active_params ** loss_params_exponent",
    reference=_HOFFMANN,
)
def loss_params_term(
    loss_params_constant: Array, loss_params_exponent: Array, active_params: Array
) -> Array:
    """Loss that a model of more parameters would not have [nats/token].

    Parameters
    ----------
    loss_params_constant, loss_params_exponent : array_like
        A [nats/token] and alpha [1].
    active_params : array_like
        Parameters used per token, N [1].
    """
    return loss_params_constant / active_params**loss_params_exponent


@rule(
    "loss_tokens_term",
    formula="loss_tokens_constant / effective_tokens ** loss_tokens_exponent",
    reference=_HOFFMANN,
)
def loss_tokens_term(
    loss_tokens_constant: Array, loss_tokens_exponent: Array, effective_tokens: Array
) -> Array:
    """Loss that more tokens would take off [nats/token].

    Parameters
    ----------
    loss_tokens_constant, loss_tokens_exponent : array_like
        B [nats/token] and beta [1].
    effective_tokens : array_like
        Tokens, repeats at their worth, D [tokens].
    """
    return loss_tokens_constant / effective_tokens**loss_tokens_exponent


@rule(
    "loss_shift",
    formula="loss_deviation * sqrt(g' C g + (loss_scatter * loss)²), g = (E, a, b, -a ln N, -b ln D) of the terms E, a and b"
    " of the loss, C the covariances of ln E, ln A, ln B, alpha and beta",
    reference="first-order propagation of the errors of Besiroglu et al. 2024, arXiv:2404.10102",
)
def loss_shift(
    loss_deviation: Array,
    loss_floor: Array,
    loss_params_term: Array,
    loss_tokens_term: Array,
    active_params: Array,
    effective_tokens: Array,
    loss_cov_e_e: Array,
    loss_cov_e_a: Array,
    loss_cov_e_b: Array,
    loss_cov_e_alpha: Array,
    loss_cov_e_beta: Array,
    loss_cov_a_a: Array,
    loss_cov_a_b: Array,
    loss_cov_a_alpha: Array,
    loss_cov_a_beta: Array,
    loss_cov_b_b: Array,
    loss_cov_b_alpha: Array,
    loss_cov_b_beta: Array,
    loss_cov_alpha_alpha: Array,
    loss_cov_alpha_beta: Array,
    loss_cov_beta_beta: Array,
    loss_scatter: Array,
) -> Array:
    """By how much a run's loss lies above the law, some standard errors of the law and of runs about it.

    The five estimates of a law move together, so that within the range that it was fitted to their
    errors nearly cancel, and beyond it they do not.

    Parameters
    ----------
    loss_deviation : array_like
        Standard errors above the law [1].
    loss_floor, loss_params_term, loss_tokens_term : array_like
        Terms of the loss [nats/token].
    active_params, effective_tokens : array_like
        N [1] and D [tokens].
    loss_cov_e_e ... loss_cov_beta_beta : array_like
        Covariances of ln E (e), ln A (a), ln B (b), alpha and beta [1].
    loss_scatter : array_like
        Standard deviation of ln loss of runs about the law [1].

    Returns
    -------
    ndarray
        Shift [nats/token].

    References
    ----------
    .. [1] Besiroglu et al. (2024), arXiv:2404.10102, table 1; the authors' bootstrap.
    """
    e, a, b = loss_floor, loss_params_term, loss_tokens_term
    of_alpha, of_beta = -a * np.log(active_params), -b * np.log(effective_tokens)
    squares = (
        e**2 * loss_cov_e_e + a**2 * loss_cov_a_a + b**2 * loss_cov_b_b
        + of_alpha**2 * loss_cov_alpha_alpha + of_beta**2 * loss_cov_beta_beta
    )  # fmt: skip
    products = (
        e * (a * loss_cov_e_a + b * loss_cov_e_b + of_alpha * loss_cov_e_alpha + of_beta * loss_cov_e_beta)
        + a * (b * loss_cov_a_b + of_alpha * loss_cov_a_alpha + of_beta * loss_cov_a_beta)
        + b * (of_alpha * loss_cov_b_alpha + of_beta * loss_cov_b_beta)
        + of_alpha * of_beta * loss_cov_alpha_beta
    )  # fmt: skip
    law = squares + 2 * products
    return np.asarray(loss_deviation * np.sqrt(law + (loss_scatter * (e + a + b)) ** 2))


@rule(
    "loss",
    formula="loss_floor + loss_params_term + loss_tokens_term + loss_shift",
    reference=_HOFFMANN,
)
def loss(
    loss_floor: Array,
    loss_params_term: Array,
    loss_tokens_term: Array,
    loss_shift: float | Array = 0.0,
) -> Array:
    """Loss at the end of training, on text like that of the law.

    Parameters
    ----------
    loss_floor : array_like
        E, what no model of the text goes below [nats/token].
    loss_params_term, loss_tokens_term : array_like
        What a larger model and more tokens would take off [nats/token].
    loss_shift : array_like, default 0
        How far a run lies above the law; drawn where its errors are sampled [nats/token].

    Returns
    -------
    ndarray
        Loss [nats/token].

    References
    ----------
    .. [1] Hoffmann et al. (2022), arXiv:2203.15556.
    .. [2] Besiroglu et al. (2024), arXiv:2404.10102.
    """
    return np.asarray(loss_floor + loss_params_term + loss_tokens_term + loss_shift)
