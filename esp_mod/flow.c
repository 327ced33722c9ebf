// SPDX-License-Identifier: GPL-2.0
/* Reads out of a packet what selectors ask for. See flow.h. */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <net/addrconf.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/ndisc.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/route.h>
#include "flow.h"

/* The first word behind a UDP header is zero where IKE shares ESP's port. */
static noinline bool has_marker(const struct sk_buff *skb, int offset)
{
	__be32 buf;
	const __be32 *marker;

	marker = skb_header_pointer(skb, offset + ESPM_UDP_LEN, sizeof(buf), &buf);
	return marker && !*marker;
}

static bool is_ike(const struct sk_buff *skb, int offset, u16 port)
{
	return port == ESPM_PORT_IKE || (port == ESPM_PORT_NATT && has_marker(skb, offset));
}

static bool is_neighbour_discovery(u8 type)
{
	return type >= NDISC_ROUTER_SOLICITATION && type <= NDISC_REDIRECT;
}

/**
 * espm_flow_is_of_link() - is it a message that is only meant for those on one link?
 * @flow: the flow
 *
 * Of a fragment that is not the first nothing is known; without the first, it ends nowhere.
 *
 * Return: true for redirects of either family, and for the rest of neighbour discovery.
 */
bool espm_flow_is_of_link(const struct espm_flow *flow)
{
	u8 type = flow->sport >> 8;

	if (flow->ports != ESPM_PORTS_SEEN)
		return false;
	return flow->family == AF_INET ? flow->proto == IPPROTO_ICMP && type == ICMP_REDIRECT :
	       flow->proto == IPPROTO_ICMPV6 && is_neighbour_discovery(type);
}

/* @on_link: the hop limit says that no router has passed the packet on */
static void read_ports(struct espm_flow *flow, const struct sk_buff *skb, int offset, u8 dir,
		       bool on_link)
{
	__be16 buf[2];
	const __be16 *port;
	const u8 *icmp;

	flow->upper = offset;
	switch (flow->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		port = skb_header_pointer(skb, offset, sizeof(buf), buf);
		if (!port)
			break;
		flow->sport = ntohs(port[0]);
		flow->dport = ntohs(port[1]);
		flow->ports = ESPM_PORTS_SEEN;
		/* Of a daemon here: its own port is the source of what leaves. */
		if (flow->proto == IPPROTO_UDP)
			flow->vital = is_ike(skb, offset, dir == ESPM_DIR_OUT ? flow->sport :
									       flow->dport);
		return;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		icmp = skb_header_pointer(skb, offset, sizeof(buf), buf);
		if (!icmp)
			break;
		flow->sport = icmp[0] << 8 | icmp[1];
		flow->ports = ESPM_PORTS_SEEN;
		if (flow->proto == IPPROTO_ICMPV6 && flow->family == AF_INET6)
			flow->vital = on_link && is_neighbour_discovery(icmp[0]);
		return;
	default:
		return;
	}
	/* Cut short: what a policy may want to see is not there. */
	flow->ports = ESPM_PORTS_HIDDEN;
}

static int read4(struct espm_flow *flow, const struct sk_buff *skb, const struct iphdr *ip,
		 int offset, u8 dir)
{
	if (ip->ihl < 5)
		return -EINVAL;
	flow->family = AF_INET;
	flow->proto = ip->protocol;
	flow->src = (union espm_addr){ .v4 = ip->saddr };
	flow->dst = (union espm_addr){ .v4 = ip->daddr };
	if (ip->frag_off & htons(IP_OFFSET)) {
		flow->ports = ESPM_PORTS_HIDDEN;
		return 0;
	}
	read_ports(flow, skb, offset + ip->ihl * 4, dir, false);
	return 0;
}

/* A fragment that is not the first one, from its fragment header on */
static int read_fragment6(struct espm_flow *flow, const struct sk_buff *skb, int offset)
{
	const struct frag_hdr *hdr;
	struct frag_hdr buf;

	hdr = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	/* Where even the protocol is hidden, no policy could tell. */
	if (!hdr || ipv6_ext_hdr(hdr->nexthdr))
		return -EINVAL;
	flow->proto = hdr->nexthdr;
	flow->ports = ESPM_PORTS_HIDDEN;
	return 0;
}

/* Apart, so that IPv4 does not pay for its variables. */
static noinline int read6(struct espm_flow *flow, const struct sk_buff *skb, int offset, u8 dir)
{
	const struct ipv6hdr *ip;
	struct ipv6hdr buf;
	bool on_link;
	__be16 frag;

	ip = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	if (!ip)
		return -EINVAL;
	flow->family = AF_INET6;
	flow->proto = ip->nexthdr;
	flow->src.v6 = ip->saddr;
	flow->dst.v6 = ip->daddr;
	on_link = ip->hop_limit == 255;
	if (flow->proto == NEXTHDR_NONE)
		return 0;
	offset = ipv6_skip_exthdr(skb, offset + sizeof(buf), &flow->proto, &frag);
	if (offset < 0)
		return -EINVAL;
	if (frag & htons(IP6_OFFSET))
		return read_fragment6(flow, skb, offset);
	read_ports(flow, skb, offset, dir, on_link);
	return 0;
}

/**
 * espm_flow_read() - the selector values of a packet (RFC 4301 section 4.4.1.1)
 * @flow: result
 * @skb: holds the packet; nothing is pulled
 * @offset: of the IP header, from skb->data
 * @dir: enum espm_direction
 *
 * Context: any.
 * Return: 0, or -EINVAL if the IP headers are cut short or wrong.
 */
int espm_flow_read(struct espm_flow *flow, const struct sk_buff *skb, int offset, u8 dir)
{
	const struct iphdr *ip;
	struct iphdr buf;

	flow->sport = 0;
	flow->dport = 0;
	flow->ports = ESPM_PORTS_NONE;
	flow->vital = false;
	flow->upper = 0;
	/* No header of IPv6 is shorter. */
	ip = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	if (!ip)
		return -EINVAL;
	switch (ip->version) {
	case 4:
		return read4(flow, skb, ip, offset, dir);
	case 6:
		return read6(flow, skb, offset, dir);
	default:
		return -EINVAL;
	}
}

/* Where the packet begins that an error is about, or 0 for what is no error. */
static int find_quoted(const struct sk_buff *skb)
{
	int at = skb_network_offset(skb);
	const u8 *type;
	__be16 frag;
	u8 proto;
	u8 buf;

	if (ip_hdr(skb)->version == 4) {
		at += ip_hdrlen(skb);
		type = skb_header_pointer(skb, at, sizeof(buf), &buf);
		return type && icmp_is_err(*type) ? at + (int)sizeof(struct icmphdr) : 0;
	}
	proto = ipv6_hdr(skb)->nexthdr;
	/* Extension headers may stand in front of the error, too. */
	at = ipv6_skip_exthdr(skb, at + sizeof(struct ipv6hdr), &proto, &frag);
	if (at < 0 || proto != IPPROTO_ICMPV6 || frag & htons(IP6_OFFSET))
		return 0;
	type = skb_header_pointer(skb, at, sizeof(buf), &buf);
	return type && icmpv6_is_err(*type) ? at + (int)sizeof(struct icmp6hdr) : 0;
}

/**
 * espm_flow_read_quoted() - the selector values of the packet that an ICMP error is about
 * @flow: result
 * @skb: the error, with its network header
 * @dir: enum espm_direction of the packet that is quoted
 *
 * Context: any.
 * Return: 0, or -EINVAL for what is no error, or quotes nothing readable.
 */
int espm_flow_read_quoted(struct espm_flow *flow, const struct sk_buff *skb, u8 dir)
{
	int about = find_quoted(skb);

	return about ? espm_flow_read(flow, skb, about, dir) : -EINVAL;
}

/**
 * espm_flow_reverse() - the way back of a flow
 * @flow: addresses change places, and ports, where they are ports
 */
void espm_flow_reverse(struct espm_flow *flow)
{
	swap(flow->src, flow->dst);
	if (flow->proto != IPPROTO_ICMP && flow->proto != IPPROTO_ICMPV6)
		swap(flow->sport, flow->dport);
}

/**
 * espm_flow_brief() - the values of a packet of the plainest kind
 * @brief: result
 * @skb: the packet, with its network header
 *
 * TCP, UDP or ICMP in IPv4, whole, without options, and neither IKE nor an
 * error: nothing is hidden in it, nothing exempts it, and no other packet is
 * what it is about.
 *
 * Context: any.
 * Return: false for any other packet.
 */
bool espm_flow_brief(struct espm_brief *brief, const struct sk_buff *skb)
{
	const struct iphdr *ip = ip_hdr(skb);
	const __be16 *port = (const void *)(ip + 1);

	if (*(const u8 *)ip != 0x45 || ip->frag_off & htons(IP_MF | IP_OFFSET) ||
	    (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP &&
	     ip->protocol != IPPROTO_ICMP) ||
	    (const u8 *)(port + 2) > skb_tail_pointer(skb))
		return false;
	brief->src = ip->saddr;
	brief->dst = ip->daddr;
	brief->sport = ntohs(port[0]);
	brief->proto = ip->protocol;
	if (brief->proto == IPPROTO_ICMP) {
		/* Type and code; what follows is the checksum. */
		brief->dport = 0;
		return !icmp_is_err(brief->sport >> 8);
	}
	brief->dport = ntohs(port[1]);
	return brief->proto == IPPROTO_TCP ||
	       (brief->sport != ESPM_PORT_IKE && brief->dport != ESPM_PORT_IKE &&
		brief->sport != ESPM_PORT_NATT && brief->dport != ESPM_PORT_NATT);
}

/**
 * espm_flow_is_local() - is an address this host's, or does it listen to it?
 * @net: the namespace
 * @addr: the address
 * @family: its family
 *
 * Context: under rcu_read_lock().
 */
bool espm_flow_is_local(struct net *net, const union espm_addr *addr, u8 family)
{
	if (family == AF_INET)
		return inet_addr_type(net, addr->v4) == RTN_LOCAL;
	return ipv6_addr_is_multicast(&addr->v6) || ipv6_chk_addr(net, &addr->v6, NULL, 0);
}

/**
 * espm_flow_imagine() - complete the values of a packet that nobody has sent
 * @flow: family, addresses, protocol and ports are given; the rest is set
 * @net: the namespace
 * @dir: enum espm_direction
 *
 * It is no fragment, ends no hidden header, and comes from the link if it is
 * neighbour discovery.
 *
 * Context: under rcu_read_lock().
 */
void espm_flow_imagine(struct espm_flow *flow, struct net *net, u8 dir)
{
	bool out = dir == ESPM_DIR_OUT;

	flow->upper = 0;
	flow->vital = false;
	flow->ports = ESPM_PORTS_SEEN;
	switch (flow->proto) {
	case IPPROTO_UDP:
		flow->vital = (out ? flow->sport : flow->dport) == ESPM_PORT_IKE &&
			      espm_flow_is_local(net, out ? &flow->src : &flow->dst, flow->family);
		break;
	case IPPROTO_ICMPV6:
		flow->vital = flow->family == AF_INET6 &&
			      is_neighbour_discovery(flow->sport >> 8);
		break;
	case IPPROTO_TCP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_ICMP:
		break;
	default:
		flow->ports = ESPM_PORTS_NONE;
		break;
	}
}

/**
 * espm_flow_before_nat() - put back what NAT has changed in a flow
 * @flow: of @skb as it is now
 * @skb: the packet
 * @dir: what the hook at hand sees changed: the source on the way out, the
 *	destination on the way in
 *
 * Context: any.
 * Return: whether NAT has changed anything.
 */
bool espm_flow_before_nat(struct espm_flow *flow, const struct sk_buff *skb, u8 dir)
{
	bool out = dir == ESPM_DIR_OUT, ports = flow->ports == ESPM_PORTS_SEEN;
	union espm_addr *addr = out ? &flow->src : &flow->dst;
	u16 *port = out ? &flow->sport : &flow->dport;
	const struct nf_conntrack_tuple *tuple;
	enum ip_conntrack_info info;
	const struct nf_conn *ct;
	union espm_addr before;
	u16 port_before;

	ct = nf_ct_get(skb, &info);
	if (!ct || !(ct->status & IPS_NAT_MASK))
		return false;
	tuple = &ct->tuplehash[CTINFO2DIR(info)].tuple;
	memcpy(&before, out ? &tuple->src.u3 : &tuple->dst.u3, sizeof(before));
	/* NAT leaves type and code of ICMP alone. */
	if (flow->proto == IPPROTO_ICMP || flow->proto == IPPROTO_ICMPV6 || !ports)
		port_before = *port;
	else
		port_before = ntohs(out ? tuple->src.u.all : tuple->dst.u.all);
	if (!espm_addr_cmp(addr, &before, flow->family) && *port == port_before)
		return false;
	*addr = before;
	*port = port_before;
	if (flow->proto == IPPROTO_UDP && ports)
		flow->vital = is_ike(skb, flow->upper, port_before);
	return true;
}
