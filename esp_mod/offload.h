/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fast paths, which carry a flow's packets around our hooks.
 *
 * A flowtable takes packets at ingress and gives them to the neighbour layer. It takes a
 * flow by its entry of connection tracking, in a chain at FORWARD. So the entry is what a
 * flow that policy asks for is marked on, behind PRE_ROUTING's hooks, which each packet of it
 * has met before that chain.
 */
#ifndef _ESPM_OFFLOAD_H
#define _ESPM_OFFLOAD_H

#include <linux/compiler.h>
#include <linux/types.h>

struct espm_net;
struct sk_buff;

extern bool espm_offload_exists;

/**
 * espm_offload_is_possible() - could there be a flowtable?
 *
 * Context: any.
 */
static inline bool espm_offload_is_possible(void)
{
	return unlikely(READ_ONCE(espm_offload_exists));
}

int espm_offload_init(void);
void espm_offload_exit(void);
void espm_offload_forbid(struct espm_net *en, const struct sk_buff *skb);
void espm_offload_review(struct espm_net *en);

#endif /* _ESPM_OFFLOAD_H */
