# make test    everything that decides whether risim is right; .ci/run calls this and nothing else
# make bench   how fast it is: benchmarks of the parts, then the whole from outside; about ten minutes, and a quiet machine says more
# make fuzz    every fuzz target for FUZZTIME each
#
# Tests need Go and gcc (for -race). The judges, SOAP stacks and a validator that others wrote, need the Debian packages below;
# as root what is missing is installed, otherwise one line says what to install.

SHELL    := /bin/bash -o pipefail
FUZZTIME ?= 30s
JUDGES   := cmd/risim/testdata/judges

.PHONY: test tools bench fuzz

test: tools $(JUDGES)/node_modules/.package-lock.json
	@files=$$(gofmt -l cmd fixtures sim wsdl) && test -z "$$files" || { echo "gofmt would change:" $$files >&2; exit 1; }
	go vet -tags judges ./...
# Both, with and without the race detector: what time and memory are promised holds without it, and a run without it is what everybody
# types, in less than a minute. A race shows itself in some runs only, so that no kept result counts.
	go test ./...
	go test -race -count=1 ./...
# A hundred sequences each have run above. These two decide what a poller sees and misses, and what they look for is rare.
	go test ./sim/cluster -v -run 'TestNoChange_AgreesWithFullCopies|TestSelect_PlannerAgreesWithPlainScan' -rapid.checks=2000 | tee >(cat >&2) | test "$$(grep -c 'OK, passed 2000 tests')" = 2
	go test -tags judges -count=1 -run '^TestJudges' ./cmd/risim | tee >(cat >&2) | (! grep -F '[no tests to run]')

# Debian's zeep is seen by /usr/bin/python3 only, whatever another python3 stands first in PATH.
tools:
	@missing=""; \
	/usr/bin/python3 -c 'import zeep' 2>/dev/null         || missing+=" python3-zeep"; \
	/usr/bin/python3 -c 'import pytest' 2>/dev/null       || missing+=" python3-pytest"; \
	php -r '' 2>/dev/null                                 || missing+=" php-cli"; \
	php -r 'exit((int) !class_exists("SoapClient"));' 2>/dev/null || missing+=" php-soap"; \
	command -v xmllint >/dev/null                         || missing+=" libxml2-utils"; \
	command -v curl >/dev/null                            || missing+=" curl"; \
	command -v node >/dev/null                            || missing+=" nodejs"; \
	command -v npm >/dev/null                             || missing+=" npm ca-certificates"; \
	command -v gcc >/dev/null                             || missing+=" gcc libc6-dev"; \
	test -n "$$missing" || exit 0; \
	test "$$(id -u)" = 0 || { echo "make test needs these Debian packages:$$missing (as root it installs them)" >&2; exit 1; }; \
	set -ex; export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -qq; \
	apt-get install -y -qq --no-install-recommends $$missing

# npm writes this file last; it is older than the lock after a change of version.
$(JUDGES)/node_modules/.package-lock.json: $(JUDGES)/package-lock.json $(JUDGES)/package.json
	npm ci --prefix $(JUDGES) --no-audit --no-fund
	@touch $@

# nginx, wrk and the npm package soap take part where they are installed.
bench:
	go test -run '^$$' -bench . -benchmem -benchtime 0.3s ./...
	go run ./cmd/risim/internal/bench

# The go command fuzzes one target of one package at a time. To shrink an input that is merely new it would take a minute, so it tries ten times.
fuzz:
	@set -e; for package in $$(go list ./...); do \
		targets=$$(go test -list '^Fuzz' $$package | sed -n '/^Fuzz/p'); \
		for target in $$targets; do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package; \
		done; \
	done
