"""The command line: one file a command, each thin: parse, call the library, render."""

from llmcost.cli.main import app, main

__all__ = ["app", "main"]
