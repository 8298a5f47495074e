// SPDX-License-Identifier: GPL-2.0
/*
 * The key is an external PSK with an ephemeral key exchange: who comes to know it later reads
 * nothing that was recorded.  ChaCha20-Poly1305 only, because keys of AES-GCM have to be changed
 * after some 2^24 records (RFC 8446, section 5.5), which kernels before 6.14 cannot do.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>
#include <gnutls/gnutls.h>
#include <linux/tls.h>

#include "tls.h"
#include "verbs.h"

#ifndef SOL_TLS
#define SOL_TLS	282
#endif

/* Says nothing about the machine: it goes over the wire in clear. */
#define IDENTITY	"dvmm"
#define PRIORITY	"SECURE128:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305:" \
			"-KX-ALL:+ECDHE-PSK:-GROUP-ALL:+GROUP-X25519"

struct tls {
	int fd;
	const uint8_t *key;
	gnutls_session_t session;
	gnutls_psk_server_credentials_t server;
	gnutls_psk_client_credentials_t client;
};

/* ---- the key ---- */

static bool tls_parse_key(const char *text, ssize_t len, uint8_t *key)
{
	int i, high, low;

	if (len == 2 * DVMM_KEY_LEN + 1 && text[len - 1] == '\n')
		len--;
	for (i = 0; len == 2 * DVMM_KEY_LEN && i < DVMM_KEY_LEN; i++) {
		high = g_ascii_xdigit_value(text[2 * i]);
		low = g_ascii_xdigit_value(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		key[i] = high << 4 | low;
	}
	return i == DVMM_KEY_LEN;
}

bool tls_key(const char *path, uint8_t key[DVMM_KEY_LEN])
{
	char text[2 * DVMM_KEY_LEN + 2];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));
	const char *remedy = NULL;
	struct stat st;

	if (len < 0 || fstat(fd, &st))
		remedy = errno == EACCES ? "it cannot be read: run as root" :
			 "it cannot be read: dvmm create makes one, dvmm push copies it";
	else if (!S_ISREG(st.st_mode) || st.st_mode & 077 || (st.st_uid && st.st_uid != geteuid()))
		remedy = "others may have read it: make a new key that root alone may read";
	else if (!tls_parse_key(text, len, key))
		remedy = "it has to hold 64 hexadecimal digits and nothing else: copy it again";
	explicit_bzero(text, sizeof(text));
	if (fd >= 0)
		close(fd);
	return !remedy || verb_fail(0, path, remedy);
}

/* ---- the handshake ---- */

/* Nobody is told which names exist: 1 has GnuTLS make up a key for others. */
static int tls_give_key(gnutls_session_t session, const char *name, gnutls_datum_t *key)
{
	const struct tls *t = gnutls_session_get_ptr(session);

	if (strcmp(name, IDENTITY))
		return 1;
	key->data = gnutls_malloc(DVMM_KEY_LEN);
	if (!key->data)
		return -1;
	memcpy(key->data, t->key, DVMM_KEY_LEN);
	key->size = DVMM_KEY_LEN;
	return 0;
}

static int tls_set_server(struct tls *t)
{
	int ret = gnutls_psk_allocate_server_credentials(&t->server);

	if (ret < 0)
		return ret;
	gnutls_psk_set_server_credentials_function(t->server, tls_give_key);
	return gnutls_credentials_set(t->session, GNUTLS_CRD_PSK, t->server);
}

static int tls_set_client(struct tls *t)
{
	gnutls_datum_t key = { (void *)t->key, DVMM_KEY_LEN };
	int ret = gnutls_psk_allocate_client_credentials(&t->client);

	if (ret >= 0)
		ret = gnutls_psk_set_client_credentials(t->client, IDENTITY, &key,
							GNUTLS_PSK_KEY_RAW);
	return ret < 0 ? ret : gnutls_credentials_set(t->session, GNUTLS_CRD_PSK, t->client);
}

/* No tickets: nothing but data follows the handshake. */
static int tls_shake_hands(struct tls *t, bool server, unsigned int ms)
{
	int ret = gnutls_init(&t->session, (server ? GNUTLS_SERVER : GNUTLS_CLIENT) |
			      GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL);

	if (ret < 0)
		return ret;
	gnutls_session_set_ptr(t->session, t);
	gnutls_transport_set_int(t->session, t->fd);
	gnutls_handshake_set_timeout(t->session, ms);
	ret = gnutls_priority_set_direct(t->session, PRIORITY, NULL);
	if (ret >= 0)
		ret = server ? tls_set_server(t) : tls_set_client(t);
	while (ret >= 0) {
		ret = gnutls_handshake(t->session);
		if (ret >= 0 || gnutls_error_is_fatal(ret))
			break;
		ret = 0;
	}
	return ret;
}

static void tls_end(struct tls *t)
{
	if (t->session)
		gnutls_deinit(t->session);
	if (t->server)
		gnutls_psk_free_server_credentials(t->server);
	if (t->client)
		gnutls_psk_free_client_credentials(t->client);
}

/* ---- the kernel ---- */

/* One direction's key becomes the kernel's. */
static bool tls_hand_over(struct tls *t, bool receive)
{
	struct tls12_crypto_info_chacha20_poly1305 info = {
		.info = { TLS_1_3_VERSION, TLS_CIPHER_CHACHA20_POLY1305 },
	};
	gnutls_datum_t mac, iv, key;
	int ret;

	if (gnutls_record_get_state(t->session, receive, &mac, &iv, &key, info.rec_seq) < 0 ||
	    iv.size != sizeof(info.iv) || key.size != sizeof(info.key))
		return false;
	memcpy(info.iv, iv.data, sizeof(info.iv));
	memcpy(info.key, key.data, sizeof(info.key));
	ret = setsockopt(t->fd, SOL_TLS, receive ? TLS_RX : TLS_TX, &info, sizeof(info));
	explicit_bzero(&info, sizeof(info));
	return !ret;
}

char *tls_secure(int fd, const uint8_t key[DVMM_KEY_LEN], bool server, unsigned int ms)
{
	struct tls t = { .fd = fd, .key = key };
	int ret = tls_shake_hands(&t, server, ms);
	const char *why = NULL;

	if (ret < 0)
		why = gnutls_strerror(ret);
	else if (gnutls_kx_get(t.session) != GNUTLS_KX_ECDHE_PSK ||
		 gnutls_cipher_get(t.session) != GNUTLS_CIPHER_CHACHA20_POLY1305 ||
		 gnutls_record_check_pending(t.session))
		why = "it came to another agreement than was offered";
	else if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")))
		why = "this host's kernel has no TLS for sockets: modprobe tls";
	else if (!tls_hand_over(&t, false) || !tls_hand_over(&t, true))
		why = "this host's kernel does not take over ChaCha20-Poly1305";
	tls_end(&t);
	return g_strdup(why);
}
