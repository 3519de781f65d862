# The verbs people type. Everything is installed from registries; build output stays outside the clone.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

export CARGO_TARGET_DIR ?= $(HOME)/.cache/aster/target
export CARGO_INCREMENTAL ?= 0
# Libraries under test and in the demo; `make PROFILE=release` takes optimised ones.
export PROFILE ?= dev
PROFILE_DIR := $(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
LIBS := $(CARGO_TARGET_DIR)/$(PROFILE_DIR)
# libaster with header and pkg-config file, as a package would install it.
STAGE := $(CARGO_TARGET_DIR)/stage-$(PROFILE)
PY := .venv/bin/python
BIN := .venv/bin

help: ## lists the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: python node ## builds the libraries and makes .venv and ts/ ready

libs: ## builds the three native libraries
	@echo "== building the native libraries ($(PROFILE)); the first time takes some minutes"
	cargo build --locked --workspace --lib --profile $(PROFILE)

$(PY): requirements-dev.txt
	@echo "== creating .venv"
	python3 -m venv .venv
	$(BIN)/pip install --quiet -r requirements-dev.txt
	@touch $@

python: libs $(PY) ## makes `import aster` work in .venv
	@scripts/stage-python.sh "$(LIBS)"

ts/node_modules: ts/package-lock.json
	@echo "== installing npm packages"
	cd ts && npm ci --no-audit --no-fund
	@touch $@

node: libs ts/node_modules ## builds @aster/rpc in ts/
	@scripts/stage-node.sh "$(LIBS)"

stage: libs ## installs libaster below the build folder, for tests and examples
	@bindings-c/stage.sh "$(LIBS)" "$(STAGE)"

install: ## installs release libraries below PREFIX (default /usr/local), DESTDIR honoured
	cargo build --locked --workspace --lib --release
	bindings-c/stage.sh "$(CARGO_TARGET_DIR)/release" "$(or $(PREFIX),/usr/local)" "$(DESTDIR)"

demo: setup stage ## a server and a second process calling it, in Python, Node and C, over QUIC, offline
	@scripts/demo.sh "$(STAGE)"

test: test-rust test-python test-node test-c test-go test-interop test-fuzz ## everything
	@echo "== all tests passed"

test-rust: ## unit, property, vector and loopback tests of core
	@echo "== Rust"
	cargo test --locked --workspace --profile $(PROFILE)

test-python: python node
	@echo "== Python"
	$(PY) -m pytest tests/python -n 2 --dist loadfile

test-node: node
	@echo "== Node"
	cd ts && npm test

test-c: libs
	@echo "== C"
	tests/c/run.sh "$(LIBS)"

test-go: libs
	@echo "== Go"
	tests/go/run.sh "$(LIBS)"

test-interop: setup stage ## every language's client against every language's server
	@echo "== interop"
	STAGE_DIR="$(STAGE)" $(PY) -m pytest tests/interop

test-fuzz: ## half a minute of fuzzing over all targets; FUZZ_SECONDS for longer
	@echo "== fuzz"
	scripts/fuzz.sh $(or $(FUZZ_SECONDS),30)

check: $(PY) ts/node_modules ## format, lints, types, layers, header and stub drift, file sizes
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo fmt --manifest-path bench/tonic/Cargo.toml --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(PY) scripts/layers.py
	scripts/sizes.sh
	$(PY) scripts/versions.py
	scripts/header.sh --check
	@$(MAKE) --no-print-directory python
	$(PY) -m mypy --strict
	cd ts && npx pyright --warnings --project ..
	$(PY) -m mypy.stubtest aster._aster --allowlist tests/python/stubtest-allowlist.txt
	cd ts && npx tsc --noEmit -p tsconfig.json
	@! gofmt -l bindings-c/go examples/go tests/go | grep .

header: ## regenerates include/aster.h
	scripts/header.sh

lib: ## builds libaster.so and libaster.a
	cargo build --locked --workspace --lib --profile $(PROFILE)

wheel: $(PY) ## builds and installs the release wheel as users get it
	$(BIN)/pip install --quiet .

bench: bench-adapters ## measures against bare iroh streams, grpc.aio, grpc-js and tonic; a few minutes
	$(PY) bench/run.py $(BENCH_ARGS)

bench-full: bench-adapters ## likewise, with more and longer slices
	$(PY) bench/run.py --full $(BENCH_ARGS)

bench-adapters: $(PY) ts/node_modules
	$(BIN)/pip install --quiet -r bench/requirements.txt
	cd bench/node/grpc && npm ci --no-audit --no-fund --ignore-scripts
	@$(MAKE) --no-print-directory PROFILE=release python node
	cargo build --locked --release --workspace --bins
	cargo build --locked --release --manifest-path bench/tonic/Cargo.toml --target-dir "$(CARGO_TARGET_DIR)/tonic"

bench-codec: $(PY) ts/node_modules ## measures the codec against pyfory, the fory crate and JSON.stringify and parse
	@$(MAKE) --no-print-directory PROFILE=release python node
	cargo build --locked --release --workspace --bins
	$(PY) bench/python/codec.py --slices 60
	"$(CARGO_TARGET_DIR)/release/aster-bench" codec
	node bench/node/codec.mjs

bench-admission: ## measures what admission costs beyond the handshake
	cargo build --locked --release -p aster-bench
	"$(CARGO_TARGET_DIR)/release/aster-bench" admission

clean: ## removes what was built inside the clone; the cache stays in CARGO_TARGET_DIR
	rm -rf .venv ts/node_modules bench/node/grpc/node_modules ts/dist ts/native/*.node tests/node/dist python/aster/_aster*.so bench/out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help setup libs python node stage install demo test test-rust test-python test-node test-c test-go test-interop test-fuzz check header lib wheel bench bench-full bench-adapters bench-codec bench-admission clean
