// SPDX-License-Identifier: GPL-2.0
/*
 * bar: what CPUs of different hosts make of RAM behind a BAR: it is a device of the
 * boot node.  For each CPU a line for each width, "ok", "wrong" or the name of the
 * signal; then how many additions by locked instructions, made by all of them at
 * once, are there in the end.
 *
 * usage: bar RESOURCE-FILE ROUNDS CPU...
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pin.h"

enum { COUNTER = 64 };

static volatile uint8_t *bar;
static long rounds;
static sigjmp_buf back;

static void on_signal(int number)
{
	siglongjmp(back, number);
}

static void with_8(void *to, const void *from)
{
	*(volatile uint8_t *)to = *(const volatile uint8_t *)from;
}

static void with_16(void *to, const void *from)
{
	*(volatile uint16_t *)to = *(const volatile uint16_t *)from;
}

static void with_32(void *to, const void *from)
{
	*(volatile uint32_t *)to = *(const volatile uint32_t *)from;
}

static void with_64(void *to, const void *from)
{
	*(volatile uint64_t *)to = *(const volatile uint64_t *)from;
}

static void with_sse(void *to, const void *from)
{
	asm volatile("movdqu (%0), %%xmm0\n\tmovdqu %%xmm0, (%1)"
		     : : "r"(from), "r"(to) : "memory", "xmm0");
}

static void with_avx(void *to, const void *from)
{
	asm volatile("vmovdqu (%0), %%ymm0\n\tvmovdqu %%ymm0, (%1)\n\tvzeroupper"
		     : : "r"(from), "r"(to) : "memory", "xmm0");
}

static const struct {
	const char *name;
	void (*copy)(void *to, const void *from);
	size_t bytes;
} widths[] = {
	{ "8", with_8, 1 }, { "16", with_16, 2 }, { "32", with_32, 4 }, { "64", with_64, 8 },
	{ "sse", with_sse, 16 }, { "avx", with_avx, 32 },
};

/* To the device and back. */
static const char *there_and_back(unsigned int i, uint8_t fill)
{
	uint8_t sent[32], got[32] = {};
	int number = sigsetjmp(back, 1);

	if (number)
		return strsignal(number);
	memset(sent, fill, sizeof(sent));
	widths[i].copy((void *)bar, sent);
	widths[i].copy(got, (void *)bar);
	return memcmp(sent, got, widths[i].bytes) ? "wrong" : "ok";
}

static void *try_widths(void *arg)
{
	int cpu = *(int *)arg;
	unsigned int i;

	for (i = 0; i < sizeof(widths) / sizeof(*widths); i++)
		printf("cpu %d %s: %s\n", cpu, widths[i].name,
		       there_and_back(i, 0x11 * (i + 1) + cpu));
	return arg;
}

static void *add(void *arg)
{
	long i;

	for (i = 0; i < rounds; i++)
		__atomic_fetch_add((uint32_t *)(bar + COUNTER), 1, __ATOMIC_SEQ_CST);
	return arg;
}

int main(int argc, char **argv)
{
	int fd = argc > 3 ? open(argv[1], O_RDWR) : -1, cpu[64], n, i;
	pthread_t t[64];

	if (fd < 0 || argc > 3 + 64) {
		fprintf(stderr, "usage: bar RESOURCE-FILE ROUNDS CPU...\n");
		return 2;
	}
	bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bar == MAP_FAILED) {
		perror(argv[1]);
		return 2;
	}
	rounds = atol(argv[2]);
	n = argc - 3;
	signal(SIGILL, on_signal);
	signal(SIGSEGV, on_signal);
	signal(SIGBUS, on_signal);
	for (i = 0; i < n; i++) {
		cpu[i] = atoi(argv[3 + i]);
		pthread_join(start_on(cpu[i], try_widths, &cpu[i]), NULL);
	}
	*(volatile uint32_t *)(bar + COUNTER) = 0;
	for (i = 0; i < n; i++)
		t[i] = start_on(cpu[i], add, NULL);
	for (i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	printf("added: %u of %ld\n", *(volatile uint32_t *)(bar + COUNTER), rounds * n);
	return 0;
}
