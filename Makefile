# The two commands that matter: `make run` (a sandbox with everything simulated) and `make test` (all checks and tests).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
YAML_SERVER := .yaml-language-server

.PHONY: setup system run test lint types imports tests chaos bench schema lock clean

setup: $(READY)

# The lock pins every package, the extras included, with its hashes. The project itself is installed without any other.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Installs what some tests need of the system, as root. Without it those tests are skipped and say so; in CI they fail.
system:
	@command -v openssl >/dev/null || { apt-get update -q && apt-get install -y -q openssl; }
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { apt-get update -q && apt-get install -y -q postgresql; }
	@command -v cc >/dev/null || { apt-get update -q && apt-get install -y -q gcc libc6-dev; }
	@command -v npm >/dev/null || { apt-get update -q && apt-get install -y -q npm; }
	@test -d $(YAML_SERVER)/node_modules \
	  || npm install --silent --no-audit --no-fund --prefix $(YAML_SERVER) yaml-language-server@1.25.0

run: $(READY)
	$(BIN)/sms-bridge sandbox $(ARGS)

test: lint types imports tests

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tests.vocabulary

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

tests: $(READY)
	$(BIN)/python -m pytest -n $(or $(JOBS),2) $(ARGS)

# Every fault at full size, each with its control: less than 25 minutes on two cores. ARGS="--only 1,3 --scale 0.05"
chaos: $(READY)
	$(BIN)/python -m tests.chaos $(ARGS)

# Needs a quiet machine. `make bench ARGS=--quick` takes a minute. docs/performance.md explains the figures.
bench: $(READY)
	$(BIN)/python -m tests.bench $(ARGS)

# Writes the JSON Schemas for editors. A test compares the files with what this writes.
schema: $(READY)
	@mkdir -p schema
	@for kind in rules config; do \
	  $(BIN)/sms-bridge schema $$kind > schema/$$kind.schema.json; \
	  $(BIN)/sms-bridge schema $$kind --language ru > schema/$$kind.schema.ru.json; \
	done

# Run by hand when the dependencies change. The lock holds hashes and no address of an index.
lock:
	@command -v uv >/dev/null || { echo "uv is needed to make the lock: pip install uv"; exit 1; }
	uv pip compile --universal --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
