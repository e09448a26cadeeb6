# The same commands for a person and for the robot.  `make run` and `make test` set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check cover interop clean

# The virtual environment, rebuilt when the metadata changes.
$(VENV)/.runtime: setup.cfg pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install pip; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --config-settings editable_mode=compat
	touch $@

$(VENV)/.developer: $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' --config-settings editable_mode=compat
	touch $@

## Start a mail server on loopback with nothing configured.
run: $(VENV)/.runtime
	exec $(BIN)/twistd -n --pidfile= -y mail.tac

## The tests: no network, no root, a few minutes.
test: $(VENV)/.developer
	$(BIN)/trial --temp-directory=_trial_temp tests

## What the machine can check without running the program.
check: $(VENV)/.developer
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build *.egg-info _trial_temp* .mypy_cache .ruff_cache .import_linter_cache .coverage*
