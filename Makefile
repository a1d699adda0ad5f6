# Hansa. `make help` lists what there is.

SHELL := bash
.DEFAULT_GOAL := help

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# For programs that are only run, never looked into: debugging data takes a fifth of the time to compile.
# The lab and the agents of the demo are built alike, so that they share what they can.
RUN := CGO_ENABLED=0 go run -gcflags=all=-dwarf=false

# How long make fuzz feeds each decoder.
FUZZTIME ?= 30s

# How many seeds make sim plays, and how many a mutant may survive.
SEEDS ?= 10000

# KEEP=1 leaves the clusters of the demo up.
KEEP ?=

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build hansa-agent and hansa into bin/.
	go build -o bin/ ./cmd/...

.PHONY: demo
demo: ## Show the whole way: three real clusters, one service. KEEP=1 leaves them up.
	@echo "Building the demo; the first time that takes some minutes, half of them before the next line."
	@$(RUN) ./integration/demo $(if $(KEEP),-keep)

.PHONY: demo-down
demo-down: ## End a demo that KEEP=1 left up.
	@$(RUN) ./integration/demo -down

.PHONY: check
check: format vet lint generated test ## All that must be green in every commit.

.PHONY: format
format: ## Fail if a file is not formatted by gofmt.
	@files=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); if [ -n "$$files" ]; then echo "run gofmt -w on:"; echo "$$files"; exit 1; fi

.PHONY: vet
vet: ## Run go vet.
	go vet ./...

.PHONY: lint
lint: ## Run golangci-lint, at the version that is pinned above.
	go run $(GOLANGCI_LINT) run ./...

.PHONY: lab
lab: ## Build the control planes and the CoreDNS that the tests start, once; about seven minutes on two cores.
	$(RUN) ./integration/lab/cmd/lab build

.PHONY: tools
tools: ## Fetch the Envoy and the gRPC for Python that some tests run, once, by pip; without them they skip.
	@$(RUN) ./integration/lab/cmd/lab tools

.PHONY: test
test: lab ## Run every test, with the race detector, real API servers included.
	go test -race -timeout 40m ./...

.PHONY: rules
rules: ## Say of every rule of the MCS API whether the tests prove it. KUBE=1.33 tests an older Kubernetes.
	@go run ./integration/rules $(if $(KUBE),-kube $(KUBE))

.PHONY: bench
bench: ## Measure the way of one change through real clusters, beside a floor.
	$(RUN) ./integration/bench

.PHONY: sim
sim: ## Play SEEDS clustersets in a simulator, in which everything goes wrong. SEED=123 plays and tells that one.
	@go run ./integration/sim/cmd/sim $(if $(SEED),-seed $(SEED) -trace,-seeds $(SEEDS))

.PHONY: sim-mutants
sim-mutants: ## Build the simulator with each mistake that it must catch, and fail unless it does.
	@for mutant in older_term lost_withdrawal ignored_digest deaf_blames hidden_seen; do \
		echo "mutant_$$mutant:"; \
		go run -tags "mutant_$$mutant" ./integration/sim/cmd/sim -seeds $(SEEDS) -broken || exit 1; \
	done

.PHONY: faults
faults: ## Break clustersets on purpose, and say what a user notices; losing packets needs root and nft. FAULTS=1,14 chooses, SHORT=1 has short timers, WRITE=1 makes docs/faults.md anew.
	$(RUN) ./integration/faults $(if $(FAULTS),-run $(FAULTS)) $(if $(SHORT),-short) $(if $(WRITE),-write docs/faults.md)

.PHONY: fuzz
fuzz: ## Feed every decoder random input, each for FUZZTIME; what one fails on is kept in its testdata.
	@grep -rn --include='*_test.go' -o '^func Fuzz[A-Za-z]*' . | sed -E 's|^\./(.*)/[^/]*:[0-9]+:func (.*)|\1 \2|' | sort | while read -r package target; do \
		echo "fuzz $$package $$target for $(FUZZTIME)"; \
		go test "./$$package" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) || exit 1; \
	done

.PHONY: generate
generate: ## Make the generated code anew.
	go generate ./...

.PHONY: generated
generated: ## Fail if the generated code is not what make generate makes.
	@before=$$(git ls-files -s -- '*.pb.go' | sha256sum; cat $$(git ls-files -co --exclude-standard '*.pb.go') | sha256sum); \
	go generate ./... && \
	after=$$(git ls-files -s -- '*.pb.go' | sha256sum; cat $$(git ls-files -co --exclude-standard '*.pb.go') | sha256sum); \
	if [ "$$before" != "$$after" ]; then echo "generated code was stale; commit what make generate made"; exit 1; fi
