// SPDX-License-Identifier: GPL-2.0
/* The policy database. See spd.h. */
#include <linux/hash.h>
#include <linux/lockdep.h>
#include <linux/netlink.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <net/ipv6.h>
#include "netns.h"
#include "spd.h"

/*
 * @best is the best priority that a policy of the class has had; it stays too
 * good when that policy goes, which costs a lookup and decides nothing.
 */
struct spd_class {
	u32 best;
	u32 policies;
	u8 family;
	u8 src_plen;
	u8 dst_plen;
};

/**
 * struct espm_spd_classes - the classes of one direction, replaced whole
 * @rcu: its end
 * @n: how many
 * @class: by best priority
 */
struct espm_spd_classes {
	struct rcu_head rcu;
	u32 n;
	struct spd_class class[];
};

static const struct rhashtable_params table_params = {
	.key_len = sizeof(struct espm_spd_key),
	.key_offset = offsetof(struct espm_policy, key),
	.head_offset = offsetof(struct espm_policy, node),
	.automatic_shrinking = true,
};

/**
 * espm_spd_init() - an empty database
 * @en: the namespace
 *
 * Context: process, sleeps.
 * Return: 0 or -ENOMEM.
 */
int espm_spd_init(struct espm_net *en)
{
	en->spd.gen = 1;
	INIT_LIST_HEAD(&en->spd.in_order);
	xa_init_flags(&en->spd.by_id, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	return rhltable_init(&en->spd.table, &table_params);
}

/**
 * espm_spd_exit() - free the database, which is empty and has no more readers
 * @en: the namespace
 *
 * Context: process, sleeps.
 */
void espm_spd_exit(struct espm_net *en)
{
	u8 dir;

	WARN_ON(!xa_empty(&en->spd.by_id));
	/* An empty class stays where there was no memory to remove it. */
	for (dir = 0; dir <= ESPM_DIR_MAX; dir++)
		kfree(rcu_dereference_raw(en->spd.classes[dir]));
	free_percpu(en->spd.cache);
	xa_destroy(&en->spd.by_id);
	rhltable_destroy(&en->spd.table);
}

static bool same_class(const struct spd_class *class, const struct espm_spd_key *key)
{
	return class->family == key->family && class->src_plen == key->src_plen &&
	       class->dst_plen == key->dst_plen;
}

static struct espm_spd_classes *classes_of(struct espm_net *en, u8 dir)
{
	return rcu_dereference_protected(en->spd.classes[dir], lockdep_is_held(&en->lock));
}

static struct espm_spd_classes *alloc_classes(u32 n)
{
	return kmalloc(struct_size((struct espm_spd_classes *)NULL, class, n),
		       GFP_KERNEL_ACCOUNT);
}

static void replace_classes(struct espm_net *en, u8 dir, struct espm_spd_classes *new)
{
	struct espm_spd_classes *old = classes_of(en, dir);

	rcu_assign_pointer(en->spd.classes[dir], new);
	if (old)
		kfree_rcu(old, rcu);
}

/* Does a policy decide in this generation? Read whole by all who search in it. */
static bool decides(const struct espm_policy *policy, unsigned long gen)
{
	unsigned long dies = READ_ONCE(policy->dies);

	return (long)(gen - policy->born) >= 0 && (!dies || (long)(gen - dies) < 0);
}

/**
 * espm_spd_decides() - does a policy decide now?
 * @en: the namespace
 * @policy: a policy that a lookup has found, a moment ago
 *
 * Context: any.
 */
bool espm_spd_decides(const struct espm_net *en, const struct espm_policy *policy)
{
	return decides(policy, espm_spd_generation(&en->spd));
}

/* Enter a class with one policy more, before the first one that is worse. */
static int count_in(struct espm_net *en, const struct espm_policy *policy)
{
	const struct espm_spd_classes *old = classes_of(en, policy->key.dir);
	struct spd_class entry = {
		.best = policy->priority,
		.policies = 1,
		.family = policy->key.family,
		.src_plen = policy->key.src_plen,
		.dst_plen = policy->key.dst_plen,
	};
	struct espm_spd_classes *new;
	u32 i, n = old ? old->n : 0;
	bool placed = false;

	for (i = 0; i < n; i++) {
		if (same_class(&old->class[i], &policy->key)) {
			entry.best = min(entry.best, old->class[i].best);
			entry.policies += old->class[i].policies;
		}
	}

	new = alloc_classes(n + 1);
	if (!new)
		return -ENOMEM;
	new->n = 0;
	for (i = 0; i < n; i++) {
		if (same_class(&old->class[i], &policy->key))
			continue;
		if (!placed && entry.best < old->class[i].best) {
			new->class[new->n++] = entry;
			placed = true;
		}
		new->class[new->n++] = old->class[i];
	}
	if (!placed)
		new->class[new->n++] = entry;
	replace_classes(en, policy->key.dir, new);
	return 0;
}

/* Readers never look at the number of policies, so it changes in place. */
static void count_out(struct espm_net *en, const struct espm_policy *policy)
{
	struct espm_spd_classes *classes = classes_of(en, policy->key.dir);
	struct espm_spd_classes *new = NULL;
	u32 i, at;

	for (at = 0; !same_class(&classes->class[at], &policy->key); at++)
		;
	if (--classes->class[at].policies)
		return;

	if (classes->n > 1) {
		/* Without memory the empty class stays: slower, not wrong. */
		new = alloc_classes(classes->n - 1);
		if (!new)
			return;
		new->n = 0;
		for (i = 0; i < classes->n; i++)
			if (i != at)
				new->class[new->n++] = classes->class[i];
	}
	replace_classes(en, policy->key.dir, new);
}

static void make_key(struct espm_spd_key *key, u8 dir, const struct espm_selector *sel)
{
	memset(key, 0, sizeof(*key));
	key->dir = dir;
	key->family = sel->family;
	if (!sel->family)
		return;
	key->src_plen = espm_addr_common(&sel->src_first, &sel->src_last, sel->family);
	key->dst_plen = espm_addr_common(&sel->dst_first, &sel->dst_last, sel->family);
	espm_addr_mask(&key->src, &sel->src_first, key->src_plen);
	espm_addr_mask(&key->dst, &sel->dst_first, key->dst_plen);
}

static void free_policy(struct espm_policy *policy)
{
	free_percpu(policy->hits);
	kfree(policy->drops);
	kfree(policy);
}

static void free_policy_rcu(struct rcu_head *rcu)
{
	free_policy(container_of(rcu, struct espm_policy, rcu));
}

/**
 * espm_spd_stage() - prepare a policy, which decides from the next turn on
 * @en: the namespace, locked
 * @wanted: direction (in its key), selector, priority, action and reqid; copied
 * @extack: takes the sentence of a refusal
 *
 * Until then no packet sees it. Afterwards nothing can fail.
 *
 * Context: process, sleeps.
 * Return: the policy, for espm_spd_publish() or espm_spd_bury(); NULL without memory.
 */
struct espm_policy *espm_spd_stage(struct espm_net *en, const struct espm_policy *wanted,
				   struct netlink_ext_ack *extack)
{
	struct espm_spd *spd = &en->spd;
	struct espm_policy *policy;

	lockdep_assert_held(&en->lock);
	if (!spd->cache) {
		struct espm_spd_cache __percpu *cache;
		int cpu;

		cache = alloc_percpu_gfp(struct espm_spd_cache, GFP_KERNEL_ACCOUNT);
		if (!cache)
			goto err_no_memory;
		for_each_possible_cpu(cpu)
			espm_local_init(&per_cpu_ptr(cache, cpu)->lock);
		/* Readers find it filled with zeroes. */
		smp_store_release(&spd->cache, cache);
	}
	policy = kmemdup(wanted, sizeof(*wanted), GFP_KERNEL_ACCOUNT);
	if (!policy)
		goto err_no_memory;
	make_key(&policy->key, wanted->key.dir, &wanted->sel);
	policy->link = NULL;
	policy->drops = NULL;
	policy->born = spd->gen + 1;
	policy->dies = 0;
	INIT_LIST_HEAD(&policy->in_order);
	policy->hits = alloc_percpu_gfp(unsigned long, GFP_KERNEL_ACCOUNT);
	if (!policy->hits)
		goto err_free;

	if (policy->action == ESPM_ACTION_PROTECT) {
		policy->link = espm_sad_link_get(en, policy->reqid);
		if (!policy->link)
			goto err_free;
	}

	if (xa_alloc_cyclic(&spd->by_id, &policy->id, NULL, XA_LIMIT(1, INT_MAX),
			    &spd->next_id, GFP_KERNEL) < 0)
		goto err_put_link;
	if (count_in(en, policy))
		goto err_release_id;
	if (rhltable_insert(&spd->table, &policy->node, table_params))
		goto err_count_out;
	return policy;

err_count_out:
	count_out(en, policy);
err_release_id:
	xa_erase(&spd->by_id, policy->id);
err_put_link:
	if (policy->link)
		espm_sad_link_put(en, policy->link);
err_free:
	free_policy(policy);
err_no_memory:
	NL_SET_ERR_MSG(extack, "out of memory");
	return NULL;
}

/**
 * espm_spd_publish() - let a staged policy be found by its number
 * @en: the namespace, locked
 * @policy: the policy; it decides from espm_spd_turn() on
 *
 * Context: process.
 */
void espm_spd_publish(struct espm_net *en, struct espm_policy *policy)
{
	lockdep_assert_held(&en->lock);
	/* The room is there since the number was given. */
	xa_store(&en->spd.by_id, policy->id, policy, GFP_KERNEL);
	list_add_tail(&policy->in_order, &en->spd.in_order);
	en->spd.grows = true;
}

/**
 * espm_spd_doom() - a policy is to decide no more from the next turn on
 * @en: the namespace, locked
 * @policy: the policy; espm_spd_bury() follows the turn, or espm_spd_spare()
 */
void espm_spd_doom(struct espm_net *en, struct espm_policy *policy)
{
	lockdep_assert_held(&en->lock);
	WRITE_ONCE(policy->dies, en->spd.gen + 1);
}

/**
 * espm_spd_spare() - take espm_spd_doom() back
 * @en: the namespace, locked
 * @policy: the policy
 */
void espm_spd_spare(struct espm_net *en, struct espm_policy *policy)
{
	lockdep_assert_held(&en->lock);
	WRITE_ONCE(policy->dies, 0);
}

/**
 * espm_spd_turn() - what is staged begins to decide, and what is doomed ends, at once
 * @en: the namespace, locked
 *
 * Whoever searches does so in one generation, that before or that after. What a
 * CPU remembers from before holds no more. To have more than one policy buried,
 * or those policies' SAs deleted, wait for a grace period: until then some still
 * search in the old generation.
 */
void espm_spd_turn(struct espm_net *en)
{
	lockdep_assert_held(&en->lock);
	/* Pairs with espm_spd_generation(): the changes come first. */
	smp_store_release(&en->spd.gen, en->spd.gen + 1);
	if (en->spd.grows)
		en->spd.grown = get_state_synchronize_rcu();
	en->spd.grows = false;
}

/**
 * espm_spd_bury() - remove a policy that decides nothing
 * @en: the namespace, locked
 * @policy: a doomed policy, after the turn, or a staged one, before it; freed after
 *	a grace period
 *
 * Of policies with the same prefixes the newest is the first that the table finds.
 * Whoever does not know yet those that came last must still meet it: they may have
 * taken its place.
 *
 * Context: process, sleeps.
 */
void espm_spd_bury(struct espm_net *en, struct espm_policy *policy)
{
	lockdep_assert_held(&en->lock);
	cond_synchronize_rcu(en->spd.grown);
	xa_erase(&en->spd.by_id, policy->id);
	list_del(&policy->in_order);
	rhltable_remove(&en->spd.table, &policy->node, table_params);
	count_out(en, policy);
	if (policy->link)
		espm_sad_link_put(en, policy->link);
	call_rcu(&policy->rcu, free_policy_rcu);
}

/**
 * espm_spd_flush() - remove every policy
 * @en: the namespace, locked
 *
 * Context: process, sleeps.
 */
void espm_spd_flush(struct espm_net *en)
{
	struct espm_policy *policy, *next;

	lockdep_assert_held(&en->lock);
	if (list_empty(&en->spd.in_order))
		return;
	list_for_each_entry(policy, &en->spd.in_order, in_order)
		espm_spd_doom(en, policy);
	espm_spd_turn(en);
	synchronize_rcu();
	list_for_each_entry_safe_reverse(policy, next, &en->spd.in_order, in_order) {
		espm_spd_bury(en, policy);
		cond_resched();
	}
}

static bool precedes(const struct espm_policy *a, const struct espm_policy *b)
{
	if (a->priority != b->priority)
		return a->priority < b->priority;
	return a->id < b->id;
}

static struct espm_policy *search(struct espm_net *en, u8 dir, unsigned long gen,
				  const struct espm_flow *flow, u8 *match)
{
	const struct espm_spd_classes *classes = rcu_dereference(en->spd.classes[dir]);
	struct espm_policy *policy, *best = NULL;
	struct rhlist_head *list, *node;
	struct espm_spd_key key = { .dir = dir };
	const struct spd_class *class;
	enum espm_match m;
	u32 i;

	*match = ESPM_MISS;
	if (!classes)
		return NULL;

	for (i = 0; i < classes->n; i++) {
		class = &classes->class[i];
		if (best && best->priority < class->best)
			break;
		if (class->family && class->family != flow->family)
			continue;
		key.family = class->family;
		key.src_plen = class->src_plen;
		key.dst_plen = class->dst_plen;
		espm_addr_mask(&key.src, &flow->src, class->src_plen);
		espm_addr_mask(&key.dst, &flow->dst, class->dst_plen);

		list = rhltable_lookup(&en->spd.table, &key, table_params);
		rhl_for_each_entry_rcu(policy, node, list, node) {
			if (!decides(policy, gen) || (best && !precedes(policy, best)))
				continue;
			m = espm_selector_match(&policy->sel, flow);
			if (m == ESPM_MISS)
				continue;
			best = policy;
			*match = m;
		}
	}
	return best;
}

static u32 hash4(u8 dir, __be32 src, __be32 dst, u8 proto, u16 sport, u16 dport)
{
	return (__force u32)src + 3 * (__force u32)dst + sport + (dport << 16) + proto +
	       (dir << 8);
}

static u32 hash_of(u8 dir, const struct espm_flow *flow)
{
	u32 sum = hash4(dir, flow->src.v4, flow->dst.v4, flow->proto, flow->sport, flow->dport);
	u8 i;

	if (flow->family == AF_INET6)
		for (i = 1; i < ARRAY_SIZE(flow->src.w); i++)
			sum = 5 * sum + (__force u32)flow->src.w[i] +
			      3 * (__force u32)flow->dst.w[i];
	return hash_32(sum, ilog2(ESPM_SPD_SLOTS));
}

static bool is_same(const struct espm_flow *a, const struct espm_flow *b)
{
	if (a->family != b->family || a->proto != b->proto || a->sport != b->sport ||
	    a->dport != b->dport || a->ports != b->ports || a->vital != b->vital)
		return false;
	if (a->family == AF_INET)
		return a->src.v4 == b->src.v4 && a->dst.v4 == b->dst.v4;
	return ipv6_addr_equal(&a->src.v6, &b->src.v6) && ipv6_addr_equal(&a->dst.v6, &b->dst.v6);
}

/**
 * espm_spd_recall_rcu() - what was decided lately for packets of a flow
 * @en: the namespace
 * @dir: enum espm_direction
 * @gen: the generation in which the packet is judged
 * @brief: the flow
 * @policy: result: the policy, borrowed, or NULL if none matches
 *
 * As espm_spd_match_rcu(), where it has gone before; it spares a packet the
 * reading of what is the same in all of them (130 instructions, three times for
 * each packet from gateway to gateway).
 *
 * Context: softirqs off, under rcu_read_lock().
 * Return: false if nothing is known.
 */
bool espm_spd_recall_rcu(struct espm_net *en, u8 dir, unsigned long gen,
			 const struct espm_brief *brief, struct espm_policy **policy)
{
	struct espm_spd_cache __percpu *cache = READ_ONCE(en->spd.cache);
	const struct espm_spd_slot *slot;
	const struct espm_flow *flow;
	bool known;
	u32 sum;

	if (!cache)
		return false;
	lockdep_assert(in_softirq());
	sum = hash4(dir, brief->src, brief->dst, brief->proto, brief->sport, brief->dport);
	slot = &this_cpu_ptr(cache)->slot[hash_32(sum, ilog2(ESPM_SPD_SLOTS))];
	flow = &slot->flow;
	espm_local_lock(&cache->lock);
	known = slot->gen == gen && slot->dir == dir &&
		flow->src.v4 == brief->src && flow->dst.v4 == brief->dst &&
		flow->sport == brief->sport && flow->dport == brief->dport &&
		flow->proto == brief->proto && flow->family == AF_INET &&
		flow->ports == ESPM_PORTS_SEEN && !flow->vital;
	if (known)
		*policy = slot->policy;
	espm_local_unlock(&cache->lock);
	return known;
}

/**
 * espm_spd_match_rcu() - the policy that decides a packet
 * @en: the namespace
 * @dir: enum espm_direction
 * @gen: the generation in which the packet is judged
 * @flow: the packet's values
 * @match: result: whether it matches, or would if no ports were hidden
 *
 * A CPU remembers what it has decided lately, which spares it nine tenths of
 * the search (350 of 400 instructions for one class). There are few slots, and
 * whoever sends many flows makes others search, no more.
 *
 * Context: softirqs off, under rcu_read_lock().
 * Return: the policy, borrowed, or NULL if none matches.
 */
struct espm_policy *espm_spd_match_rcu(struct espm_net *en, u8 dir, unsigned long gen,
				       const struct espm_flow *flow, enum espm_match *match)
{
	struct espm_spd_cache __percpu *cache;
	struct espm_policy *policy;
	struct espm_spd_slot *slot;
	bool known;
	u8 m;

	*match = ESPM_MISS;
	cache = READ_ONCE(en->spd.cache);
	if (!cache)
		return NULL;
	lockdep_assert(in_softirq());

	slot = &this_cpu_ptr(cache)->slot[hash_of(dir, flow)];
	espm_local_lock(&cache->lock);
	known = slot->gen == gen && slot->dir == dir && is_same(&slot->flow, flow);
	policy = slot->policy;
	m = slot->match;
	espm_local_unlock(&cache->lock);
	if (!known) {
		policy = search(en, dir, gen, flow, &m);
		espm_local_lock(&cache->lock);
		*slot = (struct espm_spd_slot){
			.gen = gen, .policy = policy, .flow = *flow, .dir = dir, .match = m,
		};
		espm_local_unlock(&cache->lock);
	}
	*match = m;
	return policy;
}

/**
 * espm_spd_find_id_rcu() - a policy by its number
 * @en: the namespace
 * @id: the number
 *
 * Context: any, under rcu_read_lock().
 * Return: the policy, borrowed, or NULL.
 */
struct espm_policy *espm_spd_find_id_rcu(struct espm_net *en, u32 id)
{
	return xa_load(&en->spd.by_id, id);
}

/**
 * espm_spd_next_rcu() - walk through the policies
 * @en: the namespace
 * @id: where to begin; becomes the number of the policy found
 *
 * Context: any, under rcu_read_lock().
 * Return: the first policy from there on, borrowed, or NULL.
 */
struct espm_policy *espm_spd_next_rcu(struct espm_net *en, unsigned long *id)
{
	return xa_find(&en->spd.by_id, id, ULONG_MAX, XA_PRESENT);
}

/**
 * espm_policy_hits() - packets that a policy decided
 * @policy: the policy
 *
 * Return: their number, of all CPUs.
 */
u64 espm_policy_hits(const struct espm_policy *policy)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(policy->hits, cpu));
	return sum;
}
