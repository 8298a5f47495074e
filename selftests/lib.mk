# SPDX-License-Identifier: GPL-2.0
# Rules of a directory of tests, in kselftest's words:
#   TEST_GEN_PROGS  programs made of NAME.c, each run without arguments, TAP on stdout
#   TEST_PROGS      scripts that are run as they are
#   TEST_GEN_FILES  programs that the tests use
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

clean:
	rm -f $(TEST_GEN_PROGS) $(TEST_GEN_FILES) $(EXTRA_CLEAN)

.PHONY: all run_tests list clean
