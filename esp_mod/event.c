// SPDX-License-Identifier: GPL-2.0
/* Events of SAs on their way to a worker. See event.h. */
#include <linux/bitops.h>
#include <linux/jiffies.h>
#include <linux/llist.h>
#include "atom.h"
#include "event.h"
#include "netns.h"
#include "sa.h"

/**
 * espm_event_init() - a namespace begins
 * @en: the namespace
 * @tell: the worker: takes the SAs that wait, their events, and puts them
 */
void espm_event_init(struct espm_net *en, work_func_t tell)
{
	init_llist_head(&en->events);
	INIT_WORK(&en->tell, tell);
}

/**
 * espm_event_exit() - a namespace ends
 * @en: the namespace, whose SAs are all freed
 *
 * Context: process, sleeps.
 */
void espm_event_exit(struct espm_net *en)
{
	cancel_work_sync(&en->tell);
	WARN_ON(!llist_empty(&en->events));
}

/**
 * espm_event_raise() - something has happened to an SA
 * @sa: the SA; of one that was deleted nothing is told any more
 * @event: what
 *
 * Context: any, softirqs on or off.
 */
void espm_event_raise(struct espm_sa *sa, enum espm_event event)
{
	struct espm_net *en = sa->en;

	set_bit(event, &sa->events);
	/* Ordered: who takes the SA's events after this finds ours among them. */
	if (test_and_set_bit(ESPM_EVENT_WAITS, &sa->events))
		return;
	rcu_read_lock();
	if (espm_sa_tryget(sa)) {
		llist_add(&sa->in_events, &en->events);
		queue_work(system_unbound_wq, &en->tell);
	}
	rcu_read_unlock();
}

/**
 * espm_event_raise_icv() - a packet of an SA failed the integrity check
 * @sa: the SA
 *
 * Whoever can send packets can have them fail: once a second is enough.
 *
 * Context: any.
 */
void espm_event_raise_icv(struct espm_sa *sa)
{
	unsigned long told = READ_ONCE(sa->icv_told), now = jiffies;

	if (now - told >= HZ && espm_cmpxchg(&sa->icv_told, told, now) == told)
		espm_event_raise(sa, ESPM_EVENT_ICV);
}

/**
 * espm_event_take_all() - the SAs that wait
 * @en: the namespace
 *
 * Context: its worker.
 * Return: a list by espm_sa.in_events, the first that came first, each with a
 * reference for the caller. espm_event_take() of an SA lets it into the next
 * list, so go on to the next one before.
 */
struct llist_node *espm_event_take_all(struct espm_net *en)
{
	return llist_reverse_order(llist_del_all(&en->events));
}

/**
 * espm_event_take() - what has happened to an SA
 * @sa: an SA of the list
 *
 * Context: its namespace's worker.
 * Return: a bit for each of enum espm_event, and perhaps %ESPM_EVENT_WAITS.
 */
unsigned long espm_event_take(struct espm_sa *sa)
{
	return espm_xchg(&sa->events, 0);
}
