"""What GeForce boards reach in large products, from published measurements of single sizes."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from benchmarks.kernels.raw import device
from benchmarks.kernels.write import Entry

ROWS = Path(__file__).with_name("boards.csv")


def entries(shapes: Mapping[str, dict[str, float]]) -> list[Entry]:
    """Tables of the boards in boards.csv: their share of the peak, on the shape of their family.

    Parameters
    ----------
    shapes : mapping of str to dict
        Constants of products in 16 bits by family.
    """
    found = []
    with ROWS.open(newline="") as file:
        for row in csv.DictReader(file):
            name = row["accelerator"]
            values = shapes[device(name)["family"]] | {"efficiency": float(row["efficiency"])}
            found.append(
                Entry(
                    f"{name}-products-bf16",
                    values,
                    row["source"],
                    row["url"],
                    row["confidence"],
                    date=row["date"],
                )
            )
    return found
