# The workshop of relayd. Everything that CI does can be done here by hand.
#
#   make build       the program, static, in bin/relayd
#   make test        installs what the tests need (Debian), then runs every test with -race
#   make lint        gofmt, go vet, golangci-lint with .golangci.yml
#   make race        every test with -race, with the tools that are there; PKG=./relay/... for less
#   make bench       relayd against Postfix, in one run: the table of docs/performance.md;
#                    BENCHFLAGS='-load.sizes 4096 -load.sessions 10' for a part of it
#   make microbench  the benchmarks of the packages; BENCH=Journal for some of them
#   make torture     the crash and kill tests, many times over
#   make fuzz        every fuzz target for FUZZTIME each
#   make fuzz-seeds  only the seeds of the fuzz targets, which make test runs too
#   make docs        config.example.yaml and docs/configuration.md, from the structs
#   make demo        the main job on this machine: no network, no root

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

export GOTOOLCHAIN := local

GOLANGCI_VERSION := v2.15.0
GOLANGCI         := bin/golangci-lint-$(GOLANGCI_VERSION)
PKG              ?= ./...
BENCH            ?= .
FUZZTIME         ?= 20s
ROUNDS           ?= 20

.PHONY: build test tools race lint bench microbench torture fuzz fuzz-seeds docs demo clean

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/relayd ./cmd/relayd

test: tools
	go test -race -timeout 9m ./...

tools:
	./scripts/install-test-tools

race:
	go test -race -timeout 9m $(PKG)

lint: $(GOLANGCI)
	@unformatted="$$(gofmt -l $$(git ls-files '*.go'))"; \
	if [[ -n "$$unformatted" ]]; then printf 'not formatted (run gofmt -w):\n%s\n' "$$unformatted"; exit 1; fi
	go vet ./...
	$(GOLANGCI) run ./...

# The linter is built from its source at a fixed version, in a folder of its own:
# its dependencies are not relayd's.
$(GOLANGCI):
	GOBIN='$(CURDIR)/bin/.install' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv bin/.install/golangci-lint $@
	rmdir bin/.install

bench:
	go test -run '^$$' -bench Relay -benchtime 1x -timeout 60m ./test/load $(BENCHFLAGS)

microbench:
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

torture:
	go test -count=$(ROUNDS) -timeout 60m -run 'Crash|Kill|Torture' $(PKG)

fuzz:
	@for target in $$(grep -rho --include='*_test.go' '^func Fuzz[A-Za-z0-9]*' . | sed 's/func //' | sort -u); do \
	  for dir in $$(grep -rl --include='*_test.go' "^func $$target(" . | xargs -n1 dirname | sort -u); do \
	    echo "== $$target in $$dir"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$dir"; \
	  done; \
	done

fuzz-seeds:
	go test -run '^Fuzz' $(PKG)

docs:
	go test ./internal/config -run Documents -update

demo:
	go run ./cmd/relayd demo

clean:
	rm -rf bin
