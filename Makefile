# One build profile (dev, with optimised dependencies) serves tests and conformance, so nothing is built twice.

CACHE := $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/llm-data-vault
PYTEST := $(CACHE)/venv/bin/pytest
# Workers of the conformance suite; each has servers of its own.
JOBS ?= 2
# Seconds for each fuzz target.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= $(basename $(notdir $(wildcard gateway/fuzz/fuzz_targets/*.rs)))
CARGO_FUZZ := 0.13.2
# RUSTC_BOOTSTRAP lets the pinned stable compiler take the sanitizer flags that cargo-fuzz passes.
FUZZ := RUSTC_BOOTSTRAP=1 cargo fuzz
PYTEST_ARGS ?=
# Whether the scrub engine takes literals by vectorscan, whose bundled C++ builds in some minutes: where there are cmake, a compiler and Boost's
# headers, unless said otherwise (VECTORSCAN=no).
HASH := \#
VECTORSCAN ?= $(shell echo '$(HASH)include <boost/version.hpp>' | c++ -E -x c++ - >/dev/null 2>&1 && command -v cmake >/dev/null && echo yes || echo no)
FEATURES := $(if $(filter yes,$(VECTORSCAN)),--features scrub/vectorscan)
# The gateway as the suite drives it: with the features that `cargo test` gives to what is below it, or all of that is built a second time.
BUILD := cargo build --workspace --bins --tests --locked
# Object stores that `make s3tests` runs over.
STORES ?= minio garage rgw local

.PHONY: help run test lint unit conformance-quick conformance s3tests pii control bench bench-scrub bench-scrub-put fuzz docs peers

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build the gateway and serve: S3 on 127.0.0.1:9900, admin on 127.0.0.1:9901, data in ./data
	@echo "scrub engine: literals by $(if $(FEATURES),vectorscan,the portable table)"
	cargo run --release --locked $(FEATURES) --bin data-vault -- serve

test: lint unit conformance-quick ## formatting, lints, unit tests, conformance over local and MinIO

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

unit:
	cargo test --workspace --locked

conformance-quick:
	conformance/peers.sh
	$(BUILD)
	$(PYTEST) conformance -n $(JOBS) --dist worksteal --backend local --backend minio $(PYTEST_ARGS)

conformance: ## the long matrix: every size, 50 kills, 5 GiB objects, Garage, every client, and what there is for Ceph RGW
	conformance/peers.sh garage rgw matrix
	$(BUILD)
	$(PYTEST) conformance --long --backend local --backend minio --backend garage $(PYTEST_ARGS)
	$(PYTEST) conformance --long --backend rgw -k "test_matrix or test_sequences or test_users" $(PYTEST_ARGS)

s3tests: ## ceph/s3-tests, checked out at TREE, directly and through the gateway over http and https, over each of STORES; writes docs/conformance.md
	@test -n "$(TREE)" || { echo "make s3tests TREE=path of a checked-out https://github.com/ceph/s3-tests"; exit 2; }
	conformance/peers.sh s3tests
	$(BUILD)
	@set -e; for store in $(STORES); do \
		$(CACHE)/s3tests-venv/bin/python conformance/s3tests/run.py $(abspath $(TREE)) --backend $$store --tls also --docs; \
	done

pii: ## the scrub engine on generated texts of every type and on clean ones, beside Presidio; DATA=folder of labelled files too; writes docs/scrub.md
	conformance/peers.sh pii
	cargo build --locked $(FEATURES) --bin data-vault
	@set -e; for engine in data-vault presidio; do \
		$(CACHE)/pii-venv/bin/python conformance/pii/run.py measure $$engine $(if $(DATA),--data $(DATA)); \
	done
	$(CACHE)/pii-venv/bin/python conformance/pii/run.py docs

control: ## the conformance suite against MinIO itself: what passes there and must not is an error
	conformance/peers.sh
	$(PYTEST) conformance -n $(JOBS) --dist worksteal --direct $(PYTEST_ARGS)

bench: ## gateway against direct against nginx before the same MinIO; writes docs/benchmarks.md
	conformance/peers.sh bench
	cargo build --release --locked --bin data-vault --bin bench
	$(CACHE)/venv/bin/python bench/run.py

bench-scrub: ## scrubbing on one core beside Presidio and scrubadub, memory, texts made against us; writes docs/benchmarks-scrub.md
	conformance/peers.sh pii
	cargo build --release --locked $(FEATURES) --bin data-vault
	cargo build --release --locked $(if $(FEATURES),--features vectorscan) -p scrub --example matching
	$(CACHE)/venv/bin/python bench/scrub.py

bench-scrub-put: ## a PUT with scrub = "enforce" by format beside "off", and the GETs of a bystander; writes docs/benchmarks-scrub-put.md
	conformance/peers.sh
	cargo build --release --locked $(FEATURES) --bin data-vault
	$(CACHE)/venv/bin/python bench/scrub_put.py

fuzz: ## every fuzz target, or those of FUZZ_TARGETS, for FUZZ_SECONDS (60)
	@command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --version $(CARGO_FUZZ) --locked
	cd gateway && $(FUZZ) build --target-dir $(CURDIR)/target/fuzz
	@set -e; cd gateway; for target in $(FUZZ_TARGETS); do \
		echo "fuzz: $$target for $(FUZZ_SECONDS) s"; \
		mkdir -p fuzz/corpus/$$target; \
		$(FUZZ) run --target-dir $(CURDIR)/target/fuzz $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -timeout=10 -print_final_stats=1; \
	done

docs: ## the API documentation
	cargo doc --workspace --no-deps --locked
