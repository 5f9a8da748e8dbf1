# A thin front: everything real is in services/standalone, noxfile.py and .ci/run. `make help` lists the targets.
# Needs only Python 3.11+ with venv (PYTHON=… chooses one); installs into .venv and nowhere else.

PYTHON ?= python3
SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:

STANDALONE = exec .venv/bin/python -m services.standalone
# -qq: errors only; --no-input: an install never waits for somebody to answer.
PIP = .venv/bin/python -m pip --disable-pip-version-check --no-input -qq
EDITABLE = $(PIP) install --no-deps --no-build-isolation --editable .

.PHONY: up down status reset test help

up: .venv/.installed ## start everything and wait (DETACH=1: return when it is ready)
	@$(STANDALONE) up $(if $(DETACH),--detach)

down: .venv/.installed ## stop everything, in order
	@$(STANDALONE) down

status: .venv/.installed ## what runs, and whether it is well
	@$(STANDALONE) status

reset: .venv/.installed ## delete all data of the standalone run (asks; YES=1 does not)
	@$(STANDALONE) reset $(if $(YES),--yes)

test: .venv/.installed-dev ## all checks and tests, as CI runs them
	@exec .venv/bin/python -m nox

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)$$/  make \1\t\2/p' Makefile | expand -t 16

# The environment is made once; it is filled again only when what it is made of has changed.
.venv/.installed: requirements.txt pyproject.toml .venv/bin/python
	@echo "installing ArtStore into .venv (the first time takes about a minute)"
	@$(PIP) install --require-hashes --requirement requirements.txt
	@$(EDITABLE)
	@touch $@

.venv/.installed-dev: requirements-dev.txt requirements.txt pyproject.toml .venv/bin/python
	@echo "installing ArtStore and its development tools into .venv (the first time takes about a minute)"
	@$(PIP) install --require-hashes --requirement requirements-dev.txt
	@$(EDITABLE)
	@touch .venv/.installed $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "ArtStore needs Python 3.11 or newer, and '$(PYTHON)' is not: say PYTHON=/path/to/python3.x" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments: install its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "making .venv"
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; exit 1; }
