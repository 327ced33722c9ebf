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
 * Four zero bytes mark IKE (RFC 3948 section 2.2). Whether an SPI is ours,
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
	if (len < sizeof(*udp) + ESPM_HDR_LEN)
		return ESPM_NATT_OTHER;
	first = skb_header_pointer(skb, offset + sizeof(*udp), ESPM_SPI_LEN, &buf.spi);
	if (!first || !memchr_inv(first, 0, ESPM_SPI_LEN))
		return ESPM_NATT_OTHER;
	return ESPM_NATT_ESP;
}

/**
 * espm_natt_write() - write the UDP header of an SA
 * @udp: where
 * @sa: an SA with encapsulation
 * @len: bytes of UDP header and ESP
 *
 * The checksum is zero, as RFC 3948 section 2.1 wants it over IPv4.
 */
void espm_natt_write(struct udphdr *udp, const struct espm_sa *sa, u32 len)
{
	udp->source = sa->encap_sport;
	udp->dest = sa->encap_dport;
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

static void idle(struct timer_list *timer)
{
	struct espm_sa *sa = from_timer(sa, timer, idle);
	unsigned long next = READ_ONCE(sa->last_sent) + sa->keepalive * HZ;

	rcu_read_lock();
	if (espm_sa_usable(sa)) {
		if (time_after_eq(jiffies, next)) {
			espm_encap_send_keepalive(sa);
			/* Also where there was no route. */
			next = jiffies + sa->keepalive * HZ;
		}
		mod_timer(&sa->idle, next);
	}
	rcu_read_unlock();
}

/**
 * espm_natt_keep_alive() - begin to send keepalives (RFC 3948 section 4)
 * @sa: an outbound SA with encapsulation, about to be published
 * @seconds: how long nothing has been sent before one is, not 0
 *
 * They end with the SA.
 *
 * Context: process.
 */
void espm_natt_keep_alive(struct espm_sa *sa, u16 seconds)
{
	timer_setup(&sa->idle, idle, 0);
	sa->keepalive = seconds;
	sa->last_sent = jiffies;
}

/**
 * espm_natt_begin() - an SA was published
 * @sa: the SA
 *
 * Context: process.
 */
void espm_natt_begin(struct espm_sa *sa)
{
	if (sa->keepalive)
		mod_timer(&sa->idle, jiffies + sa->keepalive * HZ);
}
