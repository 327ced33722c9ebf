/* SPDX-License-Identifier: GPL-2.0 */
/* What the module holds for each network namespace. */
#ifndef _ESPM_NETNS_H
#define _ESPM_NETNS_H

#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/gro_cells.h>
#include "sa.h"
#include "sad.h"
#include "spd.h"
#include "stats.h"

/* Five for each family. */
struct espm_wish;

enum { ESPM_HOOKS = 11 };

/**
 * struct espm_quota - how much a namespace may have
 * @sas: SAs, without reservations
 * @policies: policies
 * @reservations: SPIs that are reserved at a time
 * @sas_per_reqid: SAs of one reqid, of both directions
 * @sas_per_spi: SAs of one SPI
 */
struct espm_quota {
	u32 sas;
	u32 policies;
	u32 reservations;
	u32 sas_per_reqid;
	u32 sas_per_spi;
};

/**
 * struct espm_net - state of one namespace
 * @net: the namespace, which outlives this
 * @flush_lock: one flush at a time; before @lock
 * @lock: every change of SAD, SPD and of what follows marked L
 * @quota: L: limits
 * @awake: L: hooks are registered, @dev is there
 * @ends: L: the namespace goes, and does not fall asleep before
 * @rest: the worker that lets it sleep again
 * @hooks: L: our netfilter hooks, each with a pointer to this
 * @gather6: reassembly of IPv6, held while hooks are registered
 * @dev: esp0, read under RCU: set before the first hook, %NULL before it is freed
 * @cells: queues of @dev for opened packets
 * @sad: security associations
 * @spd: policies
 * @stats: counters
 * @sas: SAs that are not yet freed
 * @sas_gone: woken when @sas falls to zero
 * @events: SAs of which something waits to be told, a reference each
 * @tell: the worker that tells
 * @hold_lock: guards @holds, @hold_closed, @holds_n and @wishes
 * @holds: what waits for SAs, by reqid
 * @hold_closed: nothing may wait any more
 * @holds_n: how many those are
 * @wishes: SAs that were asked for so far
 * @hold_work: the worker that asks, and that ends the waiting
 * @tell_wish: how it asks
 *
 * It sleeps, costing the namespace no instruction, until the first SA or
 * policy is added, and again when the last one has been gone for some seconds.
 * Its end: SAs are killed, their operations in flight
 * awaited, the device removed; then the hooks (which empties NFQUEUE), then the
 * rest is freed.
 */
struct espm_net {
	struct net *net;
	struct mutex flush_lock;	/* one flush at a time */
	struct mutex lock;	/* every change of what is marked L */
	struct espm_quota quota;
	bool awake;
	bool ends;
	struct delayed_work rest;
	struct nf_hook_ops hooks[ESPM_HOOKS];
	int (*gather6)(struct net *net, struct sk_buff *skb, u32 user);
	struct net_device *dev;
	struct gro_cells cells;
	struct espm_sad sad;
	struct espm_spd spd;
	struct espm_stats __percpu *stats;
	atomic_t sas;
	wait_queue_head_t sas_gone;
	struct llist_head events;
	struct work_struct tell;
	spinlock_t hold_lock;	/* what waits for SAs */
	struct list_head holds;
	bool hold_closed;
	u32 holds_n;
	u32 wishes;
	struct delayed_work hold_work;
	void (*tell_wish)(struct espm_net *en, const struct espm_wish *wish);
};

/**
 * espm_quota_init() - how much a namespace may have until it is told otherwise
 * @quota: result
 * @initial: whether it belongs to the initial user namespace
 */
static inline void espm_quota_init(struct espm_quota *quota, bool initial)
{
	u32 part = initial ? 1 : 10;

	quota->sas = 1000000 / part;
	quota->policies = 1000000 / part;
	quota->reservations = 65536 / part;
	quota->sas_per_reqid = 65536 / part;
	quota->sas_per_spi = 65536 / part;
}

struct espm_net *espm_net_of(const struct net *net);

/**
 * espm_count() - count a packet that concerns no SA
 * @en: the namespace
 * @id: why
 *
 * Context: any.
 */
static inline void espm_count(const struct espm_net *en, enum espm_counter id)
{
	this_cpu_inc(en->stats->count[id]);
}

/**
 * espm_count_sa() - count a packet of an SA
 * @sa: the SA
 * @id: why
 *
 * Context: any.
 */
static inline void espm_count_sa(struct espm_sa *sa, enum espm_counter id)
{
	espm_count(sa->en, id);
	atomic_long_inc(&sa->drops.count[id]);
}

#endif /* _ESPM_NETNS_H */
