// SPDX-License-Identifier: GPL-2.0
/* The hooks: each is a switch over an answer from the floor below. */
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/route.h>
#include "compat.h"
#include "defrag.h"
#include "drop.h"
#include "encap.h"
#include "hooks.h"
#include "icmp.h"
#include "input.h"
#include "main.h"
#include "netns.h"
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
 * packet never sees: its flow would be NEW for ever. So it is done here; what
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
			  const struct nf_hook_state *state, bool behind_nat)
{
	/* Checked already, or it has never left this host. */
	if (was_opened(en, state) || state->in->flags & IFF_LOOPBACK ||
	    came_in_vrf(en, skb, state->in))
		return NF_ACCEPT;
	return espm_input_ask_clear(en, skb, behind_nat) == ESPM_ACCEPT ? NF_ACCEPT : NF_DROP;
}

/* Apart, as out_fragment(): whole packets do not pay for it. */
static noinline unsigned int clear_fragment(void *priv, struct sk_buff *skb,
					    const struct nf_hook_state *state)
{
	unsigned int verdict = espm_defrag(priv, skb, was_opened(priv, state) ?
						      ESPM_DEFRAG_OPENED : ESPM_DEFRAG_IN);

	return verdict == NF_ACCEPT ? clear(priv, skb, state, false) : verdict;
}

static unsigned int clear_first(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (espm_defrag_wants(skb))
		return clear_fragment(priv, skb, state);
	return clear(priv, skb, state, false);
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
	if (is_natted(skb))
		return clear(priv, skb, state, true);
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
 * Of a broadcast or multicast packet, IPv4 sends a copy to this host itself, with
 * another continuation than that of all packets that leave; which that is, packets
 * for one host show. What stays inside of the host needs no ESP.
 */
static __always_inline bool is_loop_copy(const struct sk_buff *skb,
					 const struct nf_hook_state *state)
{
	static int (*leave_fn)(struct net *net, struct sock *sk, struct sk_buff *skb);
	const struct dst_entry *dst = skb_dst(skb);

	if (state->pf != NFPROTO_IPV4 || !dst || nf_bridge_info_exists(skb))
		return false;
	if (likely(dst->output == ip_output)) {
		if (unlikely(READ_ONCE(leave_fn) != state->okfn))
			WRITE_ONCE(leave_fn, state->okfn);
		return false;
	}
	return dst->ops->family == AF_INET && !(dst->flags & DST_FAKE_RTABLE) &&
	       ((const struct rtable *)dst)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST) &&
	       READ_ONCE(leave_fn) && READ_ONCE(leave_fn) != state->okfn;
}

static __always_inline bool stays_here(const struct sk_buff *skb, const struct nf_hook_state *state)
{
	return state->out->flags & IFF_LOOPBACK || is_loop_copy(skb, state);
}

static unsigned int out(struct espm_net *en, struct sk_buff *skb,
			const struct nf_hook_state *state, bool behind_nat)
{
	struct espm_egress egress;

	if (stays_here(skb, state))
		return NF_ACCEPT;

	switch (espm_output_ask(en, skb, behind_nat, &egress)) {
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
	if (settle_conntrack(skb)) {
		espm_output(&egress, skb);
		return NF_STOLEN;
	}
	espm_drop(en, egress.sa, egress.policy, skb, ESPM_OUT_CONNTRACK);
	espm_sa_put(egress.sa);
	return NF_DROP;
}

static noinline unsigned int out_fragment(void *priv, struct sk_buff *skb,
					  const struct nf_hook_state *state)
{
	unsigned int verdict;

	/* Of a multicast packet, copy and original would take each other for the same fragment. */
	if (stays_here(skb, state))
		return NF_ACCEPT;
	verdict = espm_defrag(priv, skb, ESPM_DEFRAG_OUT);
	return verdict == NF_ACCEPT ? out(priv, skb, state, false) : verdict;
}

static unsigned int out_first(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (espm_defrag_wants(skb))
		return out_fragment(priv, skb, state);
	return out(priv, skb, state, false);
}

static unsigned int ask_out(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	return softly(out_first, priv, skb, state);
}

/* What source NAT, or the way back of destination NAT, has changed, is asked again. */
static unsigned int out_changed(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	unsigned int verdict = NF_ACCEPT;

	if (is_natted(skb))
		verdict = out(priv, skb, state, true);
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
};

static_assert(ARRAY_SIZE(hook_ops) <= ESPM_HOOKS);

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
	}
	return err;
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
