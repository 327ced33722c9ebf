/* SPDX-License-Identifier: GPL-2.0 */
/* Reads out of a packet what selectors ask for. */
#ifndef _ESPM_FLOW_H
#define _ESPM_FLOW_H

#include <linux/skbuff.h>
#include "selector.h"

int espm_flow_read(struct espm_flow *flow, const struct sk_buff *skb, int offset, u8 dir);
void espm_flow_imagine(struct espm_flow *flow, struct net *net, u8 dir);
int espm_flow_read_quoted(struct espm_flow *flow, const struct sk_buff *skb, u8 dir);
void espm_flow_reverse(struct espm_flow *flow);
bool espm_flow_brief(struct espm_brief *brief, const struct sk_buff *skb);
bool espm_flow_is_of_link(const struct espm_flow *flow);
bool espm_flow_is_local(struct net *net, const union espm_addr *addr, u8 family);
bool espm_flow_before_nat(struct espm_flow *flow, const struct sk_buff *skb, u8 dir);

#endif /* _ESPM_FLOW_H */
