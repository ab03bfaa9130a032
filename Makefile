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

PROBES := $(patsubst bpf/%.bpf.c,%,$(wildcard bpf/*.bpf.c))
# N-variant for each variant of a probe, in the order of its header comment.
variants = $(or $(shell awk '/^ \* variant /{print ++n "-" $$3}' bpf/$(1).bpf.c),1-default)
OBJECTS := $(foreach p,$(PROBES),$(patsubst %,$(B)/bpf/$(p)/%.bpf.o,$(call variants,$(p))))
HEADERS := $(wildcard headers/*.h)
READER := $(B)/pinscope-reader

.PHONY: all
all: $(OBJECTS) $(READER) ## build the objects and the reader

# $(1) probe, $(2) N-variant
define object_rule
$(B)/bpf/$(1)/$(2).bpf.o: bpf/$(1).bpf.c $(HEADERS)
	$$(say) BPF $$@
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(CLANG) $(BPF_CFLAGS) -DVARIANT='"$(word 2,$(subst -, ,$(2)))"' \
		$$(shell awk '/^ \* variant $(word 2,$(subst -, ,$(2)))( |$$$$)/{for(i=4;i<=NF&&$$$$i~/^-/;i++)print $$$$i}' $$<) \
		-c $$< -o $$@
endef
$(foreach p,$(PROBES),$(foreach v,$(call variants,$(p)),$(eval $(call object_rule,$(p),$(v)))))

READER_OBJECTS := $(patsubst pinned/%.c,$(B)/pinned/%.o,$(wildcard pinned/*.c))

$(B)/pinned/%.o: pinned/%.c $(HEADERS) $(wildcard pinned/*.h)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(WARN) -std=gnu11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -Iheaders -c $< -o $@

$(READER): $(READER_OBJECTS)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -lbpf -ljansson -lm -o $@

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
bench: all $(B)/bench/ops $(BLOCKS) ## build what tests/bench/cost measures with

.PHONY: clean
clean: ## remove what was built
	$(Q)rm -rf $(B)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z_-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
