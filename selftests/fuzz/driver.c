// SPDX-License-Identifier: GPL-2.0
/*
 * Stands in for libFuzzer where clang is not there, and writes seeds for it.
 *
 *	NAME [-runs=N] [-seed=N]	generated cases
 *	NAME FILE...			these cases
 *	NAME -corpus=DIR [-runs=N]	write the cases as files instead
 *
 * Half of the cases are noise; the others are events as a fair peer might send
 * them, in a wild order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define MAX 1024

static size_t generate(uint8_t *out, unsigned long seed)
{
	/* Answers that fit, so that sequences get somewhere. */
	static const uint8_t ids[] = { 4, 4, 4, 2, 0 }, nodes[] = { 2, 3, 0x80, 0xc0, 0xe0 };
	size_t len, i;

	srandom((unsigned int)seed);
	len = 1 + 6 * (size_t)(random() % 120);
	if (len < 44)
		len = 44;
	for (i = 0; i < len; i++)
		out[i] = (uint8_t)random();
	if (seed & 1)
		return len;
	for (i = 1; i + 6 <= len; i += 6) {
		out[i + 1] &= random() & 1 ? 0x05 : 0xff;
		out[i + 2] = nodes[random() % 5];
		out[i + 3] = random() & 1 ? 0xff : nodes[random() % 5] | (random() & 1 ? 0xa0 : 0);
		out[i + 4] &= 3;
		out[i + 5] = ids[random() % 5];
	}
	return len;
}

static int replay(const char *path)
{
	static uint8_t buf[1 << 16];
	FILE *f = fopen(path, "rb");
	size_t len;

	if (!f)
		return 1;
	len = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	return LLVMFuzzerTestOneInput(buf, len);
}

static int save(const char *dir, unsigned long n, const uint8_t *buf, size_t len)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/seed-%lu", dir, n);
	f = fopen(path, "wb");
	if (!f)
		return 1;
	fwrite(buf, 1, len, f);
	return fclose(f);
}

int main(int argc, char **argv)
{
	unsigned long runs = 100000, seed = 1, n;
	const char *corpus = NULL;
	uint8_t buf[MAX];
	int i;

	for (i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "-runs=", 6))
			runs = strtoul(argv[i] + 6, NULL, 0);
		else if (!strncmp(argv[i], "-seed=", 6))
			seed = strtoul(argv[i] + 6, NULL, 0);
		else if (!strncmp(argv[i], "-corpus=", 8))
			corpus = argv[i] + 8;
		else
			runs = replay(argv[i]);	/* 0 where all is well */
	}
	for (n = 0; n < runs; n++) {
		size_t len = generate(buf, seed * 1000003 + n);

		if (corpus ? save(corpus, n, buf, len) : LLVMFuzzerTestOneInput(buf, len))
			return 1;
	}
	printf("%lu cases\n", runs);
	return 0;
}
