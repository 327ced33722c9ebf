/* SPDX-License-Identifier: GPL-2.0 */
/* The way in: from an ESP packet to the packet inside. */
#ifndef _ESPM_INPUT_H
#define _ESPM_INPUT_H

#include <linux/skbuff.h>
#include "output.h"

struct espm_net;
struct espm_op;
struct espm_sa;

/**
 * struct espm_ingress - an ESP packet that has come for an SA
 * @sa: the SA, a reference; only with ESPM_STEAL
 * @esp: offset of the ESP header from skb->data
 * @next_at: offset of the byte that names it (or UDP) as the next header
 * @udp: bytes of UDP header in front of it
 */
struct espm_ingress {
	struct espm_sa *sa;
	u32 esp;
	u32 next_at;
	u8 udp;
};

enum espm_answer espm_input_ask_clear(struct espm_net *en, struct sk_buff *skb, enum espm_ask ask);
void espm_input_explain(struct espm_net *en, const struct espm_flow *flow,
			struct espm_explained *told);
bool espm_input_recall_route(struct espm_net *en, struct sk_buff *skb);
enum espm_answer espm_input_ask(struct espm_net *en, struct sk_buff *skb,
				struct espm_ingress *ingress);
void espm_input(const struct espm_ingress *ingress, struct sk_buff *skb);
void espm_input_done(struct espm_op *op, int err);
int espm_input_transport(struct net *net, struct sock *sk, struct sk_buff *skb);

#endif /* _ESPM_INPUT_H */
