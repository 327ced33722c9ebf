/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The SA database of a namespace: SAs by SPI, destination and direction, by
 * number, and by reqid. Changes hold espm_net.lock; lookups run under RCU.
 */
#ifndef _ESPM_SAD_H
#define _ESPM_SAD_H

#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/rhashtable-types.h>
#include <linux/types.h>
#include <linux/xarray.h>
#include "proto.h"
#include "sa.h"

struct espm_net;
struct espm_path;
struct espm_policy;
struct netlink_ext_ack;

/**
 * struct espm_count - how many SAs there are of a kind, those left out that are doomed
 * @sas: the number
 * @round: as long as espm_sad.round is this; else none of them is left
 */
struct espm_count {
	u32 sas;
	u32 round;
};

/**
 * struct espm_keyring - what the SAs of one key have in common
 * @node: place in the SAD, by @name
 * @name: of the key, and inbound the SPI
 * @users: SAs that hold a reference
 * @doomed: how many of them are doomed
 * @sender: the outbound SA of this key, staged perhaps, or NULL
 * @formers: SAs that are doomed, and have no heir: one that is added may have been one
 *
 * All of it is guarded by espm_net.lock.
 */
struct espm_keyring {
	struct rhash_head node;
	struct espm_key_name name;
	u32 users;
	u32 doomed;
	struct espm_sa *sender;
	struct list_head formers;
};

/**
 * struct espm_tally - how many SAs one SPI has
 * @node: place in the SAD, by @spi
 * @spi: the SPI
 * @users: SAs that hold a reference
 * @count: those that count
 *
 * All of it is guarded by espm_net.lock.
 */
struct espm_tally {
	struct rhash_head node;
	__be32 spi;
	u32 users;
	struct espm_count count;
};

/**
 * struct espm_link - what the SAs and policies of one reqid have in common
 * @node: place in the SAD, by @reqid
 * @reqid: the number
 * @users: SAs and policies that hold a reference; guarded by espm_net.lock
 * @count: SAs of either direction; guarded by espm_net.lock
 * @outbound: outbound SAs that may be chosen, newest first; changed under
 *	espm_net.lock, read under RCU. What has ended is taken out when it is met
 * @ended: outbound SAs that were met when they had ended; of this list packets read
 *	the first one alone
 * @ages: those of @outbound, in its order; guarded by espm_net.lock
 * @pins: those of them that are pinned, in its order; guarded by espm_net.lock
 * @out: the newest usable outbound SA, read under RCU; no reference: it is
 *	changed before that SA is killed
 * @since: 0, or the generation of policies in which @out begins to be true; A
 * @before: what @out was before @since; never looked at without
 * @in_turn: place among the links that have a @since
 * @rcu: its end
 *
 * A policy finds its SA by following one pointer. Where SAs and policies change
 * together, none sends by an SA that is meant for another one's peer:
 *
 *	the lock's holder		a packet
 *	@before = what @out was		its generation, before all else
 *	@since = the next one		reads @out, or walks through @outbound
 *	changes @outbound, and @out	then @since: is that later than its own?
 *	espm_spd_turn()			no: what it has read is true
 *	a grace period			yes: it takes @before
 *	@since = 0
 *
 * Who sees what is new sees @since, and who sees that sees @before; whoever is
 * of an older generation has gone when @since does.
 */
struct espm_link {
	struct rhash_head node;
	u32 reqid;
	u32 users;
	struct espm_count count;
	struct hlist_head outbound;
	struct hlist_head ended;
	struct rb_root_cached ages;
	struct rb_root_cached pins;
	struct espm_sa __rcu *out;
	unsigned long since;
	struct espm_sa __rcu *before;
	struct list_head in_turn;
	struct rcu_head rcu;
};

/**
 * struct espm_sad - the database
 * @by_name: paths by struct espm_sa_name
 * @by_key: struct espm_keyring by name: of one outbound SA, or inbound ones of several
 *	addresses
 * @by_spi: struct espm_tally by SPI
 * @by_id: SAs by number; owns the one reference that being in the SAD is
 * @links: struct espm_link by reqid
 * @next_id: where the search for a free number begins
 * @round: grows with each flush; an SA of an older one is gone
 * @sas: SAs that count
 * @reservations: larval ones that do
 * @anywhere: inbound SAs for any address of this host
 * @changes: grows with each SA that comes or goes, begins at 1; for dumps
 * @turn: 0, or the generation of policies with which SAs are changing
 * @turning: links that have changed for it, a reference each
 */
struct espm_sad {
	struct rhashtable by_name;
	struct rhashtable by_key;
	struct rhashtable by_spi;
	struct xarray by_id;
	struct rhashtable links;
	u32 next_id;
	u32 round;
	u32 sas;
	u32 reservations;
	u32 anywhere;
	u32 changes;
	unsigned long turn;
	struct list_head turning;
};

int espm_sad_init(struct espm_net *en);
void espm_sad_exit(struct espm_net *en);
int espm_sad_stage(struct espm_net *en, struct espm_sa *sa, struct netlink_ext_ack *extack);
void espm_sad_unstage(struct espm_net *en, struct espm_sa *sa);
void espm_sad_publish(struct espm_net *en, struct espm_sa *sa);
void espm_sad_doom(struct espm_net *en, struct espm_sa *sa);
void espm_sad_withdraw(struct espm_net *en, struct espm_sa *sa);
void espm_sad_spare(struct espm_net *en, struct espm_sa *sa);
int espm_sad_reserve(struct espm_net *en, struct espm_sa *sa, u32 first, u32 last,
		     struct netlink_ext_ack *extack);
int espm_sad_stage_move(struct espm_net *en, struct espm_sa *sa, struct espm_path *path,
			struct netlink_ext_ack *extack);
void espm_sad_unstage_move(struct espm_net *en, struct espm_sa *sa, struct espm_path *path);
void espm_sad_move(struct espm_net *en, struct espm_sa *sa, struct espm_path *path);
bool espm_sad_leave(struct espm_net *en, struct espm_sa *sa, struct espm_link *link);
void espm_sad_join(struct espm_net *en, struct espm_sa *sa);
void espm_sad_settle(struct espm_sa *sa);
void espm_sad_del(struct espm_net *en, struct espm_sa *sa);
void espm_sad_flush_begin(struct espm_net *en);
bool espm_sad_flush_some(struct espm_net *en, unsigned long *id);
void espm_sad_flush(struct espm_net *en);
bool espm_sad_is_gone(const struct espm_sa *sa);
int espm_sad_admit(struct espm_net *en, struct espm_sa *sa, struct netlink_ext_ack *extack);
int espm_sad_admit_reqid(struct espm_net *en, struct espm_link *link,
			 struct netlink_ext_ack *extack);
void espm_sad_promise(struct espm_net *en, struct espm_link *link, int by);
void espm_sad_pin(struct espm_net *en, struct espm_sa *sa, bool pin);
struct espm_path *espm_sad_find_rcu(struct espm_net *en, const struct espm_sa_name *name);
struct espm_sa *espm_sad_find_former(struct espm_net *en, const struct espm_sa *sa);
struct espm_sa *espm_sad_find_locked(struct espm_net *en, const struct espm_sa_name *name);
struct espm_path *espm_sad_recall_rcu(struct espm_net *en, const struct espm_sa_name *name);
struct espm_path *espm_sad_last_rcu(const struct espm_net *en);
struct espm_sa *espm_sad_find_id_rcu(struct espm_net *en, u32 id);
struct espm_sa *espm_sad_next_rcu(struct espm_net *en, unsigned long *id);
void espm_sad_turn_begin(struct espm_net *en);
void espm_sad_turn_end(struct espm_net *en);
struct espm_sa *espm_sad_chosen_rcu(const struct espm_link *link, unsigned long gen);
struct espm_sa *espm_sad_outbound_get(const struct espm_policy *policy, unsigned long gen);
struct espm_sa *espm_sad_expired_rcu(const struct espm_link *link);
void espm_sad_choose(struct espm_net *en, struct espm_sa *sa);
struct espm_link *espm_sad_link_get(struct espm_net *en, u32 reqid);
void espm_sad_link_put(struct espm_net *en, struct espm_link *link);

#endif /* _ESPM_SAD_H */
