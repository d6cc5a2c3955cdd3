# dalog: build, try, test and measure. `make` alone lists the targets.

GO        ?= go
FUZZTIME  ?= 60s
VERSION   := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GOBUILD   := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)'

.DEFAULT_GOAL := help
.PHONY: help build run peers check test smoke race e2e fault mutants browser fuzz bench bench-ingest bench-serve bench-forward bench-search bench-http bench-commit bench-start lint vuln licences dist packages-test image docker clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/dalogd and bin/dalogfwd, static
	$(GOBUILD) -o bin/ ./cmd/dalogd ./cmd/dalogfwd

run: build ## the demo: dalogd, two app servers and a writer, on loopback; ends on Ctrl-C
	@$(GOBUILD) -o bin/dalog-demo ./internal/demo
	@exec bin/dalog-demo

peers: ## bring the programs the tests run against (rsyslog, syslog-ng, ...)
	@scripts/peers.sh

check: ## gofmt and go vet
	@unformatted=$$(gofmt -l bench cmd internal scripts); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...

# The end-to-end tests build the programs themselves, which the test cache does
# not see: hence -count=1.
UNIT = $$($(GO) list ./... | grep -v /internal/e2e)
E2E  = ./internal/e2e/...

test: peers check ## all tests, within five minutes
	$(GO) test $(UNIT)
	$(GO) test -count=1 $(E2E)

e2e: peers ## only the tests with real processes and real peers
	$(GO) test -count=1 $(E2E)

# As root: mounts file systems of its own. Arguments in ARGS, for instance
# ARGS='-run TestPowerLoss' or, behind -args, what a failed test says; without
# them the simulation comes first. No test takes longer than BUDGET.
BUDGET ?= 4m
fault: peers ## kill, power loss, full and failing disks, rotation, copies: all rounds, an hour
	$(if $(ARGS),,DALOG_EPISODES=100000 $(GO) test -count=1 -v -timeout 1h -run '^TestSimulation$$|^TestBitRot$$' ./internal/logstore)
	$(if $(ARGS),,$(GO) test -count=1 -timeout 1h -run TestActionLists ./internal/tail -rapid.checks=7000 -rapid.nofailfile)
	$(if $(ARGS),,$(GO) test -count=1 -timeout 1h -run TestCopyTruncate ./internal/tail -rapid.checks=2000 -rapid.nofailfile -plans 8)
	$(if $(ARGS),,$(GO) test -count=1 -v -timeout 1h -run 'TestRotationMatrix|TestCopytruncateAtWork' ./internal/e2e -rounds 20)
	$(GO) test -count=1 -v -parallel 4 -timeout 3h ./internal/e2e/fault $(ARGS) -full -budget $(BUDGET)

mutants: peers ## make mistakes on purpose, each of which a test must notice
	$(GO) run ./scripts/mutants $(ARGS)

# Arguments in ARGS, for instance ARGS='-run TestLook'; behind -args those of the
# tests: ARGS='-run TestHold -args -hold 10m' serves invented logs to look at.
browser: ## the pages in a real Chromium: every point, both themes, narrow and wide; makes the pictures in docs/
	@scripts/peers.sh browser
	$(GO) test -count=1 -v -timeout 30m ./internal/e2e/browser $(or $(ARGS),-args -full)

smoke: ## the quick part of the tests, no peers needed
	$(GO) test -short ./...

race: peers ## all tests under the race detector; needs a C compiler
	$(GO) test -race $(UNIT)
	DALOG_E2E_RACE=1 $(GO) test -race -count=1 -timeout 25m $(E2E)

fuzz: ## every fuzz target for FUZZTIME (60s) each
	@scripts/fuzz.sh $(FUZZTIME)

bench: ## the benchmarks of all packages
	$(GO) test -run '^$$' -bench . -benchmem ./...

# Arguments in ARGS, for instance ARGS='-n 100000 -rounds 1'.
bench-ingest: build peers ## dalogd beside rsyslog and syslog-ng: rate, CPU, memory, losses
	$(GO) run ./bench/ingest $(ARGS)

# Arguments in ARGS, for instance ARGS='-n 200000 -rounds 1'.
bench-forward: build peers ## dalogfwd beside rsyslog and syslog-ng: CPU and bytes a line, lines/s, memory
	$(GO) run ./bench/forward $(ARGS)

# Needs nginx installed. Arguments in ARGS, for instance ARGS='-rounds 3'.
bench-serve: build peers ## dalogd beside nginx: the list of files, a large download, archives
	$(GO) run ./bench/serve $(ARGS)

# Arguments in ARGS, for instance ARGS='-plain 256 -history 1024 -rounds 3'.
bench-search: build peers ## dalogd beside grep, ripgrep and zstd: literals, regexes, needles, last lines, times, memory
	$(GO) run ./bench/search $(ARGS)

bench-http: bench-serve bench-search ## both of these

bench-commit: ## what a commit takes and writes, by number of files, on this disk
	$(GO) test -run '^$$' -bench 'Commit$$' -benchtime 200x ./internal/logstore

lint: ## staticcheck, at the version in tools/go.mod
	$(GO) tool -modfile=tools/go.mod staticcheck ./...
	cd packaging && $(GO) vet ./...

vuln: ## govulncheck: known weaknesses in what dalog is built from; needs vuln.go.dev
	$(GO) tool -modfile=tools/go.mod govulncheck ./...

licences: ## what dalog is built from, under which licences; fails where one is not permitted
	@cd packaging && $(GO) run . -root .. -licences

# The same checkout and version give the same bytes.
dist: ## dist/: static binaries, archives, .deb and .rpm for amd64 and arm64, checksums
	cd packaging && $(GO) run . -out ../dist -version $(VERSION) -time $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

# As root on Debian: debootstrap, buildah, supervisor, nginx and syslog-ng, in
# folders of their own.
packages-test: ## packages in a clean Debian, the image, the units, the docassemble kit; minutes
	cd packaging && $(GO) vet ./... && $(GO) test -count=1 -timeout 30m -v $(ARGS) ./...

image: dist ## the container image dalog:VERSION, by buildah, from dist/
	buildah bud --isolation chroot --format docker --build-arg VERSION=$(VERSION) -t dalog:$(VERSION) .

bench-start: ## how long a start takes: after a kill with 128 MiB to recover, and with 10,000 parts
	$(GO) test -run '^$$' -bench 'Recovery|10000Parts/start' -benchtime 5x ./internal/logstore

docker: dist ## the same by docker
	docker build --build-arg VERSION=$(VERSION) -t dalog:$(VERSION) .

clean: ## remove what building, trying and testing leave in the checkout
	rm -rf bin dist .demo .cache
	$(GO) clean -testcache
