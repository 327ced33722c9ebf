/* SPDX-License-Identifier: GPL-2.0 */
/*
 * IP headers inside and outside of a tunnel (RFC 4301 section 5.1.2, ECN by
 * RFC 6040). Pure: works on headers that the caller has made accessible.
 */
#ifndef _ESPM_HDR_H
#define _ESPM_HDR_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/string.h>
#include <linux/types.h>
#include "proto.h"

enum {
	ESPM_IPV4_DF		= 0x4000,
	ESPM_IPV4_MIN_IHL	= 5,
};

enum espm_ecn {
	ESPM_ECN_NOT_ECT,
	ESPM_ECN_ECT_1,
	ESPM_ECN_ECT_0,
	ESPM_ECN_CE,
	ESPM_ECN_MASK		= 3,
	ESPM_ECN_INVALID	= 4,	/* RFC 6040: drop */
};

/**
 * struct espm_hdr_outer - what an outer header is built from
 * @src: source, the SA's
 * @dst: destination, the SA's
 * @tos: traffic class of the inner packet, ECN field included
 * @ttl: hop limit of the outer packet
 * @protocol: ESP or UDP
 * @df: whether IPv4 forbids to fragment the outer packet
 * @label: flow label (IPv6)
 */
struct espm_hdr_outer {
	const union espm_addr *src;
	const union espm_addr *dst;
	__be32 label;
	u8 tos;
	u8 ttl;
	u8 protocol;
	bool df;
};

enum espm_ecn espm_hdr_ecn_open(u8 inner, u8 outer);
int espm_hdr_inner_len(const u8 *packet, u32 avail, u8 next);
bool espm_hdr_clamp_mss(u8 *packet, u32 len, u32 mtu);

/**
 * espm_hdr_build4() - write an outer IPv4 header
 * @ip: 20 bytes
 * @o: what to write
 *
 * Length, identification and checksum are left to the sender of the packet.
 */
static inline void espm_hdr_build4(struct iphdr *ip, const struct espm_hdr_outer *o)
{
	memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = ESPM_IPV4_MIN_IHL;
	ip->tos = o->tos;
	ip->frag_off = o->df ? cpu_to_be16(ESPM_IPV4_DF) : 0;
	ip->ttl = o->ttl;
	ip->protocol = o->protocol;
	ip->saddr = o->src->v4;
	ip->daddr = o->dst->v4;
}

/**
 * espm_hdr_build6() - write an outer IPv6 header
 * @ip: 40 bytes
 * @o: what to write
 *
 * The length is left to the sender of the packet.
 */
static inline void espm_hdr_build6(struct ipv6hdr *ip, const struct espm_hdr_outer *o)
{
	*(__be32 *)ip = cpu_to_be32(6 << 28 | o->tos << 20) | o->label;
	ip->payload_len = 0;
	ip->nexthdr = o->protocol;
	ip->hop_limit = o->ttl;
	ip->saddr = o->src->v6;
	ip->daddr = o->dst->v6;
}

/**
 * espm_hdr_tos() - traffic class of a packet
 * @packet: an IPv4 or IPv6 header
 *
 * Return: DSCP and ECN.
 */
static inline u8 espm_hdr_tos(const u8 *packet)
{
	if (packet[0] >> 4 == 4)
		return ((const struct iphdr *)packet)->tos;
	return be16_to_cpu(*(const __be16 *)packet) >> 4;
}

/**
 * espm_hdr_df() - whether a packet must not be fragmented on its way
 * @packet: an IPv4 or IPv6 header
 *
 * Return: the IPv4 DF bit; true for IPv6.
 */
static inline bool espm_hdr_df(const u8 *packet)
{
	if (packet[0] >> 4 == 4)
		return ((const struct iphdr *)packet)->frag_off & cpu_to_be16(ESPM_IPV4_DF);
	return true;
}

#endif /* _ESPM_HDR_H */
