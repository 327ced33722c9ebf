// SPDX-License-Identifier: GPL-2.0
/* The hooks: each is a switch over an answer from the floor below. */
#include <linux/if_macvlan.h>
#include <linux/if_pppox.h>
#include <linux/if_vlan.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_queue.h>
#include <net/route.h>
#include <net/sock.h>
#include "compat.h"
#include "defrag.h"
#include "drop.h"
#include "encap.h"
#include "hooks.h"
#include "icmp.h"
#include "input.h"
#include "main.h"
#include "netns.h"
#include "offload.h"
#include "output.h"

enum {
	/* Before others put fragments together that are not of the same kind. */
	PRIORITY_CLEAR4	= NF_IP_PRI_CONNTRACK_DEFRAG - 1,
	PRIORITY_CLEAR6	= NF_IP6_PRI_CONNTRACK_DEFRAG - 1,
	PRIORITY_CLEAR_CHANGED = NF_IP_PRI_NAT_DST + 1,
	PRIORITY_IN	= NF_IP_PRI_CONNTRACK_HELPER - 1,
	PRIORITY_OUT	= NF_IP_PRI_NAT_SRC - 1,
	PRIORITY_OUT_CHANGED = NF_IP_PRI_NAT_SRC + 1,
};

/*
 * Connection tracking confirms a flow behind the last hook, which a stolen
 * packet does not see at LOCAL_IN: its flow would be NEW for ever. So it is done here; what
 * comes out of ESP, or of the seal, is another packet and starts afresh.
 */
static bool settle_conntrack(struct sk_buff *skb)
{
	const struct nf_ct_hook *hook = rcu_dereference(nf_ct_hook);
	enum ip_conntrack_info info;
	struct nf_conn *ct;

	ct = nf_ct_get(skb, &info);
	if (ct && hook && !nf_ct_is_confirmed(ct) && hook->confirm(skb) != NF_ACCEPT)
		return false;
	nf_reset_ct(skb);
	return true;
}

static bool is_natted(const struct sk_buff *skb)
{
	enum ip_conntrack_info info;
	const struct nf_conn *ct = nf_ct_get(skb, &info);

	return ct && ct->status & IPS_NAT_MASK;
}

/*
 * Each hook is a function of three lines that calls its answer, softly. That of fragments
 * (*_fragment) is another one. Both end in clear() or out(), which ask the floor below.
 *
 * Softirqs are off on most ways to a hook, but not where NFQUEUE brings a packet back;
 * to ask is cheaper than to turn them off once more (20 instructions, five times for
 * each packet).
 */
static __always_inline unsigned int softly(nf_hookfn *answer, void *priv, struct sk_buff *skb,
					   const struct nf_hook_state *state)
{
	unsigned int verdict;

	if (likely(in_softirq()))
		return answer(priv, skb, state);
	local_bh_disable();
	verdict = answer(priv, skb, state);
	local_bh_enable();
	return verdict;
}

/* A VRF that the esp device belongs to asks once more, in its own name. */
static bool came_in_vrf(const struct espm_net *en, const struct sk_buff *skb,
			const struct net_device *in)
{
	const struct net_device *dev = READ_ONCE(en->dev);

	BUILD_BUG_ON(offsetof(struct inet_skb_parm, iif) != offsetof(struct inet6_skb_parm, iif));
	return netif_is_l3_master(in) && dev && IPCB(skb)->iif == dev->ifindex;
}

static bool was_opened(const struct espm_net *en, const struct nf_hook_state *state)
{
	return state->okfn == espm_input_transport || state->in == READ_ONCE(en->dev);
}

static unsigned int clear(struct espm_net *en, struct sk_buff *skb,
			  const struct nf_hook_state *state, enum espm_ask ask)
{
	/* Checked already, or it has never left this host. */
	if (was_opened(en, state) || state->in->flags & IFF_LOOPBACK ||
	    skb->pkt_type == PACKET_LOOPBACK || came_in_vrf(en, skb, state->in))
		return NF_ACCEPT;
	/* A bridge does not know yet whether a frame only crosses it: see ask_go_up(). */
	if (nf_bridge_in_prerouting(skb))
		return NF_ACCEPT;
	return espm_input_ask_clear(en, skb, ask) == ESPM_ACCEPT ? NF_ACCEPT : NF_DROP;
}

/*
 * A packet that came by a bridge which asks netfilter, and is for this host or routed by it,
 * meets PRE_ROUTING in the bridge alone (ip_sabotage_in()). So what is asked there of others
 * is asked of it where it goes up from the bridge to the host.
 */
static noinline unsigned int clear_bridged(struct espm_net *en, struct sk_buff *skb)
{
	return espm_input_ask_clear(en, skb, ESPM_ASK_LATE) == ESPM_ACCEPT ? NF_ACCEPT : NF_DROP;
}

#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
static u32 encap_len(const struct sk_buff *skb)
{
	switch (skb->protocol) {
	case htons(ETH_P_8021Q):
		return VLAN_HLEN;
	case htons(ETH_P_PPP_SES):
		return PPPOE_SES_HLEN;
	default:
		return 0;
	}
}

static unsigned int go_up(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	u32 len = encap_len(skb);
	unsigned int verdict;

	/* Where the bridge asked netfilter, the headers behind that have been looked at. */
	skb_pull(skb, len);
	skb->network_header += len;
	verdict = clear_bridged(priv, skb);
	skb->network_header -= len;
	skb_push(skb, len);
	return verdict;
}

static unsigned int ask_go_up(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	return nf_bridge_info_exists(skb) ? softly(go_up, priv, skb, state) : NF_ACCEPT;
}
#endif

/* A macvlan on a bridge may lead into another namespace, where the bridge's hook is not ours. */
static bool came_by_macvlan(const struct espm_net *en, const struct sk_buff *skb)
{
	const struct net_device *dev = dev_get_by_index_rcu(en->net, IPCB(skb)->iif);

	return dev && netif_is_macvlan(dev);
}

/* Apart, as out_fragment(): whole packets do not pay for it. */
static noinline unsigned int clear_fragment(void *priv, struct sk_buff *skb,
					    const struct nf_hook_state *state)
{
	unsigned int verdict = espm_defrag(priv, skb, was_opened(priv, state) ?
						      ESPM_DEFRAG_OPENED : ESPM_DEFRAG_IN);

	return verdict == NF_ACCEPT ? clear(priv, skb, state, ESPM_ASK_FIRST) : verdict;
}

static unsigned int clear_first(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (espm_defrag_wants(skb))
		return clear_fragment(priv, skb, state);
	return clear(priv, skb, state, ESPM_ASK_FIRST);
}

static unsigned int ask_clear(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	return softly(clear_first, priv, skb, state);
}

static bool is_icmp(const struct sk_buff *skb)
{
	return ip_hdr(skb)->version == 4 ? ip_hdr(skb)->protocol == IPPROTO_ICMP :
					   ipv6_hdr(skb)->nexthdr == IPPROTO_ICMPV6;
}

/* An ESP packet, whose SA is held. */
static unsigned int open_esp(struct espm_ingress *ingress, struct sk_buff *skb)
{
	if (!settle_conntrack(skb)) {
		espm_drop(ingress->sa->en, ingress->sa, NULL, skb, ESPM_IN_CONNTRACK);
		espm_sa_put(ingress->sa);
		return NF_DROP;
	}
	espm_input(ingress, skb);
	return NF_STOLEN;
}

static unsigned int in(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	struct espm_ingress ingress;
	struct espm_net *en = priv;

	if (nf_bridge_info_exists(skb) && came_by_macvlan(en, skb) &&
	    clear_bridged(en, skb) != NF_ACCEPT)
		return NF_DROP;
	if (is_icmp(skb)) {
		espm_icmp_learn(en, skb);
		return NF_ACCEPT;
	}
	switch (espm_input_ask(en, skb, &ingress)) {
	case ESPM_DROP:
		return NF_DROP;
	case ESPM_STEAL:
		return open_esp(&ingress, skb);
	default:
		return NF_ACCEPT;
	}
}

static unsigned int ask_in(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	return softly(in, priv, skb, state);
}

static unsigned int ask_clear_changed(void *priv, struct sk_buff *skb,
				      const struct nf_hook_state *state);

/*
 * Is our hook at LOCAL_IN the next thing that a packet for this host would meet: no other
 * hook before it, or beside it, no IP options, no VRF, no program of the route? Then it is
 * asked at once (spares 150 instructions).
 */
static bool is_next(const struct sk_buff *skb, const struct nf_hook_state *state)
{
	const struct netns_nf *nf = &state->net->nf;
	bool v4 = state->pf == NFPROTO_IPV4;
	struct nf_hook_entries __rcu *const *hooks = v4 ? nf->hooks_ipv4 : nf->hooks_ipv6;
	const struct nf_hook_entries *here = rcu_dereference(hooks[NF_INET_PRE_ROUTING]);
	const struct nf_hook_entries *next = rcu_dereference(hooks[NF_INET_LOCAL_IN]);

	return here && here->hooks[here->num_hook_entries - 1].hook == ask_clear_changed &&
	       next && next->num_hook_entries == 1 && skb->pkt_type == PACKET_HOST &&
	       (!v4 || ip_hdr(skb)->ihl == ESPM_IPV4_MIN_IHL) && !netif_is_l3_slave(skb->dev) &&
	       !skb_dst(skb)->lwtstate;
}

/* What destination NAT, or the way back of source NAT, has changed, is asked again. */
static unsigned int clear_changed(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	if (espm_offload_is_possible())
		espm_offload_forbid(priv, skb);
	if (is_natted(skb))
		return clear(priv, skb, state, ESPM_ASK_CHANGED);
	if (espm_input_recall_route(priv, skb) && is_next(skb, state))
		return in(priv, skb, state);
	return NF_ACCEPT;
}

static unsigned int ask_clear_changed(void *priv, struct sk_buff *skb,
				      const struct nf_hook_state *state)
{
	return softly(clear_changed, priv, skb, state);
}

/*
 * The continuation of the copy that IPv4 makes of a broadcast or multicast packet for this
 * host itself; NULL until it is known. That of IPv6 is dev_loopback_xmit().
 */
static int (*loop_back4)(struct net *net, struct sock *sk, struct sk_buff *skb);

/* What stays inside of the host needs no ESP. */
static __always_inline bool is_loop_copy(const struct nf_hook_state *state)
{
	return state->okfn == (state->pf == NFPROTO_IPV4 ? READ_ONCE(loop_back4) :
							   dev_loopback_xmit);
}

static __always_inline bool stays_here(const struct nf_hook_state *state)
{
	return state->out->flags & IFF_LOOPBACK || is_loop_copy(state);
}

static unsigned int ask_out(void *priv, struct sk_buff *skb, const struct nf_hook_state *state);
static unsigned int ask_out_changed(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state);

/*
 * IPv6 loops a multicast packet back to this host only where it leaves, to which one that
 * becomes ESP does not come. A host that has not joined the group does not take it.
 */
static noinline void loop_back6(struct net *net, struct sk_buff *skb)
{
	struct sk_buff *copy;

	if (IP6CB(skb)->flags & IP6SKB_FORWARDED || !sk_mc_loop(skb->sk))
		return;
	copy = skb_clone(skb, GFP_ATOMIC);
	if (copy)
		dev_loopback_xmit(net, skb->sk, copy);
}

/* Uses up @skb and the reference to the SA. */
static void seal(struct espm_net *en, struct espm_egress *egress, struct sk_buff *skb)
{
	if (settle_conntrack(skb)) {
		if (ip_hdr(skb)->version == 6 && ipv6_addr_is_multicast(&ipv6_hdr(skb)->daddr))
			loop_back6(en->net, skb);
		espm_output(egress, skb);
		return;
	}
	espm_drop_free(en, egress->sa, egress->policy, skb, ESPM_OUT_CONNTRACK);
	espm_sa_put(egress->sa);
}

/* NFQUEUE in a hook behind ours gives a packet back: policy is asked once more. */
static int seal_late(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	struct espm_net *en = espm_net_of(net);
	struct espm_egress egress;

	rcu_read_lock();
	switch (espm_output_ask(en, skb, ESPM_ASK_LATE, &egress)) {
	case ESPM_STEAL:
		seal(en, &egress, skb);
		break;
	case ESPM_HELD:
		break;
	case ESPM_DROP:
		/* Counted already */
		kfree_skb(skb);
		break;
	default:
		/* It was sent when policy wanted ESP. */
		espm_drop_free(en, NULL, NULL, skb, ESPM_OUT_HELD);
		break;
	}
	rcu_read_unlock();
	return 0;
}

/*
 * Source NAT of all tables, of which a packet that becomes ESP is to see nothing: nf_nat has one
 * hook for a family, in which the chains of nftables and iptables are entries; a chain of
 * nftables that filters at this priority says that it is one.
 */
static bool is_nat(const struct nf_hook_ops *ops)
{
	return ops->priority == NF_IP_PRI_NAT_SRC && ops->hook_ops_type == NF_HOOK_OP_UNDEFINED;
}

/* A hook behind ours has dropped a packet. Rules count for themselves, conntrack with us. */
static void drop_behind(const struct espm_egress *egress, struct sk_buff *skb,
			const struct nf_hook_ops *ops)
{
	if (ops->priority == NF_IP_PRI_CONNTRACK_CONFIRM)
		espm_drop_free(egress->sa->en, egress->sa, egress->policy, skb, ESPM_OUT_CONNTRACK);
	else
		kfree_skb_reason(skb, SKB_DROP_REASON_NETFILTER_DROP);
}

/*
 * Let the hooks behind ours see a packet before it becomes ESP: helpers and sequence numbers
 * of connection tracking, which also confirms its entry there, and rules.
 *
 * Return: false if one of them has taken or dropped it.
 */
static noinline bool pass_hooks(const struct espm_egress *egress, struct sk_buff *skb,
				const struct nf_hook_state *state,
				const struct nf_hook_entries *hooks, u32 at)
{
	struct nf_hook_ops **ops = nf_hook_entries_get_hook_ops(hooks);
	struct nf_hook_state rest = *state;
	unsigned int verdict;

	rest.okfn = seal_late;
	for (; at < hooks->num_hook_entries; at++) {
		if (hooks->hooks[at].hook == ask_out_changed || is_nat(ops[at]))
			continue;
		verdict = nf_hook_entry_hookfn(&hooks->hooks[at], skb, &rest);
		switch (verdict & NF_VERDICT_MASK) {
		case NF_ACCEPT:
			break;
		case NF_DROP:
			drop_behind(egress, skb, ops[at]);
			return false;
		case NF_QUEUE:
			/* 1: nobody listens, and the rule says that it may pass then. */
			if (nf_queue(skb, &rest, at, verdict) != 1)
				return false;
			break;
		default:
			return false;
		}
	}
	return true;
}

/* Where we stand last, as without firewall and connection tracking, there is nothing to ask. */
static bool pass_rest(const struct espm_egress *egress, struct sk_buff *skb,
		      const struct nf_hook_state *state, nf_hookfn *ours)
{
	const struct netns_nf *nf = &state->net->nf;
	struct nf_hook_entries __rcu *const *all =
		state->pf == NFPROTO_IPV4 ? nf->hooks_ipv4 : nf->hooks_ipv6;
	const struct nf_hook_entries *hooks = rcu_dereference(all[NF_INET_POST_ROUTING]);
	u32 n, at;

	n = hooks ? hooks->num_hook_entries : 0;
	if (n >= 2 && hooks->hooks[n - 2].hook == ask_out &&
	    hooks->hooks[n - 1].hook == ask_out_changed)
		return true;
	/* Hooks that are being unregistered are no more among them: all others are. */
	for (at = 0; at < n; at++)
		if (hooks->hooks[at].hook == ours)
			return pass_hooks(egress, skb, state, hooks, at + 1);
	return true;
}

/* A frame that a bridge passes on has the bridge's fake route; one that is routed has its own. */
static bool crosses_bridge(const struct sk_buff *skb)
{
	const struct dst_entry *dst = skb_dst(skb);

	return dst && dst->flags & DST_FAKE_RTABLE;
}

static unsigned int out(struct espm_net *en, struct sk_buff *skb,
			const struct nf_hook_state *state, enum espm_ask ask)
{
	struct espm_egress egress;

	if (stays_here(state))
		return NF_ACCEPT;
	if (nf_bridge_info_exists(skb)) {
		/* What only crosses a bridge is not this host's traffic. */
		if (crosses_bridge(skb))
			return NF_ACCEPT;
		/* What destination NAT lets cross does not go up. */
		if (ask == ESPM_ASK_FIRST &&
		    (nf_bridge_get_physoutdev(skb) || came_by_macvlan(en, skb)) &&
		    clear_bridged(en, skb) != NF_ACCEPT)
			return NF_DROP;
	}

	switch (espm_output_ask(en, skb, ask, &egress)) {
	case ESPM_ACCEPT:
		return NF_ACCEPT;
	case ESPM_DROP:
		espm_encap_forget(skb);
		return NF_DROP;
	case ESPM_HELD:
		return NF_STOLEN;
	case ESPM_STEAL:
		break;
	}
	espm_encap_forget(skb);
	if (pass_rest(&egress, skb, state, ask == ESPM_ASK_FIRST ? ask_out : ask_out_changed))
		seal(en, &egress, skb);
	else
		espm_sa_put(egress.sa);
	return NF_STOLEN;
}

static noinline unsigned int out_fragment(void *priv, struct sk_buff *skb,
					  const struct nf_hook_state *state)
{
	unsigned int verdict;

	/* Of a multicast packet, copy and original would take each other for the same fragment. */
	if (stays_here(state))
		return NF_ACCEPT;
	verdict = espm_defrag(priv, skb, ESPM_DEFRAG_OUT);
	return verdict == NF_ACCEPT ? out(priv, skb, state, ESPM_ASK_FIRST) : verdict;
}

static unsigned int out_first(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (espm_defrag_wants(skb))
		return out_fragment(priv, skb, state);
	return out(priv, skb, state, ESPM_ASK_FIRST);
}

static unsigned int ask_out(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	return softly(out_first, priv, skb, state);
}

/* What source NAT, or the way back of destination NAT, has changed, is asked again. */
static unsigned int out_changed(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	unsigned int verdict = NF_ACCEPT;

	/* One that becomes ESP in any case is not asked about here, see pass_hooks(). */
	if (is_natted(skb) && state->okfn != seal_late)
		verdict = out(priv, skb, state, ESPM_ASK_CHANGED);
	if (verdict == NF_ACCEPT)
		espm_encap_forget(skb);
	return verdict;
}

static unsigned int ask_out_changed(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state)
{
	return softly(out_changed, priv, skb, state);
}

/* Each namespace has a copy with itself as @priv: no packet has to look for it. */
static const struct nf_hook_ops hook_ops[] = {
	{ .hook = ask_clear, .pf = NFPROTO_IPV4, .hooknum = NF_INET_PRE_ROUTING,
	  .priority = PRIORITY_CLEAR4 },
	{ .hook = ask_clear_changed, .pf = NFPROTO_IPV4, .hooknum = NF_INET_PRE_ROUTING,
	  .priority = PRIORITY_CLEAR_CHANGED },
	{ .hook = ask_in, .pf = NFPROTO_IPV4, .hooknum = NF_INET_LOCAL_IN,
	  .priority = PRIORITY_IN },
	{ .hook = ask_out, .pf = NFPROTO_IPV4, .hooknum = NF_INET_POST_ROUTING,
	  .priority = PRIORITY_OUT },
	{ .hook = ask_out_changed, .pf = NFPROTO_IPV4, .hooknum = NF_INET_POST_ROUTING,
	  .priority = PRIORITY_OUT_CHANGED },
#if IS_ENABLED(CONFIG_IPV6)
	{ .hook = ask_clear, .pf = NFPROTO_IPV6, .hooknum = NF_INET_PRE_ROUTING,
	  .priority = PRIORITY_CLEAR6 },
	{ .hook = ask_clear_changed, .pf = NFPROTO_IPV6, .hooknum = NF_INET_PRE_ROUTING,
	  .priority = PRIORITY_CLEAR_CHANGED },
	{ .hook = ask_in, .pf = NFPROTO_IPV6, .hooknum = NF_INET_LOCAL_IN,
	  .priority = PRIORITY_IN },
	{ .hook = ask_out, .pf = NFPROTO_IPV6, .hooknum = NF_INET_POST_ROUTING,
	  .priority = PRIORITY_OUT },
	{ .hook = ask_out_changed, .pf = NFPROTO_IPV6, .hooknum = NF_INET_POST_ROUTING,
	  .priority = PRIORITY_OUT_CHANGED },
#endif
#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
	{ .hook = ask_go_up, .pf = NFPROTO_BRIDGE, .hooknum = NF_BR_LOCAL_IN,
	  .priority = NF_BR_PRI_BRNF },
#endif
};

static_assert(ARRAY_SIZE(hook_ops) <= ESPM_HOOKS);

/**
 * struct probe - a packet of ours, by which we learn continuations
 * @ops: the hook that it meets first
 * @skb: the packet
 * @head: its memory, by which copies are known, too
 * @copy: continuation of the copy for this host
 * @self: that of the packet itself
 */
struct probe {
	struct nf_hook_ops ops;
	const struct sk_buff *skb;
	const unsigned char *head;
	int (*copy)(struct net *net, struct sock *sk, struct sk_buff *skb);
	int (*self)(struct net *net, struct sock *sk, struct sk_buff *skb);
};

static unsigned int catch_probe(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	struct probe *probe = priv;

	if (skb->head != probe->head)
		return NF_ACCEPT;
	if (skb == probe->skb)
		probe->self = state->okfn;
	else
		probe->copy = state->okfn;
	consume_skb(skb);
	return NF_STOLEN;
}

/* Send a broadcast by the esp device: no further than to the hook. */
static void send_probe(struct espm_net *en, struct probe *probe)
{
	struct flowi4 fl = { .daddr = htonl(INADDR_BROADCAST), .flowi4_oif = en->dev->ifindex };
	struct sk_buff *skb, *keep;
	struct rtable *rt;
	struct iphdr *ip;

	rt = ip_route_output_key(en->net, &fl);
	if (IS_ERR(rt))
		return;
	skb = alloc_skb(LL_MAX_HEADER + sizeof(*ip), GFP_KERNEL);
	if (!skb) {
		ip_rt_put(rt);
		return;
	}
	skb_dst_set(skb, &rt->dst);
	skb_reserve(skb, LL_MAX_HEADER);
	skb_reset_network_header(skb);
	ip = skb_put_zero(skb, sizeof(*ip));
	ip->version = 4;
	ip->ihl = ESPM_IPV4_MIN_IHL;
	ip->tot_len = htons(skb->len);
	ip->daddr = fl.daddr;
	/* While it is there, no other packet has its memory. */
	keep = skb_clone(skb, GFP_KERNEL);
	probe->skb = skb;
	probe->head = skb->head;
	if (!keep || rt->dst.output == ip_output || nf_register_net_hook(en->net, &probe->ops)) {
		kfree_skb(skb);
	} else {
		local_bh_disable();
		dst_output(en->net, NULL, skb);
		local_bh_enable();
		nf_unregister_net_hook(en->net, &probe->ops);
		/* It may still be looked at on another CPU. */
		synchronize_net();
	}
	kfree_skb(keep);
}

/*
 * Learn by a packet of our own, and not by what others send, how the copy of a broadcast
 * goes on that IPv4 makes for this host. Where that fails copies are asked about as all
 * packets: local members hear nothing then that policy wants protected.
 */
static void learn_loop_back(struct espm_net *en)
{
	struct probe *probe;

	if (READ_ONCE(loop_back4))
		return;
	probe = kzalloc(sizeof(*probe), GFP_KERNEL);
	if (!probe)
		return;
	probe->ops = (struct nf_hook_ops){
		.hook = catch_probe, .priv = probe, .pf = NFPROTO_IPV4,
		.hooknum = NF_INET_POST_ROUTING, .priority = INT_MIN,
	};
	send_probe(en, probe);
	if (probe->self && probe->copy && probe->self != probe->copy)
		WRITE_ONCE(loop_back4, probe->copy);
	kfree(probe);
}

/**
 * espm_hooks_register() - begin to see a namespace's packets
 * @en: the namespace, locked, complete
 *
 * Context: process, sleeps; may load modules.
 * Return: 0 or an error.
 */
int espm_hooks_register(struct espm_net *en)
{
	u32 i;
	int err;

	err = espm_defrag_start(en);
	if (err)
		return err;
	memcpy(en->hooks, hook_ops, sizeof(hook_ops));
	for (i = 0; i < ARRAY_SIZE(hook_ops); i++)
		en->hooks[i].priv = en;
	err = nf_register_net_hooks(en->net, en->hooks, ARRAY_SIZE(hook_ops));
	if (err) {
		/* Some may have been there for a moment. */
		synchronize_net();
		espm_defrag_stop(en);
		return err;
	}
	learn_loop_back(en);
	return 0;
}

/**
 * espm_hooks_leave() - see no more packets of a namespace that goes on
 * @en: the namespace, locked, without policies
 *
 * As espm_hooks_unregister(), of one.
 *
 * Context: process, sleeps.
 */
void espm_hooks_leave(struct espm_net *en)
{
	nf_unregister_net_hooks(en->net, en->hooks + 1, ARRAY_SIZE(hook_ops) - 1);
	synchronize_net();
	nf_unregister_net_hook(en->net, en->hooks);
	synchronize_net();
	espm_defrag_stop(en);
}

/**
 * espm_hooks_unregister() - see no more packets
 * @nets: namespaces that end, in a list of their exit_list
 *
 * Empties NFQUEUE, where packets may wait with a continuation of ours.
 *
 * Context: process, sleeps.
 */
void espm_hooks_unregister(struct list_head *nets)
{
	struct espm_net *en;
	bool any = false;
	struct net *net;

	/* In two steps: a verdict may queue a packet once more behind the first. */
	list_for_each_entry(net, nets, exit_list) {
		en = espm_net_of(net);
		if (!en->awake)
			continue;
		nf_unregister_net_hooks(net, en->hooks + 1, ARRAY_SIZE(hook_ops) - 1);
		any = true;
	}
	if (!any)
		return;
	synchronize_net();
	list_for_each_entry(net, nets, exit_list) {
		en = espm_net_of(net);
		if (en->awake)
			nf_unregister_net_hook(net, en->hooks);
	}
	synchronize_net();
	list_for_each_entry(net, nets, exit_list) {
		if (espm_net_of(net)->awake)
			espm_defrag_stop(espm_net_of(net));
	}
}
