/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Selectors (RFC 4301 section 4.4.1.1): ranges of addresses, next layer
 * protocol, ranges of ports or of ICMP type and code. Pure.
 */
#ifndef _ESPM_SELECTOR_H
#define _ESPM_SELECTOR_H

#include <linux/types.h>
#include "proto.h"

enum espm_ports {
	ESPM_PORTS_NONE,	/* the protocol has none: OPAQUE to a port range */
	ESPM_PORTS_SEEN,
	ESPM_PORTS_HIDDEN,	/* a fragment that does not carry them */
};

/**
 * struct espm_flow - the values of one packet that selectors ask for
 * @src: source address
 * @dst: destination address
 * @sport: source port; ICMP: type * 256 + code
 * @dport: destination port
 * @family: AF_INET or AF_INET6
 * @proto: next layer protocol
 * @ports: enum espm_ports
 * @vital: neighbour discovery or IKE: only a selector that names it takes it
 * @upper: offset of the next layer's header in the packet; it decides nothing
 */
struct espm_flow {
	union espm_addr src;
	union espm_addr dst;
	u16 sport;
	u16 dport;
	u8 family;
	u8 proto;
	u8 ports;
	bool vital;
	u32 upper;
};

/**
 * struct espm_selector - traffic that a policy or an SA covers
 * @src_first: first source address
 * @src_last: last source address
 * @dst_first: first destination address
 * @dst_last: last destination address
 * @sport_first: first source port
 * @sport_last: last source port; 0 to 65535 is ANY
 * @dport_first: first destination port
 * @dport_last: last destination port
 * @family: AF_INET or AF_INET6; 0 covers both, and then every address
 * @proto: next layer protocol, meaningful unless @any_proto
 * @any_proto: whether every protocol matches
 */
struct espm_selector {
	union espm_addr src_first;
	union espm_addr src_last;
	union espm_addr dst_first;
	union espm_addr dst_last;
	u16 sport_first;
	u16 sport_last;
	u16 dport_first;
	u16 dport_last;
	u8 family;
	u8 proto;
	bool any_proto;
};

/**
 * struct espm_brief - what tells one flow of plain IPv4 from another
 * @src: address
 * @dst: address
 * @sport: port
 * @dport: port
 * @proto: TCP or UDP
 */
struct espm_brief {
	__be32 src;
	__be32 dst;
	u16 sport;
	u16 dport;
	u8 proto;
};

enum espm_match {
	ESPM_MISS,
	ESPM_MATCH,
	ESPM_BLIND,	/* would match, were the ports not hidden */
};

void espm_selector_any(struct espm_selector *sel, u8 family);
bool espm_selector_equal(const struct espm_selector *a, const struct espm_selector *b);
enum espm_match espm_selector_match(const struct espm_selector *sel, const struct espm_flow *flow);
int espm_addr_cmp(const union espm_addr *a, const union espm_addr *b, u8 family);
u8 espm_addr_common(const union espm_addr *a, const union espm_addr *b, u8 family);
void espm_addr_mask(union espm_addr *out, const union espm_addr *in, u8 plen);
void espm_addr_fill_ones(union espm_addr *a, u8 family);

/**
 * espm_selector_names_ports() - does a selector ask for ports?
 * @sel: the selector
 *
 * Return: false if any port will do.
 */
static inline bool espm_selector_names_ports(const struct espm_selector *sel)
{
	return sel->sport_first || sel->sport_last != U16_MAX ||
	       sel->dport_first || sel->dport_last != U16_MAX;
}

/**
 * espm_selector_is_any() - does a selector cover everything?
 * @sel: the selector
 */
static inline bool espm_selector_is_any(const struct espm_selector *sel)
{
	return !sel->family && sel->any_proto && !espm_selector_names_ports(sel);
}

#endif /* _ESPM_SELECTOR_H */
