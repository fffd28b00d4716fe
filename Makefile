# Every target prints itself in `make help` by its one line of `## help`.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: help setup run test test-jax lint types bench schema lock

help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST)

setup: ## Make .venv with everything that running, testing and changing Crowdtune needs
	@$(PYTHON) bootstrap.py dev

run: ## Run the whole platform on this machine until Ctrl-C (PORT=8000 DATA_DIR=./data DEMO=1)
	@$(PYTHON) bootstrap.py base
	@exec $(BIN)/python manage.py up --with-parent

test: setup ## Run all tests, the browser's included (ARGS="-k name" for some)
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-jax: setup ## Run the tests that reach Keras once more, with JAX instead of TensorFlow
	@KERAS_BACKEND=jax JAX_PLATFORMS=cpu \
		XLA_FLAGS="--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true" \
		$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
		tests/training tests/inference $(ARGS)

lint: setup ## Check style, templates and which room may import which
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@git ls-files 'templates/*.html' | xargs $(BIN)/djade --check --target-version 5.2
	@$(BIN)/lint-imports

types: setup ## Check the types (mypy, strict)
	@$(BIN)/mypy .

bench: setup ## Measure side by side, as tables
	@$(BIN)/python -m bench $(ARGS)

schema: setup ## Write docs/openapi.yaml anew from the code
	@$(BIN)/python manage.py spectacular --file docs/openapi.yaml --validate

lock: ## Pin every version and hash anew from requirements/*.in (needs uv)
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header -q $(ARGS) \
		-o requirements/dev.txt requirements/dev.in
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header -q $(ARGS) \
		-c requirements/dev.txt -o requirements/base.txt requirements/base.in
