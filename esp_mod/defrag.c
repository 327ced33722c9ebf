// SPDX-License-Identifier: GPL-2.0
/* Whole packets. See defrag.h. */
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <net/ipv6_frag.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_zones.h>
#include "compat.h"
#include "defrag.h"
#include "drop.h"
#include "netns.h"

/*
 * Queues that nobody else puts fragments into, but one who tracks bridged connections in
 * the last zones. Numbers outside of such ranges have ICMP errors sent for what is only
 * forwarded.
 */
enum {
	OURS4	= __IP_DEFRAG_CONNTRACK_BRIDGE_IN - ESPM_DEFRAG_OUT,
	OURS6	= __IP6_DEFRAG_CONNTRACK_BRIDGE_IN - ESPM_DEFRAG_OUT,
};

/**
 * espm_defrag_start() - have reassembly at hand
 * @en: the namespace, locked, before its hooks
 *
 * That of IPv6 is asked for by symbol, not linked to: so plain insmod works, and its
 * module is loaded when the first namespace wakes.
 *
 * Context: process, sleeps; may load a module.
 * Return: 0 or -ENOENT.
 */
int espm_defrag_start(struct espm_net *en)
{
	if (!IS_ENABLED(CONFIG_IPV6))
		return 0;
	en->gather6 = symbol_request(nf_ct_frag6_gather);
	return en->gather6 ? 0 : -ENOENT;
}

/**
 * espm_defrag_stop() - give reassembly back
 * @en: the namespace, behind its last packet
 *
 * Context: process.
 */
void espm_defrag_stop(struct espm_net *en)
{
	if (!en->gather6)
		return;
	en->gather6 = NULL;
	symbol_put(nf_ct_frag6_gather);
}

/*
 * As for nf_defrag: what a rule before it does not track, and what a socket sends so. Of what
 * this host sends the mark of a rule says nothing: it may have come behind that place.
 */
static bool is_to_stay(const struct sk_buff *skb, enum espm_defrag_way way)
{
	const struct sock *sk = skb->sk;

	if (way != ESPM_DEFRAG_OUT || skb->skb_iif)
		return skb_get_nfct(skb) == IP_CT_UNTRACKED;
	return sk && sk_fullsock(sk) && sk->sk_family == PF_INET && espm_compat_nodefrag(sk);
}

/* Zones of connection tracking tell packets apart whose addresses are the same. */
static u16 zone_of(const struct sk_buff *skb)
{
	enum ip_conntrack_info info;
	const struct nf_conn *ct = nf_ct_get(skb, &info);

	return ct ? nf_ct_zone_id(nf_ct_zone(ct), CTINFO2DIR(info)) : NF_CT_DEFAULT_ZONE_ID;
}

/* What it refuses it frees, and counts itself (ReasmFails). */
static unsigned int gather4(struct espm_net *en, struct sk_buff *skb, u32 user)
{
	if (ip_defrag(en->net, skb, user))
		return NF_STOLEN;
	/* It may be longer than the link, as it was for whoever sent it. */
	skb->ignore_df = 1;
	return NF_ACCEPT;
}

static unsigned int gather6(struct espm_net *en, struct sk_buff *skb, u32 user,
			    enum espm_defrag_way way)
{
	switch (en->gather6(en->net, skb, user)) {
	case 0:
		return NF_ACCEPT;
	case -EINPROGRESS:
		return NF_STOLEN;
	default:
		espm_drop(en, NULL, NULL, skb, way == ESPM_DEFRAG_OUT ? ESPM_OUT_REASSEMBLY :
									ESPM_IN_REASSEMBLY);
		return NF_DROP;
	}
}

/**
 * espm_defrag() - put a packet together, if it is a fragment
 * @en: the namespace
 * @skb: a packet at PRE_ROUTING or POST_ROUTING, as espm_defrag_wants() it
 * @way: where it comes from; fragments join those of the same way only
 *
 * Else one that an attacker sends in clear could become a part of a packet whose others
 * came out of ESP, and nobody asks those whether they may come in clear.
 *
 * Context: under rcu_read_lock(), softirqs off.
 * Return: %NF_ACCEPT for a whole packet, and for what is to stay a fragment;
 * %NF_STOLEN while others of its kind are awaited, and where the kernel has freed it;
 * %NF_DROP if it is refused otherwise, and that has been counted.
 */
unsigned int espm_defrag(struct espm_net *en, struct sk_buff *skb, enum espm_defrag_way way)
{
	bool v4 = ip_hdr(skb)->version == 4;
	u16 zone = zone_of(skb);

	if (is_to_stay(skb, way))
		return NF_ACCEPT;
	if (way == ESPM_DEFRAG_OUT)
		return v4 ? gather4(en, skb, IP_DEFRAG_CONNTRACK_OUT + zone) :
			    gather6(en, skb, IP6_DEFRAG_CONNTRACK_OUT + zone, way);
	if (way == ESPM_DEFRAG_IN && zone)
		return v4 ? gather4(en, skb, IP_DEFRAG_CONNTRACK_IN + zone) :
			    gather6(en, skb, IP6_DEFRAG_CONNTRACK_IN + zone, way);
	if (nf_bridge_in_prerouting(skb))
		way = ESPM_DEFRAG_BRIDGED;
	return v4 ? gather4(en, skb, OURS4 + way) : gather6(en, skb, OURS6 + way, way);
}
