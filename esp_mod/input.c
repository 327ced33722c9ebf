// SPDX-License-Identifier: GPL-2.0
/*
 * The way in, from top to bottom: is it ESP for an SA of ours, is it long
 * enough, is its number new, open it, commit the number, read the trailer, is
 * the packet inside one that this SA may carry, deliver. Each way out by a drop
 * has its name in stats.h, and its test in the legend of Documentation/testing.md.
 */
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/udp.h>
#include <net/dsfield.h>
#include <net/addrconf.h>
#include <net/gro_cells.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/ipv6_stubs.h>
#include <net/route.h>
#include "compat.h"
#include "crypto.h"
#include "drop.h"
#include "encap.h"
#include "event.h"
#include "expire.h"
#include "flow.h"
#include "frame.h"
#include "hdr.h"
#include "icmp.h"
#include "input.h"
#include "natt.h"
#include "netns.h"
#include "replay.h"
#include "roam.h"
#include "sa.h"
#include "spread.h"
#include "trailer.h"

/* A packet that comes out of transport mode, and how many layers of it that are by then. */
struct layer {
	struct espm_frame frame;
	u8 depth;
};

static DEFINE_PER_CPU(struct espm_frames, layers) = { .lock = ESPM_LOCAL_INIT };

/*
 * The byte that names ESP or UDP as next header, and where that begins. A fragment
 * header of a packet that is whole (RFC 6946) makes no fragment.
 */
static bool find_upper6(const struct sk_buff *skb, u32 *next_at, u32 *upper, u8 *proto,
			bool *fragment)
{
	u32 at = offsetof(struct ipv6hdr, nexthdr);
	u32 offset = sizeof(struct ipv6hdr);
	struct ipv6_opt_hdr buf;
	const struct ipv6_opt_hdr *opt;
	struct frag_hdr frag_buf;
	const struct frag_hdr *frag;

	*fragment = false;
	*proto = ipv6_hdr(skb)->nexthdr;
	for (;;) {
		*next_at = at;
		*upper = offset;
		switch (*proto) {
		case NEXTHDR_HOP:
		case NEXTHDR_DEST:
		case NEXTHDR_ROUTING:
		case NEXTHDR_FRAGMENT:
			break;
		default:
			return true;
		}
		opt = skb_header_pointer(skb, offset, sizeof(buf), &buf);
		if (!opt)
			return false;
		at = offset;
		if (*proto == NEXTHDR_FRAGMENT) {
			frag = skb_header_pointer(skb, offset, sizeof(frag_buf), &frag_buf);
			if (!frag)
				return false;
			*fragment = frag->frag_off & htons(IP6_OFFSET | IP6_MF);
			offset += sizeof(struct frag_hdr);
		} else {
			offset += ipv6_optlen(opt);
		}
		*proto = opt->nexthdr;
	}
}

/* The protocol behind the IP header, and where that begins. */
static __always_inline u8 read_proto(const struct sk_buff *skb, u32 *at)
{
	if (ip_hdr(skb)->version == 4) {
		*at = ip_hdrlen(skb);
		return ip_hdr(skb)->protocol;
	}
	*at = sizeof(struct ipv6hdr);
	return ipv6_hdr(skb)->nexthdr;
}

/*
 * Where the ESP header is, if that is easily seen, in a packet of an SA with a source;
 * else 0, which means nothing.
 */
static u32 find_esp_of(const struct sk_buff *skb, const struct espm_path *path)
{
	const struct iphdr *ip = ip_hdr(skb);
	bool v4 = ip->version == 4;
	const struct udphdr *udp;
	u32 at;
	u8 proto = read_proto(skb, &at);

	if (path->name.family != (v4 ? AF_INET : AF_INET6) || (v4 && ip_is_fragment(ip)))
		return 0;
	if (skb_headlen(skb) < at + ESPM_UDP_LEN + ESPM_HDR_LEN)
		return 0;
	if (path->encap_dport) {
		udp = (void *)skb->data + at;
		if (proto != IPPROTO_UDP || udp->source != path->encap_sport ||
		    udp->dest != path->encap_dport ||
		    ntohs(udp->len) < ESPM_UDP_LEN + ESPM_HDR_LEN)
			return 0;
		at += ESPM_UDP_LEN;
	} else if (proto != IPPROTO_ESP) {
		return 0;
	}
	return *(__be32 *)(skb->data + at) == path->name.spi &&
	       path->name.dir == ESPM_DIR_IN && espm_encap_is_of(skb, path) ? at : 0;
}

/* Is it of the SA that this CPU has recalled last, as most are (spares 70 instructions of 120)? */
static struct espm_path *find_last(struct espm_net *en, const struct sk_buff *skb, u32 *esp)
{
	struct espm_path *path = espm_sad_last_rcu(en);

	*esp = path ? find_esp_of(skb, path) : 0;
	return *esp ? path : NULL;
}

/* Look for ESP, alone or in UDP, and for the path of its SA. */
static noinline struct espm_path *find_path(struct espm_net *en, const struct sk_buff *skb,
					    struct espm_ingress *ingress, enum espm_counter *why)
{
	struct espm_sa_name name = { .dir = ESPM_DIR_IN };
	const struct udphdr *udp;
	const __be32 *spi;
	bool fragment = false;
	struct espm_path *path;
	struct udphdr buf;
	u8 proto;

	*why = ESPM_PASS;
	if (ip_hdr(skb)->version == 4) {
		name.family = AF_INET;
		name.dst.v4 = ip_hdr(skb)->daddr;
		proto = ip_hdr(skb)->protocol;
		fragment = ip_is_fragment(ip_hdr(skb));
		ingress->esp = ip_hdrlen(skb);
		ingress->next_at = offsetof(struct iphdr, protocol);
	} else {
		name.family = AF_INET6;
		name.dst.v6 = ipv6_hdr(skb)->daddr;
		if (!find_upper6(skb, &ingress->next_at, &ingress->esp, &proto, &fragment))
			return NULL;
	}

	ingress->udp = 0;
	if (proto == IPPROTO_UDP) {
		switch (espm_natt_look(skb, ingress->esp)) {
		case ESPM_NATT_OTHER:
			return NULL;
		case ESPM_NATT_KEEPALIVE:
			*why = ESPM_IN_KEEPALIVE;
			return NULL;
		case ESPM_NATT_ESP:
			break;
		}
		udp = skb_header_pointer(skb, ingress->esp, sizeof(buf), &buf);
		ingress->udp = ESPM_UDP_LEN;
		ingress->esp += ESPM_UDP_LEN;
	} else if (proto != IPPROTO_ESP) {
		return NULL;
	}

	spi = skb_header_pointer(skb, ingress->esp, sizeof(name.spi), &name.spi);
	if (!spi) {
		/* Nobody's, then; a fragment may find the rest of its packet further on. */
		if (proto == IPPROTO_ESP && !fragment)
			*why = ESPM_IN_MALFORMED;
		return NULL;
	}
	name.spi = *spi;
	path = espm_sad_recall_rcu(en, &name);
	if (!path) {
		if (proto == IPPROTO_ESP)
			*why = ESPM_IN_NOT_OURS;
		return NULL;
	}
	if (ingress->udp && udp->dest != path->encap_dport) {
		/* UDP to another port is somebody else's, but that of ESP is not. */
		if (udp->dest != htons(ESPM_PORT_NATT))
			return NULL;
		*why = ESPM_IN_ENCAP;
	} else if (!ingress->udp && path->encap_dport) {
		*why = ESPM_IN_ENCAP;
	} else if (fragment) {
		*why = ESPM_IN_FRAGMENT;
	}
	return path;
}

/* The UDP header in front of ESP, or NULL. */
static const struct udphdr *find_udp(const struct sk_buff *skb,
				     const struct espm_ingress *ingress, struct udphdr *buf)
{
	if (!ingress->udp)
		return NULL;
	return skb_header_pointer(skb, ingress->esp - ESPM_UDP_LEN, sizeof(*buf), buf);
}

/* Has a packet the addresses, and the UDP ports or none, of an SA's packets? */
static bool is_of(const struct sk_buff *skb, const struct espm_path *path,
		  const struct udphdr *udp)
{
	return espm_encap_is_of(skb, path) &&
	       (udp ? udp->source == path->encap_sport && udp->dest == path->encap_dport :
		      !path->encap_dport);
}

/* The same of another SA, which is the last one then. Apart: the last one's do not pay for it. */
static noinline struct espm_path *find_other(struct espm_net *en, const struct sk_buff *skb)
{
	struct espm_sa_name name = { .dir = ESPM_DIR_IN };
	struct espm_path *path;
	u32 at;
	u8 proto = read_proto(skb, &at);

	if (ip_hdr(skb)->version == 4) {
		name.family = AF_INET;
		name.dst.v4 = ip_hdr(skb)->daddr;
	} else {
		name.family = AF_INET6;
		name.dst.v6 = ipv6_hdr(skb)->daddr;
	}
	if (skb_headlen(skb) < at + ESPM_UDP_LEN + ESPM_HDR_LEN)
		return NULL;
	if (proto == IPPROTO_UDP)
		at += ESPM_UDP_LEN;
	name.spi = *(__be32 *)(skb->data + at);
	path = name.spi ? espm_sad_recall_rcu(en, &name) : NULL;
	return path && find_esp_of(skb, path) ? path : NULL;
}

/*
 * Is a packet ESP, or to the port of ESP in UDP? On other ports flows are remembered one
 * by one. Some drivers leave all behind the IP header in pages, where nobody sees it easily.
 */
static bool is_usual(struct sk_buff *skb)
{
	u32 at;
	u8 proto = read_proto(skb, &at);
	u32 len = at + ESPM_UDP_LEN + ESPM_HDR_LEN;
	const struct udphdr *udp;

	if (proto != IPPROTO_ESP && proto != IPPROTO_UDP)
		return false;
	/* Trains that GRO has made are somebody else's to take apart. */
	if (skb_headlen(skb) < len && (skb_has_frag_list(skb) || !pskb_may_pull(skb, len)))
		return false;
	udp = (void *)skb->data + at;
	return proto == IPPROTO_ESP || udp->dest == htons(ESPM_PORT_NATT);
}

/* Is a packet ESP of an SA for whose packets the answer is known? If not, that means nothing. */
static bool is_alone(struct espm_net *en, struct sk_buff *skb, unsigned long gen)
{
	const struct espm_path *path;
	u32 esp;

	if (!is_usual(skb))
		return false;
	path = find_last(en, skb, &esp) ?: find_other(en, skb);
	return path && READ_ONCE(path->alone) == gen;
}

static u8 tos_of(const struct sk_buff *skb)
{
	u8 tos = ip_hdr(skb)->version == 4 ? ip_hdr(skb)->tos : ipv6_get_dsfield(ipv6_hdr(skb));

	return tos & ~INET_ECN_MASK;
}

static bool came_as(const struct espm_arrival *last, const struct sk_buff *skb)
{
	return last->iif == skb->dev->ifindex && last->mark == skb->mark &&
	       last->tos == tos_of(skb);
}

/**
 * espm_input_recall_route() - give ESP the route by which its SA's last packet came
 * @en: the namespace
 * @skb: a packet at PRE_ROUTING, behind all that may change where it goes
 *
 * Unless routes have changed, or it came in another way, none has to be looked for
 * (spares 400 instructions). A bridge has a route of its own for what only passes it.
 *
 * Context: under rcu_read_lock(), softirqs off.
 * Return: whether it has one now, and is of a tunnel, which keeps nothing of what is outside.
 */
bool espm_input_recall_route(struct espm_net *en, struct sk_buff *skb)
{
	const struct espm_arrival *last;
	const struct espm_path *path;
	u32 esp;

	if (skb_dst(skb) || nf_bridge_info_exists(skb))
		return false;
	path = find_last(en, skb, &esp);
	last = path ? rcu_dereference(path->arrival) : NULL;
	if (!last || !came_as(last, skb) ||
	    (last->dst->obsolete && !last->dst->ops->check(last->dst, last->cookie)))
		return false;
	skb_dst_set_noref(skb, last->dst);
	return path->sa->mode == ESPM_MODE_TUNNEL;
}

/*
 * Of a packet that is authentic. Where packets come by several devices, one of them
 * a tick is remembered.
 */
static void remember_route(const struct espm_op *op)
{
	struct espm_path *path = espm_sa_path_rcu(op->sa);
	const struct espm_arrival *last = rcu_dereference(path->arrival);
	struct sk_buff *skb = op->skb;
	const struct udphdr *udp = op->encap ? (void *)skb->data + op->esp - op->encap : NULL;
	bool is_ip4 = ip_hdr(skb)->version == 4;
	struct dst_entry *dst = skb_dst(skb);
	struct espm_arrival *arrival;
	u32 cookie;

	if (!dst)
		return;
	/* The same route of IPv6 gets another cookie when others change. */
	cookie = is_ip4 ? 0 : rt6_get_cookie((struct rt6_info *)dst);
	if (likely(last && last->dst == dst && last->cookie == cookie && came_as(last, skb)))
		return;
	if ((last && !time_after64(get_jiffies_64(), last->since)) || !is_of(skb, path, udp))
		return;
	if (is_ip4 ? ((struct rtable *)dst)->rt_type != RTN_LOCAL :
		     !(((struct rt6_info *)dst)->rt6i_flags & RTF_LOCAL))
		return;
	arrival = kmalloc(sizeof(*arrival), GFP_ATOMIC);
	if (!arrival)
		return;
	*arrival = (struct espm_arrival){
		.dst = dst_clone(dst), .cookie = cookie, .iif = skb->dev->ifindex,
		.mark = skb->mark, .tos = tos_of(skb), .since = get_jiffies_64(),
	};
	espm_path_arrived(path, arrival);
}

/* As was_settled() of output.c: what a policy let in as it was may become what it likes. */
static bool was_let_in(struct espm_net *en, unsigned long gen, const struct espm_flow *before)
{
	const struct espm_policy *policy;
	enum espm_match match;

	policy = espm_spd_match_rcu(en, ESPM_DIR_IN, gen, before, &match);
	return policy && match == ESPM_MATCH && policy->action == ESPM_ACTION_BYPASS;
}

/* What is only forwarded is traffic like any other. */
static void forget_vital(struct espm_net *en, struct espm_flow *flow)
{
	if (flow->vital && !espm_flow_is_local(en->net, &flow->dst, flow->family))
		flow->vital = false;
}

/* What a policy makes of a packet that comes in clear, and the counter of that. */
static enum espm_answer judge(const struct espm_policy *policy, enum espm_match match,
			      enum espm_counter *why)
{
	if (match == ESPM_BLIND) {
		*why = ESPM_IN_HIDDEN_PORTS;
		return ESPM_DROP;
	}
	switch (policy->action) {
	case ESPM_ACTION_BYPASS:
		*why = ESPM_IN_BYPASS;
		return ESPM_ACCEPT;
	case ESPM_ACTION_PROTECT:
		*why = ESPM_IN_CLEAR;
		return ESPM_DROP;
	default:
		*why = ESPM_IN_DISCARD;
		return ESPM_DROP;
	}
}

/*
 * What the policies say of a flow in clear, and the counter of a drop; @why is
 * %ESPM_IN_BYPASS where one lets it in, %ESPM_PASS where none asks for it.
 */
static enum espm_answer ask_flow(struct espm_net *en, struct sk_buff *skb, unsigned long gen,
				 const struct espm_flow *flow, struct espm_policy **policy,
				 enum espm_counter *why)
{
	struct espm_ingress ingress;
	struct espm_path *path = NULL;
	enum espm_match match;
	enum espm_counter kind;
	struct udphdr udp;

	*why = ESPM_PASS;
	*policy = espm_spd_match_rcu(en, ESPM_DIR_IN, gen, flow, &match);
	if (!*policy && (flow->proto == IPPROTO_ICMP || flow->proto == IPPROTO_ICMPV6) &&
	    espm_icmp_is_about_protected(en, skb, gen)) {
		*why = ESPM_IN_CLEAR_ERROR;
		return ESPM_DROP;
	}
	if (flow->proto == IPPROTO_ESP ||
	    (flow->proto == IPPROTO_UDP && (*policy || flow->dport == ESPM_PORT_NATT)))
		path = find_path(en, skb, &ingress, &kind);
	if (!*policy || (path && ((*policy)->action != ESPM_ACTION_PROTECT ||
				  (*policy)->reqid == espm_sa_reqid_in(path->sa, gen)))) {
		if (path && is_of(skb, path, find_udp(skb, &ingress, &udp)))
			WRITE_ONCE(path->alone, gen);
		return ESPM_ACCEPT;
	}
	this_cpu_inc(*(*policy)->hits);
	return judge(*policy, match, why);
}

/* espm_input_ask_clear() of what is not known. Apart: what is does not pay for its variables. */
static noinline enum espm_answer ask_clear_anew(struct espm_net *en, struct sk_buff *skb,
						unsigned long gen, enum espm_ask ask)
{
	struct espm_flow flow, before;
	struct espm_policy *policy = NULL;
	enum espm_answer answer;
	enum espm_counter why;

	if (espm_flow_read(&flow, skb, skb_network_offset(skb), ESPM_DIR_IN)) {
		espm_drop(en, NULL, NULL, skb, ESPM_IN_UNREADABLE);
		return ESPM_DROP;
	}
	before = flow;
	/* Only what destination NAT has changed is another flow than it was. */
	if (ask != ESPM_ASK_FIRST && espm_flow_before_nat(&before, skb, ESPM_DIR_IN)) {
		forget_vital(en, &before);
		if (ask == ESPM_ASK_CHANGED && was_let_in(en, gen, &before))
			return ESPM_ACCEPT;
		if (ask == ESPM_ASK_LATE) {
			answer = ask_flow(en, skb, gen, &before, &policy, &why);
			if (why != ESPM_PASS)
				goto count;
		}
	} else if (ask == ESPM_ASK_CHANGED) {
		return ESPM_ACCEPT;
	}
	forget_vital(en, &flow);
	answer = ask_flow(en, skb, gen, &flow, &policy, &why);
count:
	if (why != ESPM_PASS)
		espm_drop(en, NULL, policy, skb, why);
	return answer;
}

/* Is it of a flow of which was found out lately that no policy asks for it? */
static bool is_free_flow(struct espm_net *en, const struct sk_buff *skb, unsigned long gen)
{
	struct espm_policy *policy;
	struct espm_brief brief;

	return espm_flow_brief(&brief, skb) &&
	       espm_spd_recall_rcu(en, ESPM_DIR_IN, gen, &brief, &policy) && !policy;
}

/**
 * espm_input_ask_clear() - may a packet come in as it is?
 * @en: the namespace
 * @skb: the packet at PRE_ROUTING, or a later hook, reassembled
 * @ask: whether NAT has seen it, and this was asked before
 *
 * ESP for an SA of ours may, except where a policy wants to see that very
 * packet come out of another SA (nested protection).
 *
 * Context: under rcu_read_lock(), softirqs off.
 * Return: accept or drop; a drop has been counted.
 */
enum espm_answer espm_input_ask_clear(struct espm_net *en, struct sk_buff *skb, enum espm_ask ask)
{
	unsigned long gen = espm_spd_generation(&en->spd);

	if (!rcu_access_pointer(en->spd.classes[ESPM_DIR_IN]))
		return ESPM_ACCEPT;
	/* All packets of an SA are one flow: one answer does for them (-170 instructions). */
	if (ask == ESPM_ASK_FIRST && (is_alone(en, skb, gen) || is_free_flow(en, skb, gen)))
		return ESPM_ACCEPT;
	return ask_clear_anew(en, skb, gen, ask);
}

/**
 * espm_input_explain() - what would become of a packet that arrives in clear?
 * @en: the namespace
 * @flow: the packet's values
 * @told: result; nothing in it is a reference
 *
 * Context: under rcu_read_lock(), softirqs off.
 */
void espm_input_explain(struct espm_net *en, const struct espm_flow *flow,
			struct espm_explained *told)
{
	enum espm_match match;

	*told = (struct espm_explained){ .answer = ESPM_ACCEPT, .why = ESPM_PASS };
	told->policy = espm_spd_match_rcu(en, ESPM_DIR_IN, espm_spd_generation(&en->spd), flow,
					  &match);
	if (told->policy)
		told->answer = judge(told->policy, match, &told->why);
}

static enum espm_counter why_unusable(const struct espm_sa *sa)
{
	switch (READ_ONCE(sa->state)) {
	case ESPM_SA_LARVAL:
		return ESPM_IN_LARVAL;
	case ESPM_SA_EXPIRED:
		return ESPM_IN_EXPIRED;
	default:
		return ESPM_IN_SA_DEAD;
	}
}

/**
 * espm_input_ask() - is a packet ESP for an SA of ours?
 * @en: the namespace
 * @skb: the packet at LOCAL_IN
 * @ingress: result with %ESPM_STEAL
 *
 * An unknown SPI is left to others, since xfrm may own it.
 *
 * Context: under rcu_read_lock(), softirqs off.
 * Return: the answer; a drop has been counted.
 */
enum espm_answer espm_input_ask(struct espm_net *en, struct sk_buff *skb,
				struct espm_ingress *ingress)
{
	enum espm_counter why = ESPM_PASS;
	struct espm_path *path;
	struct espm_sa *sa;

	path = find_last(en, skb, &ingress->esp);
	if (path) {
		ingress->udp = path->encap_dport ? ESPM_UDP_LEN : 0;
		ingress->next_at = path->name.family == AF_INET ?
				   offsetof(struct iphdr, protocol) :
				   offsetof(struct ipv6hdr, nexthdr);
	} else {
		path = find_path(en, skb, ingress, &why);
	}
	if (!path) {
		if (why == ESPM_PASS)
			return ESPM_ACCEPT;
		espm_drop(en, NULL, NULL, skb, why);
		return why == ESPM_IN_NOT_OURS ? ESPM_ACCEPT : ESPM_DROP;
	}
	sa = path->sa;
	if (why == ESPM_PASS && !espm_sa_usable(sa))
		why = why_unusable(sa);
	if (why == ESPM_PASS && !espm_sa_tryget(sa))
		why = ESPM_IN_SA_DEAD;
	if (why != ESPM_PASS) {
		espm_drop(en, sa, NULL, skb, why);
		return ESPM_DROP;
	}
	ingress->sa = sa;
	return ESPM_STEAL;
}

/* All that is trusted about lengths later on is checked here. */
static bool check_lengths(const struct espm_sa *sa, const struct espm_ingress *ingress,
			  struct sk_buff *skb, u32 *len)
{
	const struct espm_suite *suite = sa->suite;
	u32 text;

	if (!pskb_may_pull(skb, ingress->esp + ESPM_HDR_LEN + suite->iv_len))
		return false;
	*len = skb->len - ingress->esp;
	if (ingress->udp) {
		struct udphdr *udp = (void *)skb->data + ingress->esp - ESPM_UDP_LEN;

		if (ntohs(udp->len) != *len + ESPM_UDP_LEN)
			return false;
	}
	if (*len < ESPM_HDR_LEN + suite->iv_len + ESPM_TAIL_LEN + suite->icv_len)
		return false;
	text = *len - ESPM_HDR_LEN - suite->iv_len - suite->icv_len;
	return IS_ALIGNED(text, suite->block);
}

/* The number on the wire as 64 bits, and whether it is worth any crypto. */
static enum espm_counter check_seq(struct espm_sa *sa, u32 lo, u64 *seq)
{
	enum espm_replay_verdict verdict;

	spin_lock(&sa->rx_lock);
	*seq = sa->esn ? espm_replay_infer(sa->replay, lo) : lo;
	verdict = espm_replay_check(sa->replay, *seq);
	spin_unlock(&sa->rx_lock);

	switch (verdict) {
	case ESPM_REPLAY_NEW:
		return ESPM_PASS;
	case ESPM_REPLAY_SEEN:
		return ESPM_IN_REPLAY_SEEN;
	default:
		return ESPM_IN_REPLAY_OLD;
	}
}

/* @text: bytes under the cipher; @newest: whether no packet with a higher number came */
static enum espm_counter commit_seq(struct espm_sa *sa, u64 seq, u32 text, bool *newest)
{
	enum espm_replay_verdict verdict;
	u64 nth, depth;

	spin_lock(&sa->rx_lock);
	depth = sa->replay->top - min(seq, sa->replay->top);
	verdict = espm_replay_commit(sa->replay, seq);
	if (unlikely(depth > sa->depth) && verdict == ESPM_REPLAY_NEW)
		sa->depth = depth;
	nth = sa->taken += verdict == ESPM_REPLAY_NEW;
	*newest = seq == sa->replay->top;
	spin_unlock(&sa->rx_lock);

	switch (verdict) {
	case ESPM_REPLAY_NEW:
		if (likely(nth <= READ_ONCE(sa->mark)) || espm_expire_count(sa, nth, text))
			return ESPM_PASS;
		return ESPM_IN_EXPIRED;
	case ESPM_REPLAY_SEEN:
		return ESPM_IN_REPLAY_SEEN;
	default:
		return ESPM_IN_REPLAY_OLD;
	}
}

/* One ESP packet. Uses up a reference to the SA. */
static void input_one(const struct espm_ingress *ingress, struct sk_buff *skb)
{
	struct espm_sa *sa = ingress->sa;
	const struct ip_esp_hdr *esp;
	enum espm_counter why;
	struct espm_op *op;
	u32 len;
	u64 seq;

	if (!check_lengths(sa, ingress, skb, &len)) {
		why = ESPM_IN_MALFORMED;
		goto drop;
	}
	esp = (void *)skb->data + ingress->esp;
	why = check_seq(sa, ntohl(esp->seq_no), &seq);
	if (why != ESPM_PASS)
		goto drop;
	if (espm_encap_own(skb, 0, 0)) {
		why = ESPM_IN_NO_MEMORY;
		goto drop;
	}
	op = espm_op_alloc(sa, skb);
	if (!op) {
		why = ESPM_IN_NO_MEMORY;
		goto drop;
	}
	/* Nothing keeps device and route for a packet that waits for its driver. */
	op->dev = skb->dev;
	dev_hold(op->dev);
	skb_dst_force(skb);
	op->seq = seq;
	op->esp = ingress->esp;
	op->next_at = ingress->next_at;
	op->encap = ingress->udp;
	op->len = len;
	espm_spread(op);
	return;

drop:
	espm_drop_free(sa->en, sa, NULL, skb, why);
	espm_sa_put(sa);
}

/* Several packets of ESP in UDP that GRO merged by their ports: each has its own SPI. */
static void input_segments(struct espm_net *en, struct sk_buff *skb)
{
	struct sk_buff *segment, *next, *segments;
	struct espm_ingress ingress;

	segments = skb_gso_segment(skb, 0);
	if (IS_ERR_OR_NULL(segments)) {
		espm_drop_free(en, NULL, NULL, skb, ESPM_IN_MALFORMED);
		return;
	}
	consume_skb(skb);
	skb_list_walk_safe(segments, segment, next) {
		skb_mark_not_on_list(segment);
		switch (espm_input_ask(en, segment, &ingress)) {
		case ESPM_STEAL:
			input_one(&ingress, segment);
			break;
		case ESPM_ACCEPT:
			/* The others of its train are ESP; it cannot go back alone. */
			espm_drop_free(en, NULL, NULL, segment, ESPM_IN_MALFORMED);
			break;
		default:
			/* Counted already */
			kfree_skb(segment);
			break;
		}
	}
}

/**
 * espm_input() - open an ESP packet
 * @ingress: from espm_input_ask(); its reference to the SA is used up
 * @skb: the packet, stolen
 *
 * Context: under rcu_read_lock(), softirqs off.
 */
void espm_input(const struct espm_ingress *ingress, struct sk_buff *skb)
{
	/* Early demultiplexing may have found a socket for the outer packet. */
	skb_orphan(skb);
	if (unlikely(skb_is_gso(skb))) {
		input_segments(ingress->sa->en, skb);
		espm_sa_put(ingress->sa);
	} else {
		input_one(ingress, skb);
	}
}

/* Strip all that was outside; what is left begins with the inner IP header. */
static enum espm_counter open_tunnel(struct espm_op *op, const struct espm_trailer *t)
{
	struct sk_buff *skb = op->skb;
	u8 outer_tos = espm_hdr_tos(skb->data);
	enum espm_ecn ecn;
	int len;

	if (t->next != IPPROTO_IPIP && t->next != IPPROTO_IPV6)
		return ESPM_IN_NEXT_HEADER;
	skb_pull(skb, op->esp + ESPM_HDR_LEN + op->sa->suite->iv_len);
	len = espm_hdr_inner_len(skb->data, t->payload, t->next);
	if (len < 0)
		return ESPM_IN_INNER;
	/* What the inner header does not count is TFC padding. */
	skb_trim(skb, len);

	ecn = espm_hdr_ecn_open(espm_hdr_tos(skb->data), outer_tos);
	if (ecn == ESPM_ECN_INVALID)
		return ESPM_IN_ECN;
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb_reset_mac_len(skb);
	if (t->next == IPPROTO_IPIP) {
		skb->protocol = htons(ETH_P_IP);
		ipv4_change_dsfield(ip_hdr(skb), (u8)~ESPM_ECN_MASK, ecn);
	} else {
		skb->protocol = htons(ETH_P_IPV6);
		ipv6_change_dsfield(ipv6_hdr(skb), (u8)~ESPM_ECN_MASK, ecn);
	}
	skb_dst_drop(skb);
	return ESPM_PASS;
}

/* Take UDP, ESP header and IV out from behind the packet's own header. */
static enum espm_counter open_transport(struct espm_op *op, const struct espm_trailer *t)
{
	struct sk_buff *skb = op->skb;
	u32 room = op->encap + ESPM_HDR_LEN + op->sa->suite->iv_len;
	u32 hdr_len = op->esp - op->encap;
	struct iphdr *ip;

	memmove(skb->data + room, skb->data, hdr_len);
	skb_pull(skb, room);
	skb_trim(skb, hdr_len + t->payload);
	skb_reset_network_header(skb);
	skb->transport_header += room;
	skb->data[op->next_at] = t->next;
	if (skb->protocol == htons(ETH_P_IP)) {
		ip = ip_hdr(skb);
		ip->tot_len = htons(skb->len);
		ip_send_check(ip);
	} else {
		ipv6_hdr(skb)->payload_len = htons(skb->len - sizeof(struct ipv6hdr));
	}
	return ESPM_PASS;
}

/* RFC 4301 section 5.2 step 4: may packets of this flow come out of this SA? */
static enum espm_counter check_flow(const struct espm_sa *sa, unsigned long gen,
				    const struct espm_flow *flow)
{
	const struct espm_policy *policy;
	enum espm_match match;

	switch (espm_selector_match(&sa->sel, flow)) {
	case ESPM_MATCH:
		break;
	case ESPM_BLIND:
		return ESPM_IN_HIDDEN_PORTS;
	default:
		return ESPM_IN_SELECTOR;
	}
	policy = espm_spd_match_rcu(sa->en, ESPM_DIR_IN, gen, flow, &match);
	if (!policy || policy->action != ESPM_ACTION_PROTECT ||
	    policy->reqid != espm_sa_reqid_in(sa, gen))
		return ESPM_IN_POLICY;
	if (match == ESPM_BLIND)
		return ESPM_IN_HIDDEN_PORTS;
	this_cpu_inc(*policy->hits);
	return ESPM_PASS;
}

/*
 * An error about a packet comes by the SA of the answers to it, whoever sends it (section
 * 6.2), and goes to whom that packet came from. Where a policy names the error itself and says
 * discard, or another SA, that is what holds.
 */
static bool is_error_about(const struct espm_sa *sa, unsigned long gen, const struct sk_buff *skb,
			   const struct espm_flow *flow)
{
	const struct espm_policy *policy;
	struct espm_flow about;
	enum espm_match match;

	if ((flow->proto != IPPROTO_ICMP && flow->proto != IPPROTO_ICMPV6) ||
	    sa->mode != ESPM_MODE_TUNNEL || espm_flow_read_quoted(&about, skb, ESPM_DIR_IN))
		return false;
	if (about.family != flow->family || espm_addr_cmp(&about.src, &flow->dst, flow->family))
		return false;
	policy = espm_spd_match_rcu(sa->en, ESPM_DIR_IN, gen, flow, &match);
	if (policy && (policy->action == ESPM_ACTION_DISCARD ||
		       (policy->action == ESPM_ACTION_PROTECT &&
			policy->reqid != espm_sa_reqid_in(sa, gen))))
		return false;
	about.vital = false;
	espm_flow_reverse(&about);
	return check_flow(sa, gen, &about) == ESPM_PASS;
}

/* Was that found out lately for a flow, by an SA that has no selector (spares 130 instructions)? */
static bool is_known_flow(const struct espm_sa *sa, unsigned long gen, const struct sk_buff *skb,
			  u8 *proto)
{
	struct espm_policy *policy;
	struct espm_brief brief;

	if (sa->mode != ESPM_MODE_TUNNEL || !espm_selector_is_any(&sa->sel) ||
	    !espm_flow_brief(&brief, skb) ||
	    !espm_spd_recall_rcu(sa->en, ESPM_DIR_IN, gen, &brief, &policy) || !policy ||
	    policy->action != ESPM_ACTION_PROTECT || policy->reqid != espm_sa_reqid_in(sa, gen))
		return false;
	this_cpu_inc(*policy->hits);
	*proto = brief.proto;
	return true;
}

static noinline enum espm_counter check_inner_anew(const struct espm_sa *sa, unsigned long gen,
						   const struct sk_buff *skb, u8 *proto)
{
	const struct espm_path *path = espm_sa_path_rcu(sa);
	enum espm_counter why;
	struct espm_flow flow;

	if (espm_flow_read(&flow, skb, skb_network_offset(skb), ESPM_DIR_IN))
		return ESPM_IN_INNER;
	*proto = flow.proto;
	/* The exemptions are for what travels in clear. */
	flow.vital = false;

	/* No ICV covers the header that stays outside. */
	if (sa->mode == ESPM_MODE_TRANSPORT && !path->encap_dport && !path->any_src &&
	    espm_addr_cmp(&flow.src, &path->src, flow.family))
		return ESPM_IN_SELECTOR;
	why = check_flow(sa, gen, &flow);
	if (why != ESPM_PASS && !is_error_about(sa, gen, skb, &flow))
		return why;
	if (sa->mode == ESPM_MODE_TUNNEL && espm_flow_is_of_link(&flow))
		return ESPM_IN_LINK;
	return ESPM_PASS;
}

static enum espm_counter check_inner(const struct espm_sa *sa, const struct sk_buff *skb, u8 *proto)
{
	unsigned long gen = espm_spd_generation(&sa->en->spd);

	return is_known_flow(sa, gen, skb, proto) ? ESPM_PASS :
						    check_inner_anew(sa, gen, skb, proto);
}

/* An opened packet is a new one: nothing that was true of ESP holds for it. */
static void scrub(struct sk_buff *skb)
{
	skb->ip_summed = CHECKSUM_NONE;
	skb->csum_valid = 0;
	skb->csum_level = 0;
	skb->encapsulation = 0;
	skb->ignore_df = 0;
	skb->pkt_type = PACKET_HOST;
	skb_set_queue_mapping(skb, 0);
	skb_clear_hash(skb);
	skb_ext_reset(skb);
	nf_reset_trace(skb);
}

/*
 * No route leads back by the esp device, so that a reverse path filter would refuse
 * all that comes out of it: source and SA have been held against policy instead.
 * Some systems set a filter on each device that appears.
 */
static void clear_path_filter(const struct net_device *dev)
{
	struct in_device *in_dev = __in_dev_get_rcu(dev);

	if (unlikely(in_dev && IN_DEV_CONF_GET(in_dev, RP_FILTER)))
		IN_DEV_CONF_SET(in_dev, RP_FILTER, 0);
}

/*
 * GRO pays for streams of TCP. For what it would not merge it costs 600
 * instructions a packet, so that takes the plain queue; a flow takes one way.
 */
static enum espm_counter deliver_tunnel(struct espm_op *op, u8 proto)
{
	struct espm_net *en = op->sa->en;
	struct sk_buff *skb = op->skb;
	u32 len = skb->len;
	int err;

	op->skb = NULL;
	skb->dev = en->dev;
	if (skb->protocol == htons(ETH_P_IP))
		clear_path_filter(skb->dev);
	if (proto == IPPROTO_TCP)
		err = gro_cells_receive(&en->cells, skb);
	else
		err = __netif_rx(skb);
	if (err != NET_RX_SUCCESS)
		return ESPM_IN_QUEUE;
	dev_sw_netstats_rx_add(en->dev, len);
	return ESPM_PASS;
}

static enum espm_counter deliver_transport(struct espm_op *op)
{
	struct net *net = op->sa->en->net;
	struct sk_buff *skb = op->skb;
	bool v4 = skb->protocol == htons(ETH_P_IP);
	struct espm_frame *outer = espm_frame_mine(&layers);
	struct layer layer;

	layer.depth = outer ? container_of(outer, struct layer, frame)->depth + 1 : 1;
	if (layer.depth > ESPM_NEST_MAX)
		return ESPM_IN_NEST;
	op->skb = NULL;
	espm_frame_push(&layers, &layer.frame);
	NF_HOOK(v4 ? NFPROTO_IPV4 : NFPROTO_IPV6, NF_INET_PRE_ROUTING, net, NULL, skb, skb->dev,
		NULL, espm_input_transport);
	espm_frame_pop(&layers, &layer.frame);
	return ESPM_PASS;
}

static int route_again(struct sk_buff *skb)
{
	const struct iphdr *ip = ip_hdr(skb);

	if (ip->version == 4)
		return ip_route_input_noref(skb, ip->daddr, ip->saddr, ip->tos, skb->dev);
	return ipv6_stub->ipv6_route_input(skb);
}

/**
 * espm_input_transport() - continuation of a packet opened in transport mode
 * @net: the namespace
 * @sk: unused
 * @skb: the packet, after PRE_ROUTING
 *
 * Being the continuation, it is also the mark by which our own hook knows
 * that the packet was opened and checked.
 *
 * Context: softirqs off.
 * Return: what the stack says.
 */
int espm_input_transport(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	/* Destination NAT drops the route. */
	if (!skb_dst(skb) && route_again(skb)) {
		espm_drop_free(espm_net_of(net), NULL, NULL, skb, ESPM_IN_NO_ROUTE);
		return NET_RX_DROP;
	}
	return dst_input(skb);
}

/*
 * The answers to this SYN leave by an SA as ours, over the link that it came by,
 * and the peer may not have told its own side.
 */
static void clamp_mss(struct espm_op *op)
{
	struct sk_buff *skb = op->skb;
	u32 hdr_len = 0;

	if (op->sa->mode == ESPM_MODE_TRANSPORT)
		hdr_len = skb->protocol == htons(ETH_P_IP) ? sizeof(struct iphdr) :
							     sizeof(struct ipv6hdr);
	espm_hdr_clamp_mss(skb->data, skb->len,
			   espm_path_inner_mtu(espm_sa_path_rcu(op->sa), READ_ONCE(op->dev->mtu),
					       hdr_len));
}

/* All that follows a correct ICV. */
static enum espm_counter accept(struct espm_op *op)
{
	const struct espm_suite *suite = op->sa->suite;
	bool tunnel = op->sa->mode == ESPM_MODE_TUNNEL;
	struct espm_trailer trailer;
	enum espm_counter why;
	const u8 *text;
	u32 text_len;
	bool newest;
	u8 proto;

	if (!espm_sa_usable(op->sa))
		return why_unusable(op->sa);
	text_len = op->len - ESPM_HDR_LEN - suite->iv_len - suite->icv_len;
	why = commit_seq(op->sa, op->seq, text_len, &newest);
	if (why != ESPM_PASS)
		return why;
	remember_route(op);
	if (op->sa->roam && newest)
		espm_roam_look(op);

	text = op->skb->data + op->esp + ESPM_HDR_LEN + suite->iv_len;
	switch (espm_trailer_read(text, text_len, &trailer)) {
	case ESPM_TRAILER_SHORT:
		return ESPM_IN_TRAILER;
	case ESPM_TRAILER_PADDING:
		return ESPM_IN_PADDING;
	case ESPM_TRAILER_OK:
		break;
	}
	if (trailer.next == IPPROTO_NONE)
		return ESPM_IN_DUMMY;

	why = tunnel ? open_tunnel(op, &trailer) : open_transport(op, &trailer);
	if (why == ESPM_PASS)
		why = check_inner(op->sa, op->skb, &proto);
	if (why != ESPM_PASS)
		return why;

	if (proto == IPPROTO_TCP && op->sa->clamp_mss)
		clamp_mss(op);
	espm_sa_account(op->sa, op->skb->len);
	scrub(op->skb);
	/* The sum covers addresses that a NAT has changed (RFC 3948 section 3.1.2). */
	if (op->encap && !tunnel)
		op->skb->ip_summed = CHECKSUM_UNNECESSARY;
	return tunnel ? deliver_tunnel(op, proto) : deliver_transport(op);
}

/**
 * espm_input_done() - go on with a packet that was opened
 * @op: the packet
 * @err: of espm_crypto_open(); nothing is done yet on -EINPROGRESS; -ENOBUFS: no
 *	room to wait for that
 *
 * Until the ICV has been verified, a packet changes nothing but drop counters.
 *
 * Context: softirqs off.
 */
void espm_input_done(struct espm_op *op, int err)
{
	enum espm_counter why;

	switch (err) {
	case -EINPROGRESS:
		return;
	case 0:
		rcu_read_lock();
		why = accept(op);
		rcu_read_unlock();
		break;
	case -EBADMSG:
		why = ESPM_IN_ICV;
		break;
	case -ENOBUFS:
		why = ESPM_IN_BACKLOG;
		break;
	default:
		why = ESPM_IN_CRYPTO;
		break;
	}
	if (why != ESPM_PASS) {
		rcu_read_lock();
		espm_drop_free(op->sa->en, op->sa, NULL, op->skb, why);
		rcu_read_unlock();
		op->skb = NULL;
	}
	if (why == ESPM_IN_ICV)
		espm_event_raise_icv(op->sa);
	espm_op_free(op);
}
