/* SPDX-License-Identifier: GPL-2.0 */
/*
 * IP headers inside and outside of a tunnel (RFC 4301 section 5.1.2, ECN by
 * RFC 6040). Pure: works on headers that the caller has made accessible.
 */
#ifndef _ESPM_HDR_H
#define _ESPM_HDR_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/types.h>
#include "proto.h"

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

void espm_hdr_build4(struct iphdr *ip, const struct espm_hdr_outer *o);
void espm_hdr_build6(struct ipv6hdr *ip, const struct espm_hdr_outer *o);
enum espm_ecn espm_hdr_ecn_open(u8 inner, u8 outer);
int espm_hdr_inner_len(const u8 *packet, u32 avail, u8 next);
u8 espm_hdr_tos(const u8 *packet);
bool espm_hdr_df(const u8 *packet);
bool espm_hdr_clamp_mss(u8 *packet, u32 len, u32 mtu);

#endif /* _ESPM_HDR_H */
