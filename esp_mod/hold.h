/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets that wait for an SA. Where a policy is on demand, a key daemon is asked
 * for an SA by an event, and the first packets of the flow wait for it, few and not
 * long. They meet POST_ROUTING again when it comes, as if they had just been sent.
 */
#ifndef _ESPM_HOLD_H
#define _ESPM_HOLD_H

#include <linux/skbuff.h>
#include "selector.h"

struct espm_net;
struct espm_policy;

/**
 * struct espm_wish - an SA that is asked for
 * @flow: the packet that asks
 * @policy: id of the policy that wants it
 * @reqid: of the policy
 * @seq: number of the wish in its namespace
 */
struct espm_wish {
	struct espm_flow flow;
	u32 policy;
	u32 reqid;
	u32 seq;
};

/* What has become of a packet without an SA. */
enum espm_held {
	ESPM_HELD_IT,		/* it waits, and is not the caller's any more */
	ESPM_HELD_NOT,		/* it can't wait */
	ESPM_HELD_TOO_LATE,	/* there is an SA by now */
};

void espm_hold_init(struct espm_net *en,
		    void (*tell)(struct espm_net *en, const struct espm_wish *wish));
void espm_hold_exit(struct espm_net *en);
enum espm_held espm_hold(struct espm_net *en, struct sk_buff *skb,
			 const struct espm_policy *policy, unsigned long gen, bool may_wait);
void espm_hold_release(struct espm_net *en, u32 reqid);
void espm_hold_drop(struct espm_net *en);

#endif /* _ESPM_HOLD_H */
