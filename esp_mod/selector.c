// SPDX-License-Identifier: GPL-2.0
/* Selectors. See selector.h. */
#include <linux/bitops.h>
#include <linux/minmax.h>
#include <linux/socket.h>
#include <linux/string.h>
#include "selector.h"

enum { PORT_MAX = 65535 };

static u8 words_of(u8 family)
{
	return family == AF_INET ? 1 : 4;
}

/**
 * espm_addr_cmp() - order of two addresses
 * @a: one
 * @b: the other
 * @family: of both
 *
 * Return: below, equal to or above 0, as memcmp() does.
 */
int espm_addr_cmp(const union espm_addr *a, const union espm_addr *b, u8 family)
{
	u8 i;

	for (i = 0; i < words_of(family); i++)
		if (a->w[i] != b->w[i])
			return be32_to_cpu(a->w[i]) < be32_to_cpu(b->w[i]) ? -1 : 1;
	return 0;
}

/**
 * espm_addr_common() - length of the longest prefix that two addresses share
 * @a: one
 * @b: the other
 * @family: of both
 *
 * Return: bits, 0 to 32 or 128.
 */
u8 espm_addr_common(const union espm_addr *a, const union espm_addr *b, u8 family)
{
	u8 i;

	for (i = 0; i < words_of(family); i++)
		if (a->w[i] != b->w[i])
			return 32 * i + 32 - fls(be32_to_cpu(a->w[i] ^ b->w[i]));
	return 32 * words_of(family);
}

/**
 * espm_addr_mask() - the prefix of an address
 * @out: result, zero behind the prefix
 * @in: the address
 * @plen: bits of prefix
 */
void espm_addr_mask(union espm_addr *out, const union espm_addr *in, u8 plen)
{
	u8 i, bits;

	for (i = 0; i < 4; i++) {
		bits = min_t(u8, plen, 32);
		plen -= bits;
		out->w[i] = bits ? in->w[i] & cpu_to_be32(~0u << (32 - bits)) : 0;
	}
}

/**
 * espm_addr_fill_ones() - the last address of a family
 * @a: result
 * @family: AF_INET or AF_INET6
 */
void espm_addr_fill_ones(union espm_addr *a, u8 family)
{
	memset(a, 0, sizeof(*a));
	memset(a, 0xff, 4 * words_of(family));
}

/**
 * espm_selector_any() - a selector that covers a whole family
 * @sel: result
 * @family: AF_INET or AF_INET6; 0 for both
 */
void espm_selector_any(struct espm_selector *sel, u8 family)
{
	memset(sel, 0, sizeof(*sel));
	sel->family = family;
	sel->any_proto = true;
	sel->sport_last = PORT_MAX;
	sel->dport_last = PORT_MAX;
	if (family) {
		espm_addr_fill_ones(&sel->src_last, family);
		espm_addr_fill_ones(&sel->dst_last, family);
	}
}

static bool covers(const union espm_addr *first, const union espm_addr *last,
		   const union espm_addr *addr, u8 family)
{
	return espm_addr_cmp(first, addr, family) <= 0 && espm_addr_cmp(addr, last, family) <= 0;
}

/**
 * espm_selector_equal() - do two selectors cover the same traffic?
 * @a: one, made of espm_selector_any()
 * @b: the other, likewise
 */
bool espm_selector_equal(const struct espm_selector *a, const struct espm_selector *b)
{
	/* No holes but behind the last member. */
	return !memcmp(a, b, offsetofend(struct espm_selector, any_proto));
}

/* ICMPv6 is named by its protocol, IKE by its ports. */
static bool names_vital(const struct espm_selector *sel, const struct espm_flow *flow)
{
	if (sel->any_proto)
		return false;
	return flow->proto == IPPROTO_ICMPV6 || espm_selector_names_ports(sel);
}

/**
 * espm_selector_match() - does a selector cover a packet?
 * @sel: the selector
 * @flow: the packet's values
 *
 * Return: match, miss, or blind if the packet hides ports that are asked for
 * (RFC 4301 section 7: such a packet is discarded).
 */
enum espm_match espm_selector_match(const struct espm_selector *sel, const struct espm_flow *flow)
{
	if (sel->family) {
		if (sel->family != flow->family ||
		    !covers(&sel->src_first, &sel->src_last, &flow->src, sel->family) ||
		    !covers(&sel->dst_first, &sel->dst_last, &flow->dst, sel->family))
			return ESPM_MISS;
	}
	if (!sel->any_proto && sel->proto != flow->proto)
		return ESPM_MISS;
	if (flow->vital && !names_vital(sel, flow))
		return ESPM_MISS;
	if (!espm_selector_names_ports(sel))
		return ESPM_MATCH;

	switch (flow->ports) {
	case ESPM_PORTS_HIDDEN:
		return ESPM_BLIND;
	case ESPM_PORTS_NONE:
		return ESPM_MISS;
	case ESPM_PORTS_SEEN:
		break;
	}
	if (flow->sport < sel->sport_first || flow->sport > sel->sport_last ||
	    flow->dport < sel->dport_first || flow->dport > sel->dport_last)
		return ESPM_MISS;
	return ESPM_MATCH;
}
