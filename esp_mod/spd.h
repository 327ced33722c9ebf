/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The policy database of a namespace (RFC 4301 section 4.4.1): the first
 * match by priority decides. Changes hold espm_net.lock; matching runs under
 * RCU.
 *
 * Matching is a tuple-space search. A policy stands in the class of its
 * family and of the two prefixes that cover its address ranges; one hash
 * lookup a class finds the policies whose prefixes the packet has. Classes are
 * few however many policies there are, and are asked in the order of their
 * best priority until none can do better.
 */
#ifndef _ESPM_SPD_H
#define _ESPM_SPD_H

#include <linux/percpu.h>
#include <linux/rbtree.h>
#include <linux/rhashtable-types.h>
#include <linux/types.h>
#include <linux/xarray.h>
#include "compat.h"
#include "proto.h"
#include "selector.h"

struct espm_drops;
struct espm_link;
struct espm_net;
struct espm_spd_class;
struct espm_spd_classes;
struct netlink_ext_ack;

/**
 * struct espm_spd_key - where a policy, or a packet, stands in a class
 * @dir: enum espm_direction
 * @family: of the addresses; 0 for both families
 * @src_plen: bits of the source prefix
 * @dst_plen: bits of the destination prefix
 * @src: source prefix
 * @dst: destination prefix
 */
struct espm_spd_key {
	u8 dir;
	u8 family;
	u8 src_plen;
	u8 dst_plen;
	union espm_addr src;
	union espm_addr dst;
};

/**
 * struct espm_spd_group - policies of the same prefixes
 * @node: place in the table, by @key
 * @key: class and prefixes
 * @policies: the policies, in no order; changed under espm_net.lock, read under RCU
 * @class: its class
 * @rcu: its end
 */
struct espm_spd_group {
	struct rhash_head node;
	struct espm_spd_key key;
	struct hlist_head policies;
	struct espm_spd_class *class;
	struct rcu_head rcu;
};

/**
 * struct espm_policy - one policy; immutable but for its end, read under RCU
 * @node: place among those of its group
 * @group: policies of the same prefixes
 * @dir: enum espm_direction
 * @sel: packets that it covers
 * @id: number in the namespace
 * @priority: the smallest wins, then the smallest @id
 * @reqid: number of @link, 0 without
 * @action: enum espm_action
 * @on_demand: whether packets without an SA ask for one, and wait for it
 * @link: SAs that protect, a reference; only for ESPM_ACTION_PROTECT
 * @hits: packets decided, per CPU
 * @drops: what was dropped by it or on its behalf; NULL until something is; owned
 * @born: the generation from which it decides
 * @dies: the one from which it decides no more, 0 while none is known
 * @round: how many flushes there had been; one more, and it is gone
 * @in_order: place among all policies, by @id
 * @rcu: its end
 */
struct espm_policy {
	struct hlist_node node;
	struct espm_spd_group *group;
	struct espm_selector sel;
	u32 id;
	u32 priority;
	u32 reqid;
	u8 action;
	u8 dir;
	bool on_demand;
	u32 round;
	struct espm_link *link;
	unsigned long __percpu *hits;
	struct espm_drops *drops;
	unsigned long born;
	unsigned long dies;
	struct list_head in_order;
	struct rcu_head rcu;
};

enum { ESPM_SPD_SLOTS = 128 };	/* a power of two */

/**
 * struct espm_spd_slot - what was decided for a flow
 * @gen: generation of the database in which this holds
 * @policy: the policy, or NULL; no reference
 * @flow: the flow
 * @dir: enum espm_direction
 * @match: enum espm_match
 */
struct espm_spd_slot {
	unsigned long gen;
	struct espm_policy *policy;
	struct espm_flow flow;
	u8 dir;
	u8 match;
};

/**
 * struct espm_spd_cache - decisions that a CPU has made lately
 * @lock: guards what follows
 * @slot: by hash of direction and flow
 */
struct espm_spd_cache {
	struct espm_local lock;
	struct espm_spd_slot slot[ESPM_SPD_SLOTS];
};

/**
 * struct espm_spd - the database
 * @gen: changes with each change of the policies, never 0
 * @grows: policies have been published since the last turn
 * @grown: when they last began to decide, for cond_synchronize_rcu()
 * @cache: lately decided flows, per CPU; there from the first policy on
 * @table: struct espm_spd_group by struct espm_spd_key
 * @classes: for each direction the classes in use, read under RCU
 * @best_first: the same with the changes since, by best priority; with a number, and
 *	with whether there is any change
 * @next: room for the next @classes, if they are to change with the turn
 * @by_shape: classes by family and lengths of their prefixes
 * @by_id: policies by number
 * @next_id: where the search for a free number begins
 * @in_order: all policies, the oldest first
 * @n: how many there are that count: neither doomed, nor ended by a flush
 * @round: grows with each flush; a policy of an older one is gone
 * @last_gen: during a flush, the generation from which its policies decide no more
 */
struct espm_spd {
	unsigned long gen;
	bool grows;
	unsigned long grown;
	struct espm_spd_cache __percpu *cache;
	struct rhashtable table;
	struct espm_spd_classes __rcu *classes[ESPM_DIR_MAX + 1];
	struct espm_spd_order {
		struct rb_root_cached root;
		u32 n;
		bool changed;
	} best_first[ESPM_DIR_MAX + 1];
	struct espm_spd_classes *next[ESPM_DIR_MAX + 1];
	struct xarray by_shape;
	struct xarray by_id;
	u32 next_id;
	struct list_head in_order;
	u32 n;
	u32 round;
	unsigned long last_gen;
};

/**
 * espm_spd_generation() - by which to know whether policies have changed
 * @spd: the database
 *
 * A packet is judged in one generation from beginning to end, which is read first
 * and in the same RCU section: all policies, and all SAs that change with them, are
 * those of before a turn, or all of behind it. The second question behind NAT is
 * one of its own.
 *
 * Context: any.
 * Return: a number other than 0.
 */
static inline unsigned long espm_spd_generation(const struct espm_spd *spd)
{
	/* Pairs with espm_spd_turn(). */
	return smp_load_acquire(&spd->gen);
}

bool espm_spd_decides(const struct espm_net *en, const struct espm_policy *policy);
int espm_spd_init(struct espm_net *en);
void espm_spd_exit(struct espm_net *en);
struct espm_policy *espm_spd_stage(struct espm_net *en, const struct espm_policy *wanted,
				   struct netlink_ext_ack *extack);
void espm_spd_publish(struct espm_net *en, struct espm_policy *policy);
void espm_spd_doom(struct espm_net *en, struct espm_policy *policy);
void espm_spd_spare(struct espm_net *en, struct espm_policy *policy);
void espm_spd_turn(struct espm_net *en);
void espm_spd_await(struct espm_net *en);
void espm_spd_bury(struct espm_net *en, struct espm_policy *policy);
void espm_spd_trim(struct espm_net *en);
bool espm_spd_is_gone(const struct espm_net *en, const struct espm_policy *policy);
int espm_spd_admit(struct espm_net *en, struct netlink_ext_ack *extack);
void espm_spd_flush_begin(struct espm_net *en);
bool espm_spd_flush_doom(struct espm_net *en, struct espm_policy **at);
void espm_spd_flush_turn(struct espm_net *en);
bool espm_spd_flush_bury(struct espm_net *en);
void espm_spd_flush(struct espm_net *en);
bool espm_spd_recall_rcu(struct espm_net *en, u8 dir, unsigned long gen,
			 const struct espm_brief *brief, struct espm_policy **policy);
struct espm_policy *espm_spd_match_rcu(struct espm_net *en, u8 dir, unsigned long gen,
				       const struct espm_flow *flow, enum espm_match *match);
struct espm_policy *espm_spd_find_id_rcu(struct espm_net *en, u32 id);
struct espm_policy *espm_spd_next_rcu(struct espm_net *en, unsigned long *id);
u64 espm_policy_hits(const struct espm_policy *policy);

#endif /* _ESPM_SPD_H */
