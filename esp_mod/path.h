/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between which addresses and ports the packets of an SA travel: all of it that
 * may change while the SA lives. A change makes a new path; readers see the old
 * one or the new one, whole.
 */
#ifndef _ESPM_PATH_H
#define _ESPM_PATH_H

#include <linux/rhashtable-types.h>
#include <linux/types.h>
#include <net/dst_cache.h>
#include "proto.h"
#include "selector.h"

struct espm_sa;

/**
 * struct espm_arrival - how a packet of an SA came to this host; it never changes
 * @dst: the route to this host that was found for it, a reference
 * @cookie: with which the route is asked whether it is still right
 * @iif: device that it came by, as are the others what the route was asked for,
 *	besides the addresses
 * @mark: its mark
 * @tos: its TOS or traffic class
 * @since: when it came, jiffies that do not wrap
 * @rcu: its end
 */
struct espm_arrival {
	struct dst_entry *dst;
	u32 cookie;
	int iif;
	u32 mark;
	u8 tos;
	u64 since;
	struct rcu_head rcu;
};

/**
 * struct espm_sa_name - what an SA is found by
 * @spi: security parameters index
 * @family: of @dst
 * @dir: enum espm_direction
 * @dst: destination of the ESP packets; inbound, zero for any of this host
 *
 * A hash key: every byte counts, so zero it before use.
 */
struct espm_sa_name {
	__be32 spi;
	u16 family;
	u16 dir;
	union espm_addr dst;
};

/**
 * struct espm_path - addresses and ports of an SA, and what was learned there
 * @name: I: SPI, destination, direction
 * @by_name: S: place in the SAD, by @name
 * @sa: I: the SA; outlives the path
 * @src: I: source of the ESP packets; zero for any: outbound, the route says
 * @any_src: I: @src is zero
 * @staged: A: it is in the SAD, and no packet is to see it yet
 * @encap_sport: I: source port of UDP encapsulation, 0 without
 * @encap_dport: I: destination port of UDP encapsulation
 * @route: P: outbound, route to @name.dst
 * @arrival: R: inbound, of a packet with addresses that are the path's, or NULL
 * @alone: A: generation of the SPD in which its ESP packets, with its addresses
 *	and ports, pass as they are
 * @mtu: A: outbound, what a router on the way told, 0 before
 * @mtu_until: A: when that is forgotten, jiffies
 * @rcu: its end
 *
 * Owned by its SA. The letters are those of sa.h.
 */
struct espm_path {
	struct espm_sa_name name;
	struct rhash_head by_name;
	struct espm_sa *sa;
	union espm_addr src;
	bool any_src;
	bool staged;
	__be16 encap_sport;
	__be16 encap_dport;
	struct dst_cache route;
	struct espm_arrival __rcu *arrival;
	unsigned long alone;
	u32 mtu;
	unsigned long mtu_until;
	struct rcu_head rcu;
};

struct espm_path *espm_path_alloc(struct espm_sa *sa);
struct espm_path *espm_path_clone(const struct espm_path *old);
void espm_path_free(struct espm_path *path);
void espm_path_retire(struct espm_path *path);
void espm_path_arrived(struct espm_path *path, struct espm_arrival *arrival);
u32 espm_path_fixed_len(const struct espm_path *path);
u32 espm_path_inner_mtu(const struct espm_path *path, u32 mtu, u32 hdr_len);

#endif /* _ESPM_PATH_H */
