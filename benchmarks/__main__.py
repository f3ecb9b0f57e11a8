"""Run the benchmarks and print their figures."""

from __future__ import annotations

import sys

from benchmarks import layouts, memory, startup, sweep, text, uncertainty

BENCHMARKS = {
    "startup": startup.main,
    "sweep": sweep.main,
    "text": text.main,
    "uncertainty": uncertainty.main,
    "layouts": layouts.main,
    "memory": memory.main,
}


def main() -> None:
    """Run the named benchmarks, or all."""
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"no benchmark {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    for name in names:
        print(f"## {name}")
        BENCHMARKS[name]()
        print()


if __name__ == "__main__":
    main()
