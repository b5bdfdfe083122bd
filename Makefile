# `make help` lists what there is. Everything runs in a virtual environment that is made on first use.
PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
export PATH := $(BIN):$(PATH)
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install repro test test-full lint format

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(INSTALLED) ## Create the environment with the pinned versions

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

repro: $(INSTALLED) ## Reproduce the whole pipeline; on a fresh clone, on the embedded demo data
	dvc repro

test: $(INSTALLED) lint ## Run the linters and the quick tests
	pytest

test-full: $(INSTALLED) ## Run what is slow: the whole pipeline, replicas of every data set, kill tests
	pytest -m slow

lint: $(INSTALLED) ## Check style and types
	ruff check .
	ruff format --check .
	mypy

format: $(INSTALLED) ## Rewrite the code in the house style
	ruff check --fix .
	ruff format .
