// SPDX-License-Identifier: GPL-2.0
#include <linux/gfp.h>
#include <linux/mempool.h>
#include <linux/module.h>
#include <linux/workqueue.h>

#include <dvmm/transport.h>

#include "reserve.h"

#define RESERVE_PAGES	64

static mempool_t *reserve;

/* Received pages become the core's and never come back to the pool by themselves. */
static void reserve_refill(struct work_struct *work)
{
	while (READ_ONCE(reserve->curr_nr) < reserve->min_nr)
		mempool_free(alloc_page(GFP_NOIO | __GFP_NOFAIL), reserve);
}

static DECLARE_WORK(refill, reserve_refill);

struct page *dvmm_xport_page(void)
{
	struct page *page = mempool_alloc(reserve, GFP_NOIO);

	if (READ_ONCE(reserve->curr_nr) < reserve->min_nr)
		queue_work(system_unbound_wq, &refill);
	return page;
}
EXPORT_SYMBOL_NS_GPL(dvmm_xport_page, DVMM);

int dvmm_reserve_init(void)
{
	reserve = mempool_create_page_pool(RESERVE_PAGES, 0);
	return reserve ? 0 : -ENOMEM;
}

void dvmm_reserve_exit(void)
{
	cancel_work_sync(&refill);
	mempool_destroy(reserve);
}
