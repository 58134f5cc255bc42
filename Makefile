# `make` alone tells what there is.

PYTHON = .venv/bin/python
CARILLON = .build/release/carillon
# Debian keeps servers where not everybody's PATH leads.
export PATH := $(PATH):/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help install build run demo test test-all test-chaos fuzz bench docs format lint clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## what tests and demonstration need: Debian packages and .venv
	@scripts/install.sh

build: ## the program, optimised: .build/release/carillon
	@scripts/install.sh build
	swift build -c release --product carillon

run: build ## one node: clients on port 8000, the API on 127.0.0.1:8001, no Redis, nothing to configure
	$(CARILLON) serve

demo: install build ## redis, three nodes and HAProxy, with things to try; CHECK=1 proves it and ends
	@$(PYTHON) scripts/demo.py $(if $(CHECK),--check)

test: install ## everything that is tested, in under half an hour; ends with a count
	@$(PYTHON) scripts/test.py

test-all: install ## also what takes long: fuzzing, ThreadSanitizer, 100,000 sessions, the whole Autobahn suite
	@$(PYTHON) scripts/test.py --all

test-chaos: install ## every fault of docs/chaos.md, twenty times where it can fall differently; pictures in .build/chaos
	@$(PYTHON) scripts/test.py --chaos

fuzz: install ## every parser of foreign bytes for a minute (FUZZ="--target frames --seconds 600")
	@python3 scripts/fuzz.py $(FUZZ)

bench: build ## the budgets, measured on this machine (BENCH=--quick tries it)
	@python3 Benchmarks/run.py $(BENCH)

docs: build ## the tables of docs/operations.md that the program can tell
	@python3 scripts/refresh_docs.py

format: ## the sources, in place
	swift format --in-place --recursive Sources Tests Benchmarks Package.swift

lint: ## is everything formatted?
	swift format lint --strict --recursive Sources Tests Benchmarks Package.swift

clean: ## removes what was built and made
	rm -rf .build .venv
