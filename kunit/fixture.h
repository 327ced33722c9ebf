/* SPDX-License-Identifier: GPL-2.0 */
/* What several suites need: numbers that repeat, and a namespace of their own. */
#ifndef _ESPM_FIXTURE_H
#define _ESPM_FIXTURE_H

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include "../esp_mod/event.h"
#include "../esp_mod/netns.h"

enum {
	/* An SA that has lost its last user is freed within so many polls. */
	FIXTURE_FREE_POLLS	= 500,
	FIXTURE_POLL_MS		= 20,
	/*
	 * @sas never falls to zero, so the worker that frees the last SA has
	 * no need of the wait queue of a namespace that is about to go.
	 */
	FIXTURE_SAS		= 1,
};

static inline void fixture_seed(struct rnd_state *rnd)
{
	prandom_seed_state(rnd, 0x4553505f6d6f64ULL);
}

/* A number from 0 to @below - 1 */
static inline u32 fixture_pick(struct rnd_state *rnd, u32 below)
{
	return prandom_u32_state(rnd) % below;
}

static inline u64 fixture_pick64(struct rnd_state *rnd)
{
	u64 high = prandom_u32_state(rnd);

	return high << 32 | prandom_u32_state(rnd);
}

/*
 * KUnit runs a module's suites before its init function (6.1) or after it
 * (6.12). In the first case nothing has been set up for SAs.
 */
static inline int fixture_suite_init(struct kunit_suite *suite)
{
	return THIS_MODULE->state == MODULE_STATE_COMING ? espm_sa_init() : 0;
}

static inline void fixture_suite_exit(struct kunit_suite *suite)
{
	if (THIS_MODULE->state == MODULE_STATE_COMING)
		espm_sa_exit();
}

/* Nobody is told, but SAs that wait for it are let go. */
static inline void fixture_tell(struct work_struct *work)
{
	struct espm_net *en = container_of(work, struct espm_net, tell);
	struct espm_sa *sa, *next;

	llist_for_each_entry_safe(sa, next, espm_event_take_all(en), in_events) {
		espm_event_take(sa);
		espm_sa_put(sa);
	}
}

/* An empty SAD and SPD, behind test->priv; without hooks, and without a device */
static inline int fixture_init(struct kunit *test)
{
	struct espm_net *en = kzalloc(sizeof(*en), GFP_KERNEL);

	if (!en)
		return -ENOMEM;
	mutex_init(&en->lock);
	espm_quota_init(&en->quota, true);
	init_waitqueue_head(&en->sas_gone);
	espm_event_init(en, fixture_tell);
	atomic_set(&en->sas, FIXTURE_SAS);
	en->stats = alloc_percpu(struct espm_stats);
	if (!en->stats)
		goto err_free;
	if (espm_sad_init(en))
		goto err_free_stats;
	if (espm_spd_init(en))
		goto err_sad_exit;
	test->priv = en;
	return 0;

err_sad_exit:
	espm_sad_exit(en);
err_free_stats:
	free_percpu(en->stats);
err_free:
	kfree(en);
	return -ENOMEM;
}

/* Wait until no more than @left SAs are there. */
static inline bool fixture_sas_fall_to(struct espm_net *en, int left)
{
	int i;

	for (i = 0; i < FIXTURE_FREE_POLLS; i++) {
		if (atomic_read(&en->sas) <= FIXTURE_SAS + left)
			return atomic_read(&en->sas) == FIXTURE_SAS + left;
		msleep(FIXTURE_POLL_MS);
	}
	return false;
}

/* Whatever the test has left must go, and all that was counted with it. */
static inline void fixture_exit(struct kunit *test)
{
	struct espm_net *en = test->priv;

	if (!en)
		return;
	mutex_lock(&en->lock);
	espm_spd_flush(en);
	espm_sad_flush(en);
	mutex_unlock(&en->lock);
	if (!fixture_sas_fall_to(en, 0)) {
		/* What is still in use must not be freed under its user. */
		KUNIT_FAIL(test, "%d SAs are still there", atomic_read(&en->sas) - FIXTURE_SAS);
		return;
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&en->sad.by_name.nelems), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&en->sad.by_key.nelems), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&en->sad.by_spi.nelems), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&en->sad.links.nelems), 0);
	KUNIT_EXPECT_EQ(test, en->sad.sas + en->sad.reservations, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&en->spd.table.nelems), 0);
	KUNIT_EXPECT_EQ(test, en->spd.n, 0);
	espm_event_exit(en);
	rcu_barrier();
	espm_spd_exit(en);
	espm_sad_exit(en);
	free_percpu(en->stats);
	kfree(en);
}

#endif /* _ESPM_FIXTURE_H */
