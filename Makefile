# Every target sets itself up in a fresh checkout: a virtual environment in .venv with the versions of constraints.txt.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/'

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(INSTALLED)

setup: $(INSTALLED)  ## make the virtual environment

demo: $(INSTALLED)  ## train on built-in pictures and videos, judge, watch live, and write a report (minutes)
	$(BIN)/lrcn demo

# Two processes of one thread each: networks of a few units gain nothing from a second thread.
test: $(INSTALLED)  ## run every test
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: $(INSTALLED)  ## lint, format and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

results: $(INSTALLED)  ## repeat the demo's figures over several seeds into docs/*results.json (about an hour)
	$(BIN)/python benchmarks/demo_results.py
	$(BIN)/python benchmarks/narration_results.py
	$(BIN)/python benchmarks/self_critical_results.py

wheel: $(INSTALLED)  ## build wheel and sdist into dist/
	rm -rf dist
	$(BIN)/python -m build --quiet

.PHONY: help setup demo test check results wheel
