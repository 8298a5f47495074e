# SPDX-License-Identifier: GPL-2.0
# Rules of a directory of tests, in kselftest's words:
#   TEST_GEN_PROGS  programs made of NAME.c, each run without arguments, TAP on stdout
#   TEST_PROGS      scripts that are run as they are
#   TEST_GEN_FILES  programs that the tests use
#   TEST_IN_TREE    those of TEST_GEN_PROGS that need the tree around them
#   TEST_FILES      files and directories that they read
# "settings" may hold timeout=SECONDS for each test of the directory.
CFLAGS ?= -O2 -g
CFLAGS += -Wall -Wextra -I../../uapi

all: $(TEST_GEN_PROGS) $(TEST_GEN_FILES)

run_tests: all
	@set -e; for t in $(TEST_GEN_PROGS) $(TEST_PROGS); do \
		echo "# $$t"; \
		timeout -k 10 $$(sed -n 's/^timeout=//p' settings 2>/dev/null || echo 300) ./$$t; \
	done

# Names of what there is to run, for the testbed.
list:
	@printf '%s\n' $(TEST_GEN_PROGS) $(TEST_PROGS)

# What ../Makefile installs: all that runs on one host, as "tests" says it, or as it is without one.
install: all
	mkdir -p $(INSTALL_PATH)
	cp -r $(TEST_GEN_PROGS) $(TEST_PROGS) $(TEST_GEN_FILES) $(TEST_FILES) $(wildcard settings) $(INSTALL_PATH)

list_installed:
	@if test -e tests; then \
		awk '$$1 ~ /^node(\+ept)?$$/ && $$2 == 1 {$$1 = $$2 = $$3 = ""; sub(/^ +/, ""); print}' tests; \
	else \
		printf '%s\n' $(filter-out $(TEST_IN_TREE),$(TEST_GEN_PROGS)) $(TEST_PROGS); \
	fi

clean:
	rm -f $(TEST_GEN_PROGS) $(TEST_GEN_FILES) $(EXTRA_CLEAN)

.PHONY: all run_tests list install list_installed clean
