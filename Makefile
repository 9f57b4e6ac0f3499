# Pulsera: the verbs. `make run` and `make test` are all that a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two at a time, each file by one of them, which has services of its own; what takes long begins first (tests/conftest.py).
PYTEST := $(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
.DEFAULT_GOAL := help
# A run starts a dozen processes: what one has compiled the others need not compile again, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help setup run test unit check format bench chaos lock clean

help: ## say what the verbs do
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Pulsera needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing what running needs into $(VENV): some 0.4 GB the first time, a few minutes without a word"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: requirements-test.lock $(VENV)/.run
	@echo "Installing what the tests need into $(VENV): torch is among it, a few minutes without a word"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.lock
	@touch $@

setup: $(VENV)/.run ## make .venv and install what running needs

run: $(VENV)/.run ## start everything on this computer, with a real recording
	$(BIN)/pulsera up --demo --data-dir .pulsera

test: $(VENV)/.test ## run the whole suite: real Kafka, real PostgreSQL, real browser
	$(PYTEST)

unit: $(VENV)/.test ## run the quick tests without services, while you work
	$(PYTEST) -m "not story" tests/unit

check: $(VENV)/.test ## lint, format, types, walls
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test ## bring the code into the house's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.run ## print the figures of docs/performance.md
	$(BIN)/pulsera bench path --rate 10000 --connections 1000 --seconds 30

chaos: $(VENV)/.run ## strike each part 20 times under load (an hour or more), and write docs/reliability.md
	$(BIN)/pulsera chaos --rounds 20 --evict 4 --seed 20261121 --json chaos.json --markdown docs/reliability.md

lock: ## renew the locked requirements (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml --group build -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml --extra test -c requirements.lock -o requirements-test.lock

clean: ## remove the environment, caches and the demo's data
	rm -rf $(VENV) .pulsera build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
