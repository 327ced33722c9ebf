// SPDX-License-Identifier: GPL-2.0
/* What fast paths may not take. See offload.h. */
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/notifier.h>
#include <linux/rtnetlink.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_flow_table.h>
#include "compat.h"
#include "netns.h"
#include "offload.h"
#include "spd.h"

/* Whether the module that flowtables are made of is there. */
bool espm_offload_exists __read_mostly;

#if IS_ENABLED(CONFIG_NF_FLOW_TABLE) && IS_ENABLED(CONFIG_NF_CONNTRACK)

/*
 * No flowtable of nftables takes an entry with this bit (tc's looks at others, and holds only
 * the entry itself). The kernel sets it, with IPS_FIXED_TIMEOUT, on
 * entries that lost a race to be the first of a flow; on others it only keeps UDP from
 * becoming ASSURED, see assure(). IPS_OFFLOAD would do as well, and stop the entry's expiry.
 */
enum { UNFIT_BIT = IPS_NAT_CLASH_BIT };

static bool is_unfit(const struct nf_conn *ct)
{
	return (READ_ONCE(ct->status) & (IPS_NAT_CLASH | IPS_FIXED_TIMEOUT)) == IPS_NAT_CLASH;
}

/*
 * Is it of a protocol of which a flowtable takes flows, and could it be taken, now or once it is
 * confirmed? Of clones, one may confirm the entry while another is on its way.
 */
static bool is_fit(const struct nf_conn *ct)
{
	switch (nf_ct_protonum(ct)) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_GRE:
		return !nf_ct_is_template(ct) && !(READ_ONCE(ct->status) & IPS_NAT_CLASH) &&
		       (nf_ct_l3num(ct) == AF_INET || nf_ct_l3num(ct) == AF_INET6);
	default:
		return false;
	}
}

static void set_src(struct espm_flow *flow, const union nf_inet_addr *addr, __be16 port)
{
	memcpy(&flow->src, addr, sizeof(flow->src));
	flow->sport = ntohs(port);
}

static void set_dst(struct espm_flow *flow, const union nf_inet_addr *addr, __be16 port)
{
	memcpy(&flow->dst, addr, sizeof(flow->dst));
	flow->dport = ntohs(port);
}

enum wish { SILENT, CLEAR, OTHER };

static enum wish wish_of(struct espm_net *en, u8 dir, unsigned long gen,
			 const struct espm_flow *flow)
{
	const struct espm_policy *policy;
	enum espm_match match;

	policy = espm_spd_match_rcu(en, dir, gen, flow, &match);
	if (!policy)
		return SILENT;
	return match == ESPM_MATCH && policy->action == ESPM_ACTION_BYPASS ? CLEAR : OTHER;
}

static bool is_natted(const struct nf_conn *ct)
{
	return READ_ONCE(ct->status) & IPS_NAT_MASK;
}

/*
 * Does policy want anything but clear packets of this flow, in one direction of it? As packets
 * are asked about: first before NAT, where a bypass is final, then behind it, if none spoke.
 */
static bool is_wanted_one_way(struct espm_net *en, unsigned long gen, const struct nf_conn *ct,
			      enum ip_conntrack_dir dir)
{
	const struct nf_conntrack_tuple *comes = &ct->tuplehash[dir].tuple;
	const struct nf_conntrack_tuple *answer = &ct->tuplehash[!dir].tuple;
	bool has_ports = comes->dst.protonum != IPPROTO_GRE;
	struct espm_flow flow = {
		.family = comes->src.l3num,
		.proto = comes->dst.protonum,
		.ports = has_ports ? ESPM_PORTS_SEEN : ESPM_PORTS_NONE,
	};
	enum wish wish;

	/* As it comes, and behind destination NAT. */
	set_src(&flow, &comes->src.u3, has_ports ? comes->src.u.all : 0);
	set_dst(&flow, &comes->dst.u3, has_ports ? comes->dst.u.all : 0);
	wish = wish_of(en, ESPM_DIR_IN, gen, &flow);
	set_dst(&flow, &answer->src.u3, has_ports ? answer->src.u.all : 0);
	if (wish == SILENT && is_natted(ct))
		wish = wish_of(en, ESPM_DIR_IN, gen, &flow);
	if (wish == OTHER)
		return true;
	/* Before source NAT, and as it leaves. */
	wish = wish_of(en, ESPM_DIR_OUT, gen, &flow);
	set_src(&flow, &answer->dst.u3, has_ports ? answer->dst.u.all : 0);
	if (wish == SILENT && is_natted(ct))
		wish = wish_of(en, ESPM_DIR_OUT, gen, &flow);
	return wish == OTHER;
}

/* A flowtable takes both directions at once. */
static bool is_wanted(struct espm_net *en, const struct nf_conn *ct)
{
	unsigned long gen = espm_spd_generation(&en->spd);

	return is_wanted_one_way(en, gen, ct, IP_CT_DIR_ORIGINAL) ||
	       is_wanted_one_way(en, gen, ct, IP_CT_DIR_REPLY);
}

/* What the kernel would do for UDP if we had not set its bit: a stream is not for early drop. */
static void assure(struct nf_conn *ct)
{
	if (nf_ct_protonum(ct) == IPPROTO_UDP && test_bit(IPS_SEEN_REPLY_BIT, &ct->status) &&
	    !test_bit(IPS_ASSURED_BIT, &ct->status) &&
	    time_after(jiffies, READ_ONCE(ct->proto.udp.stream_ts)))
		set_bit(IPS_ASSURED_BIT, &ct->status);
}

/**
 * espm_offload_forbid() - keep a flow that policy asks for out of flowtables
 * @en: the namespace
 * @skb: a packet at PRE_ROUTING, behind connection tracking and destination NAT
 *
 * Each packet of the flow comes by here before it comes to a chain that could have it taken.
 *
 * Context: under rcu_read_lock(), softirqs off.
 */
void espm_offload_forbid(struct espm_net *en, const struct sk_buff *skb)
{
	enum ip_conntrack_info info;
	struct nf_conn *ct = nf_ct_get(skb, &info);

	if (!ct)
		return;
	if (is_unfit(ct))
		assure(ct);
	else if (is_fit(ct) && is_wanted(en, ct))
		set_bit(UNFIT_BIT, &ct->status);
}

/**
 * struct review - a walk through the entries of connection tracking
 * @en: the namespace
 * @wanted: entries that policy asks for
 * @taken: those of them that are in a flowtable
 */
struct review {
	struct espm_net *en;
	u32 wanted;
	u32 taken;
};

/* One walk at a time: each marks by what it finds the policies to say. */
static DEFINE_MUTEX(review_lock);

/* Called for each entry of the namespace, softirqs off. Return: 0, it stays */
static int review_entry(struct nf_conn *ct, void *data)
{
	struct review *review = data;
	bool unfit = is_unfit(ct);

	if (!unfit && !is_fit(ct))
		return 0;
	rcu_read_lock();
	if (!is_wanted(review->en, ct)) {
		if (unfit)
			clear_bit(UNFIT_BIT, &ct->status);
	} else {
		review->wanted++;
		set_bit(UNFIT_BIT, &ct->status);
		review->taken += test_bit(IPS_OFFLOAD_BIT, &ct->status);
	}
	rcu_read_unlock();
	return 0;
}

static bool has_ingress_hooks(const struct net_device *dev)
{
#ifdef CONFIG_NETFILTER_INGRESS
	return rcu_access_pointer(dev->nf_hooks_ingress);
#else
	return false;
#endif
}

/* All flows of the namespace fall out; what is fit is taken again by its next packet. */
static void empty_tables(struct net *net, void (*cleanup)(struct net_device *dev))
{
	struct net_device *dev;

	rtnl_lock();
	for_each_netdev(net, dev)
		if (has_ingress_hooks(dev))
			cleanup(dev);
	rtnl_unlock();
	/* Who has found a flow before that may still be sending. */
	synchronize_net();
}

/**
 * espm_offload_review() - policies have changed: what may flowtables hold now?
 * @en: the namespace, not locked, behind the turn
 *
 * Flows that policy asks for by now fall out before this returns.
 *
 * Context: process, sleeps, takes the RTNL.
 */
void espm_offload_review(struct espm_net *en)
{
	struct review review = { .en = en };
	struct nf_ct_iter_data iter = { .net = en->net, .data = &review };
	void (*cleanup)(struct net_device *dev);
	void (*iterate)(int (*see)(struct nf_conn *ct, void *data),
			const struct nf_ct_iter_data *iter);

	if (!espm_offload_is_possible())
		return;
	/* Asked for by symbol: neither module is needed where there is no flowtable. */
	iterate = symbol_get(nf_ct_iterate_cleanup_net);
	cleanup = symbol_get(nf_flow_table_cleanup);
	if (iterate && cleanup) {
		mutex_lock(&review_lock);
		iterate(review_entry, &iter);
		if (review.wanted) {
			/* Who looked at an entry before it was marked may take it after that. */
			synchronize_net();
			iterate(review_entry, &iter);
		}
		if (review.taken)
			empty_tables(en->net, cleanup);
		mutex_unlock(&review_lock);
	}
	if (cleanup)
		symbol_put(nf_flow_table_cleanup);
	if (iterate)
		symbol_put(nf_ct_iterate_cleanup_net);
}

#ifdef CONFIG_MODULES
static int see_module(struct notifier_block *block, unsigned long event, void *data)
{
	const struct module *mod = data;

	if (event == MODULE_STATE_LIVE && !strcmp(mod->name, "nf_flow_table"))
		WRITE_ONCE(espm_offload_exists, true);
	return NOTIFY_DONE;
}

static struct notifier_block modules = { .notifier_call = see_module };

static int watch_modules(void)
{
	return register_module_notifier(&modules);
}

static void unwatch_modules(void)
{
	unregister_module_notifier(&modules);
}
#else
static int watch_modules(void)
{
	return 0;
}

static void unwatch_modules(void)
{
}
#endif

/**
 * espm_offload_init() - learn whether there can be flowtables, now and later
 *
 * Context: process, sleeps.
 * Return: 0 or an error.
 */
int espm_offload_init(void)
{
	int err = watch_modules();

	if (!err && symbol_get(nf_flow_table_cleanup)) {
		symbol_put(nf_flow_table_cleanup);
		WRITE_ONCE(espm_offload_exists, true);
	}
	return err;
}

/**
 * espm_offload_exit() - undo espm_offload_init()
 *
 * Context: process, sleeps.
 */
void espm_offload_exit(void)
{
	unwatch_modules();
}

#else

int espm_offload_init(void)
{
	return 0;
}

void espm_offload_exit(void)
{
}

void espm_offload_forbid(struct espm_net *en, const struct sk_buff *skb)
{
}

void espm_offload_review(struct espm_net *en)
{
}

#endif
