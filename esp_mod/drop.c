// SPDX-License-Identifier: GPL-2.0
/* Count a drop where it belongs, and tell who traces. See drop.h. */
#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include "atom.h"
#include "compat.h"
#include "drop.h"
#include "netns.h"
#include "spd.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* Before this a packet may have been changed, so nothing of it is taken for granted. */
static void read(const struct sk_buff *skb, struct espm_dropped *packet)
{
	int at = skb_network_offset(skb);
	union {
		struct iphdr ip;
		struct ipv6hdr ip6;
	} buf;
	const struct iphdr *ip;
	const struct ipv6hdr *ip6;
	const __be16 *ports;
	__be16 ports_buf[2];

	if (at < 0)
		return;
	ip = skb_header_pointer(skb, at, sizeof(*ip), &buf.ip);
	if (!ip)
		return;
	if (ip->version == 4) {
		ipv6_addr_set_v4mapped(ip->saddr, &packet->src);
		ipv6_addr_set_v4mapped(ip->daddr, &packet->dst);
		packet->proto = ip->protocol;
		at += ip->ihl * 4;
	} else {
		ip6 = skb_header_pointer(skb, at, sizeof(*ip6), &buf.ip6);
		if (!ip6 || ip6->version != 6)
			return;
		packet->src = ip6->saddr;
		packet->dst = ip6->daddr;
		packet->proto = ip6->nexthdr;
		at += sizeof(*ip6);
	}
	packet->len = skb->len - skb_network_offset(skb);
	if (packet->proto != IPPROTO_TCP && packet->proto != IPPROTO_UDP &&
	    packet->proto != IPPROTO_SCTP)
		return;
	ports = skb_header_pointer(skb, at, sizeof(ports_buf), ports_buf);
	if (ports) {
		packet->sport = ntohs(ports[0]);
		packet->dport = ntohs(ports[1]);
	}
}

/* Few policies ever drop a packet, so only those that do have counters. */
static void count_policy(struct espm_policy *policy, enum espm_counter why)
{
	struct espm_drops *drops = READ_ONCE(policy->drops), *old;

	if (!drops) {
		drops = kzalloc(sizeof(*drops), GFP_ATOMIC | __GFP_NOWARN);
		if (!drops)
			return;
		old = espm_cmpxchg(&policy->drops, NULL, drops);
		if (old) {
			kfree(drops);
			drops = old;
		}
	}
	atomic_long_inc(&drops->count[why]);
}

/**
 * espm_drop() - a packet goes no further
 * @en: the namespace
 * @sa: the SA to blame, or NULL
 * @policy: the policy that decided, or NULL
 * @skb: the packet, as far as it is still there; it stays the caller's. Or NULL
 * @why: the counter
 *
 * Context: any, under rcu_read_lock().
 */
void espm_drop(struct espm_net *en, struct espm_sa *sa, struct espm_policy *policy,
	       const struct sk_buff *skb, enum espm_counter why)
{
	struct espm_dropped packet = {};

	if (sa)
		espm_count_sa(sa, why);
	else
		espm_count(en, why);
	if (!espm_counter_is_drop(why))
		return;
	if (policy)
		count_policy(policy, why);
	if (!trace_drop_enabled())
		return;
	if (skb)
		read(skb, &packet);
	trace_drop(en, sa, policy, &packet, why);
}

/* The kernel's own reason, for who watches skb:kfree_skb; it has none for most of ours. */
static enum skb_drop_reason reason_of(enum espm_counter why)
{
	switch (why) {
	case ESPM_IN_MALFORMED:
	case ESPM_IN_TRAILER:
		return SKB_DROP_REASON_PKT_TOO_SMALL;
	case ESPM_IN_INNER:
	case ESPM_IN_UNREADABLE:
	case ESPM_OUT_UNREADABLE:
		return SKB_DROP_REASON_IP_INHDR;
	case ESPM_IN_NO_MEMORY:
	case ESPM_OUT_NO_MEMORY:
		return SKB_DROP_REASON_NOMEM;
	case ESPM_IN_NO_ROUTE:
		return SKB_DROP_REASON_IP_INNOROUTES;
	case ESPM_OUT_NO_ROUTE:
		return SKB_DROP_REASON_IP_OUTNOROUTES;
	case ESPM_OUT_TOO_BIG:
	case ESPM_OUT_TOO_LONG:
		return SKB_DROP_REASON_PKT_TOO_BIG;
	case ESPM_OUT_SEGMENT:
		return SKB_DROP_REASON_SKB_GSO_SEG;
	case ESPM_IN_BACKLOG:
	case ESPM_OUT_BACKLOG:
		return SKB_DROP_REASON_FULL_RING;
	case ESPM_OUT_HELD:
	case ESPM_IN_SELECTOR:
	case ESPM_IN_POLICY:
		return SKB_DROP_REASON_NETFILTER_DROP;
	default:
		return SKB_DROP_REASON_NOT_SPECIFIED;
	}
}

/**
 * espm_drop_free() - a packet goes no further, and is ours to free
 * @en: the namespace
 * @sa: the SA to blame, or NULL
 * @policy: the policy that decided, or NULL
 * @skb: the packet, used up; NULL where the stack has taken it and said that it cannot
 * @why: the counter; where that is no drop, the packet has served
 *
 * Context: any, under rcu_read_lock().
 */
void espm_drop_free(struct espm_net *en, struct espm_sa *sa, struct espm_policy *policy,
		    struct sk_buff *skb, enum espm_counter why)
{
	espm_drop(en, sa, policy, skb, why);
	if (espm_counter_is_drop(why))
		kfree_skb_reason(skb, reason_of(why));
	else
		consume_skb(skb);
}
