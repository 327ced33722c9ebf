// SPDX-License-Identifier: GPL-2.0
/* Packets that wait for an SA. See hold.h. */
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include "drop.h"
#include "flow.h"
#include "hold.h"
#include "netns.h"
#include "spd.h"

enum {
	HOLDS		= 64,		/* reqids that are waited for in a namespace */
	PACKETS		= 16,		/* of each */
	PATIENCE	= 10 * HZ,	/* of a packet */
	REMINDER	= 2 * HZ,	/* at least between two events for a reqid */
};

/**
 * struct hold - what waits for SAs of one reqid
 * @in_holds: place in espm_net.holds
 * @wish: what is told
 * @untold: it is to be told
 * @told: when it was, jiffies
 * @until: when patience ends, jiffies
 * @packets: in the order of their coming
 */
struct hold {
	struct list_head in_holds;
	struct espm_wish wish;
	bool untold;
	unsigned long told;
	unsigned long until;
	struct sk_buff_head packets;
};

static struct hold *find(struct espm_net *en, u32 reqid)
{
	struct hold *hold;

	list_for_each_entry(hold, &en->holds, in_holds)
		if (hold->wish.reqid == reqid)
			return hold;
	return NULL;
}

static struct hold *begin(struct espm_net *en, const struct espm_policy *policy)
{
	struct hold *hold;

	if (en->holds_n >= HOLDS)
		return NULL;
	hold = kzalloc(sizeof(*hold), GFP_ATOMIC);
	if (!hold)
		return NULL;
	hold->wish.policy = policy->id;
	hold->wish.reqid = policy->reqid;
	hold->wish.seq = ++en->wishes;
	hold->told = jiffies - REMINDER;
	hold->until = jiffies + PATIENCE;
	__skb_queue_head_init(&hold->packets);
	list_add_tail(&hold->in_holds, &en->holds);
	en->holds_n++;
	return hold;
}

static void end(struct espm_net *en, struct hold *hold)
{
	list_del(&hold->in_holds);
	en->holds_n--;
	kfree(hold);
}

static void drop_all(struct espm_net *en, struct sk_buff_head *packets)
{
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(packets))) {
		rcu_read_lock();
		espm_drop_free(en, NULL, NULL, skb, ESPM_OUT_HELD);
		rcu_read_unlock();
	}
}

/* A bridge's frame has a route in name only, and a copy of multicast has been looped back. */
static bool can_wait(struct sk_buff *skb, const struct espm_flow *flow)
{
	const struct dst_entry *dst = skb_dst(skb);

	if (!dst || dst->ops->family != flow->family || dst->flags & DST_FAKE_RTABLE)
		return false;
	if (flow->family == AF_INET)
		return !ipv4_is_multicast(flow->dst.v4) && !ipv4_is_lbcast(flow->dst.v4);
	return !ipv6_addr_is_multicast(&flow->dst.v6);
}

/**
 * espm_hold() - ask for an SA, and let the packet that needs it wait
 * @en: the namespace
 * @skb: a packet at POST_ROUTING
 * @policy: the policy, on demand, whose reqid has no usable SA
 * @gen: the generation in which the packet is judged
 * @may_wait: whether the packet can be asked about once more, from the beginning
 *
 * Context: under rcu_read_lock(), softirqs off.
 * Return: what has become of the packet.
 */
enum espm_held espm_hold(struct espm_net *en, struct sk_buff *skb,
			 const struct espm_policy *policy, unsigned long gen, bool may_wait)
{
	enum espm_held held = ESPM_HELD_NOT;
	struct espm_flow flow;
	struct espm_sa *sa;
	struct hold *hold;

	if (espm_flow_read(&flow, skb, skb_network_offset(skb), ESPM_DIR_OUT))
		return ESPM_HELD_NOT;
	spin_lock(&en->hold_lock);
	/* Whoever ends a policy takes the lock behind that, to drop what waits. */
	if (en->hold_closed || !espm_spd_decides(en, policy))
		goto unlock;
	/*
	 * Whoever adds an SA takes it, too, to let go what waits: if that comes with a
	 * turn, behind a grace period, and so behind this packet.
	 */
	sa = espm_sad_outbound_get(policy, gen);
	if (sa) {
		espm_sa_put(sa);
		held = ESPM_HELD_TOO_LATE;
		goto unlock;
	}
	hold = find(en, policy->reqid) ?: begin(en, policy);
	if (!hold)
		goto unlock;
	if (time_after_eq(jiffies, hold->told + REMINDER)) {
		hold->wish.flow = flow;
		hold->untold = true;
		hold->told = jiffies;
		mod_delayed_work(system_unbound_wq, &en->hold_work, 0);
	}
	if (may_wait && skb_queue_len(&hold->packets) < PACKETS && can_wait(skb, &flow)) {
		skb_dst_force(skb);
		if (skb_dst(skb)) {
			__skb_queue_tail(&hold->packets, skb);
			held = ESPM_HELD_IT;
		}
	}
unlock:
	spin_unlock(&en->hold_lock);
	return held;
}

/* Tell what is untold, and give up what has waited in vain. */
static void look(struct work_struct *work)
{
	struct espm_net *en = container_of(to_delayed_work(work), struct espm_net, hold_work);
	struct sk_buff_head late;
	struct espm_wish wish;
	struct hold *hold, *next;
	bool again = false;

	__skb_queue_head_init(&late);
	mutex_lock(&en->lock);
	do {
		wish.seq = 0;
		spin_lock_bh(&en->hold_lock);
		list_for_each_entry(hold, &en->holds, in_holds) {
			if (hold->untold) {
				hold->untold = false;
				wish = hold->wish;
				break;
			}
		}
		spin_unlock_bh(&en->hold_lock);
		if (wish.seq)
			en->tell_wish(en, &wish);
	} while (wish.seq);
	mutex_unlock(&en->lock);

	spin_lock_bh(&en->hold_lock);
	list_for_each_entry_safe(hold, next, &en->holds, in_holds) {
		if (time_before(jiffies, hold->until)) {
			again = true;
			continue;
		}
		skb_queue_splice_tail_init(&hold->packets, &late);
		end(en, hold);
	}
	if (again)
		queue_delayed_work(system_unbound_wq, &en->hold_work, HZ);
	spin_unlock_bh(&en->hold_lock);
	drop_all(en, &late);
}

/* @reqid: for which they wait, 0 for any */
static void take(struct espm_net *en, u32 reqid, struct sk_buff_head *packets)
{
	struct hold *hold, *next;

	__skb_queue_head_init(packets);
	spin_lock_bh(&en->hold_lock);
	list_for_each_entry_safe(hold, next, &en->holds, in_holds) {
		if (reqid && hold->wish.reqid != reqid)
			continue;
		skb_queue_splice_tail_init(&hold->packets, packets);
		end(en, hold);
	}
	spin_unlock_bh(&en->hold_lock);
}

/**
 * espm_hold_release() - SAs or policies have come: ask about what waits again
 * @en: the namespace
 * @reqid: of the SA that has come, 0 for a policy
 *
 * What still has no SA waits once more, and asks for it once more.
 *
 * Context: process.
 */
void espm_hold_release(struct espm_net *en, u32 reqid)
{
	struct sk_buff_head packets;
	struct sk_buff *skb;

	take(en, reqid, &packets);
	while ((skb = __skb_dequeue(&packets))) {
		local_bh_disable();
		rcu_read_lock();
		/* The device may have gone; the route knows of it. */
		skb->dev = skb_dst(skb)->dev;
		skb_dst(skb)->output(en->net, skb->sk, skb);
		rcu_read_unlock();
		local_bh_enable();
	}
}

/**
 * espm_hold_drop() - policies are gone: drop what waits
 * @en: the namespace
 *
 * It was sent when a policy wanted ESP, and must not leave in clear now.
 *
 * Context: process.
 */
void espm_hold_drop(struct espm_net *en)
{
	struct sk_buff_head packets;

	take(en, 0, &packets);
	drop_all(en, &packets);
}

/**
 * espm_hold_init() - a namespace begins, in which nothing waits
 * @en: the namespace
 * @tell: tells of a wish, in process context, with the namespace locked
 */
void espm_hold_init(struct espm_net *en,
		    void (*tell)(struct espm_net *en, const struct espm_wish *wish))
{
	spin_lock_init(&en->hold_lock);
	INIT_LIST_HEAD(&en->holds);
	INIT_DELAYED_WORK(&en->hold_work, look);
	en->tell_wish = tell;
}

/**
 * espm_hold_exit() - a namespace ends: what waits is dropped, and nothing waits any more
 * @en: the namespace
 *
 * While its devices are there, and before connection tracking ends, which waits for the
 * entries of these packets.
 *
 * Context: process, sleeps.
 */
void espm_hold_exit(struct espm_net *en)
{
	spin_lock_bh(&en->hold_lock);
	en->hold_closed = true;
	spin_unlock_bh(&en->hold_lock);
	cancel_delayed_work_sync(&en->hold_work);
	espm_hold_drop(en);
}
