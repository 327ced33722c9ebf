// SPDX-License-Identifier: GPL-2.0
/* ICMP that we send, and take. See icmp.h. */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <net/dst.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ip6_fib.h>
#include <net/ip_fib.h>
#include <net/ipv6.h>
#include <net/ipv6_stubs.h>
#include <net/l3mdev.h>
#include <net/route.h>
#include "flow.h"
#include "icmp.h"
#include "netns.h"
#include "sa.h"

enum {
	/* As the kernel's own least: what is lower is a mistake or an attack. */
	ESPM_PATH_MTU_LEAST4	= 552,
};

/**
 * espm_icmp_too_big() - tell a packet's sender the MTU (RFC 4301 section 8.2.1)
 * @skb: the packet, whole, before anything was done to it
 * @mtu: the longest packet that would have gone on
 *
 * Local senders are told by the same ICMP, which reaches their sockets over
 * the loopback device; and the packet's own route is told, which those ask that have no
 * socket. GRE would learn it of the route by which the ICMP came.
 *
 * Context: softirqs off.
 */
void espm_icmp_too_big(struct sk_buff *skb, u32 mtu)
{
	if (!skb->skb_iif)
		skb_dst_update_pmtu_no_confirm(skb, mtu);
	if (ip_hdr(skb)->version == 4)
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
	else
		icmpv6_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
}

/* The MTU of a "too big", and where the packet begins that it is about. */
static u32 read_too_big(const struct sk_buff *skb, int *about)
{
	int at = skb_network_offset(skb);
	const struct icmp6hdr *icmp6;
	const struct icmphdr *icmp;
	struct icmp6hdr buf6;
	struct icmphdr buf;

	if (ip_hdr(skb)->version == 4) {
		at += ip_hdrlen(skb);
		icmp = skb_header_pointer(skb, at, sizeof(buf), &buf);
		if (!icmp || icmp->type != ICMP_DEST_UNREACH || icmp->code != ICMP_FRAG_NEEDED)
			return 0;
		*about = at + sizeof(buf);
		return max_t(u32, ntohs(icmp->un.frag.mtu), ESPM_PATH_MTU_LEAST4);
	}
	at += sizeof(struct ipv6hdr);
	icmp6 = skb_header_pointer(skb, at, sizeof(buf6), &buf6);
	if (!icmp6 || icmp6->icmp6_type != ICMPV6_PKT_TOOBIG)
		return 0;
	*about = at + sizeof(buf6);
	return max_t(u32, ntohl(icmp6->icmp6_mtu), IPV6_MIN_MTU);
}

static bool is_of_an_sa(struct espm_net *en, const struct sk_buff *skb,
			const struct espm_flow *flow)
{
	struct espm_sa_name name = {
		.dir = ESPM_DIR_OUT, .family = flow->family, .dst = flow->dst,
	};
	const struct espm_path *path;
	const __be32 *spi;

	spi = skb_header_pointer(skb, flow->upper + ESPM_UDP_LEN, sizeof(name.spi), &name.spi);
	if (!spi)
		return false;
	name.spi = *spi;
	path = espm_sad_find_rcu(en, &name);
	return path && flow->sport == ntohs(path->encap_sport) &&
	       flow->dport == ntohs(path->encap_dport);
}

/* Where ports are hidden, as in a fragment that is quoted, the doubt is not the sender's. */
static bool is_protected(struct espm_net *en, u8 dir, unsigned long gen,
			 const struct espm_flow *flow)
{
	enum espm_match match;
	const struct espm_policy *policy = espm_spd_match_rcu(en, dir, gen, flow, &match);

	return policy && policy->action == ESPM_ACTION_PROTECT;
}

/* Has the route of a flow that came out of a tunnel a nexthop on that device? */
static bool leads_by4(struct espm_net *en, const struct espm_flow *flow, u32 mark, int iif,
		      const struct net_device *dev)
{
	struct flowi4 fl = {
		.daddr = flow->dst.v4, .saddr = flow->src.v4, .flowi4_mark = mark,
		.flowi4_iif = iif,
		.flowi4_l3mdev = l3mdev_master_ifindex_rcu(dev),
	};
	struct fib_result res;

	return !fib_lookup(en->net, &fl, &res, 0) && res.type == RTN_UNICAST &&
	       fib_info_nh_uses_dev(res.fi, dev);
}

static bool leads_by6(struct espm_net *en, const struct espm_flow *flow, u32 mark, int iif,
		      const struct net_device *dev)
{
	struct flowi6 fl = {
		.daddr = flow->dst.v6, .saddr = flow->src.v6, .flowi6_mark = mark,
		.flowi6_iif = iif,
		.flowi6_l3mdev = l3mdev_master_ifindex_rcu(dev),
	};
	const struct fib6_info *other;
	struct fib6_result res = {};

	if (ipv6_stub->fib6_lookup(en->net, 0, &fl, &res, 0) || !res.f6i ||
	    res.fib6_type != RTN_UNICAST)
		return false;
	if (res.nh->fib_nh_dev == dev)
		return true;
	if (res.f6i->nh)
		return false;
	list_for_each_entry_rcu(other, &res.f6i->fib6_siblings, fib6_siblings)
		if (other->fib6_nh->fib_nh_dev == dev)
			return true;
	return false;
}

/*
 * Did a packet that came by ESP go on by the device that an error about it came by? One of
 * this host's own has not come at all.
 */
static bool went_there(struct espm_net *en, const struct espm_flow *flow, const struct sk_buff *skb)
{
	const struct net_device *esp = READ_ONCE(en->dev), *dev = skb->dev;

	BUILD_BUG_ON(offsetof(struct inet_skb_parm, iif) != offsetof(struct inet6_skb_parm, iif));
	/* A VRF shows a packet once more, in its own name. */
	if (netif_is_l3_master(dev))
		dev = dev_get_by_index_rcu(en->net, IPCB(skb)->iif);
	if (espm_flow_is_local(en->net, &flow->src, flow->family))
		return true;
	/* Without the esp device the namespace ends, and nothing comes out of ESP any more. */
	if (!dev || !esp)
		return false;
	return flow->family == AF_INET ? leads_by4(en, flow, skb->mark, esp->ifindex, dev) :
					 leads_by6(en, flow, skb->mark, esp->ifindex, dev);
}

/**
 * espm_icmp_is_about_protected() - is this an ICMP error about what was never in clear there?
 * @en: the namespace
 * @skb: an ICMP packet that came in clear
 * @gen: the generation in which it is judged
 *
 * Of a packet that left as ESP nobody on the way can have seen what is inside, so that somebody
 * has made the error up (RFC 4301 section 6.1.2). About the ESP packet itself it may well
 * be. One that came by ESP was seen only by those behind us on its way, whose errors come by
 * the device to which its route leads.
 *
 * Context: under rcu_read_lock(), softirqs off.
 * Return: true if it is forged.
 */
bool espm_icmp_is_about_protected(struct espm_net *en, const struct sk_buff *skb,
				  unsigned long gen)
{
	struct espm_flow flow;

	if (espm_flow_read_quoted(&flow, skb, ESPM_DIR_OUT) || flow.proto == IPPROTO_ESP)
		return false;
	if (is_protected(en, ESPM_DIR_OUT, gen, &flow))
		return flow.proto != IPPROTO_UDP || !is_of_an_sa(en, skb, &flow);
	flow.vital = false;
	return is_protected(en, ESPM_DIR_IN, gen, &flow) && !went_there(en, &flow, skb);
}

/* How long a path MTU is believed, in jiffies: as the kernel's own (RFC 8201 section 4). */
static unsigned int mtu_age(const struct net *net, u8 family)
{
	return family == AF_INET6 ? READ_ONCE(net->ipv6.sysctl.ip6_rt_mtu_expires) :
				    READ_ONCE(net->ipv4.ip_rt_mtu_expires);
}

/**
 * espm_icmp_learn() - learn the path MTU of an SA (RFC 4301 section 8.2)
 * @en: the namespace
 * @skb: an ICMP packet for this host, which goes on to the stack in any case
 *
 * Believed only with addresses, ports and SPI of an outbound SA, within bounds,
 * downwards, and for net.ipv4.route.mtu_expires seconds, or those of IPv6 (ten
 * minutes; RFC 1191 section 6.3).
 *
 * Context: under rcu_read_lock().
 */
void espm_icmp_learn(struct espm_net *en, const struct sk_buff *skb)
{
	struct espm_sa_name name = { .dir = ESPM_DIR_OUT };
	struct espm_flow flow;
	struct espm_path *path;
	const __be32 *spi;
	int about;
	u32 mtu;

	mtu = read_too_big(skb, &about);
	if (!mtu || espm_flow_read(&flow, skb, about, ESPM_DIR_OUT))
		return;
	if (flow.proto == IPPROTO_UDP)
		flow.upper += ESPM_UDP_LEN;
	else if (flow.proto != IPPROTO_ESP)
		return;
	spi = skb_header_pointer(skb, flow.upper, sizeof(name.spi), &name.spi);
	if (!spi)
		return;
	name.spi = *spi;
	name.family = flow.family;
	name.dst = flow.dst;
	path = espm_sad_find_rcu(en, &name);
	if (!path || (!path->any_src && espm_addr_cmp(&path->src, &flow.src, flow.family)) ||
	    flow.sport != ntohs(path->encap_sport) || flow.dport != ntohs(path->encap_dport))
		return;
	if (READ_ONCE(path->mtu) && READ_ONCE(path->mtu) < mtu &&
	    time_before(jiffies, READ_ONCE(path->mtu_until)))
		return;
	WRITE_ONCE(path->mtu_until, jiffies + mtu_age(en->net, name.family));
	WRITE_ONCE(path->mtu, mtu);
}
