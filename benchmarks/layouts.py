"""Layout search: whole spaces of a dense model, and of one with experts and their own tensor parallelism; searches of a sweep."""

from __future__ import annotations

import time

from llmcost.analysis.axes import parse_axes
from llmcost.analysis.candidates import remembered
from llmcost.analysis.layout import describe, search
from llmcost.analysis.sweep import Sweep
from llmcost.catalog import load_catalog
from llmcost.scenario import parse_scenario, resolve

#: Model, accelerator, devices, sequences of a batch.
_SPACES = (
    ("mt-nlg-530b", "a100-sxm-80gb", 2520, 2520),
    ("deepseek-v3", "h100-sxm", 2048, 15360),
)
#: Layouts a second that a search should look at.
_WANTED = 1_000_000
#: Cells of which no two share a search, and how many a second should be searched.
_AXES = (
    "cluster.accelerator=h100-sxm,h200-sxm,b200-sxm,a100-sxm-80gb,mi300x",
    "parallelism.global_batch_seqs=1024,2048,3072,4096",
    "model.seq_len=2048,3072,4096,6144,8192",
)
_WANTED_CELLS = 500


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
            remembered.cache_clear()
            start = time.perf_counter()
            found = search(known, devices, model)
            seconds.append(time.perf_counter() - start)
        took = sorted(seconds)[2]
        print(
            f"{found.searched:,} layouts of {model} on {devices:,} {accelerator} searched in {took:.3f} s: "
            f"{found.searched / took:,.0f} a second (wanted {_WANTED:,}); {found.feasible:,} can run, best {describe(found.best)}"
        )
    _cells()


def _cells() -> None:
    """Print how fast the cells of a sweep are searched."""
    catalog = load_catalog()
    table = {
        "name": "cells",
        "model": {"preset": "llama-3.1-70b"},
        "data": {"tokens": 1e12},
        "cluster": {"accelerator": "h100-sxm", "devices": 1024},
        "parallelism": "auto",
    }
    sweep = Sweep(parse_scenario(table), parse_axes(_AXES, [], catalog), catalog, select=["days"])
    seconds, own = [], []
    for _ in range(5):
        start, used = time.perf_counter(), time.process_time()
        cells = sum(block.cells for block in sweep.spans())
        seconds.append(time.perf_counter() - start)
        own.append(time.process_time() - used)
    took = sorted(seconds)[2]
    print(
        f"{cells} searches of llama-3.1-70b on 1,024 devices in a sweep in {took:.3f} s: "
        f"{cells / took:,.0f} a second (wanted {_WANTED_CELLS}), {cells / min(own):,.0f} in a second of one core's own time"
    )


if __name__ == "__main__":
    main()
