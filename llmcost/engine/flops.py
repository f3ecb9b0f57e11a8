"""Tokens and training compute."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import DEFAULT_TOKENS, LAST, Array, rule

_FARABOSCHI = "Faraboschi et al. 2024, arXiv:2404.08811"
_HOFFMANN = "Hoffmann et al. 2022, arXiv:2203.15556; Faraboschi et al. 2024 (T = 20 P)"


@rule("tokens", formula="tokens_per_epoch * epochs", reference="definition")
def tokens(tokens_per_epoch: Array, epochs: Array) -> Array:
    """Tokens seen in training [tokens]."""
    return tokens_per_epoch * epochs


def tokens_from_ratio(
    tokens_per_param: Array, params: Array, active_params: Array, tokens_basis_active: Array
) -> Array:
    """Tokens as a multiple of the parameters.

    Parameters
    ----------
    tokens_per_param : array_like
        Ratio of tokens to parameters [tokens].
    params, active_params : array_like
        Total and active parameters [1].
    tokens_basis_active : array_like
        1 where the ratio multiplies the active parameters, 0 for the total [1].

    Returns
    -------
    ndarray
        Tokens [tokens].

    References
    ----------
    .. [1] Hoffmann et al. (2022), arXiv:2203.15556.
    .. [2] Faraboschi et al. (2024), arXiv:2404.08811.
    """
    return tokens_per_param * np.where(tokens_basis_active > 0, active_params, params)


rule(
    "tokens",
    formula="tokens_per_param * params, or active_params by data.tokens_basis",
    reference=_HOFFMANN,
)(tokens_from_ratio)


@rule(
    "tokens",
    formula="default_tokens_per_param * params, or active_params by data.tokens_basis",
    reference=_HOFFMANN,
    stage=DEFAULT_TOKENS,
)
def tokens_by_default(
    default_tokens_per_param: Array,
    params: Array,
    active_params: Array,
    tokens_basis_active: Array,
) -> Array:
    """Tokens when nothing else says: 20 per parameter [tokens]."""
    return tokens_from_ratio(default_tokens_per_param, params, active_params, tokens_basis_active)


@rule(
    "flops_per_token",
    formula="flops / tokens",
    reference="definition, where both are given",
)
def flops_per_token_given(flops: Array, tokens: Array) -> Array:
    """Model FLOPs per token of a run whose compute and tokens are both given [FLOP]."""
    return flops / tokens


@rule(
    "flops_per_token",
    formula="flops_per_param_token * matmul_params + attention_flops_per_token, and 6 * adapter_params, where"
    " flops_method is architecture, else flops_per_param_token * active_params",
    reference=f"Narayanan et al. 2021; Chowdhery et al. 2022; {_FARABOSCHI}",
)
def flops_per_token_by_method(
    by_architecture: Array,
    flops_per_param_token: Array,
    active_params: Array,
    matmul_params: Array,
    attention_flops_per_token: Array,
    adapter_params: Array,
) -> Array:
    """Model FLOPs per token by the chosen method.

    Parameters
    ----------
    by_architecture : array_like
        1 to count the architecture, 0 for the rule of thumb [1].
    flops_per_param_token : array_like
        6 in full training, 4 with frozen weights [FLOP].
    active_params, matmul_params : array_like
        Parameters used per token, and those that multiply it [1].
    attention_flops_per_token : array_like
        FLOPs of the attention scores [FLOP].
    adapter_params : array_like
        Parameters of adapters, 0 without [1].

    Returns
    -------
    ndarray
        FLOPs per token [FLOP].

    References
    ----------
    .. [1] Narayanan et al. (2021), arXiv:2104.04473, appendix.
    """
    counted = flops_per_param_token * matmul_params + attention_flops_per_token
    counted = counted + 6 * adapter_params
    return np.where(by_architecture > 0, counted, flops_per_param_token * active_params)


@rule("flops_per_token", formula="flops_per_param_token * active_params", reference=_FARABOSCHI)
def flops_per_token(flops_per_param_token: Array, active_params: Array) -> Array:
    """Model FLOPs per token: C0 for each active parameter [FLOP]."""
    return flops_per_param_token * active_params


@rule("flops", formula="flops_per_token * tokens", reference=_FARABOSCHI)
def flops(flops_per_token: Array, tokens: Array) -> Array:
    """Training compute C = C0 · A · D [FLOP]."""
    return flops_per_token * tokens


@rule("tokens", formula="flops / flops_per_token", reference=_FARABOSCHI)
def tokens_from_flops(flops: Array, flops_per_token: Array) -> Array:
    """Tokens that a given compute pays for [tokens]."""
    return flops / flops_per_token


@rule("tokens_per_epoch", formula="tokens / epochs", reference="definition", stage=LAST)
def tokens_per_epoch(tokens: Array, epochs: Array) -> Array:
    """Size of the data set [tokens]."""
    return tokens / epochs


@rule(
    "recomputed_share",
    formula="one of the passes that flops_per_param_token counts, 2 FLOPs each, for full recompute (1/3), 1/3 of the"
    " attention scores for selective, 0 for none",
    reference="Korthikanti et al. 2022, arXiv:2205.05198",
)
def recomputed_share_by_architecture(
    recompute_level: Array,
    by_architecture: Array,
    attention_flops_per_token: Array,
    flops_per_token: Array,
    flops_per_param_token: Array,
) -> Array:
    """Share of the model FLOPs that recomputation adds.

    Parameters
    ----------
    recompute_level : array_like
        0 none, 1 selective (attention scores), 2 full (one more forward pass) [1].
    by_architecture : array_like
        1 where the FLOPs include the attention scores [1].
    attention_flops_per_token, flops_per_token : array_like
        FLOPs of the scores and of everything [FLOP].
    flops_per_param_token : array_like
        6 in full training, 4 with frozen weights [FLOP].

    Returns
    -------
    ndarray
        Share added [1].

    References
    ----------
    .. [1] Korthikanti et al. (2022), arXiv:2205.05198.
    """
    scores = np.where(by_architecture > 0, attention_flops_per_token / flops_per_token, 0.0)
    once = 2 / flops_per_param_token
    return np.where(recompute_level > 1, once, np.where(recompute_level > 0, scores / 3, 0.0))


@rule(
    "recomputed_share",
    formula="2 / flops_per_param_token for full recompute, else 0: this method counts no attention scores",
    reference="Korthikanti et al. 2022, arXiv:2205.05198",
)
def recomputed_share(recompute_level: Array, flops_per_param_token: Array) -> Array:
    """Share of the model FLOPs that recomputation adds, attention scores not counted [1]."""
    return np.where(recompute_level > 1, 2 / flops_per_param_token, 0.0)


@rule(
    "hardware_flops",
    formula="flops * (1 + recomputed_share)",
    reference="Korthikanti et al. 2022, arXiv:2205.05198",
)
def hardware_flops(flops: Array, recomputed_share: Array) -> Array:
    """FLOPs that the devices execute, recomputation included [FLOP]."""
    return flops * (1 + recomputed_share)
