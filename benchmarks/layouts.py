"""Layout search: the whole space of a 530B model on 2,520 A100s."""

from __future__ import annotations

import time

from llmcost.analysis.layout import describe, search
from llmcost.catalog import load_catalog
from llmcost.scenario import parse_scenario, resolve

_SCENARIO = {
    "name": "mt-nlg on 2,520 A100",
    "model": {"preset": "mt-nlg-530b"},
    "cluster": {"accelerator": "a100-sxm-80gb", "devices": 2520},
    "parallelism": {"global_batch_seqs": 2520},
}


def main() -> None:
    """Print how many layouts there are, and how fast they are searched."""
    inputs = resolve(parse_scenario(_SCENARIO), load_catalog())
    inputs.known.pop("recompute_level", None)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        found = search(inputs, 2520)
        seconds.append(time.perf_counter() - start)
    took = sorted(seconds)[2]
    print(
        f"{found.searched:,} layouts of a 530B model on 2,520 A100s searched in {took:.3f} s (limit 1 s): "
        f"{found.searched / took:,.0f} a second (wanted 100,000); {found.feasible:,} can run, best {describe(found.best)}"
    )
