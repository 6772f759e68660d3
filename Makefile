# Each target does all its own set-up on a fresh machine: scripts/setup.sh installs what is missing and is quick when
# nothing is. Variables: PYTHON (an interpreter, 3.11 or newer), PIP_ARGS (more arguments for pip install),
# PYTEST_ARGS (more arguments for pytest), PAIRS and AGAINST (of library: pairs, and problems.jsonl of benchmarks).
.PHONY: help demo test check setup clean nano library
.DEFAULT_GOAL := help
BIN := .venv/bin
PAIRS ?= runs/nano/pairs
export PYTHON PIP_ARGS

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile

setup: ## Install the system packages and the Python environment
	@scripts/setup.sh

demo: setup ## Write Verilog for one sentence, offline, with the model inside, and compile it
	$(BIN)/generate-verilog "an 8-bit up counter with synchronous active-high reset and enable"

test: ## Run the tests, on up to four cores (the files that start small trainings need about 1 GB each)
	@scripts/setup.sh test
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

check: setup ## Lint, format, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

nano: setup ## Train a model like the packaged one (more than an hour on two cores)
	$(BIN)/autovcoder finetune nano --out runs/nano

library: setup ## Make the packaged encoder and library again from PAIRS, without what copies a problem of AGAINST
	$(BIN)/python scripts/make_library.py --pairs $(PAIRS) $(if $(AGAINST),--against $(AGAINST))

clean: ## Remove the environment and everything built; runs/ stays
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
