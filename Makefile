# Sets everything up from nothing in its own virtual environment, .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test hydra-next sweeps lint types check docs notebooks docs-check bench discovery real fuzz clean

demo: .venv/ready
	$(BIN)/kanrun experiment=hello

test: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist loadfile

# What touches Hydra, on the version that is coming.
hydra-next: .venv/ready
	$(BIN)/python -m pip install --quiet --upgrade --no-deps --target .venv/hydra-next hydra-core==1.4.0rc3 omegaconf==2.4.1rc1
	PYTHONPATH=.venv/hydra-next $(BIN)/python -m pytest -n 2 tests/config tests/cli/test_compose.py tests/cli/test_sweeps.py \
		tests/cli/test_sweepers.py tests/cli/test_preflight.py tests/cli/test_foreign.py tests/cli/test_studying.py

sweeps: .venv/ready
	$(BIN)/python benchmarks/sweeps.py cores thousand failing launchers optuna summary killed

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

check: lint types test

# The site in docs/_build; a warning is a failure.
docs: .venv/docs-ready
	$(BIN)/python -m docs._tools.settings_page
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -j 2 -b html docs docs/_build

notebooks: .venv/docs-ready
	$(BIN)/python -m docs._tools.notebooks

# Runs all that pages and notebooks show, and compares; takes minutes.
docs-check: notebooks
	$(BIN)/python -m docs._tools.check

bench: .venv/bench-ready
	$(BIN)/python benchmarks/speed.py

discovery: .venv/bench-ready
	$(BIN)/python benchmarks/discovery.py

# Laws and tables of others where they lie beside this folder; the laws of benchmarks/ where they do not.
LAWS := $(firstword $(wildcard ../shared/textbook.json) benchmarks/formulas.json)
TABLES := $(wildcard ../shared/tables/tables.json)
PEERS := pyoperon gplearn

real: .venv/bench-ready
	$(BIN)/python benchmarks/real.py laws $(LAWS) --beside $(PEERS)
	$(BIN)/python benchmarks/real.py noise $(LAWS) --beside $(PEERS) curve_fit
	$(BIN)/python benchmarks/real.py odd --beside $(PEERS)
	$(if $(TABLES),$(BIN)/python benchmarks/real.py tables $(TABLES) --beside $(PEERS) curve_fit)
	$(if $(TABLES),$(BIN)/python benchmarks/real.py folds $(TABLES) --seconds 8 --beside $(PEERS))

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

.venv/bench-ready: .venv/ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	touch $@

.venv/docs-ready: .venv/ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

fuzz: .venv/ready
	$(BIN)/python benchmarks/fuzz.py texts 100000
	$(BIN)/python benchmarks/fuzz.py configs 1000
	$(BIN)/python benchmarks/fuzz.py folders 1000

clean:
	rm -rf .venv dist docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
