# `make install` once; then `make run` watches a model improve itself, `make test` and `make lint` are what continuous integration runs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: install run test lint report-image

install:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -c constraints.txt -e ".[dev]"

run:
	$(BIN)/autotelic run

test:
	$(BIN)/pytest -n 2

lint:
	$(BIN)/ruff check src tests examples benchmarks docs
	$(BIN)/ruff format --check src tests examples benchmarks docs
	$(BIN)/mypy

report-image:
	$(BIN)/python docs/images/make.py
