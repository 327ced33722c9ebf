/* SPDX-License-Identifier: GPL-2.0 */
/* The way out: from a packet in clear to a sealed one. */
#ifndef _ESPM_OUTPUT_H
#define _ESPM_OUTPUT_H

#include <linux/skbuff.h>
#include "selector.h"
#include "stats.h"

struct espm_net;
struct espm_op;
struct espm_policy;
struct espm_sa;

/* What a hook does with a packet. */
enum espm_answer {
	ESPM_ACCEPT,
	ESPM_DROP,
	ESPM_STEAL,
	ESPM_HELD,	/* it waits for an SA */
};

/* When it is asked what is to be done. */
enum espm_ask {
	ESPM_ASK_FIRST,		/* before NAT */
	ESPM_ASK_CHANGED,	/* once more, where NAT has changed the packet */
	ESPM_ASK_LATE,		/* inbound: at first, but behind NAT; outbound: out of a queue */
};

/**
 * struct espm_egress - what is to be done with a packet that leaves
 * @sa: the SA that protects it, a reference; only with ESPM_STEAL
 * @policy: the policy that wants it, borrowed
 * @depth: layers of ESP that it has from here already
 * @by_ports: whether ports decided, which no fragment but the first one shows
 */
struct espm_egress {
	struct espm_sa *sa;
	struct espm_policy *policy;
	u8 depth;
	bool by_ports;
};

/**
 * struct espm_explained - what would become of a packet, and why
 * @answer: the answer
 * @why: what would be counted, or %ESPM_PASS
 * @policy: the policy that decides, borrowed, or NULL
 * @sa: the SA that would seal the packet; a reference if not NULL
 */
struct espm_explained {
	enum espm_answer answer;
	enum espm_counter why;
	const struct espm_policy *policy;
	struct espm_sa *sa;
};

enum espm_answer espm_output_ask(struct espm_net *en, struct sk_buff *skb, enum espm_ask ask,
				 struct espm_egress *egress);
void espm_output_explain(struct espm_net *en, const struct espm_flow *flow,
			 struct espm_explained *told);
void espm_output(struct espm_egress *egress, struct sk_buff *skb);
void espm_output_dummy(struct espm_sa *sa);
void espm_output_done(struct espm_op *op, int err);

#endif /* _ESPM_OUTPUT_H */
