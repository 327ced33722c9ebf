// SPDX-License-Identifier: GPL-2.0
/* Inner and outer IP headers. See hdr.h. */
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/string.h>
#include <linux/swab.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include "hdr.h"

enum {
	IPV4_OFFSET	= 0x1fff,
	TCP_END		= 0,
	TCP_NOP		= 1,
	TCP_MSS		= 2,
	TCP_MSS_LEN	= 4,
};

/**
 * espm_hdr_ecn_open() - ECN field of an inner packet that leaves its tunnel
 * @inner: inner traffic class
 * @outer: outer traffic class
 *
 * RFC 6040 figure 4.
 *
 * Return: the new inner field, or %ESPM_ECN_INVALID.
 */
enum espm_ecn espm_hdr_ecn_open(u8 inner, u8 outer)
{
	inner &= ESPM_ECN_MASK;
	outer &= ESPM_ECN_MASK;

	if (inner == ESPM_ECN_NOT_ECT)
		return outer == ESPM_ECN_CE ? ESPM_ECN_INVALID : ESPM_ECN_NOT_ECT;
	if (inner == ESPM_ECN_CE || outer == ESPM_ECN_CE)
		return ESPM_ECN_CE;
	if (outer == ESPM_ECN_ECT_1)
		return ESPM_ECN_ECT_1;
	return inner;
}

static int inner_len4(const struct iphdr *ip, u32 avail)
{
	u32 total;

	if (avail < sizeof(*ip) || ip->version != 4 || ip->ihl < ESPM_IPV4_MIN_IHL)
		return -EINVAL;
	total = be16_to_cpu(ip->tot_len);
	if (total < ip->ihl * 4u || total > avail || ip_fast_csum(ip, ip->ihl))
		return -EINVAL;
	return total;
}

static int inner_len6(const struct ipv6hdr *ip, u32 avail)
{
	u32 total;

	if (avail < sizeof(*ip) || ip->version != 6)
		return -EINVAL;
	total = be16_to_cpu(ip->payload_len) + sizeof(*ip);
	if (total > avail)
		return -EINVAL;
	return total;
}

/**
 * espm_hdr_inner_len() - length that a tunnelled packet states
 * @packet: where it begins
 * @avail: bytes that are there
 * @next: next header of the ESP trailer
 *
 * What is there beyond the stated length is TFC padding (RFC 4303 section 2.7).
 *
 * Return: bytes, at least a header and at most @avail, or -EINVAL, also where the
 * checksum of an IPv4 header is wrong.
 */
int espm_hdr_inner_len(const u8 *packet, u32 avail, u8 next)
{
	if (next == IPPROTO_IPIP)
		return inner_len4((const struct iphdr *)packet, avail);
	return inner_len6((const struct ipv6hdr *)packet, avail);
}

/* Where a packet's TCP header begins, or 0: other protocols, fragments, extension headers. */
static u32 find_tcp(const u8 *packet, u32 len)
{
	const struct ipv6hdr *ip6 = (const struct ipv6hdr *)packet;
	const struct iphdr *ip = (const struct iphdr *)packet;
	u32 at = 0;

	if (packet[0] >> 4 == 6) {
		if (len >= sizeof(*ip6) && ip6->nexthdr == IPPROTO_TCP)
			at = sizeof(*ip6);
	} else if (len >= sizeof(*ip) && ip->protocol == IPPROTO_TCP &&
		   !(ip->frag_off & cpu_to_be16(IPV4_OFFSET))) {
		at = ip->ihl * 4;
	}
	return at && len >= at + sizeof(struct tcphdr) ? at : 0;
}

/**
 * espm_hdr_clamp_mss() - have a new TCP connection send what fits
 * @packet: an IP packet, writable, its checksums complete
 * @len: bytes of it
 * @mtu: the longest packet that fits
 *
 * Lowers the MSS that a SYN announces. One that announces none is left alone:
 * the default of RFC 9293 fits nearly everywhere.
 *
 * Return: whether the packet was changed.
 */
bool espm_hdr_clamp_mss(u8 *packet, u32 len, u32 mtu)
{
	u32 tcp_at = find_tcp(packet, len), end, i, fixed, was;
	struct tcphdr *tcp = (struct tcphdr *)(packet + tcp_at);
	__be16 old, new;

	if (!tcp_at || !tcp->syn)
		return false;
	/* The announced size counts without options. */
	fixed = sizeof(*tcp) + (packet[0] >> 4 == 6 ? sizeof(struct ipv6hdr) :
						      sizeof(struct iphdr));
	end = tcp_at + tcp->doff * 4;
	if (mtu <= fixed || end > len)
		return false;
	for (i = tcp_at + sizeof(*tcp); i + 1 < end && packet[i] != TCP_END;
	     i += packet[i] == TCP_NOP ? 1 : packet[i + 1]) {
		if (packet[i] == TCP_NOP)
			continue;
		if (packet[i + 1] < 2)
			return false;
		if (packet[i] == TCP_MSS && packet[i + 1] == TCP_MSS_LEN && i + TCP_MSS_LEN <= end)
			break;
	}
	if (i + TCP_MSS_LEN > end || packet[i] != TCP_MSS)
		return false;
	was = packet[i + 2] << 8 | packet[i + 3];
	if (was <= mtu - fixed)
		return false;
	packet[i + 2] = (mtu - fixed) >> 8;
	packet[i + 3] = mtu - fixed;
	old = cpu_to_be16(was);
	new = cpu_to_be16(mtu - fixed);
	/* The sum goes over words, and the option may begin within one. */
	if ((i - tcp_at) % 2) {
		old = (__force __be16)swab16((__force u16)old);
		new = (__force __be16)swab16((__force u16)new);
	}
	csum_replace2(&tcp->check, old, new);
	return true;
}
