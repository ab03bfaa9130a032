# SPDX-License-Identifier: GPL-2.0-only
# pinscope: eBPF probes that need no daemon. `make help` lists the targets.

VERSION := 0.1.0
PREFIX ?= /usr/local
B := build

CLANG ?= clang
CC ?= cc
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Werror
ARCH := $(shell uname -m | sed -e s/x86_64/x86/ -e s/aarch64/arm64/ -e s/ppc64le/powerpc/)
BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Iheaders $(WARN) \
	-Wno-unused-parameter -fno-stack-protector

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s %s\n'
endif

.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

HEADERS := $(wildcard headers/*.h)
READER := $(B)/pinscope-reader

SHELF := $(patsubst bpf/%.bpf.c,%,$(wildcard bpf/*.bpf.c))
FIXTURES := $(patsubst tests/fixture/%.bpf.c,%,$(wildcard tests/fixture/*.bpf.c))
# N-variant for each variant of the source $(1), in the order of its header comment.
variants = $(or $(shell awk '/^ \* variant /{print ++n "-" $$3}' $(1)),1-default)
# The objects made of the sources in directory $(1) named $(2), below build/ as $(3).
objects = $(foreach p,$(2),$(patsubst %,$(B)/$(3)/$(p)/%.bpf.o,$(call variants,$(1)/$(p).bpf.c)))
OBJECTS := $(call objects,bpf,$(SHELF),bpf)
FIXTURE_OBJECTS := $(call objects,tests/fixture,$(FIXTURES),fixture)

# What an older source made: `load` would try it.
STALE := $(filter-out $(OBJECTS),$(wildcard $(B)/bpf/*/*.bpf.o)) \
	$(filter-out $(SHELF:%=$(B)/bpf/%),$(wildcard $(B)/bpf/*))

.PHONY: all
all: $(OBJECTS) $(READER) ## build the objects and the reader
	$(Q)rm -rf $(STALE)

# $(1) source, $(2) object: its flags are those of its variant's line in the source.
define object_rule
$(2): $(1) $(HEADERS)
	$$(say) BPF $$@
	$$(Q)mkdir -p $$(@D)
	$$(Q)variant=$$(notdir $$(@:.bpf.o=)); variant=$$$${variant#*-}; \
	$(CLANG) $(BPF_CFLAGS) -DVARIANT="\"$$$$variant\"" $$$$(awk -v v="$$$$variant" \
		'/^ \* variant /&&$$$$3==v{for(i=4;i<=NF&&$$$$i~/^-/;i++)print $$$$i}' $$<) -c $$< -o $$@
endef
$(foreach o,$(OBJECTS),$(eval $(call object_rule,bpf/$(notdir $(patsubst %/,%,$(dir $(o)))).bpf.c,$(o))))
$(foreach o,$(FIXTURE_OBJECTS),$(eval $(call object_rule,tests/fixture/$(notdir $(patsubst %/,%,$(dir $(o)))).bpf.c,$(o))))

# These include the source of another.
$(filter $(B)/fixture/upgrade_exec/%,$(FIXTURE_OBJECTS)): tests/fixture/load_exec.bpf.c
$(filter $(B)/fixture/sw_counters/%,$(FIXTURE_OBJECTS)): bpf/hw_cache.bpf.c
$(filter $(B)/fixture/stack_rx_few/%,$(FIXTURE_OBJECTS)): bpf/stack_rx.bpf.c
$(filter $(B)/fixture/stack_tx_few/%,$(FIXTURE_OBJECTS)): bpf/stack_tx.bpf.c

READER_OBJECTS := $(patsubst pinned/%.c,$(B)/pinned/%.o,$(wildcard pinned/*.c))

$(B)/pinned/%.o: pinned/%.c $(HEADERS) $(wildcard pinned/*.h)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(WARN) -std=gnu11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -Iheaders -c $< -o $@

$(READER): $(READER_OBJECTS)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -lbpf -ljansson -lm -o $@

# Both ends of any TCP conversation, for the tests.
$(B)/tests/traffic: $(wildcard tests/live/traffic/*.c tests/live/traffic/*.h)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(WARN) -std=gnu11 -D_GNU_SOURCE $(filter %.c,$^) $(LDFLAGS) -o $@

.PHONY: deps
deps: ## install the packages that building needs (Debian; uses sudo)
	$(Q)tests/deps build

.PHONY: load unload
load: all ## load probes or groups: make load PROBES="io tcp_latency" (default: group default)
	$(Q)scripts/pinscope load $(PROBES)
unload: ## unload all probes
	$(Q)scripts/pinscope unload all

.PHONY: demo
demo: ## see tcp_latency measure real traffic; needs nothing but root
	$(Q)tests/deps demo
	$(Q)$(MAKE) --no-print-directory -j2 all $(B)/tests/traffic
	$(Q)examples/demo/run

.PHONY: check
check: ## linters, unit tests, live tests on four kernels
	$(Q)tests/deps check
	$(Q)$(MAKE) --no-print-directory -j2 all tests
	$(Q)tests/check

.PHONY: check-long
check-long: ## the same, with the slow tests and the peers on every kernel (two hours)
	$(Q)tests/deps check
	$(Q)$(MAKE) --no-print-directory -j2 all tests
	$(Q)tests/check --long

BLOCKS := $(patsubst tests/bench/%.bpf.c,$(B)/bench/%.bpf.o,$(wildcard tests/bench/blocks/*.bpf.c))

$(B)/bench/blocks/%.bpf.o: tests/bench/blocks/%.bpf.c tests/bench/blocks/block.bpf.h $(HEADERS)
	$(say) BPF $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(B)/bench/ops: $(wildcard tests/bench/ops/*.c) tests/bench/ops/ops.h
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(WARN) -std=gnu11 -D_GNU_SOURCE $(filter %.c,$^) -o $@

.PHONY: bench
bench: ## what probes and peers add, in instructions, on four kernels (an hour)
	$(Q)tests/deps bench
	$(Q)$(MAKE) --no-print-directory -j2 bench-tools
	$(Q)tests/bench/all

.PHONY: bench-tools
bench-tools: all $(B)/bench/ops $(B)/tests/verified $(BLOCKS)

.PHONY: tests
tests: all $(B)/tests/traffic $(patsubst tests/live/%.c,$(B)/tests/%,$(wildcard tests/live/*.c)) $(FIXTURE_OBJECTS) ## build what the tests need

.PHONY: install
install: all ## install below DESTDIR/PREFIX
	$(Q)install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin libexec/pinscope/verbs share/doc/pinscope)
	$(Q)install -m 755 scripts/pinscope $(DESTDIR)$(PREFIX)/libexec/pinscope/pinscope
	$(Q)install -m 644 scripts/lib.bash $(DESTDIR)$(PREFIX)/libexec/pinscope/
	$(Q)install -m 644 scripts/verbs/* $(DESTDIR)$(PREFIX)/libexec/pinscope/verbs/
	$(Q)install -m 755 $(READER) $(DESTDIR)$(PREFIX)/libexec/pinscope/
	$(Q)ln -sf ../libexec/pinscope/pinscope $(DESTDIR)$(PREFIX)/bin/pinscope
	$(Q)for o in $(OBJECTS:$(B)/bpf/%=%); do \
		install -D -m 644 $(B)/bpf/$$o $(DESTDIR)$(PREFIX)/lib/pinscope/bpf/$$o || exit; done
	$(Q)install -m 644 README.md docs/*.md $(DESTDIR)$(PREFIX)/share/doc/pinscope/

$(B)/tests/%: tests/live/%.c $(wildcard tests/live/*.h) $(HEADERS)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(WARN) -std=gnu11 -D_GNU_SOURCE -Iheaders $< $(LDFLAGS) -lbpf -o $@

.PHONY: clean
clean: ## remove what was built
	$(Q)rm -rf $(B)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z_-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
