"""A million samples of a full estimate: time in process and peak memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import time

from llmcost.analysis.estimate import estimate
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.uncertainty import uncertain_inputs, with_uncertainty
from llmcost.catalog import load_catalog
from llmcost.scenario import load_scenario

SAMPLES = 1_000_000


def main() -> None:
    """Print the figures."""
    catalog = load_catalog()
    base = estimate(load_scenario("gpt-4", [], catalog), catalog)
    sampling = Sampling(SAMPLES, defaults=True)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        result = with_uncertainty(base, sampling, catalog)
        seconds.append(time.perf_counter() - start)
    count = len(uncertain_inputs(base, True))
    print(
        f"{SAMPLES:,} samples of {count} inputs, {len(result.intervals)} results with quantiles: "
        f"{sorted(seconds)[1]:.2f} s in process (limit 1 s)"
    )
    command = [sys.executable, "-m", "llmcost", "estimate", "gpt-4", "--uncertainty", "defaults"]
    subprocess.run(
        [*command, "--samples", str(SAMPLES), "--json", "--quiet"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"the same as a command: peak memory {peak:.0f} MiB (limit 600)")
