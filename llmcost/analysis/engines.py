"""Who runs the blocks of a sweep: the threads of this machine, or the workers of a dask cluster."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from llmcost.analysis.blocks import Block
from llmcost.analysis.rank import join
from llmcost.analysis.sweep import Sweep
from llmcost.errors import InputError, NoAnswerError

#: Blocks that one task of a cluster evaluates: half a second of work against a millisecond of talk.
BLOCKS_A_TASK = 64
_AHEAD = 4
#: How long a scheduler may take to accept a connection [s].
_PATIENCE_S = 3.0


def threads() -> int:
    """Threads that a sweep may use: the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return max(len(os.sched_getaffinity(0)), 1)
    return os.cpu_count() or 1


def run_local(sweep: Sweep, first: int = 0, last: int | None = None) -> Iterator[Block]:
    """Blocks in order, evaluated on all processors; numpy works outside the interpreter's lock."""
    last = sweep.blocks if last is None else last
    count = threads()
    if count == 1 or last - first < 2 * count or sweep.solve is not None:
        yield from sweep.spans(first, last)
        return
    with ThreadPoolExecutor(count) as pool:
        waiting: deque[Any] = deque()
        try:
            for index in range(first, last):
                waiting.append(pool.submit(sweep.block, index))
                if len(waiting) >= _AHEAD * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for item in waiting:
                item.cancel()


def evaluate_span(sweep: Sweep, first: int, last: int) -> Block:
    """Several blocks as one, on a worker."""
    found = list(sweep.spans(first, last))
    columns = join([block.columns for block in found])
    unknown: Counter[str] = Counter()
    for block in found:
        unknown.update(block.unknown)
    return Block(
        columns, sum(b.cells for b in found), sum(b.unanswered for b in found), dict(unknown)
    )


def run_dask(
    sweep: Sweep, address: str | None, first: int = 0, last: int | None = None
) -> Iterator[Block]:
    """Blocks in order from the workers of a dask cluster, one of this machine without an address.

    Raises
    ------
    InputError
        If dask.distributed is not installed.
    NoAnswerError
        If the scheduler does not answer, or a task fails for good.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError(
            '--engine dask needs dask.distributed: pip install "llmcost[dask]"'
        ) from None
    last = sweep.blocks if last is None else last
    cluster = None
    if address is not None:
        _check_listens(address)
    try:
        if address is None:
            cluster = LocalCluster(
                n_workers=threads(), threads_per_worker=1, dashboard_address=None, silence_logs=50
            )
        client = Client(
            cluster if cluster is not None else address, timeout="5s", set_as_default=False
        )
    except (OSError, TimeoutError, ValueError) as error:
        raise NoAnswerError(
            f"--scheduler {address}: no dask scheduler answers there: {str(error)[:200]}"
        ) from None
    try:
        shared = client.scatter(sweep, broadcast=False, hash=False)

        def submit(start: int, anew: bool = False) -> Any:
            """Give a task out, `anew` with a sweep of its own: the worker that held it may be gone."""
            whole = client.scatter(sweep, broadcast=False, hash=False) if anew else shared
            stop = min(start + BLOCKS_A_TASK, last)
            return client.submit(evaluate_span, whole, start, stop, pure=False, retries=3)

        starts = deque(range(first, last, BLOCKS_A_TASK))
        ahead = max(2 * len(client.nthreads()), 4)
        waiting: deque[Any] = deque()
        while starts or waiting:
            while starts and len(waiting) < ahead:
                start = starts.popleft()
                waiting.append((start, submit(start)))
            start, future = waiting.popleft()
            yield _result(start, future, submit)
    finally:
        client.close()
        if cluster is not None:
            cluster.close()


def _check_listens(address: str) -> None:
    """See to it that something listens at a scheduler's address, which dask finds out slowly.

    Raises
    ------
    InputError
        If it is no address.
    NoAnswerError
        If nothing listens there.
    """
    import socket
    from urllib.parse import urlsplit

    try:
        place = urlsplit(address if "://" in address else f"tcp://{address}")
        host, port = place.hostname, place.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise InputError(f"--scheduler {address}: write it as tcp://HOST:PORT")
    if place.scheme not in ("tcp", "tls"):
        return
    try:
        socket.create_connection((host, port), timeout=_PATIENCE_S).close()
    except OSError as error:
        raise NoAnswerError(
            f"--scheduler {address}: no dask scheduler answers there: {error.strerror or error}"
        ) from None
    if place.scheme == "tcp":
        _check_speaks(address)


def _check_speaks(address: str) -> None:
    """See to it that what listens at an address speaks as dask does.

    A client that meets another server waits for minutes, or reads its words as sizes of memory.

    Raises
    ------
    NoAnswerError
        If it says nothing, or something else.
    """
    import asyncio

    from distributed.comm.core import connect

    async def greet() -> None:
        comm = await asyncio.wait_for(connect(address, timeout=_PATIENCE_S), _PATIENCE_S + 1)
        comm.abort()

    try:
        asyncio.run(greet())
    except Exception as error:  # whatever bytes that are not dask's decode to
        raise NoAnswerError(
            f"--scheduler {address}: what listens there is no dask scheduler ({type(error).__name__})"
        ) from None


def _result(start: int, future: Any, submit: Callable[[int, bool], Any]) -> Block:
    """The block of a task, which is given out again where its worker or its shared data is lost."""
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    for last in (False, False, True):
        try:
            found: Block = future.result()
            return found
        except (KilledWorker, FutureCancelledError) as error:
            if last:
                raise NoAnswerError(
                    f"--engine dask: the workers died on a task: {str(error)[:200]}"
                ) from None
            future = submit(start, True)
    raise AssertionError
