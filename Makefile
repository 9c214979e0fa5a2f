# The only door. Every target works on a fresh clone, with Python 3.10+ and nothing prepared.
PYTHON ?= python3
PYTEST_ARGS ?=
export PYTHON PYTEST_ARGS

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
PACKAGING := setup.py pyproject.toml dxf/version.py
CODE := dxf test tools bench setup.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:  # all targets share one .venv
.PHONY: help quickstart quickstart-registry test quick test-all lint typecheck coverage bench docs manual dist clean registry programs

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-20s %s\n", $$1, $$2}' Makefile

quickstart: .venv/run  ## See dxf at work, in a folder that lives as long as the demonstration
	@$(BIN)/python tools/quickstart.py

quickstart-registry: .venv/run registry  ## The same on a real registry, which it installs on Debian
	@$(BIN)/python tools/quickstart.py --registry

test: .venv/dev registry programs  ## Run the tests (PYTEST_ARGS='-k alias -x' is passed on)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

quick: .venv/dev registry  ## Run the tests that take less than a minute together, for each edit
	$(BIN)/python -m pytest -m quick $(PYTEST_ARGS)

test-all: registry programs  ## Run the tests on every CPython 3.10+ on PATH or in pyenv
	@$(PYTHON) tools/every_python.py

lint: .venv/dev  ## Run pylint
	$(BIN)/python -m pylint $(CODE)

typecheck: .venv/dev  ## Run mypy, strict
	$(BIN)/python -m mypy --strict dxf test tools bench

coverage: .venv/dev registry programs  ## Run the tests and measure branches: 95 % or it fails
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered $(PYTEST_ARGS)

bench: .venv/dev registry programs  ## Measure dxf and others (BENCH_MIB, BENCH_RUNS, BENCH_ONLY), for docs/benchmarks.rst
	$(BIN)/python -m bench

docs: .venv/docs  ## Build the documentation in docs/_build; a warning is an error
	@$(BIN)/python -m sphinx -W --keep-going -n -q -E -b html docs docs/_build
	@echo 'docs/_build/index.html'

manual: .venv/docs  ## Write the manual page anew, after a change of commands or variables
	@PYTHONPATH=. $(BIN)/python tools/manual.py

dist: .venv/dist  ## Build sdist and wheel, check both and install each into a clean venv
	@rm -rf build dist
	@$(BIN)/python -m build . >.venv/build.log 2>&1 || { cat .venv/build.log; exit 1; }
	@$(BIN)/python -m twine --no-color check --strict dist/*
	@set -e; for made in dist/*; do \
	  $(BIN)/python -m venv --clear .venvs/clean; \
	  .venvs/clean/bin/python -m pip --disable-pip-version-check -qq install --no-cache-dir "$$made"; \
	  test -s .venvs/clean/share/man/man1/dxf.1; \
	  echo "$$made: dxf --version: $$(.venvs/clean/bin/dxf --version)"; \
	done; rm -rf .venvs/clean

clean:  ## Remove all that make made
	rm -rf .venv .venvs build dist docs/_build *.egg-info .coverage .coverage.* .pytest_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# .venv and the three sets of packages that it may hold; each file is the stamp of a step that succeeded.
.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo 'dxf needs Python 3.10 or later: make PYTHON=/path/to/python3.12 ...' >&2; exit 1; }
	@sh tools/debian.sh python3-venv
	@$(PYTHON) -m venv --clear .venv
	@touch $@

.venv/run: $(PACKAGING) | .venv/made
	@echo 'Installing dxf into .venv'
	@$(PIP) install -e .
	@touch $@

.venv/dev: $(PACKAGING) | .venv/made
	@echo 'Installing dxf and the tools of its tests into .venv'
	@$(PIP) install -e '.[test,lint,bench]'
	@touch $@ .venv/run .venv/docs

.venv/docs: $(PACKAGING) | .venv/made
	@echo 'Installing dxf and the tools of its documentation into .venv'
	@$(PIP) install -e '.[docs]'
	@touch $@ .venv/run

.venv/dist: $(PACKAGING) | .venv/made
	@echo 'Installing the tools of dist into .venv'
	@$(PIP) install -e '.[dist]'
	@touch $@ .venv/run

# Programs that only the distribution has.
registry:
	@sh tools/debian.sh docker-registry

programs:
	@sh tools/debian.sh skopeo nginx tinyproxy curl openssl zsh fish man-db
