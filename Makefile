# For people. The build itself is meson's: see meson.build. Each target first installs, by apt, what it lacks
# (packaging/apt says what that may be); SETUP=no skips that.

groups := build
demo demo-agent demo-dispatch demo-runner: groups := build demo
test lint soak: groups := build demo test
fuzz: groups := build test
bench bench-quick: groups := build bench
SECONDS := 600

## build/credfd and the programs of its roles: optimised, hardened, without tests
all: setup
	@[ -e build/build.ninja ] || meson setup build $(if $(PREFIX),--prefix='$(PREFIX)') >/dev/null || \
	  { tail -n 20 build/meson-logs/meson-log.txt; exit 1; }
	@ninja -C build $(if $(filter demo demo-agent demo-dispatch demo-runner,$(MAKECMDGOALS)),--quiet)

## a command that uses a key and cannot find it, against an HTTPS API started on the spot
demo: all
	@tools/demo/demo

## an agent that has turned tries ten ways to a key and ten ways home, and still does its work; all on this machine
demo-agent: all
	@tools/demo/agent/demo

## people who have signed in land in their own workspaces, and nobody else does; all on this machine
demo-dispatch: all
	@tools/demo/dispatch

## a control plane's tasks use their keys and cannot find them; a stale CLI falls back; all on this machine
demo-runner: all
	@tools/demo/runner

## everything that is tested: some fifteen minutes
test: setup
	@tests/run

## 5,000 tasks with the link cut at random: nothing is lost, nothing grows; 10,000 scripts that bash and our reader read
soak: all
	@tests/runner/soak

## the static checks: of that gcc -fanalyzer, clang-tidy and cppcheck, and beside it clang's analyzer
lint: setup
	@tests/run lint

## each fuzzer for SECONDS=600
fuzz: setup
	@tools/fuzz $(SECONDS)

## every row of the benchmark: some ten minutes, as root on a machine that is left alone (bench/README.md)
bench: build-bench
	@bench/run; status=$$?; [ $$status -ge 128 ] || bench/instructions; exit $$status

## nearly the same rows, shorter, with up to 1,000 tunnels and 100 leases: some two minutes
bench-quick: build-bench
	@bench/run --quick

build-bench: setup
	@[ -e build-bench/credfd ] || echo 'bench: building credfd and the programs that measure it, in build-bench'
	@[ -e build-bench/build.ninja ] || meson setup build-bench -Dbench=true >/dev/null
	@ninja -C build-bench --quiet

## into /usr/local, or the PREFIX that was given when it was first built; DESTDIR is honoured
install: all
	@DESTDIR='$(DESTDIR)' meson install -C build --no-rebuild

## what was built, removed
clean:
	@rm -rf build build-*

help:
	@awk '/^## / { text = substr($$0, 4); next } \
	      text { sub(/:.*/, ""); printf "make %-13s %s\n", $$0 == "all" ? "" : $$0, text; text = "" }' Makefile

setup:
	@$(if $(filter no,$(SETUP)),:,tools/setup $(groups))

.PHONY: all demo demo-agent demo-dispatch demo-runner soak test lint fuzz bench bench-quick build-bench install clean help setup
.DEFAULT_GOAL := all
