# Two commands matter: `make run` (a sandbox with everything simulated) and `make test` (all checks and tests).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
YAML_SERVER := .yaml-language-server

.PHONY: setup system run test lint types imports tests chaos bench schema lock clean

setup: $(READY)

# The lock pins every package with its hashes; the project itself is installed without asking for anything more.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# What some tests need of the system; they say so and are skipped where it is missing. Needs root where it installs.
system:
	@command -v openssl >/dev/null || { apt-get update -q && apt-get install -y -q openssl; }
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { apt-get update -q && apt-get install -y -q postgresql; }
	@command -v cc >/dev/null || { apt-get update -q && apt-get install -y -q gcc libc6-dev; }
	@test -d $(YAML_SERVER)/node_modules || ! command -v npm >/dev/null \
	  || npm install --silent --no-audit --no-fund --prefix $(YAML_SERVER) yaml-language-server@1.25.0

run: $(READY)
	$(BIN)/sms-bridge sandbox $(ARGS)

test: lint types imports tests

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

tests: $(READY)
	$(BIN)/python -m pytest -n $(or $(JOBS),2) $(ARGS)

# Every fault at full size, each with its control: less than 25 minutes on two cores. ARGS="--only 1,3 --scale 0.05"
chaos: $(READY)
	$(BIN)/python -m tests.chaos $(ARGS)

# Wants the machine for itself; `make bench ARGS=--quick` is a minute. docs/performance.md says what the figures mean.
bench: $(READY)
	$(BIN)/python -m tests.bench $(ARGS)

# What editors are told of the files that people write. A test compares what is there with what this writes.
schema: $(READY)
	@mkdir -p schema
	@for kind in rules config; do \
	  $(BIN)/sms-bridge schema $$kind > schema/$$kind.schema.json; \
	  $(BIN)/sms-bridge schema $$kind --language ru > schema/$$kind.schema.ru.json; \
	done

# Made anew by hand when pyproject.toml changes; the lock holds hashes and no address of any index.
lock:
	@command -v uv >/dev/null || { echo "uv is needed to make the lock: pip install uv"; exit 1; }
	uv pip compile --universal --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
