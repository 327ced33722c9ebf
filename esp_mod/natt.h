/* SPDX-License-Identifier: GPL-2.0 */
/* ESP in UDP (RFC 3948). */
#ifndef _ESPM_NATT_H
#define _ESPM_NATT_H

#include <linux/skbuff.h>
#include "proto.h"

struct espm_path;

enum espm_natt {
	ESPM_NATT_OTHER,	/* IKE, or anything else that is not for us */
	ESPM_NATT_ESP,
	ESPM_NATT_KEEPALIVE,
};

enum { ESPM_NATT_KEEPALIVE_BYTE = 0xff };

enum espm_natt espm_natt_look(const struct sk_buff *skb, int offset);
void espm_natt_write(struct udphdr *udp, const struct espm_path *path, u32 len);
void espm_natt_checksum6(struct sk_buff *skb);

#endif /* _ESPM_NATT_H */
