// SPDX-License-Identifier: GPL-2.0
/* Count a drop where it belongs, and tell who traces. See drop.h. */
#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/ipv6.h>
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
		old = cmpxchg(&policy->drops, NULL, drops);
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
