# What a person types. Each target sets up what it is missing; see scripts/need.
CARGO ?= cargo
export CARGO_TARGET_DIR ?= target
PREFIX ?= /usr/local
DESTDIR ?=
PROGRAMS = nanoclawctl nc-router nc-runner nc-ipcd nc-agent
PACKAGES = $(PROGRAMS:%=-p %)
SCRIPTS = scripts/need scripts/claude-binary scripts/test scripts/cargo-deny scripts/check-man .ci/run

.PHONY: all build run test bench check install clean
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

bench: build
	@$(CARGO) bench --locked -p nanoclaw-tests --bench house

check:
	@scripts/need check </dev/null
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	scripts/cargo-deny check bans licenses sources
	shellcheck $(SCRIPTS)
	scripts/check-man

install: build
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/nanoclaw $(DESTDIR)$(PREFIX)/share/doc/nanoclaw
	install -m 755 $(CARGO_TARGET_DIR)/release/nanoclawctl $(DESTDIR)$(PREFIX)/bin/
	for p in $(filter-out nanoclawctl,$(PROGRAMS)); do install -m 755 $(CARGO_TARGET_DIR)/release/$$p $(DESTDIR)$(PREFIX)/libexec/nanoclaw/ || exit 1; done
	for m in man/*.[1578]; do s=$${m##*.}; install -d $(DESTDIR)$(PREFIX)/share/man/man$$s && install -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man$$s/ || exit 1; done
	install -m 644 nanoclaw.toml.example README.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/nanoclaw/

clean:
	$(CARGO) clean
