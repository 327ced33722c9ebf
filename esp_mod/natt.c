// SPDX-License-Identifier: GPL-2.0
/* ESP in UDP. See natt.h. */
#include <linux/udp.h>
#include <net/ip6_checksum.h>
#include <net/udp.h>
#include "encap.h"
#include "natt.h"
#include "sa.h"

/**
 * espm_natt_look() - what does a UDP packet carry?
 * @skb: the packet
 * @offset: of its UDP header
 *
 * Four zero bytes mark IKE (RFC 3948 section 2.2). What is too short for an SPI is the
 * socket's, who may know what it is. Whether an SPI is ours,
 * and its SA expects UDP on these ports, is the caller's question.
 *
 * Context: any.
 * Return: its kind.
 */
enum espm_natt espm_natt_look(const struct sk_buff *skb, int offset)
{
	struct {
		struct udphdr udp;
		__be32 spi;
	} buf;
	const struct udphdr *udp;
	const __be32 *spi;
	const u8 *first;
	u32 len;

	udp = skb_header_pointer(skb, offset, sizeof(*udp), &buf);
	if (!udp)
		return ESPM_NATT_OTHER;
	len = ntohs(udp->len);
	if (len == sizeof(*udp) + 1 && udp->dest == htons(ESPM_PORT_NATT)) {
		first = skb_header_pointer(skb, offset + sizeof(*udp), 1, &buf);
		return first && *first == ESPM_NATT_KEEPALIVE_BYTE ? ESPM_NATT_KEEPALIVE :
								     ESPM_NATT_OTHER;
	}
	if (len < sizeof(*udp) + sizeof(*spi))
		return ESPM_NATT_OTHER;
	spi = skb_header_pointer(skb, offset + sizeof(*udp), sizeof(*spi), &buf.spi);
	return spi && *spi ? ESPM_NATT_ESP : ESPM_NATT_OTHER;
}

/**
 * espm_natt_write() - write the UDP header of an SA
 * @udp: where
 * @path: the path of an SA with encapsulation
 * @len: bytes of UDP header and ESP
 *
 * The checksum is zero, as RFC 3948 section 2.1 wants it over IPv4.
 */
void espm_natt_write(struct udphdr *udp, const struct espm_path *path, u32 len)
{
	udp->source = path->encap_sport;
	udp->dest = path->encap_dport;
	udp->len = htons(len);
	udp->check = 0;
}

/**
 * espm_natt_checksum6() - complete the UDP checksum over IPv6
 * @skb: the sealed packet, linear, from its IPv6 header on, with the
 *	transport header at UDP
 *
 * Context: any.
 */
void espm_natt_checksum6(struct sk_buff *skb)
{
	const struct ipv6hdr *ip = ipv6_hdr(skb);
	struct udphdr *udp = udp_hdr(skb);
	u32 len = ntohs(udp->len);

	udp->check = csum_ipv6_magic(&ip->saddr, &ip->daddr, len, IPPROTO_UDP,
				     csum_partial(udp, len, 0));
	if (!udp->check)
		udp->check = CSUM_MANGLED_0;
}
