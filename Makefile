# Two commands do all the set-up: `make demo` and `make test`.
# `make demo` needs Python and pip only; `make test` also installs Debian packages that the tests use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --upgrade

.PHONY: help install uninstall demo test check bench screenshots soak venv texts bundle lock format clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# --without-pip and pip's own --python: works where Debian's python3-venv is not installed.
$(BIN)/python:
	$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/run.stamp: locks/run.txt pyproject.toml | $(BIN)/python
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --require-hashes -r locks/run.txt
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/all.stamp: locks/all.txt $(VENV)/run.stamp
	tests/debian-packages
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --require-hashes --no-build-isolation -r locks/all.txt
	touch $@

venv: $(VENV)/all.stamp  ## make .venv with all that the rest needs

install:  ## install it on this machine, or bring the machine to this version; needs root
	systemd/install

uninstall:  ## take it off this machine; configuration, ledger and copies stay; needs root
	systemd/install --remove

demo: $(VENV)/run.stamp  ## a café of forty made-up members to play with in the browser; ARGS="--taps 12 --out out" runs by itself
	$(BIN)/fikatap demo $(ARGS)

check: $(VENV)/all.stamp  ## lint, format, types, import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(VENV)/all.stamp  ## install what the tests need and run them all; ARGS="-k pcsc" picks
	$(BIN)/pytest $(ARGS)

bench: $(VENV)/all.stamp  ## print the figures as one JSON object
	@$(BIN)/python -m tests.bench $(ARGS)

screenshots: $(VENV)/all.stamp  ## pictures of every page, in four languages and two sizes, in screenshots/; ARGS="screen sv" picks
	$(BIN)/python -m tests.pages.screenshots $(ARGS)

format: $(VENV)/all.stamp  ## put the code into the house's format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

soak: $(VENV)/all.stamp  ## planted bugs, faults, simulation, fuzzing and endurance for 45 minutes; ARGS=5 for five
	@$(BIN)/python -m tests.soak $(or $(ARGS),45)

texts:  ## compile the sentences (firmware_py/data/**/texts/*.po); needs Debian's gettext
	for po in firmware_py/data/texts/*.po firmware_py/data/pages/texts/*.po; do msgfmt --check --no-hash --output-file "$${po%.po}.mo" "$$po" || exit 1; done

bundle: $(VENV)/all.stamp  ## a signed release for "fikatap update"; ARGS="--machine aarch64 --debian 12 --key KEY"
	PYTHON=$(PYTHON) $(BIN)/python -m tools.make_bundle $(ARGS)

lock: $(VENV)/all.stamp  ## write the lock files anew from pyproject.toml
	$(LOCK) pyproject.toml --output-file locks/run.txt
	$(LOCK) pyproject.toml --extra pcsc --extra service --extra evaluation --group dev --constraint locks/run.txt --output-file locks/all.txt

clean:  ## take away what was made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
