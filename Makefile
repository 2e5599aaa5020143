# Everything Fitwave is built, run and checked with. `make` alone lists the targets.

# Another Python has an environment of its own: make unit PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3.11
PANTS_PYTHON ?= python3.9
VENV ?= .venv
PANTS := .pants-venv/bin/pants
CHANGED ?= libs/models
BIN := $(VENV)/bin
# The set-up is done again when what it was made from has changed; the stamp is written last, so that one that was
# interrupted is started over.
STAMP := $(VENV)/.set-up

.DEFAULT_GOAL := help
.PHONY: help setup demo test unit integration slow chaos lint types format reference lock portability audit sbom pants redeploy clean
MAKEFLAGS += --no-print-directory

help: ## List the targets.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

setup: $(STAMP) ## Make .venv with everything in it, and the fitwave command.

$(STAMP): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not on PATH: install Python 3.11, or say make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13: say make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setting up $(VENV), about two minutes the first time"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: setup ## Run the weekly loop, end to end; DATA=path/to/renttherunway.json.gz runs it on that file.
	@$(BIN)/python -m infra.demo $(if $(DATA),--data "$(DATA)")

test: lint types unit integration ## Check style and types, and run all tests but the slow ones.

unit: setup ## Run the unit tests: no Ray, no Redis, under a minute.
	@$(BIN)/python -m pytest -q -n auto --dist loadfile tests/unit

integration: setup ## Run the integration and end-to-end tests: real Redis, MLflow, Ray and HTTP.
	@$(BIN)/python -m pytest -q -m "not slow" tests/integration tests/e2e

slow: setup ## Run the slow ones: a killed node, actor or job, and canaries in live traffic.
	@$(BIN)/python -m pytest -q -m slow tests/integration tests/e2e

chaos: setup ## Break the running product and count; makes the table of docs/reliability.md. An hour and a half.
	@rm -rf var/figures
	@failed=0; export FIGURES=var/figures; \
		$(BIN)/python -m pytest -q -m row tests/unit || failed=1; \
		$(BIN)/python -m pytest -q -m row tests/integration tests/e2e || failed=1; \
		$(BIN)/python -m pytest -q tests/chaos || failed=1; \
		$(BIN)/python -m tests.reliability $$FIGURES; exit $$failed

lint: setup ## Check style, formatting, and which layer imports which.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache --no-logo

types: setup ## Check types, strictly.
	@$(BIN)/mypy

format: setup ## Put style and formatting right.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

reference: setup ## Make docs/configuration.md, the schemas of the config and the reference of docs/api.md again.
	@$(BIN)/python -m infra.config
	@$(BIN)/python -m apps.serve.api_page

lock: setup ## Make requirements.txt from requirements.in again.
	@$(BIN)/uv pip compile requirements.in --override requirements-overrides.in --generate-hashes \
		--no-emit-index-url --no-header --universal --python-version 3.11 --quiet -o requirements.txt
	@sed -i '1i # Made by `make lock` from requirements.in: every package with the hashes of its files.' requirements.txt

portability: setup ## Ask on which Pythons and platforms the lock can be installed; installs nothing.
	@$(BIN)/python -m infra.portability

audit: setup ## Ask what is known to be wrong with the versions in the lock.
	@$(BIN)/python -m infra.dependency_audit

sbom: setup ## Make dist/sbom.json, CycloneDX's list of what is in the lock; the same lock makes the same file.
	@mkdir -p dist
	@$(BIN)/cyclonedx-py requirements --output-reproducible --of JSON -o dist/sbom.json requirements.txt

pants: ## Lint, check types, test and check the graph with Pants; needs Python 3.9 beside 3.11 (docs/pants.md).
	@command -v $(PANTS_PYTHON) >/dev/null && $(PANTS_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 9))' || { echo "Pants 2.17.1 runs in Python 3.9: say make pants PANTS_PYTHON=/path/to/python3.9"; exit 1; }
	@infra/pants/set_up.sh $(PANTS_PYTHON) $(PYTHON)
	@$(PANTS) tailor --check :: && echo "pants tailor: every file has a target"
	@$(PANTS) dependencies :: > /dev/null && echo "pants dependencies: every import has an owner and is allowed"
	@$(PANTS) lint ::
	@$(PANTS) check ::
	@$(PANTS) test tests/unit::

redeploy: ## What must be deployed again when CHANGED=libs/models changes; after make pants.
	@$(PANTS) dependents --transitive $(if $(wildcard $(CHANGED)/.),$(CHANGED)::,$(CHANGED)) | xargs -r $(PANTS) --tag=deployable list

clean: ## Remove the environment, all state and all caches.
	@rm -rf $(VENV) .venv-* .pants-venv .pants.rc infra/pants/resolve.json .pants.d var dist .mypy_cache .ruff_cache .pytest_cache .hypothesis fitwave.egg-info
