# The same commands for a person and for the robot.  `make run` and `make test` set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test docs check cover interop fresh kills fuzz bench profile prove clean

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

## Other people's mail clients and mail servers against ours; installs them from Debian's packages, and makes namespaces for them (needs root).
interop: $(VENV)/.developer
	$(PYTHON) tests/interop/install.py
	timeout 600 $(BIN)/trial --temp-directory=_trial_temp_interop tests.interop.clients tests.interop.resolver
	timeout 600 $(BIN)/python -m tests.interop.apart $(BIN)/trial --temp-directory=_trial_temp_interop tests.interop.peers

## The tutorial, followed word by word on a new Debian machine in a folder; makes that from Debian's mirror (needs root).
fresh: $(VENV)/.developer
	timeout 1200 $(BIN)/python -m tests.interop.fresh

## Kill the server two hundred times under load, and look whether it kept its promises: a quarter of an hour, or make kills KILLS=50
KILLS ?= 200
kills: $(VENV)/.developer
	$(BIN)/python -m tests.crash.kills $(KILLS)

## Every fuzz test again and again with new seeds, for ten minutes or so many seconds: make fuzz SECONDS_=60
fuzz: $(VENV)/.developer
	$(BIN)/python -m tests.fuzz.longer $(or $(SECONDS_),600)

## How fast it is, beside Postfix, Dovecot and aiosmtpd: installs them, and starts them on loopback (needs root); keeps the figures.
## Dovecot keeps mail in Maildir: make bench FORMAT=sdbox
bench: $(VENV)/.developer
	$(PYTHON) benchmarks/install.py peers
	$(BIN)/python -m benchmarks --keep --format $(or $(FORMAT),maildir)

## Where its time goes in each of those pieces of work, with py-spy (needs root); all of them, or some: make profile NAMES="relay body"
profile: $(VENV)/.developer
	$(PYTHON) benchmarks/install.py profiler
	$(BIN)/python -m benchmarks.profiling $(NAMES)

## Cut the power at five hundred points of recorded runs, and audit what the real server makes of what is left; then take out one
## safeguard at a time, each of which must be missed.  CUTS=100 is the form of two minutes.
CUTS ?= 500
prove: $(VENV)/.developer
	$(BIN)/python -m tests.prove $(CUTS)
	$(BIN)/python -m tests.prove.mutations

## The tests with their coverage of each package.
cover: $(VENV)/.developer
	$(BIN)/coverage erase
	$(BIN)/coverage run $(BIN)/trial --temp-directory=_trial_temp_cover tests
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --sort=cover

## The pages of the manual that are written from the code.
docs: $(VENV)/.runtime
	$(BIN)/python -m twisted_mail_server.app.reference settings > docs/reference/settings.md
	$(BIN)/python -m twisted_mail_server.app.reference commands > docs/reference/commands.md
	$(BIN)/python -m twisted_mail_server.app.reference protocols > docs/reference/protocols.md
	$(BIN)/python -m twisted_mail_server.app.reference metrics > docs/reference/metrics.md
	$(BIN)/python -m twisted_mail_server.app.reference interfaces > docs/reference/interfaces.md

## What the machine can check without running the program.
check: $(VENV)/.developer
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build *.egg-info _trial_temp* .mypy_cache .ruff_cache .import_linter_cache .coverage*
