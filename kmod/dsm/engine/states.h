/* SPDX-License-Identifier: GPL-2.0 */
/*
 * States of a page on one node.  A node that is not the page's home is a cache
 * with the textbook's MSI states (Sorin, Hill, Wood, "A Primer on Memory
 * Consistency and Cache Coherence", chapter 8); at the home the state of the
 * directory and that of the home's own copy are merged in one.
 *
 * State 0 is "nothing here" in both roles, so that a zeroed struct dvmm_page is
 * an untouched page everywhere; at the home it selects the row of H_U.
 */
#ifndef DVMM_ENGINE_STATES_H
#define DVMM_ENGINE_STATES_H

/* name, permission, has a frame, is stable, meaning */
#define DVMM_CACHE_STATES(X)						\
	X(I,     NONE,  0, 1, "no copy")				\
	X(S,     READ,  1, 1, "clean copy, others may have one")	\
	X(M,     WRITE, 1, 1, "the only copy; this node is the owner")	\
	X(IS_D,  NONE,  0, 0, "asked to read, data to come")		\
	X(IZ_D,  NONE,  0, 0, "asked for what may be refused, the answer to come")	\
	X(IM_AD, NONE,  0, 0, "asked to write, data and acknowledgements to come") \
	X(IM_A,  NONE,  1, 0, "asked to write, has the data, acknowledgements to come") \
	X(SM_AD, READ,  1, 0, "asked to upgrade, grant and acknowledgements to come") \
	X(SM_A,  READ,  1, 0, "asked to upgrade, granted, acknowledgements to come") \
	X(MI_A,  NONE,  1, 0, "gives an owned page back, still answers for it") \
	X(II_A,  NONE,  0, 0, "gave an owned page back, has answered a forward since")

#define DVMM_HOME_STATES(X)						\
	X(H_U,    NONE,  0, 1, "untouched: all zeroes, no copy anywhere") \
	X(H_M,    WRITE, 1, 1, "the home has the only copy")		\
	X(H_S,    READ,  1, 1, "the home has a valid copy, sharers may have one") \
	X(H_R,    NONE,  0, 1, "a remote node owns the page")		\
	X(H_FS,   NONE,  0, 0, "a read is forwarded to the owner, unblock to come") \
	X(H_FM,   NONE,  0, 0, "a write is forwarded to the owner, unblock to come") \
	X(H_RS_D, NONE,  0, 0, "the home itself asked the owner to read")	\
	X(H_RM_D, NONE,  0, 0, "the home itself asked the owner to write")	\
	X(H_SM_A, READ,  1, 0, "the home itself upgrades, acknowledgements to come")

enum dvmm_state {
#define X(name, perm, frame, stable, why) DVMM_ST_##name,
	DVMM_CACHE_STATES(X)
	DVMM_HOME_STATES(X)
#undef X
	DVMM_ST_COUNT,
};

/*
 * The first of the home's states.  H_U has this number only as a row of the
 * table: in struct dvmm_page it is stored as 0.
 */
#define DVMM_ST_HOME_FIRST	DVMM_ST_H_U

#endif
