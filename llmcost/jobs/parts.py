"""A long sweep into a folder: Parquet parts and a manifest, so that it can go on where it stopped.

A part holds the rows of a fixed run of blocks. It is written whole or not at all, and entered in
the manifest (written whole or not at all, too) after it; so whatever moment the process is
killed at, a part that the manifest names is complete, and every other is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llmcost.analysis.blocks import Block
from llmcost.analysis.sweep import Sweep
from llmcost.errors import NoAnswerError, whole
from llmcost.files import atomic_stream, write_atomic
from llmcost.render.data import clean, to_json
from llmcost.render.writers import ParquetWriter
from llmcost.version import __version__

#: Cells of a part.
PART_CELLS = 1 << 20
_PART = re.compile(r"part-\d{6,12}\.parquet", re.ASCII)

Runner = Callable[[int, int], Iterator[Block]]


def fingerprint(sweep: Sweep) -> str:
    """What makes two sweeps the same: version, inputs, samples, axes, conditions and columns."""

    def marks(arrays: Mapping[str, Any]) -> dict[str, str]:
        return {n: hashlib.sha256(v.tobytes()).hexdigest() for n, v in sorted(arrays.items())}

    inputs = {
        "version": __version__,
        "known": marks(sweep.known),
        "sampled": marks(sweep.sampled),
        "sampling": None if sweep.sampling is None else tuple(sweep.sampling),
        "shown": {
            name: str(value)
            for name, value in sorted(sweep.inputs.shown.items())
            if not hasattr(value, "shape")
        },
        "axes": [
            [axis.keys, [[str(v) for v in values.tolist()] for values in axis.values]]
            for axis in sweep.axes
        ],
        "where": [condition.text for condition in sweep.conditions],
        "select": sweep.select,
        "labels": {name: column.ravel().tolist() for name, column in sweep.labels.items()},
        "solve": None
        if sweep.solve is None
        else [sweep.solve.key, sweep.solve.targets, sweep.solve.between],
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()


def shard_of(sweep: Sweep, shard: tuple[int, int]) -> tuple[int, int, int]:
    """The blocks of a shard, and blocks a part; shards begin where parts do."""
    per_cell = max(sweep.cells // max(sweep.blocks, 1), 1)
    step = max(PART_CELLS // per_cell, 1)
    parts = -(-sweep.blocks // step)
    number, count = shard
    first, last = parts * (number - 1) // count, parts * number // count
    return first * step, min(last * step, sweep.blocks), step


def manifest_name(shard: tuple[int, int]) -> str:
    """Name of the manifest of a shard."""
    return "manifest.json" if shard == (1, 1) else f"manifest-{shard[0]}-of-{shard[1]}.json"


def write_parts(
    folder: Path,
    sweep: Sweep,
    run: Runner,
    shard: tuple[int, int],
    resume: bool,
    progress: Callable[[int, int], None],
) -> tuple[int, int]:
    """Write the parts of a sweep.

    Returns
    -------
    rows, parts
        Rows in all parts, and parts that this run wrote.

    Raises
    ------
    NoAnswerError
        If the folder cannot be written, or holds another sweep.
    """
    path = folder / manifest_name(shard)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NoAnswerError(f"{folder}: cannot write: {error.strerror or error}") from None
    with _alone(path):
        return _write(folder, path, sweep, run, shard, resume, progress)


def _write(
    folder: Path,
    path: Path,
    sweep: Sweep,
    run: Runner,
    shard: tuple[int, int],
    resume: bool,
    progress: Callable[[int, int], None],
) -> tuple[int, int]:
    """Write the parts of a sweep, with the folder to itself."""
    manifest = _old(path, fingerprint(sweep), resume, folder)
    done: dict[str, Any] = manifest["parts"]
    first, last, step = shard_of(sweep, shard)
    _clean(folder, first // step, -(-last // step))
    # Before the first part, so that a part is never without one.
    write_atomic(path, to_json(manifest))
    written = 0
    for start in range(first, last, step):
        stop = min(start + step, last)
        name = f"part-{start // step:06d}.parquet"
        entry = done.get(name)
        if entry is not None and _complete(folder / name, entry):
            progress(entry["cells"], entry["rows"])
            continue
        rows, cells = _write_part(folder / name, sweep, run(start, stop), progress)
        done[name] = {
            "rows": rows,
            "cells": cells,
            "bytes": (folder / name).stat().st_size,
            "sha256": _digest(folder / name),
            "blocks": [start, stop],
        }
        manifest["rows"] = sum(item["rows"] for item in done.values())
        manifest["complete"] = len(done) == -(-(last - first) // step)
        write_atomic(path, to_json(manifest))
        written += 1
    manifest["rows"] = sum(item["rows"] for item in done.values())
    manifest["complete"] = True
    write_atomic(path, to_json(manifest))
    return int(manifest["rows"]), written


def _write_part(
    path: Path, sweep: Sweep, blocks: Iterator[Block], progress: Callable[[int, int], None]
) -> tuple[int, int]:
    """Write a part, which may have no rows; its rows and cells."""
    rows = cells = 0
    with (
        atomic_stream(path, True) as stream,
        ParquetWriter(stream, sweep.select, sweep.samples()) as writer,
    ):
        for block in blocks:
            writer.write(block.columns)
            rows, cells = rows + block.rows, cells + block.cells
            progress(block.cells, block.rows)
    return rows, cells


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a manifest's sweep, so that two processes do not write it at once.

    The lock ends with the process, however that ends. Where the system has none (Windows, some
    network file systems), nothing is held.

    Raises
    ------
    NoAnswerError
        If another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
    with _locked(lock, fcntl) as held:
        try:
            yield
        finally:
            if held:
                lock.unlink(missing_ok=True)


@contextmanager
def _locked(lock: Path, fcntl: Any) -> Iterator[bool]:
    """Hold a lock file; False where the file system has no locks.

    Whoever held it before may have removed the file between its opening and its locking here: a
    lock counts if the file is still the one under that name.

    Raises
    ------
    NoAnswerError
        If another process holds it.
    """
    while True:
        with open(lock, "w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise NoAnswerError(
                    f"{lock.parent}: another process is writing this sweep; wait for it, or name another folder"
                ) from None
            except OSError:
                yield False
                return
            try:
                same = os.path.samestat(os.fstat(stream.fileno()), os.stat(lock))
            except FileNotFoundError:
                same = False
            if same:
                yield True
                return


def _old(path: Path, mark: str, resume: bool, folder: Path) -> dict[str, Any]:
    fresh = {
        "schema_version": 1,
        "llmcost_version": __version__,
        "fingerprint": mark,
        "complete": False,
        "rows": 0,
        "parts": {},
    }
    if not path.exists():
        stray = sorted(folder.glob("manifest*.json"))
        if any(folder.glob("part-*.parquet")) and not stray:
            raise NoAnswerError(f"{folder}: holds parts without a manifest; name another folder")
        for other in stray:
            if other == folder / "manifest.json" or path.name == "manifest.json":
                raise NoAnswerError(
                    f"{folder}: holds a sweep that is {'whole' if other.name == 'manifest.json' else 'in shards'}; name another folder"
                )
            if _read(other)[0] != mark:
                raise NoAnswerError(
                    f"{folder}: holds a shard of another sweep ({other.name}); name another folder"
                )
        return fresh
    if not resume:
        raise NoAnswerError(
            f"{folder}: holds a sweep already; go on with --resume, or name another folder"
        )
    old, parts = _read(path)
    if old != mark:
        raise NoAnswerError(
            f"{folder}: --resume: the sweep there has other inputs, samples, axes, columns or another version"
        )
    return {**fresh, "parts": clean(parts)}


def _read(path: Path) -> tuple[str, dict[str, dict[str, Any]]]:
    """Fingerprint and parts of a manifest."""
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
        parts = {str(k): dict(v) for k, v in old["parts"].items()}
        for name, entry in parts.items():
            numbers = [entry["rows"], entry["cells"], entry["bytes"], *entry["blocks"]]
            if not _PART.fullmatch(name) or any(type(n) is not int or n < 0 for n in numbers):
                raise ValueError
        return str(old["fingerprint"]), parts
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError):
        raise NoAnswerError(
            f"{path}: is no manifest of a sweep, or a damaged one; name another folder"
        ) from None


def _complete(path: Path, entry: dict[str, Any]) -> bool:
    try:
        return path.stat().st_size == entry["bytes"] and _digest(path) == entry.get("sha256")
    except OSError:
        return False


def _digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _clean(folder: Path, first: int, last: int) -> None:
    """Remove what a killed run left half-written in this shard's parts."""
    for path in folder.glob(".part-*.parquet.*"):
        number = whole(path.name[len(".part-") :].partition(".")[0], last)
        if number is not None and first <= number < last:
            path.unlink(missing_ok=True)
