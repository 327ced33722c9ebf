/* SPDX-License-Identifier: GPL-2.0 */
/* What we tell the senders of packets that cannot go on. */
#ifndef _ESPM_ICMP_H
#define _ESPM_ICMP_H

#include <linux/skbuff.h>

void espm_icmp_too_big(struct sk_buff *skb, u32 mtu);

#endif /* _ESPM_ICMP_H */
