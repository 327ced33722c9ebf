/* SPDX-License-Identifier: GPL-2.0 */
/* What we tell the senders of packets that cannot go on, and what we are told. */
#ifndef _ESPM_ICMP_H
#define _ESPM_ICMP_H

#include <linux/skbuff.h>

struct espm_net;

void espm_icmp_too_big(struct sk_buff *skb, u32 mtu);
bool espm_icmp_is_about_protected(struct espm_net *en, const struct sk_buff *skb,
				  unsigned long gen);
void espm_icmp_learn(struct espm_net *en, const struct sk_buff *skb);

#endif /* _ESPM_ICMP_H */
