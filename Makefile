# Everything sets itself up: `make test` or `make demo` on a bare Debian or Ubuntu is all it takes.
PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
SYSTEM := $(VENV)/.system
VENV_MADE := $(VENV)/.venv
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.installed-docs

.DELETE_ON_ERROR:
.PHONY: help venv install demo test test-slow bench lint format docs constraints clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

venv: $(VENV_MADE)  ## system packages and an empty virtual environment

install: $(INSTALLED)  ## the package, editable, with everything needed to run and test it

demo: $(INSTALLED)  ## napari with the bundled volume ready to train; without a display, the same job headless
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then $(BIN)/densify demo --gui $(ARGS); \
	else echo "no display: the demo runs headless"; $(BIN)/densify demo $(ARGS); fi

test: $(INSTALLED)  ## all quick tests, style, types and layers; starts its own virtual display
	$(BIN)/python -m pytest $(ARGS)

test-slow: $(INSTALLED)  ## the tests that take longer than 20 s each
	$(BIN)/python -m pytest -m slow $(ARGS)

bench: $(INSTALLED)  ## re-measure every figure in docs/benchmarks.md
	$(BIN)/python -m benchmarks $(ARGS)

lint: $(INSTALLED)  ## style, types and the layers of the package
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)  ## let ruff put right what it can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: $(DOCS_INSTALLED)  ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

constraints: ## pin what a fresh resolution gives today (see the head of constraints.txt)
	PYTHON=$(PYTHON) bash .ci/pin-versions constraints.txt

clean:  ## remove the virtual environment and everything built
	rm -rf $(VENV) site dist build demo-output

$(SYSTEM): .ci/system-packages
	@PYTHON=$(PYTHON) bash .ci/system-packages
	@mkdir -p $(VENV) && touch $@

$(VENV_MADE): $(SYSTEM)
	$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@touch $@

# torch comes first and pinned: left to itself pip may fetch another build of several gigabytes.
$(INSTALLED): pyproject.toml constraints.txt $(VENV_MADE)
	@echo "set-up: installing PyTorch, then Densify and napari; this takes a few minutes"
	@$(PIP) install "$$(grep '^torch==' constraints.txt)"
	@$(PIP) install -c constraints.txt --group test -e '.[all]'
	@touch $@

$(DOCS_INSTALLED): $(INSTALLED)
	@$(PIP) install -c constraints.txt --group docs
	@touch $@
