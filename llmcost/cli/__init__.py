"""The command line: one file a command, each thin: parse, call the library, render."""

import gc

# Start-up makes tens of thousands of objects that all live to the end: looking for garbage among
# them every 700 costs 10 ms of an estimate, most of it while typer and numpy are imported.
gc.set_threshold(50_000, 20, 20)

from llmcost.cli.main import app, main  # noqa: E402

__all__ = ["app", "main"]
