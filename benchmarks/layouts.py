"""Layout search: whole spaces of a dense model, and of one with experts and their own tensor parallelism."""

from __future__ import annotations

import time

from llmcost.analysis.layout import describe, search
from llmcost.catalog import load_catalog
from llmcost.scenario import parse_scenario, resolve

#: Model, accelerator, devices, sequences of a batch.
_SPACES = (
    ("mt-nlg-530b", "a100-sxm-80gb", 2520, 2520),
    ("deepseek-v3", "h100-sxm", 2048, 15360),
)
#: Layouts a second that a search should look at.
_WANTED = 1_000_000


def main() -> None:
    """Print how many layouts there are, and how fast they are searched."""
    for model, accelerator, devices, batch in _SPACES:
        table = {
            "name": model,
            "model": {"preset": model},
            "cluster": {"accelerator": accelerator, "devices": devices},
            "parallelism": {"global_batch_seqs": batch},
        }
        known = dict(resolve(parse_scenario(table), load_catalog()).known)
        known.pop("recompute_level", None)
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            found = search(known, devices, model)
            seconds.append(time.perf_counter() - start)
        took = sorted(seconds)[2]
        print(
            f"{found.searched:,} layouts of {model} on {devices:,} {accelerator} searched in {took:.3f} s: "
            f"{found.searched / took:,.0f} a second (wanted {_WANTED:,}); {found.feasible:,} can run, best {describe(found.best)}"
        )


if __name__ == "__main__":
    main()
