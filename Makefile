# SPDX-License-Identifier: GPL-2.0
# make                 modules (for the running kernel, or KDIR=), tools, tests
# make install         modules, dvmm, uapi header; DESTDIR= and KVER= apply
# make uninstall       removes them
# make dkms-install    modules through DKMS, for every kernel to come
# make check|demo|bench|kernels  see tools/testbed
# make lint sparse     house rules
# make htmldocs        Documentation/html, with sphinx

VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
KVER ?= $(shell uname -r)
RUNNING := /lib/modules/$(KVER)/build
# Without headers of the running kernel: the newest ones that are there.
NEWEST := $(lastword $(shell ls -d /usr/src/linux-headers-*-amd64 2>/dev/null | \
	grep -v -e -rt- -e -cloud- | sort -V))
KDIR ?= $(if $(wildcard $(RUNNING)/Makefile),$(RUNNING),$(NEWEST))
KBUILD = $(MAKE) -C $(KDIR) M=$(CURDIR)
PREFIX ?= /usr

# Directories with a Makefile of their own, each with targets all and clean.
TOOL_DIRS := $(patsubst %/Makefile,%,$(wildcard tools/*/Makefile))
TEST_DIRS := $(patsubst %/Makefile,%,$(wildcard selftests/*/Makefile))
SUBDIRS := $(TOOL_DIRS) $(TEST_DIRS)

RELEASE = $(shell cat $(KDIR)/include/config/kernel.release)

# $(call in_tools,TARGET): in each directory of tools that has such a target
in_tools = set -e; for d in $(TOOL_DIRS); do \
	if grep -q '^$(1):' $$d/Makefile; then \
		$(MAKE) -C $$d $(1) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX); \
	fi; \
done

all: test-modules tools selftests

# One kernel build at a time in this tree: Kbuild itself does not check.
modules: | kdir
	+flock .build.lock $(KBUILD) modules

# The modules that only tests use, and all others.
test-modules:
	+$(MAKE) modules DVMM_TESTS=y

kdir:
	@test -f "$(KDIR)/Makefile" || { \
		echo "No kernel headers in '$(KDIR)': install linux-headers-amd64 or give KDIR=" >&2; \
		exit 1; }

tools: $(TOOL_DIRS)
selftests: $(TEST_DIRS)

$(SUBDIRS):
	$(MAKE) -C $@

# Headers have no System.map, without which modules_install runs no depmod; nor a key to sign with.
install: modules tools
	$(KBUILD) modules_install INSTALL_MOD_DIR=updates CONFIG_MODULE_SIG_ALL= \
		$(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR))
	depmod $(if $(DESTDIR),-b $(DESTDIR)) $(RELEASE)
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/linux $(wildcard uapi/linux/*.h)
	$(call in_tools,install)

# What install put there, and nothing else.
uninstall: | kdir
	rm -f $(DESTDIR)/lib/modules/$(RELEASE)/updates/dvmm.ko* \
		$(DESTDIR)/lib/modules/$(RELEASE)/updates/dvmm-*.ko* \
		$(patsubst uapi/%,$(DESTDIR)$(PREFIX)/include/%,$(wildcard uapi/linux/*.h))
	depmod $(if $(DESTDIR),-b $(DESTDIR)) $(RELEASE)
	$(call in_tools,uninstall)

DKMS_TREE ?= /usr/src/dvmm-$(VERSION)
DKMS_FILES := Kbuild Makefile dkms.conf COPYING kmod uapi

# The sources where DKMS looks for them, without anything that was built.
dkms-tree:
	rm -rf $(DKMS_TREE)
	mkdir -p $(DKMS_TREE)
	tar -c --exclude='*.o' --exclude='*.cmd' --exclude=probes.h $(DKMS_FILES) | \
		tar -x -C $(DKMS_TREE)

dkms-install: dkms-tree
	dkms status dvmm/$(VERSION) | grep -q . || dkms add dvmm/$(VERSION)
	dkms install --force dvmm/$(VERSION) -k $(KVER)

dkms-remove:
	dkms remove dvmm/$(VERSION) --all
	rm -rf $(DKMS_TREE)

sparse: | kdir
	sh selftests/build/warnings.sh

lint:
	sh selftests/build/includes.sh
	sh selftests/build/checkpatch.sh

HTML ?= Documentation/html

htmldocs:
	sphinx-build -q -W --keep-going -n -E -b html -d $(HTML)/.doctrees Documentation $(HTML)

clean: clean-modules
	set -e; for d in $(SUBDIRS); do $(MAKE) -C $$d clean; done
	rm -rf Documentation/html

clean-modules:
	$(KBUILD) clean
	rm -f .build.lock

.PHONY: all modules test-modules kdir tools selftests install uninstall dkms-tree dkms-install \
	dkms-remove sparse lint htmldocs clean clean-modules $(SUBDIRS)

-include tools/testbed/testbed.mk
