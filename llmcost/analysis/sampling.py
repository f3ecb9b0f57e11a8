"""Samples of uncertain inputs.

Inputs are sampled by Latin hypercube, each from a stream of its own that only the seed and the
key determine, so that two scenarios that share an input share its samples. Correlated inputs
get the ranks of correlated normals (a Gaussian copula), which leaves each stratified.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from llmcost.engine.chain import Array
from llmcost.engine.distributions import normal_quantile
from llmcost.errors import InputError, nearest
from llmcost.scenario.tables import Correlation
from llmcost.scenario.values import ValueProblem, parse_number

QUANTILES = (0.05, 0.5, 0.95)
DEFAULT_SAMPLES = 10_000
MOST_SAMPLES = 10_000_000
MODES = ("none", "defaults")


class Sampling(NamedTuple):
    """How to sample."""

    samples: int
    seed: int = 0
    quantiles: tuple[float, ...] = QUANTILES
    defaults: bool = False

    @classmethod
    def of(
        cls, samples: int | None, seed: int, quantiles: str | None, mode: str
    ) -> Sampling | None:
        """Read the options; None where no uncertainty is asked for.

        Raises
        ------
        InputError
            If one is wrong.
        """
        if mode not in MODES:
            raise InputError(
                f'--uncertainty "{mode}": is not one of {", ".join(MODES)}{nearest(mode, MODES)}'
            )
        if samples is None and mode == "none":
            if quantiles is not None:
                raise InputError("--quantiles goes with --samples N")
            return None
        count = DEFAULT_SAMPLES if samples is None else samples
        if not 2 <= count <= MOST_SAMPLES:
            raise InputError(f"--samples {count}: is not a whole number from 2 to {MOST_SAMPLES:,}")
        if seed < 0:
            raise InputError(f"--seed {seed}: is negative")
        return cls(count, seed, _quantiles(quantiles), mode == "defaults")


def _quantiles(text: str | None) -> tuple[float, ...]:
    if text is None:
        return QUANTILES
    try:
        found = tuple(sorted(parse_number(part) for part in text.split(",")))
    except ValueProblem as problem:
        raise InputError(f"--quantiles: {problem}") from None
    for share in found:
        if not 0 < share < 1:
            raise InputError(f"--quantiles {share:g}: is not between 0 and 1")
    if len({label(share) for share in found}) < len(found):
        raise InputError(f"--quantiles {text}: two of them have one name; write them apart")
    return found


def label(share: float) -> str:
    """Name of a quantile: p5, p50, p97.5."""
    return f"p{100 * share:.10g}"


def column(key: str, name: str) -> str:
    """Name of the column of a quantile: ``days_p95``."""
    return f"{key}_{name}"


def uniforms(
    keys: Sequence[str], count: int, seed: int, correlations: Iterable[Correlation] = ()
) -> dict[str, Array]:
    """Latin hypercube samples, correlated where asked for.

    Returns
    -------
    dict of str to ndarray, shape (count,)
        Probabilities, one in each of `count` equal strata.

    Raises
    ------
    InputError
        If the correlations contradict one another.
    """
    found = {}
    for key in keys:
        random = np.random.default_rng([seed, zlib.crc32(key.encode())])
        found[key] = (random.permutation(count) + random.random(count)) / count
    pairs = [item for item in correlations if item.keys[0] in found and item.keys[1] in found]
    if pairs:
        names = sorted({name for item in pairs for name in item.keys})
        matrix = np.eye(len(names))
        for item in pairs:
            i, j = names.index(item.keys[0]), names.index(item.keys[1])
            matrix[i, j] = matrix[j, i] = item.rho
        try:
            factor = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            raise InputError(
                "[[correlation]]: these correlations contradict one another: no such inputs can be"
            ) from None
        normal = normal_quantile(np.stack([found[name] for name in names]))
        # The hypercube's own accidental correlation is taken out before the wanted one is put in.
        mixed = factor @ np.linalg.solve(
            np.linalg.cholesky(
                np.corrcoef(normal) if count > 2 * len(names) else np.eye(len(names))
            ),
            normal,
        )
        for name, target in zip(names, mixed, strict=True):
            ranks = np.empty(count, dtype=np.int64)
            ranks[np.argsort(target, kind="stable")] = np.arange(count)
            found[name] = np.sort(found[name])[ranks]
    return found


def quantiles_of(values: Array, shares: Sequence[float]) -> Array:
    """Quantiles along the first axis over what is known, by linear interpolation.

    Parameters
    ----------
    values : ndarray, shape (samples, ...)
        NaN where a sample has no answer.
    shares : sequence of float
        Between 0 and 1.

    Returns
    -------
    ndarray, shape (shares, ...)
        NaN where no sample has an answer.
    """
    known = len(values) - np.isnan(values).sum(axis=0)
    last = np.maximum(known - 1, 0)
    spots = np.multiply.outer(np.asarray(shares), last)
    low = np.floor(spots).astype(np.int64)
    high = np.minimum(low + 1, last)
    if np.all(known == len(values)):
        wanted = np.unique(np.concatenate([low.ravel(), high.ravel()]))
        ordered = np.partition(values, wanted, axis=0)
    else:
        ordered = np.sort(values, axis=0)  # what is not known comes last
    below, above = (np.take_along_axis(ordered, spot, axis=0) for spot in (low, high))
    with np.errstate(invalid="ignore"):  # infinite less infinite: no quantile
        return np.asarray(below + (spots - low) * (above - below))
