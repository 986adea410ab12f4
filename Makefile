# Everything a developer or a visitor does here, each as one word. `make` alone prints the list.
# The environment is made from requirements.lock (every file checked by its hash) and made again only when the lock or
# pyproject.toml changes.

PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000
CHAOS_SCALE ?= 10

BIN := $(VENV)/bin
READY := $(VENV)/.ready
TREES := $(wildcard src tests bench examples)
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check bench chaos lock audit clean tools

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY) ## start the demo server and print what to try (PORT=8000)
	@$(BIN)/accepted demo --port $(PORT)

test: $(READY) tools ## run every test
	@$(BIN)/python -m pytest -n 2 tests || { echo 'What failed beside others is tried once more, alone:' && \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures none tests; }

check: $(READY) ## lint, format, types, and the rules of the house
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy --strict $(TREES)
	@$(BIN)/python -m pytest tests/house

bench: $(READY) ## measure against the floors of docs/performance.md
	@$(BIN)/python -m bench

chaos: $(READY) tools ## kill, freeze and starve it for longer than the tests do (CHAOS_SCALE=10)
	@CHAOS_SCALE=$(CHAOS_SCALE) $(BIN)/python -m pytest --timeout 7200 -m chaos tests/chaos

# Programs that tests drive and pip cannot bring (with their packages, where those have another name), and letters for the browser to write with. Where they cannot be installed,
# the tests that need them fail and say so.
TOOLS := chromium ip:iproute2 nft:nftables nginx openssl pgbouncer strace
tools:
	@missing() { for tool in $(TOOLS); do command -v $${tool%:*} >/dev/null || echo $${tool#*:}; done; }; \
	wanted=$$(missing); \
	test -n "$$wanted" || exit 0; \
	if command -v apt-get >/dev/null && test "$$(id -u)" = 0; then \
		echo 'Installing what the tests need (once):' $$wanted ...; \
		said=$$( { apt-get update && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y --no-install-recommends $$wanted fonts-dejavu-core; } 2>&1 ) || echo "$$said" >&2; \
	fi; \
	wanted=$$(missing); \
	test -z "$$wanted" || echo 'Missing, and some tests will fail for it:' $$wanted >&2

# pip-compile reads pyproject's extras by itself; build requirements and dependency groups it is handed as lines.
define LOCK_INPUT
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))
groups = project["dependency-groups"]
lines = project["build-system"]["requires"] + [line for group in groups.values() for line in group]
print(*(line for line in lines if isinstance(line, str)), sep="\n")
endef
lock: export LOCK_INPUT := $(value LOCK_INPUT)

# Compiled on the oldest Python supported, so that every pin runs on all of them, and with pip's own settings set aside,
# so that the hashes are those of the public registry and nothing of this machine is written down.
lock: $(READY) ## pin the newest versions that pyproject.toml allows (needs Python 3.11)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo 'make lock: the lock is made on Python 3.11; try: make clean lock PYTHON=python3.11' >&2; exit 1; }
	@$(BIN)/python -c "$$LOCK_INPUT" | env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null \
		$(BIN)/python -m piptools compile --quiet --upgrade --all-extras --allow-unsafe --generate-hashes --strip-extras \
		--no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-annotate --no-config \
		--output-file requirements.lock pyproject.toml -

# In an environment of its own, for it is no part of ours. It needs the advisory database of PyPI itself: a mirror has none, and
# then this fails rather than say that all is well.
audit: ## ask the advisory database about every pinned dependency
	@test -x $(VENV)-audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)-audit && $(VENV)-audit/bin/pip install --quiet pip-audit; }
	@$(VENV)-audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock

clean: ## remove the environment and what the tools left behind
	@rm -rf $(VENV) $(VENV)-audit build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .schemathesis
	@find $(TREES) -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo 'Accepted needs Python 3.11 or newer, and "$(PYTHON)" is not; try: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
	@test -x $(BIN)/pip || { echo 'Preparing $(VENV) (once) ...'; $(PYTHON) -m venv $(VENV); }
	@$(PIP) install --quiet --require-hashes --requirement requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
