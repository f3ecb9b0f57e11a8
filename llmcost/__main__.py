"""Run the command line as ``python -m llmcost``."""

from llmcost.cli import main

main()
