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
#include "netlink.h"
#include "netlink_gen.h"
#include "netns.h"
#include "notify.h"
#include "roam.h"

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

static void tell(struct espm_net *en, u8 cmd, struct espm_sa *sa,
		 const struct espm_policy *policy)
{
	struct sk_buff *msg;

	lockdep_assert_held(&en->lock);
	down_read(&group_lock);
	if (!has_listeners(en))
		goto unlock;
	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg || fill(msg, cmd, sa, policy)) {
		nlmsg_free(msg);
		genl_set_err(&espm_family, en->net, 0, ESP_MOD_NLGRP_EVENTS, -ENOBUFS);
	} else {
		genlmsg_multicast_netns(&espm_family, en->net, msg, 0, ESP_MOD_NLGRP_EVENTS,
					GFP_KERNEL);
	}
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
	if (events & (BIT(ESPM_EVENT_HARD) | BIT(ESPM_EVENT_SEQ_END)))
		espm_sad_choose(en, sa);
}

static void tell_all(struct work_struct *work)
{
	struct espm_net *en = container_of(work, struct espm_net, tell);
	struct espm_sa *sa, *next;
	unsigned long events;

	mutex_lock(&en->lock);
	llist_for_each_entry_safe(sa, next, espm_event_take_all(en), in_events) {
		events = espm_event_take(sa);
		/* Of what is deleted, nothing more is told. */
		if (READ_ONCE(sa->state) != ESPM_SA_DEAD)
			tell_events(en, sa, events);
		espm_sa_put(sa);
	}
	mutex_unlock(&en->lock);
}

/**
 * espm_notify_begin() - a namespace begins
 * @en: the namespace; ends with espm_event_exit()
 */
void espm_notify_begin(struct espm_net *en)
{
	espm_event_init(en, tell_all);
}
