# The two commands of the README are `make demo` and `make test`; each installs what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
DEMO_OUT ?= runs/demo

.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(INSTALLED) ## the whole pipeline at tiny size, then the Space on its model
	PATH="$(CURDIR)/$(BIN):$$PATH" OUT=$(DEMO_OUT) bash recipes/tiny/demo.sh

test: $(INSTALLED) ## all tests, about a quarter of an hour on two cores
	$(BIN)/python -m pytest -q

test-fast: $(INSTALLED) ## the tests that finish in about two minutes
	$(BIN)/python -m pytest -q -m "not slow"

check: $(INSTALLED) ## lint, format and types, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED) ## let ruff mend lint and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## pin again what pyproject.toml asks for, in a fresh environment
	rm -rf .lock && $(PYTHON) -m venv .lock
	.lock/bin/pip install -q torch==2.13.0 hatchling==1.33.0 editables==0.6 ".[train,figures,space,ray,test]"
	.lock/bin/pip freeze | grep -v '^sense-kit' | sed 's/+cpu$$//' > requirements.lock
	rm -rf .lock

install: $(INSTALLED) ## only create .venv and install

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python %d.%d is too old: SENSE kit needs 3.11 or newer. Try make PYTHON=python3.12 ..." % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned packages into $(VENV): a few minutes, the first time only."
	$(BIN)/pip install -q --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: help demo test test-fast check format lock install
