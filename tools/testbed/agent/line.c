// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "line.h"

static int is_plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '%';
}

size_t line_escape(char *out, const char *data, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	char *p = out;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = data[i];

		if (is_plain(c)) {
			*p++ = c;
		} else {
			*p++ = '%';
			*p++ = hex[c >> 4];
			*p++ = hex[c & 15];
		}
	}
	return p - out;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

size_t line_unescape(char *word)
{
	char *in = word, *out = word;

	while (*in) {
		if (*in == '%' && hex_digit(in[1]) >= 0 && hex_digit(in[2]) >= 0) {
			*out++ = hex_digit(in[1]) << 4 | hex_digit(in[2]);
			in += 3;
		} else {
			*out++ = *in++;
		}
	}
	*out = '\0';
	return out - word;
}

int line_split(char *line, char **words, int max)
{
	int n = 0;

	for (char *p = line; n < max; n++) {
		words[n] = p;
		p = strchr(p, ' ');
		if (!p)
			return n + 1;
		*p++ = '\0';
	}
	return n;
}

static void feed_byte(struct line_reader *r, char c,
		      void (*handle)(char *line, void *ctx), void *ctx)
{
	if (c == '\r')
		return;
	if (c != '\n') {
		if (r->len == sizeof(r->buf) - 1)
			r->skipping = 1;
		else
			r->buf[r->len++] = c;
		return;
	}
	r->buf[r->len] = '\0';
	if (!r->skipping && r->len)
		handle(r->buf, ctx);
	r->len = 0;
	r->skipping = 0;
}

void line_feed(struct line_reader *r, const char *data, size_t len,
	       void (*handle)(char *line, void *ctx), void *ctx)
{
	for (size_t i = 0; i < len; i++)
		feed_byte(r, data[i], handle, ctx);
}

int line_write(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			poll(&p, 1, 100);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= n;
	}
	return 0;
}
