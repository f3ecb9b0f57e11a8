"""Passes of a stage that train nothing: rollouts, a reference, a reward, a teacher.

What they take follows from what training and sampling take, in arrays: of one number each at the
medians, of samples where inputs are uncertain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from llmcost.analysis.estimate import Estimate
from llmcost.engine.chain import Array
from llmcost.engine.results import MEMORY_RESULTS

#: What is asked of the estimate of training.
_TRAINED = (
    "tokens", "active_params", "flops", "device_hours", "devices", *MEMORY_RESULTS,
)  # fmt: skip
#: What the whole stage has as its training has it.
_AS_TRAINED = ("tokens", *MEMORY_RESULTS)
#: What is asked of the estimate of sampling.
SAMPLED = ("inference_flops", "inference_tokens_per_s_per_device")
_SECONDS_PER_HOUR = 3600.0

#: Gives results of an estimate, those that it has.
Results = Callable[[Estimate, Sequence[str]], Mapping[str, Array]]


class Passes(NamedTuple):
    """A stage of several passes: the estimates of its parts, and what is done beside training.

    Attributes
    ----------
    trained : Estimate
        Training alone.
    readers : tuple of float
        Parameters of each model that reads the tokens; NaN for as many as are trained.
    sampler : Estimate, optional
        Answers, as a day of service.
    response_tokens : float
        Tokens of all answers [tokens].
    rollout_devices : float
        Devices that sample answers; 0 where those do that train.
    overlapped : bool
        Whether those devices and those that train work at the same time.
    """

    trained: Estimate
    readers: tuple[float, ...] = ()
    sampler: Estimate | None = None
    response_tokens: float = 0.0
    rollout_devices: float = 0.0
    overlapped: bool = False

    @property
    def parts(self) -> tuple[Estimate, ...]:
        """The estimates that the stage follows from."""
        return (self.trained,) if self.sampler is None else (self.trained, self.sampler)

    def quantities(self, of: Results) -> dict[str, Array]:
        """What the stage takes in all.

        Parameters
        ----------
        of : callable
            Results of one of the parts.

        Returns
        -------
        dict of str to ndarray
            ``flops`` [FLOP] and ``device_hours`` [h], NaN where not known, ``devices`` where known,
            and what the stage has as its training has it.
        """
        found = of(self.trained, _TRAINED)
        tokens, active, trained, hours, devices = (
            np.asarray(found.get(key, math.nan), dtype=float) for key in _TRAINED[:5]
        )
        flops, all_hours = trained, hours
        for params in self.readers:
            read = 2 * np.where(math.isnan(params), active, params) * tokens
            flops, all_hours = flops + read, all_hours + read * (hours / trained)
        if self.sampler is not None:
            answers = of(self.sampler, SAMPLED)
            spent, rate = (np.asarray(answers.get(key, math.nan), dtype=float) for key in SAMPLED)
            flops = flops + spent
            rollout = self.response_tokens / rate / _SECONDS_PER_HOUR
            all_hours, devices = self._one_after_the_other(all_hours, rollout, devices)
        kept = {key: np.asarray(found[key]) for key in _AS_TRAINED if key in found}
        if not np.isnan(devices).all():
            kept["devices"] = devices
        return {**kept, "flops": flops, "device_hours": all_hours}

    def _one_after_the_other(
        self, hours: Array, rollout: Array, devices: Array
    ) -> tuple[Array, Array]:
        """Device-hours of training and of rollouts, and the devices of both."""
        if not self.rollout_devices:
            return hours + rollout, devices
        times = hours / devices, rollout / self.rollout_devices
        both = devices + self.rollout_devices
        return (np.maximum(*times) if self.overlapped else times[0] + times[1]) * both, both


def at_medians(found: Estimate, names: Sequence[str]) -> Mapping[str, Array]:
    """Results of an estimate, as :meth:`Passes.quantities` asks for them."""
    return {name: found.values[name] for name in names if name in found.values}
