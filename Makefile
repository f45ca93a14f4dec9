# `make demo` and `make test` do all the set-up themselves; `make help` lists the rest.
PYTHON  ?= $(shell command -v python3.11 || command -v python3)
UV      ?= $(shell command -v uv || echo .uv/bin/uv)
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
WEB     := api/static/.ready
ARGS    ?=

.DEFAULT_GOAL := help
.PHONY: help env web demo test check soak bench lock clean chromium

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(READY) ## make .venv with the locked packages and Balise itself

demo: $(READY) $(WEB) ## run Annecy and its lake with 2,000 simulated visitors on 127.0.0.1:8080
	$(BIN)/balise demo $(ARGS)

test: $(READY) $(WEB) chromium check ## every check and every test
	$(BIN)/python -c "from engine.warming import warm; warm()"
	$(BIN)/pytest --numprocesses auto --dist worksteal $(ARGS)

check: $(READY) $(WEB) ## format, lint, imports and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	cd web && npm run --silent check

soak: $(READY) ## simulate crashes and faults with fresh seeds for an hour; ARGS="--minutes 600"
	$(BIN)/python -m tests.simulator $(ARGS)

bench: $(READY) ## match beside its rivals, the whole engine, a server end to end
	$(BIN)/balise bench match --zones 10000
	$(BIN)/balise bench campaigns --zones 10000
	$(BIN)/balise bench serve --zones 10000

web: $(WEB) ## build the pages into api/static

lock: .uv/bin/uv ## resolve the dependencies again
	$(UV) pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --universal --python-version 3.11 pyproject.toml -o requirements/runtime.txt
	$(UV) pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --universal --python-version 3.11 --extra dev pyproject.toml -o requirements/dev.txt

clean: ## remove what was built
	rm -rf $(VENV) .uv api/static web/node_modules dist

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv

$(READY): requirements/dev.txt pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

$(WEB): $(shell find web -path web/node_modules -prune -o -type f -print 2>/dev/null)
	cd web && npm ci --ignore-scripts --silent && npm run --silent build
	touch $@

# The browser tests drive Debian's Chromium; installed here only where it is missing and root allows.
chromium:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; } \
	  || { echo "Chromium is missing: install Debian's package chromium, then run make test again." >&2; exit 1; }
