# SPDX-License-Identifier: GPL-2.0
# Targets of the testbed, included by the top-level Makefile.

# make check [T="GROUP GROUP/PROGRAM..."]
check:
	@tools/testbed/check $(T)

# make demo [GUEST=debian|elastic|pool]
demo:
	@tools/testbed/demo $(if $(GUEST),--guest $(GUEST))

bench:
	@tools/testbed/check --bench $(T)

# Intel: nodes of one kernel inside Bochs
check-ept:
	@tools/testbed/check-ept

# Both, one after the other, whatever the first one finds.
check-debug:
	@kasan=0; tools/testbed/check --debug-kernel kasan --limit 9000 $(T) || kasan=1; \
	tools/testbed/check --debug-kernel kcsan --limit 5400 $(T) && exit $$kasan

# What is too long for every check: some hours; the large guest on small hosts; Debian 13 with its own kernel
check-long:
	@tools/testbed/setup packages kernel images trials debian
	@first=0; tools/testbed/check --limit 25000 dsm/faults.py "dsm/vms.py 4 2" "dsm/torn 500" "dsm/rdma.py litmus" guest/two-machines.py \
		"guest/two-nodes.py one reboot" "guest/two-nodes.py one quick small rdma" \
		"guest/two-nodes.py two quick rdma" "guest/two-nodes.py two stock reboot" "guest/checkpoint.py fewer" \
		"guest/drift.py 600" "dsm/lost.py 4" "explore/explore --big" \
		"guest/boots.py 10 1" "guest/boots.py 10 2" guest/four-nodes.py guest/trials.py ipi/ipi_traced.sh "ipi/ipi_move.sh 5000" \
		"member/members.py 1000" "member/machines.py 1000" member/planted.py member/fence.py member/lost-host.sh \
		tools/forked.py "tools/forked.py since twin" build/debian-host.sh "build/two-hosts.py bookworm" || first=1; \
	tools/testbed/check --memory 1024 guest/large.py || first=1; \
	tools/testbed/kernels none && DVMM_KERNEL=trixie tools/testbed/check --limit 7500 "build/two-hosts.py trixie" && exit $$first

# make soak MINUTES=n [CHURN=1]: as long as that, and the time to boot
MINUTES ?= $(if $(CHURN),60,30)
soak:
	@DVMM_SOAK_MINUTES=$(MINUTES) tools/testbed/check --limit $$(($(MINUTES) * 60 + 2400)) \
		$(if $(CHURN),soak/churn.py,"soak/soak.py 2")

fuzz:
	@tools/testbed/setup packages tree
	@$(MAKE) -C selftests/fuzz fuzz

# Documentation/plots, from the simulator
plots:
	@$(MAKE) -C selftests/sim plots

# Builds, against the headers of all kernels that Debian offers.  make kernels [K=PATTERN]
kernels:
	@tools/testbed/kernels $(K)

setup:
	@tools/testbed/setup

.PHONY: check demo bench check-ept check-debug check-long soak fuzz kernels plots setup
