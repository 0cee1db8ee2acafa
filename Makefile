# Each target does all its own set-up: a fresh clone needs only `make demo` or `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: help demo test stress lint bench docs-check clean

help:
	@echo "make demo        train, segment, score and report on a phantom: runs/demo/report.html"
	@echo "make test        all tests"
	@echo "make stress      runs stopped at random moments: OBJECTWISE_KILLS of them, 100 by default"
	@echo "make lint        style, types, import layers, spelling"
	@echo "make docs-check  run the examples of the docstrings, the README and the docs"
	@echo "make bench       the benchmarks"

demo: $(READY)
	$(BIN)/objectwise demo runs/demo

test: $(READY)
	$(BIN)/python -m pytest

# Other moments each time; the line it prints repeats them.
stress: $(READY)
	@kills=$${OBJECTWISE_KILLS:-100}; seed=$${OBJECTWISE_KILL_SEED:-$$(date +%s)}; \
	  echo "OBJECTWISE_KILLS=$$kills OBJECTWISE_KILL_SEED=$$seed make stress"; \
	  OBJECTWISE_KILLS=$$kills OBJECTWISE_KILL_SEED=$$seed $(BIN)/python -m pytest --timeout=0 tests/kills

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

docs-check: $(READY)
	KERAS_BACKEND=torch $(BIN)/python -m pytest --doctest-modules src
	$(BIN)/python -m pytest tests/docs

bench: $(READY)
	for bench in benchmarks/bench_*.py; do $(BIN)/python $$bench || exit 1; done

clean:
	rm -rf $(VENV)

# The lock pins every package of the development environment; the package itself comes from this checkout.
# Without the mark that an install ended, a folder may hold half a package: it is then made anew.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "error: objectwise needs Python 3.11 or later, got %d.%d; run make PYTHON=python3.11" % sys.version_info[:2])'
	@echo "installing the development environment into $(VENV): once, some minutes"
	@test -f $@ || $(PYTHON) -m venv --clear $(VENV)
	@rm -f $@
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@
