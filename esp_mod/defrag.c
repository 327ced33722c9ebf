// SPDX-License-Identifier: GPL-2.0
/* Whole packets. See defrag.h. */
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <net/inet_sock.h>
#include <net/ipv6_frag.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include <net/netfilter/nf_conntrack.h>
#include "defrag.h"
#include "netns.h"

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
	if (en->gather6)
		symbol_put(nf_ct_frag6_gather);
	en->gather6 = NULL;
}

/* As sockets that want their fragments left alone, and rules that keep off what puts together. */
static bool is_to_stay(const struct sk_buff *skb)
{
	const struct sock *sk = skb->sk;

	return skb_get_nfct(skb) == IP_CT_UNTRACKED ||
	       (sk && sk_fullsock(sk) && sk->sk_family == PF_INET && inet_sk(sk)->nodefrag);
}

static unsigned int gather4(struct espm_net *en, struct sk_buff *skb, u32 user)
{
	if (ip_defrag(en->net, skb, user))
		return NF_STOLEN;
	/* It may be longer than the link, as it was for whoever sent it. */
	skb->ignore_df = 1;
	return NF_ACCEPT;
}

static unsigned int gather6(struct espm_net *en, struct sk_buff *skb, u32 user)
{
	switch (en->gather6(en->net, skb, user)) {
	case 0:
		return NF_ACCEPT;
	case -EINPROGRESS:
		return NF_STOLEN;
	default:
		return NF_DROP;
	}
}

/**
 * espm_defrag() - put a packet together, if it is a fragment
 * @en: the namespace
 * @skb: a packet at PRE_ROUTING or POST_ROUTING, as espm_defrag_wants() it
 * @leaves: which of the two
 *
 * Context: under rcu_read_lock(), softirqs off.
 * Return: %NF_ACCEPT for a whole packet, and for what is to stay a fragment;
 * %NF_STOLEN while others of its kind are awaited; %NF_DROP without memory.
 */
unsigned int espm_defrag(struct espm_net *en, struct sk_buff *skb, bool leaves)
{
	bool v4 = ip_hdr(skb)->version == 4;

	if (is_to_stay(skb))
		return NF_ACCEPT;
	/* By the names of nf_defrag: no two of the three ways meet each other's fragments. */
	if (leaves)
		return v4 ? gather4(en, skb, IP_DEFRAG_CONNTRACK_OUT) :
			    gather6(en, skb, IP6_DEFRAG_CONNTRACK_OUT);
	if (nf_bridge_in_prerouting(skb))
		return v4 ? gather4(en, skb, IP_DEFRAG_CONNTRACK_BRIDGE_IN) :
			    gather6(en, skb, IP6_DEFRAG_CONNTRACK_BRIDGE_IN);
	return v4 ? gather4(en, skb, IP_DEFRAG_CONNTRACK_IN) :
		    gather6(en, skb, IP6_DEFRAG_CONNTRACK_IN);
}
