/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shrinkers that know cgroups, with a word for their owner, which they have of their own
 * since 6.7.
 */
#ifndef DVMM_COMPAT_SHRINKER_H
#define DVMM_COMPAT_SHRINKER_H

#include <linux/list_lru.h>
#include <linux/shrinker.h>
#include <linux/slab.h>

typedef unsigned long (*dvmm_shrinker_fn)(struct shrinker *s, struct shrink_control *sc);

#ifdef HAVE_SHRINKER_ALLOC

#define dvmm_shrinker_owner(s)	((s)->private_data)

static inline struct shrinker *dvmm_shrinker_add(dvmm_shrinker_fn count, dvmm_shrinker_fn scan,
						 void *owner, const char *name)
{
	struct shrinker *s = shrinker_alloc(SHRINKER_MEMCG_AWARE, "%s", name);

	if (!s)
		return NULL;
	s->count_objects = count;
	s->scan_objects = scan;
	s->private_data = owner;
	shrinker_register(s);
	return s;
}

#define dvmm_shrinker_del(s)	shrinker_free(s)

#else

struct dvmm_shrinker {
	struct shrinker s;
	void *owner;
};

#define dvmm_shrinker_owner(shrinker)	\
	(container_of(shrinker, struct dvmm_shrinker, s)->owner)

static inline struct shrinker *dvmm_shrinker_add(dvmm_shrinker_fn count, dvmm_shrinker_fn scan,
						 void *owner, const char *name)
{
	struct dvmm_shrinker *d = kzalloc(sizeof(*d), GFP_KERNEL);

	if (!d)
		return NULL;
	d->s.count_objects = count;
	d->s.scan_objects = scan;
	d->s.seeks = DEFAULT_SEEKS;
	d->s.flags = SHRINKER_MEMCG_AWARE;
	d->owner = owner;
	if (!register_shrinker(&d->s, "%s", name))
		return &d->s;
	kfree(d);
	return NULL;
}

static inline void dvmm_shrinker_del(struct shrinker *s)
{
	if (!s)
		return;
	unregister_shrinker(s);
	kfree(container_of(s, struct dvmm_shrinker, s));
}

#endif

#ifndef HAVE_LIST_LRU_ADD_OBJ
#define list_lru_add_obj list_lru_add
#define list_lru_del_obj list_lru_del
#endif

#endif
