// SPDX-License-Identifier: GPL-2.0
/* One security association, from allocation to its end. See sa.h. */
#include <crypto/aead.h>
#include <linux/slab.h>
#include "atom.h"
#include "chacha.h"
#include "event.h"
#include "expire.h"
#include "netns.h"
#include "sa.h"

/* Flushed when the module goes: no free runs in a module that is gone. */
static struct workqueue_struct *free_queue;

/* kmalloc() would round an SA up to twice its size. */
static struct kmem_cache *sa_cache;

/**
 * espm_sa_init() - what all SAs need
 *
 * Context: process, sleeps.
 * Return: 0 or -ENOMEM.
 */
int espm_sa_init(void)
{
	sa_cache = kmem_cache_create("esp_mod_sa", sizeof(struct espm_sa), 0,
				     SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT, NULL);
	if (!sa_cache)
		return -ENOMEM;
	free_queue = alloc_workqueue("esp_mod_free", WQ_UNBOUND, 0);
	if (free_queue)
		return 0;
	kmem_cache_destroy(sa_cache);
	return -ENOMEM;
}

/**
 * espm_sa_exit() - undo espm_sa_init(), once every SA has been freed
 *
 * Context: process, sleeps.
 */
void espm_sa_exit(void)
{
	destroy_workqueue(free_queue);
	kmem_cache_destroy(sa_cache);
}

/**
 * espm_sa_await() - wait until every SA of a namespace is freed
 * @en: the namespace, whose SAs have all been killed
 *
 * Context: process, sleeps.
 */
void espm_sa_await(struct espm_net *en)
{
	wait_event(en->sas_gone, !atomic_read(&en->sas));
	/* The last free may still be about to wake this namespace up. */
	flush_workqueue(free_queue);
}

static void free_in_worker(struct work_struct *work)
{
	espm_sa_free(container_of(to_rcu_work(work), struct espm_sa, free_work));
}

/* Last reference. Lookups may still look at the SA, so a grace period follows. */
static void release(struct percpu_ref *ref)
{
	struct espm_sa *sa = container_of(ref, struct espm_sa, ref);

	INIT_RCU_WORK(&sa->free_work, free_in_worker);
	queue_rcu_work(free_queue, &sa->free_work);
}

/**
 * espm_sa_alloc() - a larval SA
 * @en: its namespace
 * @dir: enum espm_direction
 * @spi: security parameters index
 * @window: replay window in packets, meaningful inbound
 *
 * Context: process, sleeps.
 * Return: the SA, the caller's to publish or to espm_sa_free(); NULL without memory.
 */
struct espm_sa *espm_sa_alloc(struct espm_net *en, u8 dir, __be32 spi, u32 window)
{
	struct espm_path *path;
	struct espm_sa *sa;
	int cpu;

	sa = kmem_cache_zalloc(sa_cache, GFP_KERNEL_ACCOUNT);
	if (!sa)
		return NULL;
	sa->dir = dir;
	sa->spi = spi;
	sa->state = ESPM_SA_LARVAL;
	spin_lock_init(&sa->rx_lock);
	INIT_LIST_HEAD(&sa->in_formers);
	INIT_HLIST_NODE(&sa->in_link);
	INIT_HLIST_NODE(&sa->in_ended);
	RB_CLEAR_NODE(&sa->by_age);
	RB_CLEAR_NODE(&sa->by_pin);
	if (dir == ESPM_DIR_IN)
		sa->key_name.spi = spi;
	espm_expire_init(sa);
	sa->icv_told = jiffies - HZ;

	sa->load = alloc_percpu_gfp(struct espm_sa_load, GFP_KERNEL_ACCOUNT);
	if (!sa->load)
		goto err_free_sa;
	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(sa->load, cpu)->syncp);

	if (dir == ESPM_DIR_IN) {
		sa->replay = kvzalloc(espm_replay_size(window), GFP_KERNEL_ACCOUNT);
		if (!sa->replay)
			goto err_free_load;
		espm_replay_init(sa->replay, window);
	}
	path = espm_path_alloc(sa);
	if (!path)
		goto err_free_replay;
	if (percpu_ref_init(&sa->ref, release, 0, GFP_KERNEL_ACCOUNT))
		goto err_free_path;
	RCU_INIT_POINTER(sa->path, path);

	sa->en = en;
	atomic_inc(&en->sas);
	return sa;

err_free_path:
	espm_path_free(path);
err_free_replay:
	kvfree(sa->replay);
err_free_load:
	free_percpu(sa->load);
err_free_sa:
	kmem_cache_free(sa_cache, sa);
	return NULL;
}

/**
 * espm_sa_free() - free an SA that was never published, or that nobody can see
 * @sa: the SA
 *
 * Transforms wipe their keys.
 *
 * Context: process, sleeps.
 */
void espm_sa_free(struct espm_sa *sa)
{
	struct espm_net *en = sa->en;

	percpu_ref_exit(&sa->ref);
	espm_expire_exit(sa);
	/* It doesn't start again: that asks first whether the SA is usable. */
	if (sa->idle.function)
		timer_delete_sync(&sa->idle);
	if (sa->apart)
		espm_chacha_free(sa->chacha);
	else
		crypto_free_aead(sa->tfm);
	espm_path_free(rcu_dereference_raw(sa->path));
	kvfree(sa->replay);
	free_percpu(sa->load);
	memzero_explicit(sa, sizeof(*sa));
	kmem_cache_free(sa_cache, sa);

	if (atomic_dec_and_test(&en->sas))
		wake_up(&en->sas_gone);
}

/**
 * espm_sa_end() - no packet is sealed or opened with this SA any more
 * @sa: the SA
 *
 * It stays in the SAD to be seen, until it is deleted.
 *
 * Context: any.
 * Return: true for the one call that ended it.
 */
bool espm_sa_end(struct espm_sa *sa)
{
	u32 state = READ_ONCE(sa->state);

	while (state == ESPM_SA_LARVAL || state == ESPM_SA_VALID || state == ESPM_SA_DYING)
		if (espm_try_cmpxchg(&sa->state, &state, ESPM_SA_EXPIRED))
			return true;
	return false;
}

/**
 * espm_sa_kill() - end an SA and give up the SAD's reference to it
 * @sa: the SA, which has just been unlinked
 *
 * Context: process; the SA is freed later.
 */
void espm_sa_kill(struct espm_sa *sa)
{
	WRITE_ONCE(sa->state, ESPM_SA_DEAD);
	percpu_ref_kill(&sa->ref);
}

/*
 * The next number, or false at the end, where each is taken by itself: added to and given
 * back, the counter of several CPUs could go round, and hand numbers out once more.
 */
static bool take_number(struct espm_sa *sa, u64 *seq)
{
	u64 last = espm_sa_last_seq(sa);
	s64 taken = atomic64_read(&sa->seq);

	do {
		if ((u64)taken >= last)
			return false;
	} while (!atomic64_try_cmpxchg(&sa->seq, &taken, taken + 1));
	*seq = taken + 1;
	return true;
}

/**
 * espm_sa_next_seq() - the sequence number of the next packet
 * @sa: an outbound SA
 * @text: bytes of the packet that the cipher will work on
 * @seq: result
 *
 * RFC 4303 section 3.3.3: the number must not cycle. The SA ends instead. A
 * number that was refused for a limit is not given to another packet: the
 * limit may be another one by then, and the number already used.
 *
 * Context: softirqs off, under rcu_read_lock().
 * Return: ESPM_PASS, or why the packet must be dropped.
 */
enum espm_counter espm_sa_next_seq(struct espm_sa *sa, u32 text, u64 *seq)
{
	/* The mark is so far from the end that all who come in between do not reach it. */
	if (likely((u64)atomic64_read(&sa->seq) < READ_ONCE(sa->mark))) {
		*seq = atomic64_inc_return(&sa->seq);
		if (likely(*seq <= READ_ONCE(sa->mark)))
			return ESPM_PASS;
	} else if (!take_number(sa, seq)) {
		if (espm_sa_end(sa))
			espm_event_raise(sa, ESPM_EVENT_SEQ_END);
		return ESPM_OUT_SEQ_END;
	}
	return espm_expire_count(sa, *seq, text) ? ESPM_PASS : ESPM_OUT_EXPIRED;
}

/**
 * espm_sa_account() - count a packet that was sealed, or opened and accepted
 * @sa: the SA
 * @bytes: its length without ESP
 *
 * Context: softirqs off.
 */
void espm_sa_account(struct espm_sa *sa, u32 bytes)
{
	struct espm_sa_load *load = this_cpu_ptr(sa->load);

	u64_stats_update_begin(&load->syncp);
	u64_stats_inc(&load->packets);
	u64_stats_add(&load->bytes, bytes);
	u64_stats_update_end(&load->syncp);
}

/**
 * espm_sa_load_sum() - traffic of an SA on all CPUs
 * @sa: the SA
 * @packets: result
 * @bytes: result
 */
void espm_sa_load_sum(const struct espm_sa *sa, u64 *packets, u64 *bytes)
{
	const struct espm_sa_load *load;
	unsigned int start;
	u64 p, b;
	int cpu;

	*packets = 0;
	*bytes = 0;
	for_each_possible_cpu(cpu) {
		load = per_cpu_ptr(sa->load, cpu);
		do {
			start = u64_stats_fetch_begin(&load->syncp);
			p = u64_stats_read(&load->packets);
			b = u64_stats_read(&load->bytes);
		} while (u64_stats_fetch_retry(&load->syncp, start));
		*packets += p;
		*bytes += b;
	}
}

/**
 * espm_sa_own_path() - the path of an SA that nobody else can change
 * @sa: the SA, larval, or of a locked namespace
 *
 * Context: process.
 * Return: the path.
 */
struct espm_path *espm_sa_own_path(const struct espm_sa *sa)
{
	return rcu_dereference_protected(sa->path, READ_ONCE(sa->state) == ESPM_SA_LARVAL ||
					 lockdep_is_held(&sa->en->lock));
}
