# Every task of a developer: `make help` lists them; `make setup` first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup test test-docs fuzz lint format docs linkcheck bench calibrate matrix ci dist clean

help:  ## list the tasks
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf '%-10s %s\n' "$$name" "$$what"; done

setup:  ## a virtual environment with everything that a developer needs
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -e ".[dev]"

test:  ## all tests
	$(BIN)/python -m pytest

test-docs:  ## only the commands and outputs of README and docs
	$(BIN)/python -m pytest tests/test_structure.py tests/test_tutorial.py

fuzz:  ## look longer for input that breaks the command line, and for layouts out of order; minutes
	FUZZ_EXAMPLES=5000 $(BIN)/python -m pytest tests/cli/test_fuzz_cli.py tests/engine/performance/test_random.py

lint:  ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format:  ## mend style and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs:  ## renew outputs and generated tables, build the site
	$(BIN)/python -m docs.update
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

linkcheck:  ## try every address that the docs link to; needs a network
	$(BIN)/sphinx-build -q -b linkcheck docs docs/_build/linkcheck

bench:  ## speed of start-up, sweeps, samples and searches
	$(BIN)/python -m benchmarks

calibrate:  ## errors of step times, with each source left out; --write by hand
	$(BIN)/python -m benchmarks.calibrate

matrix:  ## the tests on every Python at hand, lowest dependencies, wheel and sdist
	.ci/matrix

ci:  ## what has to pass before a merge; makes .venv anew
	.ci/run

dist:  ## the wheel
	$(BIN)/pip wheel -q --no-deps -w dist .

clean:  ## remove what the tasks made
	rm -rf $(VENV) dist build docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis
