// SPDX-License-Identifier: GPL-2.0
/*
 * Events to the multicast group. A change by netlink tells of itself at once,
 * while the namespace is locked, so that events come in the order of changes;
 * what happens among packets comes through the worker of event.h. A listener
 * whose buffer is full misses what doesn't fit, and is told so by ENOBUFS;
 * nobody waits for it.
 */
#include <linux/rwsem.h>
#include <net/genetlink.h>
#include "event.h"
#include "hold.h"
#include "main.h"
#include "netlink.h"
#include "netlink_gen.h"
#include "netns.h"
#include "notify.h"
#include "roam.h"

enum { HOLD_NS = 8 * NSEC_PER_MSEC };	/* until others have the lock */

/* The family's group has a number, which is nobody else's, while it is registered. */
static DECLARE_RWSEM(group_lock);
static bool group_is_there;

/**
 * espm_notify_on() - the family is registered
 *
 * Context: process, sleeps.
 */
void espm_notify_on(void)
{
	down_write(&group_lock);
	group_is_there = true;
	up_write(&group_lock);
}

/**
 * espm_notify_off() - the family is about to be unregistered: nothing is told any more
 *
 * Context: process, sleeps.
 */
void espm_notify_off(void)
{
	down_write(&group_lock);
	group_is_there = false;
	up_write(&group_lock);
}

static bool has_listeners(const struct espm_net *en)
{
	return group_is_there && espm_netlink_may_show(en->net) &&
	       genl_has_listeners(&espm_family, en->net, ESP_MOD_NLGRP_EVENTS) > 0;
}

static int fill(struct sk_buff *msg, u8 cmd, struct espm_sa *sa, const struct espm_policy *policy)
{
	void *hdr = genlmsg_put(msg, 0, 0, &espm_family, 0, cmd);
	int err = 0;

	if (!hdr)
		return -EMSGSIZE;
	if (sa) {
		rcu_read_lock();
		err = espm_sa_fill(msg, sa);
		rcu_read_unlock();
	} else if (policy) {
		err = espm_policy_fill(msg, policy);
	}
	genlmsg_end(msg, hdr);
	return err;
}

/* Uses up @msg. Who misses it learns that. */
static void send(struct espm_net *en, struct sk_buff *msg, int err)
{
	if (!err) {
		genlmsg_multicast_netns(&espm_family, en->net, msg, 0, ESP_MOD_NLGRP_EVENTS,
					GFP_KERNEL);
		return;
	}
	nlmsg_free(msg);
	genl_set_err(&espm_family, en->net, 0, ESP_MOD_NLGRP_EVENTS, -ENOBUFS);
}

static void tell(struct espm_net *en, u8 cmd, struct espm_sa *sa,
		 const struct espm_policy *policy)
{
	struct sk_buff *msg;

	lockdep_assert_held(&en->lock);
	down_read(&group_lock);
	if (!has_listeners(en))
		goto unlock;
	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	send(en, msg, msg ? fill(msg, cmd, sa, policy) : -ENOMEM);
unlock:
	up_read(&group_lock);
}

/**
 * espm_notify_sa() - tell of an SA
 * @en: its namespace, locked
 * @cmd: ESPM_CMD_SA_*_NTF
 * @sa: the SA, as it is now
 *
 * Context: process, sleeps.
 */
void espm_notify_sa(struct espm_net *en, u8 cmd, struct espm_sa *sa)
{
	tell(en, cmd, sa, NULL);
}

/**
 * espm_notify_policy() - tell of a policy
 * @en: its namespace, locked
 * @cmd: ESPM_CMD_POLICY_*_NTF
 * @policy: the policy
 *
 * Context: process, sleeps.
 */
void espm_notify_policy(struct espm_net *en, u8 cmd, const struct espm_policy *policy)
{
	tell(en, cmd, NULL, policy);
}

/**
 * espm_notify_flush() - tell that a database is empty
 * @en: its namespace, locked
 * @cmd: ESPM_CMD_SA_FLUSH_NTF or ESPM_CMD_POLICY_FLUSH_NTF
 *
 * Context: process, sleeps.
 */
void espm_notify_flush(struct espm_net *en, u8 cmd)
{
	tell(en, cmd, NULL, NULL);
}

static void tell_moved(struct espm_net *en, struct espm_sa *sa)
{
	espm_notify_sa(en, ESPM_CMD_SA_MAPPING_NTF, sa);
}

static void tell_events(struct espm_net *en, struct espm_sa *sa, unsigned long events)
{
	static const u8 cmds[] = {
		[ESPM_EVENT_SOFT] = ESPM_CMD_SA_SOFT_NTF,
		[ESPM_EVENT_SEQ_NEAR] = ESPM_CMD_SA_SEQ_NEAR_NTF,
		[ESPM_EVENT_HARD] = ESPM_CMD_SA_HARD_NTF,
		[ESPM_EVENT_SEQ_END] = ESPM_CMD_SA_SEQ_END_NTF,
		[ESPM_EVENT_ICV] = ESPM_CMD_SA_ICV_NTF,
	};
	enum espm_event event;

	for (event = 0; event < ARRAY_SIZE(cmds); event++)
		if (events & BIT(event))
			espm_notify_sa(en, cmds[event], sa);
	if (events & BIT(ESPM_EVENT_MOVED))
		espm_roam_follow(en, sa, tell_moved);
	/* A reservation that nobody came for leaves nothing to be seen. */
	if (events & BIT(ESPM_EVENT_HARD) && !espm_sa_is_keyed(sa))
		espm_sad_del(en, sa);
	else if (events & (BIT(ESPM_EVENT_HARD) | BIT(ESPM_EVENT_SEQ_END)))
		espm_sad_choose(en, sa);
}

static void tell_all(struct work_struct *work)
{
	struct espm_net *en = container_of(work, struct espm_net, tell);
	struct espm_sa *sa, *next;
	unsigned long events;
	u64 until;

	mutex_lock(&en->lock);
	until = ktime_get_ns() + HOLD_NS;
	llist_for_each_entry_safe(sa, next, espm_event_take_all(en), in_events) {
		events = espm_event_take(sa);
		/* Of what is deleted, nothing more is told. */
		if (READ_ONCE(sa->state) != ESPM_SA_DEAD && !espm_sad_is_gone(sa))
			tell_events(en, sa, events);
		espm_sa_put(sa);
		if (ktime_get_ns() < until)
			continue;
		/* Thousands may end in the same second. */
		mutex_unlock(&en->lock);
		cond_resched();
		mutex_lock(&en->lock);
		until = ktime_get_ns() + HOLD_NS;
	}
	espm_net_rest(en);
	mutex_unlock(&en->lock);
}

static int fill_wish(struct sk_buff *msg, const struct espm_wish *wish)
{
	const struct espm_flow *flow = &wish->flow;
	void *hdr = genlmsg_put(msg, 0, 0, &espm_family, 0, ESPM_CMD_ACQUIRE_NTF);

	if (!hdr || nla_put_u32(msg, ESPM_A_ACQUIRE_SEQ, wish->seq) ||
	    nla_put_u32(msg, ESPM_A_ACQUIRE_POLICY, wish->policy) ||
	    nla_put_u32(msg, ESPM_A_ACQUIRE_REQID, wish->reqid) ||
	    espm_nl_addr_fill(msg, ESPM_A_ACQUIRE_SRC, &flow->src, flow->family) ||
	    espm_nl_addr_fill(msg, ESPM_A_ACQUIRE_DST, &flow->dst, flow->family) ||
	    nla_put_u8(msg, ESPM_A_ACQUIRE_PROTOCOL, flow->proto) ||
	    (flow->ports == ESPM_PORTS_SEEN &&
	     (nla_put_u16(msg, ESPM_A_ACQUIRE_SPORT, flow->sport) ||
	      nla_put_u16(msg, ESPM_A_ACQUIRE_DPORT, flow->dport))))
		return -EMSGSIZE;
	genlmsg_end(msg, hdr);
	return 0;
}

static void tell_wish(struct espm_net *en, const struct espm_wish *wish)
{
	struct sk_buff *msg;

	down_read(&group_lock);
	if (has_listeners(en)) {
		msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
		send(en, msg, msg ? fill_wish(msg, wish) : -ENOMEM);
	}
	up_read(&group_lock);
}

/**
 * espm_notify_begin() - a namespace begins
 * @en: the namespace; ends with espm_event_exit()
 */
void espm_notify_begin(struct espm_net *en)
{
	espm_event_init(en, tell_all);
	espm_hold_init(en, tell_wish);
}
