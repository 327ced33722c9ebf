// SPDX-License-Identifier: GPL-2.0
/* The policy database against a list that is read from its beginning to its end. */
#include <kunit/test.h>
#include <linux/in.h>
#include <linux/socket.h>
#include <linux/string.h>
#include "../esp_mod/spd.h"
#include "fixture.h"

enum {
	ALIVE_MAX	= 1500,
	ROUNDS		= 4500,
	LOOKUPS		= 1,
	RARELY_MET	= 20,
};

/**
 * struct entry - what the oracle knows of a policy
 * @sel: its selector
 * @id: its number
 * @priority: the smallest wins
 * @dir: enum espm_direction
 */
struct entry {
	struct espm_selector sel;
	u32 id;
	u32 priority;
	u8 dir;
};

struct oracle {
	struct entry entry[ALIVE_MAX];
	u32 n;
};

static const struct entry *ask_oracle(const struct oracle *o, u8 dir, const struct espm_flow *flow,
				      enum espm_match *match)
{
	const struct entry *e, *best = NULL;
	enum espm_match m;

	*match = ESPM_MISS;
	for (e = o->entry; e < o->entry + o->n; e++) {
		if (e->dir != dir)
			continue;
		if (best && (e->priority > best->priority ||
			     (e->priority == best->priority && e->id > best->id)))
			continue;
		m = espm_selector_match(&e->sel, flow);
		if (m == ESPM_MISS)
			continue;
		best = e;
		*match = m;
	}
	return best;
}

/* 10.x.y.z or 2001:db8::x:y:z with small x, y and z */
static void random_addr(struct rnd_state *rnd, union espm_addr *a, u8 family)
{
	u8 *at = (u8 *)a;

	memset(a, 0, sizeof(*a));
	if (family == AF_INET) {
		at[0] = 10;
		at[1] = fixture_pick(rnd, 4);
		at[2] = fixture_pick(rnd, 4);
		at[3] = fixture_pick(rnd, 4);
	} else {
		at[0] = 0x20;
		at[1] = 0x01;
		at[7] = fixture_pick(rnd, 4);
		at[8] = fixture_pick(rnd, 4);
		at[15] = fixture_pick(rnd, 4);
	}
}

/* A prefix, a range that is none, or one address */
static void random_addrs(struct rnd_state *rnd, union espm_addr *first, union espm_addr *last,
			 u8 family)
{
	union espm_addr host, ones;
	u32 i, plen;

	random_addr(rnd, first, family);
	*last = *first;
	switch (fixture_pick(rnd, 4)) {
	case 0:
		random_addr(rnd, last, family);
		if (memcmp(first, last, sizeof(*first)) > 0)
			swap(*first, *last);
		break;
	case 1:
		break;
	default:
		plen = fixture_pick(rnd, family == AF_INET ? 33 : 129);
		espm_addr_fill_ones(&ones, family);
		espm_addr_mask(&host, &ones, plen);
		for (i = 0; i < 4; i++) {
			first->w[i] &= host.w[i];
			last->w[i] |= ones.w[i] & ~host.w[i];
		}
	}
}

static const u8 protos[] = { IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMPV6 };

static void random_policy(struct rnd_state *rnd, struct espm_policy *p)
{
	static const u8 families[] = { 0, AF_INET, AF_INET, AF_INET, AF_INET6, AF_INET6, AF_INET6 };
	struct espm_selector *sel = &p->sel;

	memset(p, 0, sizeof(*p));
	/* Those for both families take too much to be many. */
	espm_selector_any(sel, families[fixture_pick(rnd, 50) ? 1 + fixture_pick(rnd, 6) : 0]);
	if (sel->family) {
		random_addrs(rnd, &sel->src_first, &sel->src_last, sel->family);
		random_addrs(rnd, &sel->dst_first, &sel->dst_last, sel->family);
	}
	sel->any_proto = !fixture_pick(rnd, 4);
	sel->proto = protos[fixture_pick(rnd, ARRAY_SIZE(protos))];
	if (!fixture_pick(rnd, 2)) {
		sel->dport_first = fixture_pick(rnd, 4);
		sel->dport_last = sel->dport_first + fixture_pick(rnd, 4);
	}
	p->dir = fixture_pick(rnd, 2) ? ESPM_DIR_OUT : ESPM_DIR_IN;
	p->priority = fixture_pick(rnd, 12);
	p->action = fixture_pick(rnd, ESPM_ACTION_MAX + 1);
	p->reqid = 1 + fixture_pick(rnd, 50);
}

static void random_flow(struct rnd_state *rnd, struct espm_flow *flow)
{
	memset(flow, 0, sizeof(*flow));
	flow->family = fixture_pick(rnd, 2) ? AF_INET : AF_INET6;
	random_addr(rnd, &flow->src, flow->family);
	random_addr(rnd, &flow->dst, flow->family);
	flow->proto = protos[fixture_pick(rnd, ARRAY_SIZE(protos))];
	flow->ports = fixture_pick(rnd, 4) ? ESPM_PORTS_SEEN : ESPM_PORTS_HIDDEN;
	if (flow->ports == ESPM_PORTS_SEEN) {
		flow->dport = fixture_pick(rnd, 8);
		flow->vital = !fixture_pick(rnd, 8);
	}
}

/* Number of the policy that decides, 0 if there is none */
static u32 match(struct espm_net *en, u8 dir, const struct espm_flow *flow, enum espm_match *m)
{
	struct espm_policy *policy;
	u32 id;

	local_bh_disable();
	rcu_read_lock();
	policy = espm_spd_match_rcu(en, dir, espm_spd_generation(&en->spd), flow, m);
	id = policy ? policy->id : 0;
	rcu_read_unlock();
	local_bh_enable();
	return id;
}

static int add(struct espm_net *en, const struct espm_policy *wanted, u32 *id)
{
	struct espm_policy *policy;

	mutex_lock(&en->lock);
	policy = espm_spd_stage(en, wanted, NULL);
	if (policy) {
		espm_spd_publish(en, policy);
		espm_spd_turn(en);
		*id = policy->id;
	}
	mutex_unlock(&en->lock);
	return policy ? 0 : -ENOMEM;
}

/* False if there is no such policy */
static bool del(struct espm_net *en, u32 id)
{
	struct espm_policy *policy;

	mutex_lock(&en->lock);
	rcu_read_lock();
	policy = espm_spd_find_id_rcu(en, id);
	rcu_read_unlock();
	if (policy) {
		espm_spd_doom(en, policy);
		espm_spd_turn(en);
		espm_spd_bury(en, policy);
		espm_spd_trim(en);
	}
	mutex_unlock(&en->lock);
	return policy;
}

static void compare(struct kunit *test, const struct oracle *o, struct rnd_state *rnd, u32 *met)
{
	struct espm_net *en = test->priv;
	enum espm_match want, got;
	const struct entry *best;
	struct espm_flow flow;
	u8 dir;
	u32 id;

	random_flow(rnd, &flow);
	dir = fixture_pick(rnd, 2) ? ESPM_DIR_OUT : ESPM_DIR_IN;
	best = ask_oracle(o, dir, &flow, &want);
	id = match(en, dir, &flow, &got);
	KUNIT_ASSERT_EQ_MSG(test, id, best ? best->id : 0, "of %u, dir %u, %pI6c > %pI6c family %u",
			    o->n, dir, &flow.src, &flow.dst, flow.family);
	KUNIT_ASSERT_EQ(test, got, want);
	met[want]++;
}

static void random_policies(struct kunit *test)
{
	struct oracle *o = kunit_kzalloc(test, sizeof(*o), GFP_KERNEL);
	struct espm_net *en = test->priv;
	u32 round, i, at, met[3] = {};
	struct espm_policy *wanted;
	struct rnd_state rnd;
	struct entry *e;

	KUNIT_ASSERT_NOT_NULL(test, o);
	wanted = kunit_kzalloc(test, sizeof(*wanted), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, wanted);
	fixture_seed(&rnd);

	for (round = 0; round < ROUNDS; round++) {
		/* It grows, then shrinks, to nothing at last. */
		if (o->n < ALIVE_MAX && fixture_pick(&rnd, ROUNDS) * 6 > round * 5) {
			e = &o->entry[o->n];
			random_policy(&rnd, wanted);
			KUNIT_ASSERT_EQ(test, add(en, wanted, &e->id), 0);
			e->sel = wanted->sel;
			e->priority = wanted->priority;
			e->dir = wanted->dir;
			o->n++;
		} else if (o->n) {
			at = fixture_pick(&rnd, o->n);
			KUNIT_ASSERT_TRUE(test, del(en, o->entry[at].id));
			KUNIT_ASSERT_FALSE(test, del(en, o->entry[at].id));
			o->entry[at] = o->entry[--o->n];
		}
		for (i = 0; i < LOOKUPS; i++)
			compare(test, o, &rnd, met);
	}
	while (o->n) {
		KUNIT_ASSERT_TRUE(test, del(en, o->entry[--o->n].id));
		compare(test, o, &rnd, met);
	}
	for (i = 0; i < ARRAY_SIZE(met); i++)
		KUNIT_EXPECT_GT(test, met[i], RARELY_MET);
	KUNIT_EXPECT_NULL(test, rcu_access_pointer(en->spd.classes[ESPM_DIR_IN]));
	KUNIT_EXPECT_NULL(test, rcu_access_pointer(en->spd.classes[ESPM_DIR_OUT]));
}

static void first_of_equals_wins(struct kunit *test)
{
	struct espm_policy wanted = { .dir = ESPM_DIR_OUT, .priority = 5 };
	struct espm_flow flow = { .family = AF_INET, .proto = IPPROTO_UDP };
	struct espm_net *en = test->priv;
	u32 general, special, urgent;
	enum espm_match m;

	KUNIT_EXPECT_EQ(test, match(en, ESPM_DIR_OUT, &flow, &m), 0);

	/* The longer prefix is no better than what was there before. */
	espm_selector_any(&wanted.sel, 0);
	KUNIT_ASSERT_EQ(test, add(en, &wanted, &general), 0);
	espm_selector_any(&wanted.sel, AF_INET);
	memset(&wanted.sel.src_last, 0, sizeof(wanted.sel.src_last));
	KUNIT_ASSERT_EQ(test, add(en, &wanted, &special), 0);
	KUNIT_EXPECT_EQ(test, match(en, ESPM_DIR_OUT, &flow, &m), general);
	wanted.priority = 4;
	KUNIT_ASSERT_EQ(test, add(en, &wanted, &urgent), 0);
	KUNIT_EXPECT_EQ(test, match(en, ESPM_DIR_OUT, &flow, &m), urgent);
	KUNIT_EXPECT_EQ(test, match(en, ESPM_DIR_IN, &flow, &m), 0);

	KUNIT_EXPECT_TRUE(test, del(en, urgent));
	KUNIT_EXPECT_EQ(test, match(en, ESPM_DIR_OUT, &flow, &m), general);
	KUNIT_EXPECT_TRUE(test, del(en, general));
	KUNIT_EXPECT_EQ(test, match(en, ESPM_DIR_OUT, &flow, &m), special);
	flow.src.v4 = cpu_to_be32(1);
	KUNIT_EXPECT_EQ(test, match(en, ESPM_DIR_OUT, &flow, &m), 0);
}

/* A policy that asks for hidden ports decides before a later one that does not. */
static void blind_is_not_passed_over(struct kunit *test)
{
	struct espm_flow flow = {
		.family = AF_INET, .proto = IPPROTO_UDP, .ports = ESPM_PORTS_HIDDEN,
	};
	struct espm_policy wanted = { .dir = ESPM_DIR_OUT, .priority = 1 };
	struct espm_net *en = test->priv;
	u32 asks, takes_all;
	enum espm_match m;

	espm_selector_any(&wanted.sel, AF_INET);
	wanted.sel.dport_first = 53;
	wanted.sel.dport_last = 53;
	KUNIT_ASSERT_EQ(test, add(en, &wanted, &asks), 0);
	espm_selector_any(&wanted.sel, AF_INET);
	wanted.priority = 2;
	KUNIT_ASSERT_EQ(test, add(en, &wanted, &takes_all), 0);

	KUNIT_EXPECT_EQ(test, match(en, ESPM_DIR_OUT, &flow, &m), asks);
	KUNIT_EXPECT_EQ(test, m, ESPM_BLIND);
	flow.ports = ESPM_PORTS_SEEN;
	flow.dport = 54;
	KUNIT_EXPECT_EQ(test, match(en, ESPM_DIR_OUT, &flow, &m), takes_all);
	KUNIT_EXPECT_EQ(test, m, ESPM_MATCH);
}

/* Policies of a reqid share one link; a policy that protects nothing has none. */
static void links_are_shared_and_go(struct kunit *test)
{
	struct espm_policy wanted = { .dir = ESPM_DIR_OUT, .reqid = 7 };
	struct espm_policy *first, *second, *bypass;
	struct espm_net *en = test->priv;
	u32 id[3];

	espm_selector_any(&wanted.sel, AF_INET);
	wanted.action = ESPM_ACTION_PROTECT;
	KUNIT_ASSERT_EQ(test, add(en, &wanted, &id[0]), 0);
	KUNIT_ASSERT_EQ(test, add(en, &wanted, &id[1]), 0);
	wanted.action = ESPM_ACTION_BYPASS;
	KUNIT_ASSERT_EQ(test, add(en, &wanted, &id[2]), 0);

	rcu_read_lock();
	first = espm_spd_find_id_rcu(en, id[0]);
	second = espm_spd_find_id_rcu(en, id[1]);
	bypass = espm_spd_find_id_rcu(en, id[2]);
	rcu_read_unlock();
	KUNIT_ASSERT_TRUE(test, first && second && bypass);
	KUNIT_EXPECT_PTR_EQ(test, first->link, second->link);
	KUNIT_ASSERT_NOT_NULL(test, first->link);
	KUNIT_EXPECT_EQ(test, first->link->users, 2);
	KUNIT_EXPECT_EQ(test, first->link->reqid, 7);
	KUNIT_EXPECT_NULL(test, bypass->link);
	KUNIT_EXPECT_EQ(test, espm_policy_hits(first), 0ULL);
	per_cpu_ptr(first->hits, cpumask_first(cpu_possible_mask))[0] += 2;
	per_cpu_ptr(first->hits, cpumask_last(cpu_possible_mask))[0] += 3;
	KUNIT_EXPECT_EQ(test, espm_policy_hits(first), 5ULL);

	KUNIT_EXPECT_TRUE(test, del(en, id[0]));
	KUNIT_EXPECT_EQ(test, second->link->users, 1);
	KUNIT_EXPECT_TRUE(test, del(en, id[1]));
	KUNIT_EXPECT_EQ(test, atomic_read(&en->sad.links.nelems), 0);
}

static void walk_goes_by_number(struct kunit *test)
{
	struct espm_policy wanted = { .dir = ESPM_DIR_IN };
	struct espm_net *en = test->priv;
	struct espm_policy *policy;
	unsigned long at = 0;
	u32 id[10], i, seen;

	espm_selector_any(&wanted.sel, AF_INET6);
	for (i = 0; i < ARRAY_SIZE(id); i++)
		KUNIT_ASSERT_EQ(test, add(en, &wanted, &id[i]), 0);
	KUNIT_EXPECT_TRUE(test, del(en, id[0]));
	KUNIT_EXPECT_TRUE(test, del(en, id[5]));

	for (i = 1; i < ARRAY_SIZE(id); i++) {
		if (i == 5)
			continue;
		rcu_read_lock();
		policy = espm_spd_next_rcu(en, &at);
		seen = policy ? policy->id : 0;
		rcu_read_unlock();
		KUNIT_EXPECT_EQ(test, seen, id[i]);
		KUNIT_EXPECT_EQ(test, at, (unsigned long)id[i]);
		at++;
	}
	rcu_read_lock();
	policy = espm_spd_next_rcu(en, &at);
	rcu_read_unlock();
	KUNIT_EXPECT_NULL(test, policy);
}

/* What is prepared decides from the turn on, and what is doomed until then, both at once. */
static void changes_turn_together(struct kunit *test)
{
	struct espm_policy wanted = { .dir = ESPM_DIR_OUT, .priority = 5 };
	struct espm_flow flow = { .family = AF_INET, .proto = IPPROTO_UDP };
	struct espm_policy *old, *new, *vain;
	struct espm_net *en = test->priv;
	enum espm_match m;
	u32 was, is;

	espm_selector_any(&wanted.sel, AF_INET);
	KUNIT_ASSERT_EQ(test, add(en, &wanted, &was), 0);
	mutex_lock(&en->lock);
	rcu_read_lock();
	old = espm_spd_find_id_rcu(en, was);
	rcu_read_unlock();
	wanted.priority = 4;
	new = espm_spd_stage(en, &wanted, NULL);
	wanted.priority = 3;
	vain = espm_spd_stage(en, &wanted, NULL);
	KUNIT_ASSERT_TRUE(test, old && new && vain);
	espm_spd_doom(en, old);
	KUNIT_EXPECT_EQ(test, match(en, ESPM_DIR_OUT, &flow, &m), was);
	espm_spd_bury(en, vain);
	espm_spd_publish(en, new);
	is = new->id;
	KUNIT_EXPECT_EQ(test, match(en, ESPM_DIR_OUT, &flow, &m), was);
	espm_spd_turn(en);
	KUNIT_EXPECT_EQ(test, match(en, ESPM_DIR_OUT, &flow, &m), is);
	espm_spd_bury(en, old);
	KUNIT_EXPECT_EQ(test, match(en, ESPM_DIR_OUT, &flow, &m), is);

	/* Nothing but a turn makes a doom real, and it can be taken back before. */
	espm_spd_doom(en, new);
	espm_spd_spare(en, new);
	espm_spd_turn(en);
	KUNIT_EXPECT_EQ(test, match(en, ESPM_DIR_OUT, &flow, &m), is);
	mutex_unlock(&en->lock);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(changes_turn_together),
	KUNIT_CASE(random_policies),
	KUNIT_CASE(first_of_equals_wins),
	KUNIT_CASE(blind_is_not_passed_over),
	KUNIT_CASE(links_are_shared_and_go),
	KUNIT_CASE(walk_goes_by_number),
	{}
};

static struct kunit_suite suite = {
	.name = "esp_mod_spd",
	.suite_init = fixture_suite_init,
	.suite_exit = fixture_suite_exit,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = cases,
};

kunit_test_suites(&suite);
