// SPDX-License-Identifier: GPL-2.0
/*
 * How two nodes prove to each other that they have the machine's key: HMAC-SHA256 over
 * what either has said, in which there is a number that was never used before.
 *
 * Whoever asks for a connection without the right proof is told a challenge, a number
 * of the lane's, and nothing else; nothing is remembered of them.  Whoever asks again
 * with the proof gets the connection, and the other one's proof.  Then the lane has
 * another number: what was said once is of no use a second time.
 *
 * Data is neither encrypted nor authentic after that: whoever can change packets under
 * way needs no key.
 */
#include <crypto/algapi.h>
#include <crypto/hash.h>
#include <linux/random.h>

#include "rdma.h"

/* What is proved; @who keeps the two ends' proofs apart. */
struct said {
	u8 who[8];
	struct dvmm_greeting request;
	struct dvmm_greeting challenge;
};

static_assert(sizeof(struct said) == 72);

int dvmm_rdma_proof_init(struct rdma_link *l, const u8 *key)
{
	struct crypto_shash *mac;
	unsigned int i;
	int err;

	if (!memchr_inv(key, 0, DVMM_XPORT_KEY))
		return -ENOKEY;
	mac = crypto_alloc_shash("hmac(sha256)", 0, 0);
	if (IS_ERR(mac))
		return PTR_ERR(mac);
	err = crypto_shash_setkey(mac, key, DVMM_XPORT_KEY);
	if (err) {
		crypto_free_shash(mac);
		return err;
	}
	for (i = 0; i < DVMM_XPORT_LANES; i++)
		get_random_bytes(l->lane[i].nonce, sizeof(l->lane[i].nonce));
	l->mac = mac;
	return 0;
}

void dvmm_rdma_proof_exit(struct rdma_link *l)
{
	struct crypto_shash *mac;

	mutex_lock(&l->lock);
	mac = l->mac;
	l->mac = NULL;
	mutex_unlock(&l->lock);
	if (mac)
		crypto_free_shash(mac);	/* wipes the key */
}

/* False once the link has no key any more. */
static bool proof_make(struct rdma_link *l, const char *who, const struct dvmm_greeting *request,
		       const struct dvmm_greeting *challenge, u8 *proof)
{
	struct said said = { .request = *request, .challenge = *challenge };
	u8 full[32];
	int err = -ENOKEY;

	memcpy(said.who, who, sizeof(said.who));
	mutex_lock(&l->lock);
	if (l->mac)
		err = crypto_shash_tfm_digest(l->mac, (const u8 *)&said, sizeof(said), full);
	mutex_unlock(&l->lock);
	memcpy(proof, full, RDMA_PROOF);
	memzero_explicit(full, sizeof(full));
	return !err;
}

bool dvmm_rdma_prove(struct rdma_link *l, bool asking, const struct dvmm_greeting *request,
		     const struct dvmm_greeting *challenge, u8 *proof)
{
	return proof_make(l, asking ? "who asks" : "answers ", request, challenge, proof);
}

bool dvmm_rdma_proved(struct rdma_link *l, bool asking, const struct dvmm_greeting *request,
		      const struct dvmm_greeting *challenge, const u8 *proof)
{
	u8 right[RDMA_PROOF];

	return dvmm_rdma_prove(l, asking, request, challenge, right) &&
	       !crypto_memneq(right, proof, sizeof(right));
}

void dvmm_rdma_new_nonce(struct rdma_lane *t)
{
	get_random_bytes(t->nonce, sizeof(t->nonce));
}
