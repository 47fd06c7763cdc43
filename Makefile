# Every target sets up what it needs; a fresh machine needs Python 3.11 or later and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FROM ?= 0
SEEDS ?= 1000

.PHONY: help demo demo-kubernetes lint check test sim chaos parts bench bench-full clean

help:
	@echo "make demo             the main job on embedded parts, live in this terminal"
	@echo "make demo-kubernetes  the same between two real control planes, with Argo"
	@echo "make check            format, lint, types, architecture, unit tests (under a minute)"
	@echo "make test             all tests, with real NATS and real Kubernetes"
	@echo "make sim SEEDS=1000   the simulator on many seeds; FROM=… for others; goes on where it was"
	@echo "make chaos SEED=7     real parts killed and paused at random; SECONDS=… for longer"
	@echo "make bench            measured figures, each beside its floor: a short form, 15 minutes"
	@echo "make bench-full       the whole, kept in docs/performance; needs the machine for itself"

$(VENV)/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mcs needs Python 3.11 or later")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[demo]' --group dev
	touch $@

demo: $(VENV)/ready
	$(BIN)/mcs demo $(ARGS)

demo-kubernetes: $(VENV)/ready
	$(BIN)/python -m tools.demo_kubernetes $(ARGS)

lint: $(VENV)/ready
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy

check: lint
	$(BIN)/python -m pytest -q -m 'not kubernetes and not docker and not live and not simulator'

test: $(VENV)/ready
	$(BIN)/python -m tools.parts
	$(BIN)/python -m pytest

chaos: $(VENV)/ready
	$(BIN)/python -m tools.parts
	MCS_CHAOS_SECONDS=$(or $(SECONDS),120) MCS_CHAOS_SEED=$(or $(SEED),1) $(BIN)/python -m pytest tests/chaos

sim: $(VENV)/ready
	$(BIN)/mcs simulate --from $(FROM) --seeds $(SEEDS) --journal .sim/$(FROM)-$(SEEDS).jsonl $(ARGS)

parts: $(VENV)/ready
	$(BIN)/python -m tools.parts

$(VENV)/bench: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --group bench
	touch $@

bench: $(VENV)/bench
	$(BIN)/python -m bench --short $(ARGS)

bench-full: $(VENV)/bench
	$(BIN)/python -m bench --keep $(ARGS)
	$(BIN)/python -m bench.tell

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
