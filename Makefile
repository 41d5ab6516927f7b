# make demo       the main job, shown on a real kernel under Secure Boot
# make test       every test, lab included; ends with "N passed, N failed, N skipped"
# make bench      the figures of docs/benchmarks.md, beside real peers
# make fuzz       the parsers of foreign bytes, fuzzed for SECONDS=30 each; writes docs/fuzzing.md
# make model      the agent's decisions against a simulated host: SEQUENCES=1000000, from a SEED; see docs/safety.md
# make deb        Debian packages in out/deb
# make publish    programs as they are installed, in out/publish
# make build      compile everything
# make fast       the tests that need no lab, for while you write
# Each skips what has not changed since it last ran; what is missing on the machine is installed (Debian 12, root).

.PHONY: demo test fast bench fuzz model build publish deb deps clean
.NOTPARALLEL:

deps:
	@packaging/install-deps

build: deps
	dotnet build LivepatchAgent.sln --nologo -v quiet -p:RestoreLockedMode=true

publish: deps
	packaging/publish Daemon Cli Publisher Server

deb: publish
	packaging/build-deb agent
	packaging/build-deb server

# What the lab downloads and unpacks needs no program of ours, so on a fresh machine it is done meanwhile.
demo: deps
	@mkdir -p out; tests/lab/lab image --unbooted >out/lab.log 2>&1 & $(MAKE) --no-print-directory deb && wait $$! || { cat out/lab.log >&2; exit 1; }
	tests/demo/demo

test: deb
	tests/run all

fast: deps
	tests/run fast

bench: deb
	tests/Benchmarks/bench

fuzz: deps
	packaging/install-deps afl++
	SECONDS_EACH=$(or $(SECONDS),30) tests/Fuzz/fuzz $(TARGETS)

model: deps
	dotnet build tests/Model -c Release --nologo -v quiet -p:RestoreLockedMode=true
	tests/Model/bin/Release/net10.0/LivepatchAgent.Model --sequences $(or $(SEQUENCES),1000000) $(if $(SEED),--seed $(SEED))
	tests/Model/bin/Release/net10.0/LivepatchAgent.Model --bite

clean:
	rm -rf out
