// SPDX-License-Identifier: GPL-2.0
/* ICMP that we send. See icmp.h. */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <net/dst.h>
#include <net/icmp.h>
#include <net/ip.h>
#include "icmp.h"

/**
 * espm_icmp_too_big() - tell a packet's sender the MTU (RFC 4301 section 8.2.1)
 * @skb: the packet, whole, before anything was done to it
 * @mtu: the longest packet that would have gone on
 *
 * Local senders are told by the same ICMP, which reaches their sockets over
 * the loopback device.
 *
 * Context: softirqs off.
 */
void espm_icmp_too_big(struct sk_buff *skb, u32 mtu)
{
	if (ip_hdr(skb)->version == 4)
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
	else
		icmpv6_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
}
