# Liangfa: every target is at most a few lines; CI calls the same ones.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
MINUTES ?= 30
FOLDER ?= var/distributed

##@ Start here
.PHONY: help setup demo up-distributed down-distributed secrets test
help: ## Show this list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*##/ {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## Make the virtual environment and install exactly what the lock says

.venv/.ready: requirements/dev.lock pyproject.toml scripts/setup.sh
	PYTHON=$(PYTHON) sh scripts/setup.sh

demo: setup ## Run the demo district, live (ARGS=--exit ends by itself)
	$(BIN)/liangfa demo $(ARGS)

up-distributed: setup ## Run PostgreSQL, Kafka and a process for each service (FOLDER=var/distributed)
	$(BIN)/python -m scripts.up_distributed --folder $(FOLDER)

down-distributed: setup ## Stop what up-distributed started
	$(BIN)/python -m scripts.up_distributed down --folder $(FOLDER)

secrets: ## Make passwords, a CA and certificates for docker compose in var/secrets
	sh deploy/docker/make-secrets.sh var/secrets

test: setup ## Run every test but those of the network (make reliability)
	$(BIN)/pytest -n 2 --dist loadgroup -m "not network" $(ARGS)

##@ Develop
.PHONY: quick fuzz reliability soak check fix protos bench evaluate clean
quick: setup ## Run the tests that take about a minute
	$(BIN)/pytest -n 2 -m "not slow and not fault" $(ARGS)

fuzz: setup ## Look for new counterexamples to the properties, for minutes
	$(BIN)/pytest -n 2 -m "not slow and not fault" --hypothesis-profile=fuzz tests/unit $(ARGS)

reliability: setup ## Kill real processes, count what is lost, and write docs/reliability.md
	$(BIN)/python scripts/reliability.py

soak: setup ## Keep the platform at an even rate (MINUTES=30); is it flat, is anything lost?
	$(BIN)/python scripts/soak.py $(MINUTES) $(ARGS)

check: setup ## Lint, types, layers, protos
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy libs services tests bench scripts
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate_protos.py --check

fix: setup ## Format and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

protos: setup ## Generate libs/liangfa_protos from protos/
	$(BIN)/python scripts/generate_protos.py

bench: setup ## Measure, each figure beside its limit
	$(BIN)/python -m bench $(ARGS)

evaluate: setup ## Recall, specificity and top-1 of the screening, by field
	$(BIN)/python scripts/evaluate_screening.py $(ARGS)

clean: ## Remove the environment, caches and the demo's data
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis var

##@ Release
.PHONY: lock
lock: setup ## Resolve the dependencies anew (needs uv in the environment: pip install uv)
	$(BIN)/uv pip compile pyproject.toml --generate-hashes --no-emit-index-url --no-header -o requirements/runtime.lock
	$(BIN)/uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --no-header -o requirements/dev.lock
