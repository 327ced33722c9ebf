// SPDX-License-Identifier: GPL-2.0
/* Outside of a sealed packet. See encap.h. */
#include <linux/percpu.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/ipv6_stubs.h>
#include <net/route.h>
#include "chacha.h"
#include "crypto.h"
#include "encap.h"
#include "frame.h"
#include "natt.h"
#include "netns.h"
#include "sa.h"

/*
 * The packet that is being handed to the stack right now, and its origin. The last
 * POST_ROUTING hook takes the mark off again; where a packet leaves the straight
 * way (NFQUEUE), the mark is gone and the hook asks the SAD instead.
 */
struct sent {
	struct espm_frame frame;
	const struct sk_buff *skb;
	struct espm_origin origin;
};

static DEFINE_PER_CPU(struct espm_frames, sending) = { .lock = ESPM_LOCAL_INIT };

/* The mark of a packet that leaves, or NULL if it has none */
static struct sent *find_sent(const struct sk_buff *skb)
{
	struct espm_frame *frame = espm_frame_mine(&sending);
	struct sent *sent = frame ? container_of(frame, struct sent, frame) : NULL;

	return sent && sent->skb == skb ? sent : NULL;
}

/**
 * espm_encap_own() - make every byte of a packet one's own
 * @skb: the packet; may be cloned, not shared
 * @headroom: bytes wanted in front of it
 * @tailroom: bytes wanted behind it
 *
 * Afterwards it is linear, in a buffer that no clone, page cache or user
 * buffer has a part in. No flag is trusted for that: what is not linear is
 * copied (the class of CVE-2026-43284, -46300 and -43503).
 *
 * Context: any.
 * Return: 0 or -ENOMEM.
 */
int espm_encap_own(struct sk_buff *skb, u32 headroom, u32 tailroom)
{
	u32 have = skb_headroom(skb);
	int err;

	if (!skb_is_nonlinear(skb) && !skb_cloned(skb) && have >= headroom &&
	    skb_tailroom(skb) >= tailroom)
		return 0;

	err = pskb_expand_head(skb, headroom > have ? headroom - have : 0,
			       skb->data_len + tailroom, GFP_ATOMIC);
	if (err)
		return err;
	return skb_linearize(skb);
}

static struct dst_entry *route4(struct espm_path *path, union espm_addr *src)
{
	struct flowi4 fl = {
		.daddr = path->name.dst.v4,
		.saddr = path->src.v4,
		.flowi4_proto = path->encap_sport ? IPPROTO_UDP : IPPROTO_ESP,
	};
	struct rtable *rt;

	rt = dst_cache_get_ip4(&path->route, &src->v4);
	if (rt)
		return &rt->dst;
	rt = ip_route_output_key(path->sa->en->net, &fl);
	if (IS_ERR(rt))
		return NULL;
	src->v4 = fl.saddr;
	dst_cache_set_ip4(&path->route, &rt->dst, fl.saddr);
	return &rt->dst;
}

static struct dst_entry *route6(struct espm_path *path, union espm_addr *src)
{
	struct flowi6 fl = {
		.daddr = path->name.dst.v6,
		.saddr = path->src.v6,
		.flowi6_proto = path->encap_sport ? IPPROTO_UDP : IPPROTO_ESP,
	};
	struct dst_entry *dst;

	dst = dst_cache_get_ip6(&path->route, &src->v6);
	if (dst)
		return dst;
	dst = ipv6_stub->ipv6_dst_lookup_flow(path->sa->en->net, NULL, &fl, NULL);
	if (IS_ERR(dst))
		return NULL;
	src->v6 = fl.saddr;
	dst_cache_set_ip6(&path->route, dst, &fl.saddr);
	return dst;
}

/**
 * espm_encap_route() - the route to an SA's destination
 * @path: the path of an outbound SA
 * @src: result, the source of its packets: the path's, or the one of the route
 *
 * Context: softirqs off.
 * Return: a reference for the caller, or NULL without a route.
 */
struct dst_entry *espm_encap_route(struct espm_path *path, union espm_addr *src)
{
	return path->name.family == AF_INET ? route4(path, src) : route6(path, src);
}

/* What a router told of our packets, or 0. */
static u32 learned_mtu(const struct espm_path *path)
{
	u32 mtu = READ_ONCE(path->mtu);

	return mtu && time_before(jiffies, READ_ONCE(path->mtu_until)) ? mtu : 0;
}

/**
 * espm_encap_path_mtu() - MTU of the way to an SA's destination
 * @path: the SA's path
 * @dst: its route
 *
 * Exceptions of the route are left out: what we tell a local sender about its
 * own packets becomes one, and where inner and outer destination are the same
 * it would be subtracted from once more with each packet.
 *
 * Return: the route's configured MTU, or the device's, or what a router told
 * of this SA's packets if that is less.
 */
u32 espm_encap_path_mtu(const struct espm_path *path, const struct dst_entry *dst)
{
	u32 mtu = 0;

	if (path->name.family == AF_INET ||
	    !(((const struct rt6_info *)dst)->rt6i_flags & RTF_CACHE))
		mtu = dst_metric_raw(dst, RTAX_MTU);
	mtu = mtu ?: READ_ONCE(dst->dev->mtu);
	return min(mtu, learned_mtu(path) ?: mtu);
}

/**
 * espm_encap_mtu() - the longest packet that an SA carries whole at present
 * @sa: an outbound SA
 *
 * In transport mode, of a packet without IP options or extension headers.
 *
 * Context: process, under rcu_read_lock().
 * Return: bytes, IP header included; 0 without a route.
 */
u32 espm_encap_mtu(struct espm_sa *sa)
{
	struct espm_path *path = espm_sa_path_rcu(sa);
	u32 hdr_len = 0, mtu = 0;
	struct dst_entry *dst;
	union espm_addr src;

	if (sa->mode == ESPM_MODE_TRANSPORT)
		hdr_len = path->name.family == AF_INET ? sizeof(struct iphdr) :
							 sizeof(struct ipv6hdr);
	local_bh_disable();
	dst = espm_encap_route(path, &src);
	if (dst)
		mtu = espm_path_inner_mtu(path, espm_encap_path_mtu(path, dst), hdr_len);
	dst_release(dst);
	local_bh_enable();
	return mtu;
}

/**
 * espm_encap_headroom() - room in front of a payload
 * @path: the SA's path
 * @dst: where its packets go
 *
 * Return: bytes for link header, outer header, UDP, ESP header and IV, and at least
 * those that espm_chacha_seal() wants.
 */
u32 espm_encap_headroom(const struct espm_path *path, const struct dst_entry *dst)
{
	u32 len = espm_path_fixed_len(path) - path->sa->suite->icv_len;

	len += LL_RESERVED_SPACE(dst->dev);
	return path->sa->apart ? max_t(u32, len, ESPM_CHACHA_BLOCK) : len;
}

static u8 outer_protocol(const struct espm_path *path)
{
	return path->encap_sport ? IPPROTO_UDP : IPPROTO_ESP;
}

/* UDP, ESP header and IV. */
static u32 room_of(const struct espm_path *path)
{
	return (path->encap_sport ? ESPM_UDP_LEN : 0) + ESPM_HDR_LEN + path->sa->suite->iv_len;
}

static void write_udp(struct sk_buff *skb, const struct espm_path *path)
{
	if (path->encap_sport)
		espm_natt_write(udp_hdr(skb), path, skb->len - skb_transport_offset(skb));
}

/* Put an SA's outer header, with nothing of a packet inside, in front of what is there. */
static void put_outer(struct sk_buff *skb, const struct espm_way *way, u8 tos, bool df, u16 ident)
{
	const struct espm_path *path = way->path;
	const struct espm_sa *sa = path->sa;
	struct dst_entry *dst = way->dst;
	struct espm_hdr_outer outer = {
		.src = &way->src,
		.dst = &path->name.dst,
		.tos = tos,
		.label = sa->label,
		.protocol = outer_protocol(path),
		.df = df,
	};

	skb_reset_transport_header(skb);
	skb_dst_drop(skb);
	skb_dst_set(skb, dst_clone(dst));

	if (path->name.family == AF_INET) {
		memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
		/* To the stack, too, the route's own MTU counts: see espm_encap_path_mtu(). */
		IPCB(skb)->flags = IPSKB_FORWARDED;
		outer.ttl = sa->ttl ?: ip4_dst_hoplimit(dst);
		skb_push(skb, sizeof(struct iphdr));
		skb_reset_network_header(skb);
		espm_hdr_build4(ip_hdr(skb), &outer);
		/* DF or not: behind a locked path MTU the stack makes fragments all the same. */
		ip_hdr(skb)->id = htons(ident);
		skb->protocol = htons(ETH_P_IP);
	} else {
		outer.ttl = sa->ttl ?: ip6_dst_hoplimit(dst);
		skb_push(skb, sizeof(struct ipv6hdr));
		skb_reset_network_header(skb);
		memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
		/* Nobody but the source makes fragments of IPv6. */
		if (learned_mtu(path) && learned_mtu(path) <= dst_mtu(dst))
			IP6CB(skb)->frag_max_size = learned_mtu(path);
		espm_hdr_build6(ipv6_hdr(skb), &outer);
		skb->protocol = htons(ETH_P_IPV6);
	}
	write_udp(skb, path);
}

/* RFC 4301 section 5.1.2: what of the traffic class is shown outside. */
static u8 outer_tos(const struct espm_sa *sa, u8 inner)
{
	u8 tos = sa->dscp == ESPM_DSCP_COPY ? inner & ~ESPM_ECN_MASK : sa->dscp << 2;

	return sa->ecn ? tos | (inner & ESPM_ECN_MASK) : tos;
}

/**
 * espm_encap_tunnel() - make room for ESP header and IV, with a new header in front
 * @skb: a packet that begins with its inner IP header
 * @way: where it goes
 * @df: whether the outer packet must not be fragmented
 * @ident: number for its fragments, should there be any
 */
void espm_encap_tunnel(struct sk_buff *skb, const struct espm_way *way, bool df, u16 ident)
{
	u8 tos = outer_tos(way->path->sa, espm_hdr_tos(skb->data));

	skb_push(skb, room_of(way->path));
	put_outer(skb, way, tos, df, ident);
}

/**
 * espm_encap_dummy() - make room for ESP header and IV, with a header in front
 * @skb: text that is no packet
 * @way: where it goes
 * @ident: number for its fragments, should there be any
 */
void espm_encap_dummy(struct sk_buff *skb, const struct espm_way *way, u16 ident)
{
	skb_push(skb, room_of(way->path));
	put_outer(skb, way, outer_tos(way->path->sa, 0), false, ident);
}

/**
 * espm_encap_transport() - make room for ESP header and IV behind the packet's own header
 * @skb: a packet that begins with its IP header
 * @path: the SA's path
 * @hdr_len: bytes of IP header and of the extension headers that stay outside
 * @next_at: offset in it of the byte that names the next header
 * @df: whether the packet must not be fragmented
 * @ident: number for its fragments, should there be any
 */
void espm_encap_transport(struct sk_buff *skb, const struct espm_path *path, u32 hdr_len,
			  u32 next_at, bool df, u16 ident)
{
	u32 room = room_of(path);

	skb_push(skb, room);
	memmove(skb->data, skb->data + room, hdr_len);
	skb_reset_network_header(skb);
	skb_set_transport_header(skb, hdr_len);
	skb->data[next_at] = outer_protocol(path);
	if (path->name.family == AF_INET) {
		IPCB(skb)->flags |= IPSKB_FORWARDED;
		/* Fragments need a number, which whoever set DF may have left out. */
		if (espm_hdr_df(skb->data)) {
			ip_hdr(skb)->id = htons(ident);
			if (!df)
				ip_hdr(skb)->frag_off &= ~htons(IP_DF);
		}
	}
	write_udp(skb, path);
}

static void send(struct espm_sa *sa, struct sk_buff *skb, u8 depth, bool udp)
{
	struct net *net = sa->en->net;
	struct sent sent;

	sent.skb = skb;
	sent.origin.sa = sa;
	sent.origin.reqid = READ_ONCE(sa->reqid);
	sent.origin.depth = depth;
	if (READ_ONCE(sa->idle_limit))
		WRITE_ONCE(sa->last_sent, jiffies);

	espm_frame_push(&sending, &sent.frame);
	if (skb->protocol == htons(ETH_P_IP)) {
		ip_local_out(net, NULL, skb);
	} else {
		if (udp)
			espm_natt_checksum6(skb);
		ip6_local_out(net, NULL, skb);
	}
	espm_frame_pop(&sending, &sent.frame);
}

/**
 * espm_encap_send() - hand a sealed packet to the stack
 * @op: its work, from which the packet is taken
 *
 * It meets the OUTPUT and POST_ROUTING hooks once, as a packet of this host.
 *
 * Context: softirqs off.
 */
void espm_encap_send(struct espm_op *op)
{
	struct sk_buff *skb = op->skb;

	op->skb = NULL;
	send(op->sa, skb, op->depth + 1, op->encap);
}

/**
 * espm_encap_send_keepalive() - send the one byte that keeps a NAT's mapping
 * @sa: an outbound SA
 *
 * Without encapsulation, memory or route there is none, this time.
 *
 * Context: under rcu_read_lock(), softirqs off.
 */
void espm_encap_send_keepalive(struct espm_sa *sa)
{
	struct espm_way way = { .path = espm_sa_path_rcu(sa) };
	struct sk_buff *skb;
	u32 room;

	if (!way.path->encap_sport)
		return;
	way.dst = espm_encap_route(way.path, &way.src);
	if (!way.dst)
		return;
	room = LL_RESERVED_SPACE(way.dst->dev) + sizeof(struct ipv6hdr) + ESPM_UDP_LEN;
	skb = alloc_skb(room + 1, GFP_ATOMIC);
	if (skb) {
		skb_reserve(skb, room);
		skb_put_u8(skb, ESPM_NATT_KEEPALIVE_BYTE);
		skb_push(skb, ESPM_UDP_LEN);
		put_outer(skb, &way, 0, true, 0);
		skb->ignore_df = 1;
		skb->dev = way.dst->dev;
		send(sa, skb, ESPM_NEST_MAX, true);
	}
	dst_release(way.dst);
}

/**
 * espm_encap_origin() - is a packet that leaves one that we have just sealed?
 * @skb: a packet at POST_ROUTING
 *
 * Context: softirqs off.
 * Return: its origin, zero if it is not ours.
 */
struct espm_origin espm_encap_origin(const struct sk_buff *skb)
{
	const struct sent *sent = find_sent(skb);

	return sent ? sent->origin : (struct espm_origin){};
}

/**
 * espm_encap_forget() - take the mark of a sealed packet off
 * @skb: a packet that leaves POST_ROUTING, one way or the other
 *
 * A device may wrap it and send it again, and its memory will be another packet's.
 *
 * Context: softirqs off.
 */
void espm_encap_forget(const struct sk_buff *skb)
{
	struct sent *sent = find_sent(skb);

	if (sent)
		sent->skb = NULL;
}
