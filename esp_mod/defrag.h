/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whole packets for whoever asks by port, which only the first fragment of a packet has.
 *
 * The kernel's own reassembly is called, not its hooks: those of nf_defrag_ipv4 and
 * nf_defrag_ipv6 would look at each packet where ours do, and at each that leaves
 * this host once more (spares 170 instructions a packet, both ends together).
 */
#ifndef _ESPM_DEFRAG_H
#define _ESPM_DEFRAG_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/ip.h>
#include <net/ipv6.h>

struct espm_net;

enum espm_defrag_way {
	ESPM_DEFRAG_IN,		/* PRE_ROUTING, in clear; told from a bridge's by espm_defrag() */
	ESPM_DEFRAG_BRIDGED,	/* the same, if it only passes a bridge */
	ESPM_DEFRAG_OPENED,	/* PRE_ROUTING, out of ESP */
	ESPM_DEFRAG_OUT,	/* POST_ROUTING */
};

int espm_defrag_start(struct espm_net *en);
void espm_defrag_stop(struct espm_net *en);
unsigned int espm_defrag(struct espm_net *en, struct sk_buff *skb, enum espm_defrag_way way);

/**
 * espm_defrag_wants() - is a packet one for espm_defrag()?
 * @skb: a packet of IP
 *
 * Of IPv6, all that begin with an extension header, or anything unusual, are.
 *
 * Context: any.
 */
static inline bool espm_defrag_wants(const struct sk_buff *skb)
{
	if (ip_hdr(skb)->version == 4)
		return unlikely(ip_is_fragment(ip_hdr(skb)));
	switch (ipv6_hdr(skb)->nexthdr) {
	case NEXTHDR_TCP:
	case NEXTHDR_UDP:
	case NEXTHDR_ESP:
	case NEXTHDR_ICMP:
		return false;
	default:
		return true;
	}
}

#endif /* _ESPM_DEFRAG_H */
