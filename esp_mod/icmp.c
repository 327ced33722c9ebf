// SPDX-License-Identifier: GPL-2.0
/* ICMP that we send, and take. See icmp.h. */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <net/dst.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ipv6.h>
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
 * the loopback device.
 *
 * Context: softirqs off.
 */
void espm_icmp_too_big(struct sk_buff *skb, u32 mtu)
{
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

/**
 * espm_icmp_is_about_protected() - is this an ICMP error about what left as ESP?
 * @en: the namespace
 * @skb: an ICMP packet that came in clear
 * @gen: the generation in which it is judged
 *
 * Nobody on the way can have seen such a packet, so that somebody has made the
 * error up (RFC 4301 section 6.1.2). About the ESP packet itself it may well be.
 *
 * Context: under rcu_read_lock(), softirqs off.
 * Return: true if a policy protects the packet that it quotes.
 */
bool espm_icmp_is_about_protected(struct espm_net *en, const struct sk_buff *skb,
				  unsigned long gen)
{
	const struct espm_policy *policy;
	enum espm_match match;
	struct espm_flow flow;

	if (espm_flow_read_quoted(&flow, skb, ESPM_DIR_OUT) || flow.proto == IPPROTO_ESP)
		return false;
	policy = espm_spd_match_rcu(en, ESPM_DIR_OUT, gen, &flow, &match);
	if (!policy || policy->action != ESPM_ACTION_PROTECT || match != ESPM_MATCH)
		return false;
	return flow.proto != IPPROTO_UDP || !is_of_an_sa(en, skb, &flow);
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
