# Every target works in a new clone, with Python 3.10+ and nothing prepared.
PYTHON ?= python3
PYTEST_ARGS ?=
export PYTHON PYTEST_ARGS
unexport PYTHONDONTWRITEBYTECODE  # the tests start dxf hundreds of times: compile it once

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
NOT_INSTALLED := { echo 'pip could not install that. It needs the package index: look at the network, HTTPS_PROXY,\
 PIP_INDEX_URL. Then type the same again.' >&2; exit 1; }
PACKAGING := setup.py pyproject.toml dxf/version.py
CODE := dxf test tools bench setup.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:  # all targets share one .venv
.PHONY: help quickstart quickstart-registry test quick test-all format lint typecheck pyright coverage bench docs docs-narrow manual completion dist clean registry programs backup-tools

##@ Begin here
help:  ## Print this list
	@awk -F ':.*## ' '/^##@ / {printf "%s%s\n", (n++ ? "\n" : ""), substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' Makefile

quickstart: .venv/run  ## Show dxf at work, in a folder that is deleted again
	@$(BIN)/python tools/quickstart.py

quickstart-registry: .venv/run registry  ## The same with a real registry (on Debian)
	@$(BIN)/python tools/quickstart.py --registry

test: .venv/dev registry programs  ## Run all tests, or some: PYTEST_ARGS='-k alias'
	$(BIN)/python -m pytest $(PYTEST_ARGS)

quick: .venv/dev registry  ## Run the tests that take under a minute together
	$(BIN)/python -m pytest -m quick $(PYTEST_ARGS)

##@ For developers
test-all: registry programs  ## Run the tests on each CPython 3.10+ of this machine
	@$(PYTHON) tools/every_python.py

format: .venv/dev  ## Format the code with autopep8, and other files
	$(BIN)/python tools/format.py

lint: .venv/dev  ## Check the format, and the code with pylint
	$(BIN)/python tools/format.py --check
	$(BIN)/python -m pylint $(CODE)

typecheck: .venv/dev  ## Check the types with mypy, strict
	$(BIN)/python -m mypy --strict dxf test tools bench

pyright: .venv/pyright  ## Check with pyright a program that uses dxf (needs node)
	$(BIN)/python -m pyright --pythonpath $(BIN)/python test/library/consumer.py

coverage: .venv/dev registry programs  ## Run the tests; fail below 95 % of the branches
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered $(PYTEST_ARGS)

bench: .venv/dev registry programs backup-tools  ## Measure dxf and others (a quick look: BENCH_SMALL=1)
	$(BIN)/python -m bench

docs: .venv/docs  ## Build the documentation as HTML in docs/_build
	@$(BIN)/python -m sphinx -W --keep-going -n -q -E -b html docs docs/_build
	@echo 'docs/_build/index.html'

docs-narrow: docs  ## Check that each page fits 400 pixels (with Chromium)
	@sh tools/debian.sh chromium
	@$(BIN)/python tools/narrow.py docs/_build

manual: .venv/docs  ## Write the manual page from the help
	@PYTHONPATH=. $(BIN)/python tools/manual.py

completion: .venv/docs  ## Write the completion scripts from the commands
	@PYTHONPATH=. $(BIN)/python tools/completion.py

dist: .venv/dist  ## Build sdist and wheel; check and install both
	@rm -rf build dist
	@$(BIN)/python -m build . >.venv/build.log 2>&1 || { cat .venv/build.log; exit 1; }
	@$(BIN)/python -m twine --no-color check --strict dist/*
	@set -e; for made in dist/*; do \
	  $(BIN)/python -m venv --clear .venvs/clean; \
	  .venvs/clean/bin/python -m pip --disable-pip-version-check -qq install --no-cache-dir "$$made"; \
	  test -s .venvs/clean/share/man/man1/dxf.1; \
	  for shell in bash zsh fish; do .venvs/clean/bin/dxf --completion=$$shell >.venvs/clean/script; \
	    cmp .venvs/clean/script dxf/cli/completion/dxf.$$shell; done; \
	  echo "$$made: dxf --version: $$(.venvs/clean/bin/dxf --version)"; \
	done; rm -rf .venvs/clean

clean:  ## Delete what make has made
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
	@$(PIP) install -e . || $(NOT_INSTALLED)
	@touch $@

.venv/dev: $(PACKAGING) | .venv/made
	@echo 'Installing dxf and the tools of its tests into .venv'
	@$(PIP) install -e '.[test,lint,bench]' || $(NOT_INSTALLED)
	@touch $@ .venv/run .venv/docs

.venv/pyright: $(PACKAGING) | .venv/dev
	@$(PIP) install -e '.[pyright]' || $(NOT_INSTALLED)
	@touch $@

.venv/docs: $(PACKAGING) | .venv/made
	@echo 'Installing dxf and the tools of its documentation into .venv'
	@$(PIP) install -e '.[docs]' || $(NOT_INSTALLED)
	@touch $@ .venv/run

.venv/dist: $(PACKAGING) | .venv/made
	@echo 'Installing the tools of dist into .venv'
	@$(PIP) install -e '.[dist]' || $(NOT_INSTALLED)
	@touch $@ .venv/run

# Programs that only the distribution has.
registry:
	@sh tools/debian.sh docker-registry

programs:
	@sh tools/debian.sh skopeo nginx tinyproxy curl openssl zsh fish man-db zstd

backup-tools:
	@sh tools/debian.sh restic borgbackup
