# SPDX-License-Identifier: GPL-2.0
# Targets of the testbed, included by the top-level Makefile.

# make check [T="GROUP GROUP/PROGRAM..."]
check:
	@tools/testbed/check $(T)

# make demo [GUEST=debian]
demo:
	@tools/testbed/demo $(if $(GUEST),--guest $(GUEST))

bench:
	@tools/testbed/check --bench $(T)

# Intel: nodes of one kernel inside Bochs
check-ept:
	@tools/testbed/check-ept

check-debug:
	@tools/testbed/check --debug-kernel $(T)

setup:
	@tools/testbed/setup

.PHONY: check demo bench check-ept check-debug setup
