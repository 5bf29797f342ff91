# What a person types. Each target sets up what it is missing; see scripts/need.
CARGO ?= cargo
export CARGO_TARGET_DIR ?= target
PREFIX ?= /usr/local
DESTDIR ?=
PROGRAMS = nanoclawctl nc-router nc-runner nc-ipcd nc-agent
PACKAGES = $(PROGRAMS:%=-p %)
SCRIPTS = install.sh scripts/install/table scripts/install/change scripts/install/units scripts/install/user scripts/install/launchd scripts/machine scripts/need scripts/claude-binary scripts/test scripts/cargo-deny scripts/check-man .ci/run

.PHONY: all build run test crash bench bench-compare soak check fuzz install clean
all: build

build:
	@scripts/need run </dev/null
	@$(CARGO) build --locked --release $(PACKAGES) </dev/null

# Builds, makes the main group on first use, starts everything and talks. Standard output is the agent's alone.
run: build
	@$(CARGO_TARGET_DIR)/release/nanoclawctl --dir . run

test:
	@scripts/need test </dev/null
	@scripts/claude-binary </dev/null
	@scripts/test

# Kills and failures for as long as it takes: a thousand kills at random, and each failpoint at each place where it is reached.
crash:
	@scripts/need test </dev/null
	NC_CRASH=all NC_STORM=$${NC_STORM:-1000} $(CARGO) test --locked -p nanoclaw-tests --test crash --test storm -- --nocapture --test-threads=1

bench: build
	@$(CARGO) bench --locked -p nanoclaw-tests --bench house

# The two newest reports, or: make bench-compare OLDER=a.json NEWER=b.json
bench-compare: build
	@$(CARGO) bench --locked -p nanoclaw-tests --bench house -- compare $(OLDER) $(NEWER)

# Ten messages a second for an hour; NC_SOAK_SECONDS makes it shorter.
soak: build
	@$(CARGO) bench --locked -p nanoclaw-tests --bench house -- soak

# Each parser of foreign bytes for so long, two at a time, with other inputs than `make test` has.
FUZZ_SECONDS ?= 300
fuzz:
	@scripts/need test </dev/null
	NC_FUZZ_SECONDS=$(FUZZ_SECONDS) $(CARGO) test --locked -p nanoclaw-tests --test fuzz -- --nocapture

check:
	@scripts/need check </dev/null
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	scripts/cargo-deny check bans licenses sources
	shellcheck $(SCRIPTS)
	scripts/check-man

install: build
	@./install.sh --built="$(CARGO_TARGET_DIR)/release" --prefix="$(PREFIX)" $(if $(DESTDIR),--destdir="$(DESTDIR)")

clean:
	$(CARGO) clean
