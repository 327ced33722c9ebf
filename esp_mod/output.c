// SPDX-License-Identifier: GPL-2.0
/*
 * The way out, from top to bottom: must a packet be protected, does it fit,
 * one packet for each segment, the ESP packet around it, the seal, the send.
 */
#include <linux/netdevice.h>
#include <linux/random.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/ipv6_stubs.h>
#include "compat.h"
#include "crypto.h"
#include "drop.h"
#include "encap.h"
#include "flow.h"
#include "frame.h"
#include "hold.h"
#include "icmp.h"
#include "natt.h"
#include "netns.h"
#include "output.h"
#include "sa.h"
#include "spread.h"
#include "trailer.h"

/*
 * Where one of our own packets lost its mark (NFQUEUE in OUTPUT), its SPI tells;
 * not how deep it is nested, so that it gets no further layer. Whoever can send
 * through this host, or from a socket of ESP in UDP, could write an SPI as well.
 */
static void find_origin(struct espm_net *en, const struct sk_buff *skb, unsigned long gen,
			const struct espm_flow *flow, struct espm_origin *origin)
{
	struct espm_sa_name name = {
		.family = flow->family,
		.dir = ESPM_DIR_OUT,
		.dst = flow->dst,
	};
	int offset = flow->upper;
	const struct espm_path *path;
	const __be32 *spi;

	if (skb->skb_iif)
		return;
	if (flow->proto == IPPROTO_UDP)
		offset += ESPM_UDP_LEN;
	else if (flow->proto != IPPROTO_ESP)
		return;
	spi = skb_header_pointer(skb, offset, sizeof(name.spi), &name.spi);
	if (!spi)
		return;
	name.spi = *spi;
	path = espm_sad_recall_rcu(en, &name);
	if (!path || (!path->any_src && espm_addr_cmp(&path->src, &flow->src, flow->family)))
		return;
	if (flow->proto == IPPROTO_UDP &&
	    (flow->sport != ntohs(path->encap_sport) || flow->dport != ntohs(path->encap_dport) ||
	     (skb->sk && sk_fullsock(skb->sk) && skb->sk->sk_protocol == IPPROTO_UDP &&
	      inet_sk(skb->sk)->inet_sport == path->encap_sport)))
		return;
	origin->reqid = espm_sa_reqid_in(path->sa, gen);
	origin->depth = ESPM_NEST_MAX;
}

/* Does a packet come from an SA of a policy's reqid? */
static bool is_from(const struct espm_origin *origin, const struct espm_policy *policy,
		    unsigned long gen)
{
	return policy->reqid == (origin->sa ? espm_sa_reqid_in(origin->sa, gen) : origin->reqid);
}

/*
 * Behind source NAT a packet is asked about only if NAT changed it, and not if
 * it was let through for what it was before: bypass is final, IKE is exempt.
 */
static bool was_settled(struct espm_net *en, const struct sk_buff *skb, unsigned long gen,
			const struct espm_flow *flow)
{
	const struct espm_policy *policy;
	struct espm_flow before = *flow;
	enum espm_match match;

	if (!espm_flow_before_nat(&before, skb, ESPM_DIR_OUT))
		return true;
	if (before.vital && skb->sk)
		return true;
	before.vital = false;
	policy = espm_spd_match_rcu(en, ESPM_DIR_OUT, gen, &before, &match);
	return policy && match == ESPM_MATCH && policy->action == ESPM_ACTION_BYPASS;
}

/*
 * What a policy makes of a packet that has so many layers of ours: with
 * %ESPM_STEAL the SA, a reference, else what is to be counted.
 */
static enum espm_answer judge(const struct espm_policy *policy, enum espm_match match,
			      unsigned long gen, u8 depth, struct espm_sa **sa,
			      enum espm_counter *why)
{
	*sa = NULL;
	if (match == ESPM_BLIND) {
		*why = ESPM_OUT_HIDDEN_PORTS;
		return ESPM_DROP;
	}
	switch (policy->action) {
	case ESPM_ACTION_BYPASS:
		*why = ESPM_OUT_BYPASS;
		return ESPM_ACCEPT;
	case ESPM_ACTION_PROTECT:
		break;
	default:
		*why = ESPM_OUT_DISCARD;
		return ESPM_DROP;
	}

	if (depth >= ESPM_NEST_MAX) {
		*why = ESPM_OUT_NEST;
		return ESPM_DROP;
	}
	*sa = espm_sad_outbound_get(policy, gen);
	if (*sa) {
		*why = ESPM_PASS;
		return ESPM_STEAL;
	}
	*why = espm_sad_expired_rcu(policy->link) ? ESPM_OUT_EXPIRED : ESPM_OUT_NO_SA;
	return ESPM_DROP;
}

/* Where there was an SA, it is the one to ask why there is none. */
static void count_refusal(struct espm_net *en, struct espm_policy *policy,
			  const struct sk_buff *skb, enum espm_counter why)
{
	struct espm_sa *sa = why == ESPM_OUT_EXPIRED ? espm_sad_expired_rcu(policy->link) : NULL;

	espm_drop(en, sa, policy, skb, why);
}

static bool is_icmp(const struct espm_flow *flow)
{
	return flow->proto == IPPROTO_ICMP || flow->proto == IPPROTO_ICMPV6;
}

/*
 * An error of ours about a packet that came by ESP goes back by the SA of the
 * answers to that packet, if no policy names it itself (RFC 4301 section 6.2).
 */
static struct espm_policy *find_way_back(struct espm_net *en, const struct sk_buff *skb,
					 unsigned long gen, enum espm_match *match)
{
	struct espm_policy *policy;
	const struct espm_sa *sa;
	struct espm_flow flow;

	if (espm_flow_read_quoted(&flow, skb, ESPM_DIR_OUT))
		return NULL;
	espm_flow_reverse(&flow);
	policy = espm_spd_match_rcu(en, ESPM_DIR_OUT, gen, &flow, match);
	if (!policy || policy->action != ESPM_ACTION_PROTECT || *match != ESPM_MATCH)
		return NULL;
	/* Transport mode has no place for another address. */
	sa = espm_sad_chosen_rcu(policy->link, gen);
	if (sa && sa->mode == ESPM_MODE_TRANSPORT && !espm_encap_is_of(skb, espm_sa_path_rcu(sa)))
		return NULL;
	return policy;
}

/* What has its mark, or is changed already, would be another packet after it has waited. */
static bool can_wait(const struct espm_origin *origin, enum espm_ask ask)
{
	return !origin->reqid && ask != ESPM_ASK_CHANGED;
}

/* The last step of espm_output_ask(), with the policy that matches. */
static enum espm_answer obey(struct espm_net *en, struct sk_buff *skb, struct espm_policy *policy,
			     enum espm_match match, unsigned long gen,
			     const struct espm_origin *origin, enum espm_ask ask,
			     struct espm_egress *egress)
{
	enum espm_answer answer;
	enum espm_counter why;

	this_cpu_inc(*policy->hits);
decide:
	answer = judge(policy, match, gen, origin->depth, &egress->sa, &why);
	if (likely(answer == ESPM_STEAL)) {
		egress->policy = policy;
		egress->depth = origin->depth;
		egress->by_ports = espm_selector_names_ports(&policy->sel);
		return ESPM_STEAL;
	}
	if (policy->on_demand && (why == ESPM_OUT_NO_SA || why == ESPM_OUT_EXPIRED)) {
		switch (espm_hold(en, skb, policy, gen, can_wait(origin, ask))) {
		case ESPM_HELD_IT:
			return ESPM_HELD;
		case ESPM_HELD_TOO_LATE:
			goto decide;
		case ESPM_HELD_NOT:
			why = ESPM_OUT_HELD;
		}
	}
	count_refusal(en, policy, skb, why);
	return answer;
}

/* espm_output_ask() of what is not known. Apart: what is does not pay for its variables. */
static noinline enum espm_answer ask_anew(struct espm_net *en, struct sk_buff *skb,
					  unsigned long gen, struct espm_origin *origin,
					  enum espm_ask ask, struct espm_egress *egress)
{
	struct espm_path *path = origin->sa && ask == ESPM_ASK_FIRST ?
				 espm_sa_path_rcu(origin->sa) : NULL;
	struct espm_policy *policy;
	enum espm_match match;
	struct espm_flow flow;

	if (espm_flow_read(&flow, skb, skb_network_offset(skb), ESPM_DIR_OUT)) {
		espm_drop(en, NULL, NULL, skb, ESPM_OUT_UNREADABLE);
		return ESPM_DROP;
	}
	/* IKE that is only forwarded is traffic like any other. */
	if (flow.proto == IPPROTO_UDP && !skb->sk)
		flow.vital = false;
	if (ask == ESPM_ASK_CHANGED && was_settled(en, skb, gen, &flow))
		return ESPM_ACCEPT;

	policy = espm_spd_match_rcu(en, ESPM_DIR_OUT, gen, &flow, &match);
	if (!policy && !origin->reqid && is_icmp(&flow))
		policy = find_way_back(en, skb, gen, &match);
	if (policy && !origin->reqid)
		find_origin(en, skb, gen, &flow, origin);
	/* A queue in a hook behind ours lost the mark of what was to get one layer more. */
	if (ask == ESPM_ASK_LATE && origin->depth)
		origin->depth = ESPM_NEST_MAX - 1;
	if (!policy || (origin->reqid && (policy->action != ESPM_ACTION_PROTECT ||
					  is_from(origin, policy, gen)))) {
		if (path && espm_encap_is_of(skb, path))
			WRITE_ONCE(path->alone, gen);
		return ESPM_ACCEPT;
	}
	return obey(en, skb, policy, match, gen, origin, ask, egress);
}

/* All packets of an SA are one flow: one answer does for them (-300 instructions). */
static bool is_alone(const struct espm_sa *sa, const struct sk_buff *skb, unsigned long gen)
{
	const struct espm_path *path = espm_sa_path_rcu(sa);

	return READ_ONCE(path->alone) == gen && espm_encap_is_of(skb, path);
}

/**
 * espm_output_ask() - must a packet that leaves be protected?
 * @en: the namespace
 * @skb: the packet at POST_ROUTING
 * @ask: whether source NAT has changed it, or a queue had it, and this was asked before
 * @egress: result with %ESPM_STEAL
 *
 * Our own packets are asked about again, for nested protection, but never
 * dropped, and never given to the reqid that they come from.
 *
 * Context: under rcu_read_lock(), softirqs off.
 * Return: the answer; a drop has been counted.
 */
enum espm_answer espm_output_ask(struct espm_net *en, struct sk_buff *skb, enum espm_ask ask,
				 struct espm_egress *egress)
{
	struct espm_origin origin = espm_encap_origin(skb);
	unsigned long gen = espm_spd_generation(&en->spd);
	struct espm_policy *policy;
	struct espm_brief brief;

	if (!rcu_access_pointer(en->spd.classes[ESPM_DIR_OUT]))
		return ESPM_ACCEPT;
	if (origin.sa && ask == ESPM_ASK_FIRST && is_alone(origin.sa, skb, gen))
		return ESPM_ACCEPT;
	/* What is forwarded is no packet of ours that has lost its mark. */
	if (!origin.reqid && ask == ESPM_ASK_FIRST && skb->skb_iif &&
	    espm_flow_brief(&brief, skb) &&
	    espm_spd_recall_rcu(en, ESPM_DIR_OUT, gen, &brief, &policy))
		return policy ? obey(en, skb, policy, ESPM_MATCH, gen, &origin, ask, egress) :
				ESPM_ACCEPT;
	return ask_anew(en, skb, gen, &origin, ask, egress);
}

/**
 * espm_output_explain() - what would become of a packet that leaves?
 * @en: the namespace
 * @flow: the packet's values
 * @told: result; its SA, if any, is a reference for the caller
 *
 * Context: under rcu_read_lock(), softirqs off.
 */
void espm_output_explain(struct espm_net *en, const struct espm_flow *flow,
			 struct espm_explained *told)
{
	unsigned long gen = espm_spd_generation(&en->spd);
	enum espm_match match;

	*told = (struct espm_explained){ .answer = ESPM_ACCEPT, .why = ESPM_PASS };
	told->policy = espm_spd_match_rcu(en, ESPM_DIR_OUT, gen, flow, &match);
	if (told->policy)
		told->answer = judge(told->policy, match, gen, 0, &told->sa, &told->why);
}

/* Destination options in front of a routing header are for its stops, a home address for all. */
static bool is_for_the_way(struct sk_buff *skb, u32 offset, const struct ipv6_opt_hdr *opt)
{
	return opt->nexthdr == NEXTHDR_ROUTING || ipv6_find_tlv(skb, offset, IPV6_TLV_HAO) >= 0;
}

static u32 find_payload6(struct sk_buff *skb, u32 *next_at, u8 *next)
{
	u32 offset = sizeof(struct ipv6hdr);
	const struct ipv6_opt_hdr *opt;
	struct ipv6_opt_hdr buf;

	*next_at = offsetof(struct ipv6hdr, nexthdr);
	*next = ipv6_hdr(skb)->nexthdr;
	while (*next == NEXTHDR_HOP || *next == NEXTHDR_ROUTING || *next == NEXTHDR_DEST) {
		opt = skb_header_pointer(skb, offset, sizeof(buf), &buf);
		if (!opt)
			return U32_MAX;
		if (*next == NEXTHDR_DEST && !is_for_the_way(skb, offset, opt))
			break;
		*next_at = offset;
		*next = opt->nexthdr;
		offset += ipv6_optlen(opt);
	}
	return offset;
}

/*
 * What stays outside of ESP in transport mode (RFC 4303 section 3.1.1), and the
 * byte that will name ESP. The rest is for the other end alone, and goes inside.
 */
static u32 find_payload(struct sk_buff *skb, u32 *next_at, u8 *next)
{
	if (ip_hdr(skb)->version == 6)
		return find_payload6(skb, next_at, next);
	*next_at = offsetof(struct iphdr, protocol);
	*next = ip_hdr(skb)->protocol;
	return ip_hdrlen(skb);
}

/* Transport mode keeps the packet's header, so it must be the SA's already. */
static enum espm_counter check_transport(const struct espm_path *path, struct sk_buff *skb)
{
	const struct ipv6hdr *ip6 = ipv6_hdr(skb);
	const struct iphdr *ip = ip_hdr(skb);
	u32 next_at;
	u8 next;

	/* Segments of UDP that are fragments: no tunnel is there to carry them. */
	if (skb_is_gso(skb) && skb_shinfo(skb)->gso_type & SKB_GSO_UDP)
		return ESPM_OUT_FRAGMENT;
	if (ip->version == 4) {
		if (path->name.family != AF_INET || ip->daddr != path->name.dst.v4 ||
		    (!path->any_src && ip->saddr != path->src.v4))
			return ESPM_OUT_ENDPOINTS;
		if (ip_is_fragment(ip))
			return ESPM_OUT_FRAGMENT;
	} else {
		if (path->name.family != AF_INET6 ||
		    !ipv6_addr_equal(&ip6->daddr, &path->name.dst.v6) ||
		    (!path->any_src && !ipv6_addr_equal(&ip6->saddr, &path->src.v6)))
			return ESPM_OUT_ENDPOINTS;
		find_payload6(skb, &next_at, &next);
		if (next == NEXTHDR_FRAGMENT)
			return ESPM_OUT_FRAGMENT;
	}
	return ESPM_PASS;
}

/**
 * struct fit - how a packet, or each of its segments, fits into its SA
 * @mtu: the longest that fits whole
 * @longest: the longest that a packet of ESP holds, in fragments or not, if it is near that
 * @whole: whether it does
 * @df: whether the outer packet is not to be fragmented
 * @clamp: whether it may be the beginning of a TCP connection
 * @head: bytes wanted in front of it
 * @tail: bytes wanted behind it, but for TFC padding
 */
struct fit {
	u32 mtu;
	u32 longest;
	u32 head;
	u32 tail;
	bool clamp;
	bool whole;
	bool df;
};

static bool is_within(const struct sk_buff *skb, u32 mtu)
{
	return skb_is_gso(skb) ? skb_gso_validate_network_len(skb, mtu) : skb->len <= mtu;
}

/*
 * Does the packet fit unfragmented? If not, and it may not be fragmented, its
 * sender is told. IPv6 packets of up to 1280 bytes always go on, the outer
 * packet in fragments if need be.
 */
static enum espm_counter check_fit(const struct espm_way *way, struct sk_buff *skb, struct fit *fit)
{
	const struct espm_path *path = way->path;
	u32 mtu = espm_encap_path_mtu(path, way->dst);
	const struct espm_sa *sa = path->sa;
	u32 longest = path->name.family == AF_INET ? IP_MAX_MTU : IP6_MAX_MTU;
	bool v4 = ip_hdr(skb)->version == 4;
	u32 least = v4 ? ESPM_IPV4_MIN_MTU : ESPM_IPV6_MIN_MTU;
	bool df = espm_hdr_df(skb->data);
	u32 next_at, hdr_len = 0;
	u8 next;

	if (sa->mode == ESPM_MODE_TRANSPORT)
		hdr_len = find_payload(skb, &next_at, &next);
	if (hdr_len > skb->len)
		return ESPM_OUT_UNREADABLE;
	/* Not even fragments outside can make up a packet longer than its length field. */
	fit->longest = skb->len > longest / 2 ? espm_path_inner_mtu(path, longest, hdr_len) :
						longest;
	fit->mtu = espm_path_inner_mtu(path, mtu, hdr_len);
	fit->head = espm_encap_headroom(path, way->dst);
	fit->tail = sa->suite->block + ESPM_TAIL_LEN + sa->suite->icv_len;
	fit->clamp = sa->clamp_mss && !skb_is_gso(skb);
	fit->whole = is_within(skb, fit->mtu);
	fit->df = fit->whole && (sa->df == ESPM_DF_SET || (sa->df == ESPM_DF_COPY && df));
	if (fit->whole || skb->ignore_df || !df || sa->df == ESPM_DF_CLEAR ||
	    (!v4 && is_within(skb, least)))
		return ESPM_PASS;
	espm_icmp_too_big(skb, max(fit->mtu, least));
	return ESPM_OUT_TOO_BIG;
}

/* Fragments of one packet: made, and taken from here, in one go. */
struct train {
	struct espm_frame frame;
	struct sk_buff *first;
	struct sk_buff **end;
};

static DEFINE_PER_CPU(struct espm_frames, trains) = { .lock = ESPM_LOCAL_INIT };

static int append(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	struct train *mine = container_of(espm_frame_mine(&trains), struct train, frame);

	skb_mark_not_on_list(skb);
	*mine->end = skb;
	mine->end = &skb->next;
	return 0;
}

/*
 * No router behind the other end can fragment IPv6, and no packet of ESP holds all
 * of the longest ones. So what is too long becomes fragments inside of the tunnel,
 * unless the other end could not tell by their ports what they are (RFC 4301
 * section 7): those travel whole, in fragments outside, for which the other end
 * must be the last one.
 */
static bool needs_fragments(const struct espm_egress *egress, const struct sk_buff *skb,
			    const struct fit *fit)
{
	const struct dst_entry *dst = skb_dst(skb);

	/* A bridge's frame has a route in name only. */
	if (fit->whole || egress->sa->mode != ESPM_MODE_TUNNEL || egress->by_ports || !dst)
		return false;
	if (ip_hdr(skb)->version == 6)
		return skb->len > ESPM_IPV6_MIN_MTU && dst->ops->family == AF_INET6;
	return skb->len > fit->longest && !espm_hdr_df(skb->data) && dst->ops->family == AF_INET &&
	       !(dst->flags & DST_FAKE_RTABLE);
}

static int fragment4(struct net *net, struct sk_buff *skb, const struct fit *fit)
{
	struct inet_skb_parm *parm = IPCB(skb);
	u32 was = parm->frag_max_size ?: IP_MAX_MTU;

	parm->frag_max_size = min(was, max_t(u32, fit->mtu, ESPM_IPV4_MIN_MTU));
	return ip_do_fragment(net, NULL, skb, append);
}

static int fragment6(struct net *net, struct sk_buff *skb, const struct fit *fit)
{
	struct inet6_skb_parm *parm = IP6CB(skb);
	u32 was = parm->frag_max_size ?: IP6_MAX_MTU;

	parm->frag_max_size = min3(was, max_t(u32, fit->mtu, ESPM_IPV6_MIN_MTU),
				   ip6_skb_dst_mtu(skb));
	return ipv6_stub->ipv6_fragment(net, NULL, skb, append);
}

/* Uses up @skb. The fragments, or NULL. */
static struct sk_buff *fragment(struct net *net, struct sk_buff *skb, const struct fit *fit)
{
	struct train train;
	int err;

	train.first = NULL;
	train.end = &train.first;
	espm_frame_push(&trains, &train.frame);
	skb->ignore_df = 1;
	if (ip_hdr(skb)->version == 4)
		err = fragment4(net, skb, fit);
	else
		err = fragment6(net, skb, fit);
	espm_frame_pop(&trains, &train.frame);
	if (err) {
		kfree_skb_list(train.first);
		return NULL;
	}
	return train.first;
}

/* tcpdump on the esp device shows what is about to be sealed. */
static void tap(struct net_device *dev, struct sk_buff *skb)
{
	struct net_device *out = skb->dev;

	if (!dev_nit_active(dev))
		return;
	skb->dev = dev;
	dev_queue_xmit_nit(skb, dev);
	skb->dev = out;
}

static void make_iv(struct espm_op *op)
{
	const struct espm_suite *suite = op->sa->suite;
	__be64 counter;

	switch (suite->iv) {
	case ESPM_IV_NONE:
		break;
	case ESPM_IV_COUNTER:
		/* Unique while the SA lives; mixed, so that no other life repeats it. */
		counter = cpu_to_be64(op->seq ^ op->sa->iv_mix);
		memcpy(op->iv, &counter, sizeof(counter));
		break;
	case ESPM_IV_RANDOM:
		get_random_bytes(op->iv, suite->iv_len);
		break;
	}
}

/* Bytes that hide how long a packet is, as far as it fits with them (RFC 4303 section 2.7). */
static u32 tfc_len(const struct espm_sa *sa, const struct sk_buff *skb, const struct fit *fit)
{
	u32 len = min_t(u32, sa->tfc, fit->mtu);

	return skb->len < len ? len - skb->len : 0;
}

/* What follows the payload, and the number: then all that is to be sealed is there. */
static enum espm_counter finish_text(struct espm_op *op, u32 payload, u8 next)
{
	const struct espm_suite *suite = op->sa->suite;
	u32 trailer = espm_trailer_len(payload, suite->block);
	enum espm_counter why;

	espm_trailer_write(skb_put(op->skb, trailer + suite->icv_len), trailer, next);
	why = espm_sa_next_seq(op->sa, payload + trailer, &op->seq);
	if (why != ESPM_PASS)
		return why;
	make_iv(op);
	op->len = ESPM_HDR_LEN + suite->iv_len + payload + trailer + suite->icv_len;
	return ESPM_PASS;
}

static void write_esp(struct espm_op *op)
{
	struct sk_buff *skb = op->skb;
	struct ip_esp_hdr *esp;

	op->esp = skb->len - op->len;
	esp = (void *)skb->data + op->esp;
	esp->spi = op->sa->spi;
	esp->seq_no = htonl((u32)op->seq);

	/* It is a new packet now, and none of the old one's offloads hold. */
	skb->ip_summed = CHECKSUM_NONE;
	skb->encapsulation = 0;
	skb->ignore_df = 1;
	skb->skb_iif = 0;
	skb->dev = skb_dst(skb)->dev;
	/* A bridge's, for one, tells of where the packet inside came from. */
	skb_ext_reset(skb);
}

/* Put ESP around the payload: from an IP packet to an unsealed ESP packet. */
static enum espm_counter wrap(struct espm_op *op, const struct espm_way *way, const struct fit *fit)
{
	bool tunnel = op->sa->mode == ESPM_MODE_TUNNEL;
	struct sk_buff *skb = op->skb;
	u32 hdr_len = 0, next_at = 0;
	enum espm_counter why;
	u16 ident;
	u8 next;

	if (tunnel) {
		next = ip_hdr(skb)->version == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	} else {
		hdr_len = find_payload(skb, &next_at, &next);
		if (hdr_len > skb->len)
			return ESPM_OUT_UNREADABLE;
	}
	op->encap = way->path->encap_sport ? ESPM_UDP_LEN : 0;
	op->plain = skb->len;
	if (op->sa->tfc)
		skb_put_zero(skb, tfc_len(op->sa, skb, fit));
	why = finish_text(op, skb->len - hdr_len, next);
	if (why != ESPM_PASS)
		return why;

	/* As unique as the kernel's own, for which it hashes (200 instructions). */
	ident = op->seq + op->sa->iv_mix;
	if (tunnel)
		espm_encap_tunnel(skb, way, fit->df, ident);
	else
		espm_encap_transport(skb, way->path, hdr_len, next_at, fit->df, ident);
	write_esp(op);
	return ESPM_PASS;
}

/*
 * One packet, no larger than a segment. Takes over @skb and a reference to the
 * SA, borrows @way.
 */
static void output_one(struct espm_egress *egress, struct sk_buff *skb,
		       const struct espm_way *way, const struct fit *fit)
{
	enum espm_counter why;
	u32 tail = fit->tail;
	struct espm_op *op;

	/* Segments of a GSO train may be as long as whoever made it likes. */
	if (unlikely(skb->len > fit->longest)) {
		why = ESPM_OUT_TOO_LONG;
		goto drop;
	}
	tap(egress->sa->en->dev, skb);
	if (egress->sa->tfc)
		tail += tfc_len(egress->sa, skb, fit);
	if (espm_encap_own(skb, fit->head, tail)) {
		why = ESPM_OUT_NO_MEMORY;
		goto drop;
	}
	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_csum_hwoffload_help(skb, 0)) {
		why = ESPM_OUT_SEGMENT;
		goto drop;
	}
	if (fit->clamp)
		espm_hdr_clamp_mss(skb->data, skb->len, fit->mtu);

	op = espm_op_alloc(egress->sa, skb);
	if (!op) {
		why = ESPM_OUT_NO_MEMORY;
		goto drop;
	}
	op->depth = egress->depth;

	why = wrap(op, way, fit);
	if (why != ESPM_PASS) {
		espm_drop_free(op->sa->en, op->sa, egress->policy, op->skb, why);
		op->skb = NULL;
		espm_op_free(op);
		return;
	}
	espm_spread(op);
	return;

drop:
	espm_drop_free(egress->sa->en, egress->sa, egress->policy, skb, why);
	espm_sa_put(egress->sa);
}

/*
 * Segments are made with the headroom of what they are made of, and of a size that
 * leaves them little tailroom. With less than we want of either each is copied once
 * more; and with what TCP leaves in front, 268 bytes, full ones are at the edge of
 * a buffer of 2048, behind which one of 4096 is filled with zeroes (spares 9,000 of
 * 30,000 instructions where that happens). What a socket has sent stays as it is, for
 * the socket counts it; so does what would be much to copy.
 */
static struct sk_buff *with_headroom(struct sk_buff *skb, u32 headroom)
{
	u32 have = skb_headroom(skb);
	struct sk_buff *copy;

	copy = skb->sk || have <= 2 * headroom || skb_headlen(skb) > SZ_4K ? NULL :
	       __pskb_copy(skb, headroom, GFP_ATOMIC);
	if (!copy)
		return skb_cow_head(skb, headroom) ? NULL : skb;
	skb_headers_offset_update(copy, headroom - have);
	consume_skb(skb);
	return copy;
}

/**
 * espm_output() - protect a packet and send it
 * @egress: from espm_output_ask(); its reference to the SA is used up
 * @skb: the packet, stolen
 *
 * Context: under rcu_read_lock(), softirqs off.
 */
void espm_output(struct espm_egress *egress, struct sk_buff *skb)
{
	struct sk_buff *whole, *segment, *next, *segments;
	struct espm_sa *sa = egress->sa;
	struct espm_way way = { .path = espm_sa_path_rcu(sa) };
	enum espm_counter why;
	struct fit fit;

	if (!espm_sa_usable(sa)) {
		why = espm_sa_has_expired(sa) ? ESPM_OUT_EXPIRED : ESPM_OUT_SA_DEAD;
		goto drop;
	}
	if (sa->mode == ESPM_MODE_TUNNEL) {
		way.dst = espm_encap_route(way.path, &way.src);
		if (!way.dst) {
			why = ESPM_OUT_NO_ROUTE;
			goto drop;
		}
	} else {
		why = check_transport(way.path, skb);
		if (why != ESPM_PASS)
			goto drop;
		skb_dst_force(skb);
		way.dst = dst_clone(skb_dst(skb));
		if (!way.dst) {
			why = ESPM_OUT_NO_ROUTE;
			goto drop;
		}
	}
	why = check_fit(&way, skb, &fit);
	if (why != ESPM_PASS)
		goto drop;

	if (skb_is_gso(skb)) {
		whole = with_headroom(skb, fit.head);
		if (!whole) {
			why = ESPM_OUT_NO_MEMORY;
			goto drop;
		}
		skb = whole;
		segments = skb_gso_segment(skb, 0);
		if (IS_ERR_OR_NULL(segments)) {
			why = ESPM_OUT_SEGMENT;
			goto drop;
		}
		consume_skb(skb);
	} else if (needs_fragments(egress, skb, &fit)) {
		segments = fragment(sa->en->net, skb, &fit);
		skb = NULL;
		if (!segments) {
			why = ESPM_OUT_SEGMENT;
			goto drop;
		}
	} else {
		segments = skb;
	}
	skb_list_walk_safe(segments, segment, next) {
		skb_mark_not_on_list(segment);
		/* The last one takes our reference. */
		if (next)
			percpu_ref_get(&sa->ref);
		output_one(egress, segment, &way, &fit);
	}
	dst_release(way.dst);
	return;

drop:
	espm_drop_free(sa->en, sa, egress->policy, skb, why);
	dst_release(way.dst);
	espm_sa_put(sa);
}

/* Uses up @skb and a reference to the SA, borrows @way. */
static void output_dummy(struct espm_sa *sa, struct sk_buff *skb, const struct espm_way *way)
{
	struct espm_op *op = espm_op_alloc(sa, skb);
	enum espm_counter why;

	if (!op) {
		kfree_skb(skb);
		espm_sa_put(sa);
		return;
	}
	op->encap = way->path->encap_sport ? ESPM_UDP_LEN : 0;
	op->plain = 0;
	why = finish_text(op, skb->len, IPPROTO_NONE);
	if (why != ESPM_PASS) {
		espm_op_free(op);
		return;
	}
	espm_encap_dummy(skb, way, op->seq + sa->iv_mix);
	write_esp(op);
	espm_count(sa->en, ESPM_OUT_DUMMY);
	espm_spread(op);
}

/**
 * espm_output_dummy() - send a packet that holds none (RFC 4303 section 2.6)
 * @sa: an outbound SA
 *
 * As long as its TFC padding makes others. Without memory or route there is
 * none, this time.
 *
 * Context: under rcu_read_lock(), softirqs off.
 */
void espm_output_dummy(struct espm_sa *sa)
{
	struct espm_way way = { .path = espm_sa_path_rcu(sa) };
	u32 head, tail, len;
	struct sk_buff *skb;

	way.dst = espm_encap_route(way.path, &way.src);
	if (!way.dst)
		return;
	len = min_t(u32, sa->tfc,
		    espm_path_inner_mtu(way.path, espm_encap_path_mtu(way.path, way.dst), 0));
	head = espm_encap_headroom(way.path, way.dst) + sizeof(struct ipv6hdr);
	tail = sa->suite->block + ESPM_TAIL_LEN + sa->suite->icv_len;
	skb = alloc_skb(head + len + tail, GFP_ATOMIC);
	if (skb && espm_sa_tryget(sa)) {
		skb_reserve(skb, head);
		skb_put_zero(skb, len);
		output_dummy(sa, skb, &way);
	} else {
		kfree_skb(skb);
	}
	dst_release(way.dst);
}

/**
 * espm_output_done() - go on with a packet whose seal is finished
 * @op: the packet
 * @err: of espm_crypto_seal(); nothing is done yet on -EINPROGRESS; -ENOBUFS: no
 *	room to wait for that
 *
 * Context: softirqs off.
 */
void espm_output_done(struct espm_op *op, int err)
{
	if (err == -EINPROGRESS)
		return;
	if (err) {
		rcu_read_lock();
		espm_drop_free(op->sa->en, op->sa, NULL, op->skb,
			       err == -ENOBUFS ? ESPM_OUT_BACKLOG : ESPM_OUT_CRYPTO);
		rcu_read_unlock();
		op->skb = NULL;
		espm_op_free(op);
		return;
	}
	/* A dummy carries nothing. */
	if (likely(op->plain)) {
		espm_sa_account(op->sa, op->plain);
		dev_sw_netstats_tx_add(op->sa->en->dev, 1, op->plain);
	}
	espm_encap_send(op);
	espm_op_free(op);
}
