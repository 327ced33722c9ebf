/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Outside of a sealed packet: the bytes that it may write to, its route, its
 * outer header, and its way into the stack.
 */
#ifndef _ESPM_ENCAP_H
#define _ESPM_ENCAP_H

#include <linux/ip.h>
#include <linux/skbuff.h>
#include <net/ipv6.h>
#include "hdr.h"
#include "path.h"

struct dst_entry;
struct espm_op;
struct espm_sa;

/**
 * struct espm_origin - where a packet that leaves comes from
 * @sa: the SA that sealed it, while the packet is on its straight way, or NULL
 * @reqid: of the SA that sealed it, 0 if it is not one of ours
 * @depth: layers of ESP that it was given here
 */
struct espm_origin {
	struct espm_sa *sa;
	u32 reqid;
	u8 depth;
};

/**
 * struct espm_way - where a packet of an SA goes
 * @path: the SA's path, borrowed under RCU
 * @dst: the route, a reference
 * @src: source of the outer header, in tunnel mode
 */
struct espm_way {
	struct espm_path *path;
	struct dst_entry *dst;
	union espm_addr src;
};

int espm_encap_own(struct sk_buff *skb, u32 headroom, u32 tailroom);
struct dst_entry *espm_encap_route(struct espm_path *path, union espm_addr *src);
u32 espm_encap_path_mtu(const struct espm_path *path, const struct dst_entry *dst);
u32 espm_encap_headroom(const struct espm_path *path, const struct dst_entry *dst);
void espm_encap_tunnel(struct sk_buff *skb, const struct espm_way *way, bool df, u16 ident);
void espm_encap_dummy(struct sk_buff *skb, const struct espm_way *way, u16 ident);
void espm_encap_transport(struct sk_buff *skb, const struct espm_path *path, u32 hdr_len,
			  u32 next_at, bool df, u16 ident);
void espm_encap_send(struct espm_op *op);
void espm_encap_send_keepalive(struct espm_sa *sa);
u32 espm_encap_mtu(struct espm_sa *sa);
struct espm_origin espm_encap_origin(const struct sk_buff *skb);
void espm_encap_forget(const struct sk_buff *skb);

/**
 * espm_encap_is_of() - has a packet the addresses of an SA's packets?
 * @skb: a packet of the path's family
 * @path: the SA's path
 *
 * NAT may have changed them.
 *
 * Context: any.
 */
static inline bool espm_encap_is_of(const struct sk_buff *skb, const struct espm_path *path)
{
	if (path->name.family == AF_INET)
		return ip_hdr(skb)->saddr == path->src.v4 &&
		       ip_hdr(skb)->daddr == path->name.dst.v4;
	return ipv6_addr_equal(&ipv6_hdr(skb)->saddr, &path->src.v6) &&
	       ipv6_addr_equal(&ipv6_hdr(skb)->daddr, &path->name.dst.v6);
}

#endif /* _ESPM_ENCAP_H */
