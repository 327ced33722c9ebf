// SPDX-License-Identifier: GPL-2.0
/* Selectors against a matcher that compares bytes, in a world small enough to hit often. */
#include <kunit/test.h>
#include <linux/in.h>
#include <linux/socket.h>
#include <linux/string.h>
#include "../esp_mod/selector.h"
#include "fixture.h"

enum {
	ROUNDS		= 40000,
	RARELY_MET	= 200,
};

static u32 bytes_of(u8 family)
{
	return family == AF_INET ? 4 : 16;
}

static const u8 *bytes(const union espm_addr *a)
{
	return (const u8 *)a;
}

static bool bit(const union espm_addr *a, u32 i)
{
	return bytes(a)[i / 8] >> (7 - i % 8) & 1;
}

/* Few addresses, which differ in their first byte, in the middle and at the end */
static void random_addr(struct rnd_state *rnd, union espm_addr *a, u8 family)
{
	u8 *at = (u8 *)a;
	u32 n = bytes_of(family);

	memset(a, 0, sizeof(*a));
	at[0] = fixture_pick(rnd, 4) ? 0x7f : 0x80;
	at[n / 2] = fixture_pick(rnd, 2);
	at[n - 1] = fixture_pick(rnd, 4) * 85;
}

static bool naive_in_range(const union espm_addr *first, const union espm_addr *last,
			   const union espm_addr *addr, u8 family)
{
	return memcmp(first, addr, bytes_of(family)) <= 0 &&
	       memcmp(addr, last, bytes_of(family)) <= 0;
}

/* The rules of selector.h one after the other */
static enum espm_match naive_match(const struct espm_selector *sel, const struct espm_flow *flow)
{
	bool any_sport = sel->sport_first == 0 && sel->sport_last == 65535;
	bool any_dport = sel->dport_first == 0 && sel->dport_last == 65535;
	bool any_ports = any_sport && any_dport;

	if (sel->family != 0) {
		if (sel->family != flow->family)
			return ESPM_MISS;
		if (!naive_in_range(&sel->src_first, &sel->src_last, &flow->src, flow->family))
			return ESPM_MISS;
		if (!naive_in_range(&sel->dst_first, &sel->dst_last, &flow->dst, flow->family))
			return ESPM_MISS;
	}
	if (!sel->any_proto && sel->proto != flow->proto)
		return ESPM_MISS;
	if (flow->vital) {
		/* The protocol must be named, and for IKE its ports too. */
		if (sel->any_proto)
			return ESPM_MISS;
		if (flow->proto != IPPROTO_ICMPV6 && any_ports)
			return ESPM_MISS;
	}
	if (any_ports)
		return ESPM_MATCH;
	if (flow->ports == ESPM_PORTS_HIDDEN)
		return ESPM_BLIND;
	if (flow->ports == ESPM_PORTS_NONE)
		return ESPM_MISS;
	if (flow->sport < sel->sport_first || flow->sport > sel->sport_last)
		return ESPM_MISS;
	if (flow->dport < sel->dport_first || flow->dport > sel->dport_last)
		return ESPM_MISS;
	return ESPM_MATCH;
}

static const u8 protos[] = { IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMPV6, IPPROTO_ESP };
static const u16 some_ports[] = { 0, 1, 499, 500, 501, 65534, 65535 };

static u16 random_port(struct rnd_state *rnd)
{
	return some_ports[fixture_pick(rnd, ARRAY_SIZE(some_ports))];
}

static void random_range(struct rnd_state *rnd, u16 *first, u16 *last)
{
	*first = 0;
	*last = 65535;
	if (!fixture_pick(rnd, 3))
		*first = random_port(rnd);
	if (!fixture_pick(rnd, 3))
		*last = random_port(rnd);
	if (*first > *last)
		swap(*first, *last);
}

static void random_addrs(struct rnd_state *rnd, union espm_addr *first, union espm_addr *last,
			 u8 family)
{
	random_addr(rnd, first, family);
	random_addr(rnd, last, family);
	if (memcmp(first, last, sizeof(*first)) > 0)
		swap(*first, *last);
}

static void random_selector(struct rnd_state *rnd, struct espm_selector *sel)
{
	static const u8 families[] = { 0, AF_INET, AF_INET, AF_INET6, AF_INET6 };

	espm_selector_any(sel, families[fixture_pick(rnd, ARRAY_SIZE(families))]);
	if (sel->family) {
		if (fixture_pick(rnd, 3))
			random_addrs(rnd, &sel->src_first, &sel->src_last, sel->family);
		if (fixture_pick(rnd, 3))
			random_addrs(rnd, &sel->dst_first, &sel->dst_last, sel->family);
	}
	sel->any_proto = fixture_pick(rnd, 2);
	sel->proto = protos[fixture_pick(rnd, ARRAY_SIZE(protos))];
	random_range(rnd, &sel->sport_first, &sel->sport_last);
	random_range(rnd, &sel->dport_first, &sel->dport_last);
}

static void random_flow(struct rnd_state *rnd, struct espm_flow *flow)
{
	memset(flow, 0, sizeof(*flow));
	flow->family = fixture_pick(rnd, 2) ? AF_INET : AF_INET6;
	random_addr(rnd, &flow->src, flow->family);
	random_addr(rnd, &flow->dst, flow->family);
	flow->proto = protos[fixture_pick(rnd, ARRAY_SIZE(protos))];
	flow->ports = fixture_pick(rnd, 3);
	/* Without ports nobody can tell that a packet is vital. */
	if (flow->ports == ESPM_PORTS_SEEN) {
		flow->vital = !fixture_pick(rnd, 3);
		flow->sport = random_port(rnd);
		flow->dport = random_port(rnd);
	}
}

static void random_selectors(struct kunit *test)
{
	u32 i, met[2][3] = {};
	struct espm_selector sel;
	struct espm_flow flow;
	struct rnd_state rnd;
	enum espm_match want;

	fixture_seed(&rnd);
	for (i = 0; i < ROUNDS; i++) {
		random_selector(&rnd, &sel);
		random_flow(&rnd, &flow);
		want = naive_match(&sel, &flow);
		met[flow.family == AF_INET6][want]++;
		KUNIT_ASSERT_EQ_MSG(test, espm_selector_match(&sel, &flow), want,
				    "round %u: %pI6c-%pI6c > %pI6c-%pI6c proto %u%s, flow %pI6c > %pI6c family %u proto %u ports %u %u/%u vital %u",
				    i, &sel.src_first, &sel.src_last, &sel.dst_first, &sel.dst_last,
				    sel.proto, sel.any_proto ? " or any" : "", &flow.src, &flow.dst,
				    flow.family, flow.proto, flow.ports, flow.sport, flow.dport,
				    flow.vital);
	}
	for (i = 0; i < 6; i++)
		KUNIT_EXPECT_GT(test, met[i / 3][i % 3], RARELY_MET);
}

/* An any-any selector takes every packet but the vital ones. */
static void any_takes_all_but_vital(struct kunit *test)
{
	struct espm_selector both, own, other;
	struct espm_flow flow;
	struct rnd_state rnd;
	u32 i;

	fixture_seed(&rnd);
	espm_selector_any(&both, 0);
	for (i = 0; i < 2000; i++) {
		random_flow(&rnd, &flow);
		espm_selector_any(&own, flow.family);
		espm_selector_any(&other, flow.family == AF_INET ? AF_INET6 : AF_INET);
		KUNIT_ASSERT_EQ(test, espm_selector_match(&both, &flow),
				flow.vital ? ESPM_MISS : ESPM_MATCH);
		KUNIT_ASSERT_EQ(test, espm_selector_match(&own, &flow),
				flow.vital ? ESPM_MISS : ESPM_MATCH);
		KUNIT_ASSERT_EQ(test, espm_selector_match(&other, &flow), ESPM_MISS);
	}
}

static void vital_is_taken_by_name(struct kunit *test)
{
	struct espm_flow nd = {
		.family = AF_INET6, .proto = IPPROTO_ICMPV6, .ports = ESPM_PORTS_SEEN,
		.sport = 135 << 8, .vital = true,
	};
	struct espm_flow ike = {
		.family = AF_INET, .proto = IPPROTO_UDP, .ports = ESPM_PORTS_SEEN,
		.sport = 500, .dport = 500, .vital = true,
	};
	struct espm_selector sel;

	espm_selector_any(&sel, 0);
	sel.any_proto = false;
	sel.proto = IPPROTO_ICMPV6;
	KUNIT_EXPECT_EQ(test, espm_selector_match(&sel, &nd), ESPM_MATCH);
	KUNIT_EXPECT_EQ(test, espm_selector_match(&sel, &ike), ESPM_MISS);

	/* All of UDP does not name IKE; its ports do. */
	sel.proto = IPPROTO_UDP;
	KUNIT_EXPECT_EQ(test, espm_selector_match(&sel, &nd), ESPM_MISS);
	KUNIT_EXPECT_EQ(test, espm_selector_match(&sel, &ike), ESPM_MISS);
	sel.dport_first = 500;
	sel.dport_last = 500;
	KUNIT_EXPECT_EQ(test, espm_selector_match(&sel, &ike), ESPM_MATCH);
	ike.dport = 501;
	KUNIT_EXPECT_EQ(test, espm_selector_match(&sel, &ike), ESPM_MISS);
	ike.dport = 500;
	sel.any_proto = true;
	KUNIT_EXPECT_EQ(test, espm_selector_match(&sel, &ike), ESPM_MISS);
}

static void edges_of_ranges(struct kunit *test)
{
	struct espm_flow flow = {
		.family = AF_INET, .proto = IPPROTO_TCP, .ports = ESPM_PORTS_SEEN,
		.dst.v4 = cpu_to_be32(0x0a000001),
	};
	struct espm_selector sel;
	/* An order of bytes that a little-endian comparison gets wrong */
	static const struct {
		u32 addr;
		enum espm_match match;
	} rows[] = {
		{ 0x0a0000fe, ESPM_MISS }, { 0x0a0000ff, ESPM_MATCH }, { 0x0a000100, ESPM_MATCH },
		{ 0x0a010001, ESPM_MATCH }, { 0x0a010002, ESPM_MISS }, { 0, ESPM_MISS },
		{ 0xffffffff, ESPM_MISS }, { 0xff00000a, ESPM_MISS },
	};
	u32 i;

	espm_selector_any(&sel, AF_INET);
	sel.src_first.v4 = cpu_to_be32(0x0a0000ff);
	sel.src_last.v4 = cpu_to_be32(0x0a010001);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		flow.src.v4 = cpu_to_be32(rows[i].addr);
		KUNIT_EXPECT_EQ_MSG(test, espm_selector_match(&sel, &flow), rows[i].match, "%pI4",
				    &flow.src);
	}
}

static void order_and_common_prefix(struct kunit *test)
{
	struct rnd_state rnd;
	union espm_addr a, b;
	u32 i, same, got;
	u8 family;
	int cmp;

	fixture_seed(&rnd);
	for (i = 0; i < ROUNDS / 4; i++) {
		family = fixture_pick(&rnd, 2) ? AF_INET : AF_INET6;
		prandom_bytes_state(&rnd, &a, sizeof(a));
		b = a;
		/* One bit differs, or none; in IPv4 it may be one that doesn't count. */
		if (fixture_pick(&rnd, 8))
			((u8 *)&b)[fixture_pick(&rnd, 16)] ^= 1 << fixture_pick(&rnd, 8);
		if (fixture_pick(&rnd, 2))
			prandom_bytes_state(&rnd, (u8 *)&b + 3, 13);

		cmp = memcmp(&a, &b, bytes_of(family));
		got = espm_addr_cmp(&a, &b, family);
		KUNIT_ASSERT_EQ_MSG(test, (int)got < 0 ? -1 : got > 0, cmp < 0 ? -1 : cmp > 0,
				    "%pI6c %pI6c family %u", &a, &b, family);

		for (same = 0; same < 8 * bytes_of(family); same++)
			if (bit(&a, same) != bit(&b, same))
				break;
		KUNIT_ASSERT_EQ_MSG(test, espm_addr_common(&a, &b, family), same,
				    "%pI6c %pI6c family %u", &a, &b, family);
	}
	/* The ends, where a shift by the width of a word would lurk */
	memset(&a, 0, sizeof(a));
	KUNIT_EXPECT_EQ(test, espm_addr_common(&a, &a, AF_INET), 32);
	KUNIT_EXPECT_EQ(test, espm_addr_common(&a, &a, AF_INET6), 128);
	memset(&b, 0xff, sizeof(b));
	KUNIT_EXPECT_EQ(test, espm_addr_common(&a, &b, AF_INET), 0);
	KUNIT_EXPECT_EQ(test, espm_addr_common(&a, &b, AF_INET6), 0);
}

static void mask_keeps_the_prefix(struct kunit *test)
{
	union espm_addr in, out, ones;
	struct rnd_state rnd;
	u32 plen, i;

	fixture_seed(&rnd);
	espm_addr_fill_ones(&ones, AF_INET6);
	for (plen = 0; plen <= 128; plen++) {
		prandom_bytes_state(&rnd, &in, sizeof(in));
		memset(&out, 0xa5, sizeof(out));
		espm_addr_mask(&out, &in, plen);
		for (i = 0; i < 128; i++)
			KUNIT_ASSERT_EQ_MSG(test, bit(&out, i), i < plen && bit(&in, i),
					    "prefix %u, bit %u", plen, i);
		espm_addr_mask(&out, &ones, plen);
		KUNIT_ASSERT_EQ(test, espm_addr_common(&out, &ones, AF_INET6), plen);
		/* In place, too */
		espm_addr_mask(&in, &in, plen);
		for (i = plen; i < 128; i++)
			KUNIT_ASSERT_FALSE(test, bit(&in, i));
	}
}

static void ones_fill_a_family(struct kunit *test)
{
	union espm_addr a;
	u32 i;

	memset(&a, 0xa5, sizeof(a));
	espm_addr_fill_ones(&a, AF_INET);
	for (i = 0; i < 16; i++)
		KUNIT_EXPECT_EQ(test, bytes(&a)[i], i < 4 ? 0xff : 0);
	espm_addr_fill_ones(&a, AF_INET6);
	for (i = 0; i < 16; i++)
		KUNIT_EXPECT_EQ(test, bytes(&a)[i], 0xff);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(random_selectors),
	KUNIT_CASE(any_takes_all_but_vital),
	KUNIT_CASE(vital_is_taken_by_name),
	KUNIT_CASE(edges_of_ranges),
	KUNIT_CASE(order_and_common_prefix),
	KUNIT_CASE(mask_keeps_the_prefix),
	KUNIT_CASE(ones_fill_a_family),
	{}
};

static struct kunit_suite suite = {
	.name = "esp_mod_selector",
	.test_cases = cases,
};

kunit_test_suites(&suite);
