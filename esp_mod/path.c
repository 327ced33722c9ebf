// SPDX-License-Identifier: GPL-2.0
/* Between which addresses an SA's packets travel. See path.h. */
#include <linux/slab.h>
#include "atom.h"
#include "path.h"
#include "sa.h"
#include "trailer.h"

/**
 * espm_path_alloc() - a path without addresses
 * @sa: the SA, whose direction and SPI are known
 *
 * Context: process, sleeps.
 * Return: the path, the caller's until it is published; NULL without memory.
 */
struct espm_path *espm_path_alloc(struct espm_sa *sa)
{
	struct espm_path *path = kzalloc(sizeof(*path), GFP_KERNEL_ACCOUNT);

	if (!path)
		return NULL;
	if (sa->dir == ESPM_DIR_OUT && dst_cache_init(&path->route, GFP_KERNEL_ACCOUNT)) {
		kfree(path);
		return NULL;
	}
	path->sa = sa;
	path->name.dir = sa->dir;
	path->name.spi = sa->spi;
	return path;
}

/**
 * espm_path_clone() - another path, to be changed and then put in the place of one
 * @old: the path; what was learned on it is not taken over
 *
 * Context: process, sleeps.
 * Return: the path, the caller's until it is published; NULL without memory.
 */
struct espm_path *espm_path_clone(const struct espm_path *old)
{
	struct espm_path *path = espm_path_alloc(old->sa);

	if (!path)
		return NULL;
	path->name = old->name;
	path->src = old->src;
	path->any_src = old->any_src;
	path->encap_sport = old->encap_sport;
	path->encap_dport = old->encap_dport;
	return path;
}

static void free_arrival(struct espm_arrival *arrival)
{
	if (!arrival)
		return;
	dst_release(arrival->dst);
	kfree(arrival);
}

static void free_arrival_late(struct rcu_head *rcu)
{
	free_arrival(container_of(rcu, struct espm_arrival, rcu));
}

/**
 * espm_path_arrived() - remember how a packet came to this host
 * @path: the path of an inbound SA
 * @arrival: taken over
 *
 * Context: any.
 */
void espm_path_arrived(struct espm_path *path, struct espm_arrival *arrival)
{
	struct espm_arrival *old;

	old = unrcu_pointer(espm_xchg(&path->arrival, RCU_INITIALIZER(arrival)));
	if (old)
		call_rcu(&old->rcu, free_arrival_late);
}

/**
 * espm_path_free() - free a path that nobody can see
 * @path: the path, or NULL
 *
 * Context: any.
 */
void espm_path_free(struct espm_path *path)
{
	if (!path)
		return;
	free_arrival(rcu_dereference_raw(path->arrival));
	dst_cache_destroy(&path->route);
	kfree(path);
}

static void free_late(struct rcu_head *rcu)
{
	espm_path_free(container_of(rcu, struct espm_path, rcu));
}

/**
 * espm_path_retire() - free a path that was seen until now
 * @path: the path, which nobody finds any more
 *
 * Context: any.
 */
void espm_path_retire(struct espm_path *path)
{
	call_rcu(&path->rcu, free_late);
}

/**
 * espm_path_fixed_len() - bytes that an SA adds to each packet, trailer aside
 * @path: the SA's path
 *
 * Return: outer header, UDP, ESP header, IV and ICV.
 */
u32 espm_path_fixed_len(const struct espm_path *path)
{
	const struct espm_sa *sa = path->sa;
	u32 len = ESPM_HDR_LEN + sa->suite->iv_len + sa->suite->icv_len;

	if (path->encap_sport)
		len += ESPM_UDP_LEN;
	if (sa->mode == ESPM_MODE_TUNNEL)
		len += path->name.family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	return len;
}

/**
 * espm_path_inner_mtu() - the longest packet that an SA can carry unfragmented
 * @path: the SA's path
 * @mtu: MTU of the way to its destination
 * @hdr_len: bytes of IP header, with options, that stay outside: 0 in tunnel mode
 *
 * Return: bytes, IP header included; 0 if nothing fits.
 */
u32 espm_path_inner_mtu(const struct espm_path *path, u32 mtu, u32 hdr_len)
{
	u32 fixed = espm_path_fixed_len(path) + hdr_len;
	u32 payload;

	if (mtu <= fixed)
		return 0;
	payload = espm_trailer_fit(mtu - fixed, path->sa->suite->block);
	return payload ? hdr_len + payload : 0;
}
