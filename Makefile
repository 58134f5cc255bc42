# `make` alone tells what there is.

PYTHON = .venv/bin/python
CARILLON = .build/release/carillon
# Debian keeps servers where not everybody's PATH leads.
export PATH := $(PATH):/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help install build run demo package test test-all test-chaos fuzz bench million docs format lint clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## what tests and demonstration need: Debian packages and .venv
	@scripts/install.sh

# Only when a source is newer than the program: `make run` with nothing to build starts at once.
SOURCES := $(shell find Package.swift $(wildcard Package.resolved) Sources Benchmarks/Bench)

$(CARILLON): $(SOURCES)
	@scripts/install.sh build
	swift build -c release --product carillon
	@touch $@

build: $(CARILLON) ## the program, optimised: .build/release/carillon

run: $(CARILLON) ## one node: clients on port 8000, the API on 127.0.0.1:8001, no Redis, nothing to configure
	$(CARILLON) serve

demo: install build ## redis, three nodes and HAProxy, with things to try; CHECK=1 proves it and ends
	@$(PYTHON) scripts/demo.py $(if $(CHECK),--check)

package: $(CARILLON) ## a Debian package and a tarball, in .build/package
	@scripts/install.sh package
	@python3 scripts/package.py

test: install ## everything that is tested, in about 40 minutes; ends with a count
	@$(PYTHON) scripts/test.py

test-all: install ## also what takes long: fuzzing, ThreadSanitizer, 100,000 sessions, the whole Autobahn suite, the packages
	@scripts/install.sh test-all
	@$(PYTHON) scripts/test.py --all

test-chaos: install ## every fault of docs/chaos.md, twenty times where it can fall differently; pictures in .build/chaos
	@$(PYTHON) scripts/test.py --chaos

fuzz: install ## every parser of foreign bytes for a minute (FUZZ="--target frames --seconds 600")
	@python3 scripts/fuzz.py $(FUZZ)

bench: build ## the budgets, measured on this machine (BENCH=--quick tries it)
	@python3 Benchmarks/run.py $(BENCH)

million: build ## one message to 1,000,000 sessions on this machine, Redis killed, a node drained (SESSIONS=100000; MILLION=--check)
	@python3 Benchmarks/million.py $(if $(SESSIONS),--sessions $(SESSIONS)) $(MILLION)

docs: install build ## the tables of docs/operations.md that the program can tell, and pictures of the page (PICTURES=--quick)
	@python3 scripts/refresh_docs.py
	@python3 scripts/sizing_page.py
	@$(PYTHON) scripts/page_pictures.py $(PICTURES)

format: ## the sources, in place
	swift format --in-place --recursive Sources Tests Benchmarks Package.swift

lint: install ## Swift is formatted, Python (ruff) and shell (shellcheck) have none of the usual mistakes
	swift format lint --strict --recursive Sources Tests Benchmarks Package.swift
	.venv/bin/ruff check --quiet .
	shellcheck $(shell find scripts Tests Benchmarks -name '*.sh') .ci/run

clean: ## removes what was built and made
	rm -rf .build .venv
