// SPDX-License-Identifier: GPL-2.0
/* Reads out of a packet what selectors ask for. See flow.h. */
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/ndisc.h>
#include "flow.h"

/* The first word behind a UDP header is zero where IKE shares ESP's port. */
static bool is_ike(const struct sk_buff *skb, int offset, const struct espm_flow *flow)
{
	__be32 buf;
	const __be32 *marker;

	if (flow->sport == ESPM_PORT_IKE || flow->dport == ESPM_PORT_IKE)
		return true;
	if (flow->sport != ESPM_PORT_NATT && flow->dport != ESPM_PORT_NATT)
		return false;
	marker = skb_header_pointer(skb, offset + ESPM_UDP_LEN, sizeof(buf), &buf);
	return marker && !*marker;
}

static bool is_neighbour_discovery(u8 type)
{
	return type >= NDISC_ROUTER_SOLICITATION && type <= NDISC_REDIRECT;
}

static void read_ports(struct espm_flow *flow, const struct sk_buff *skb, int offset)
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
		if (flow->proto == IPPROTO_UDP)
			flow->vital = is_ike(skb, offset, flow);
		return;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		icmp = skb_header_pointer(skb, offset, sizeof(buf), buf);
		if (!icmp)
			break;
		flow->sport = icmp[0] << 8 | icmp[1];
		flow->ports = ESPM_PORTS_SEEN;
		if (flow->proto == IPPROTO_ICMPV6)
			flow->vital = is_neighbour_discovery(icmp[0]);
		return;
	default:
		return;
	}
	/* Cut short: what a policy may want to see is not there. */
	flow->ports = ESPM_PORTS_HIDDEN;
}

static int read4(struct espm_flow *flow, const struct sk_buff *skb, int offset)
{
	const struct iphdr *ip;
	struct iphdr buf;

	ip = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	if (!ip || ip->ihl < 5)
		return -EINVAL;
	flow->family = AF_INET;
	flow->proto = ip->protocol;
	flow->src.v4 = ip->saddr;
	flow->dst.v4 = ip->daddr;
	if (ip->frag_off & htons(IP_OFFSET)) {
		flow->ports = ESPM_PORTS_HIDDEN;
		return 0;
	}
	read_ports(flow, skb, offset + ip->ihl * 4);
	return 0;
}

static int read6(struct espm_flow *flow, const struct sk_buff *skb, int offset)
{
	const struct ipv6hdr *ip;
	struct ipv6hdr buf;
	__be16 frag;

	ip = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	if (!ip)
		return -EINVAL;
	flow->family = AF_INET6;
	flow->proto = ip->nexthdr;
	flow->src.v6 = ip->saddr;
	flow->dst.v6 = ip->daddr;
	offset = ipv6_skip_exthdr(skb, offset + sizeof(buf), &flow->proto, &frag);
	if (offset < 0)
		return -EINVAL;
	if (frag & htons(IP6_OFFSET)) {
		flow->ports = ESPM_PORTS_HIDDEN;
		return 0;
	}
	read_ports(flow, skb, offset);
	return 0;
}

/**
 * espm_flow_read() - the selector values of a packet (RFC 4301 section 4.4.1.1)
 * @flow: result
 * @skb: holds the packet; nothing is pulled
 * @offset: of the IP header, from skb->data
 *
 * Context: any.
 * Return: 0, or -EINVAL if the IP headers are cut short or wrong.
 */
int espm_flow_read(struct espm_flow *flow, const struct sk_buff *skb, int offset)
{
	const u8 *version;
	u8 buf;

	memset(flow, 0, sizeof(*flow));
	version = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	if (!version)
		return -EINVAL;
	switch (*version >> 4) {
	case 4:
		return read4(flow, skb, offset);
	case 6:
		return read6(flow, skb, offset);
	default:
		return -EINVAL;
	}
}
