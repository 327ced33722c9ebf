/* SPDX-License-Identifier: GPL-2.0 */
/* The end of a packet that goes no further: counted, and told to who traces. */
#ifndef _ESPM_DROP_H
#define _ESPM_DROP_H

#include <linux/in6.h>
#include "stats.h"

struct espm_net;
struct espm_policy;
struct espm_sa;
struct sk_buff;

/**
 * struct espm_dropped - what can still be read of a packet
 * @src: source address, an IPv4 one as ::ffff:a.b.c.d
 * @dst: destination address
 * @len: bytes from the IP header on; 0 if nothing can be read
 * @proto: next layer protocol
 * @sport: source port, where there is one
 * @dport: destination port
 */
struct espm_dropped {
	struct in6_addr src;
	struct in6_addr dst;
	u32 len;
	u8 proto;
	u16 sport;
	u16 dport;
};

void espm_drop(struct espm_net *en, struct espm_sa *sa, struct espm_policy *policy,
	       const struct sk_buff *skb, enum espm_counter why);
void espm_drop_free(struct espm_net *en, struct espm_sa *sa, struct espm_policy *policy,
		    struct sk_buff *skb, enum espm_counter why);

#endif /* _ESPM_DROP_H */
