// SPDX-License-Identifier: GPL-2.0
/* Inner and outer headers: ECN by the figure, lengths by every way to lie. */
#include <asm/unaligned.h>
#include <kunit/test.h>
#include <linux/in.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include "../esp_mod/hdr.h"

/* RFC 6040 figure 4, with the columns in the order of the RFC */
static void ecn_is_figure_4(struct kunit *test)
{
	static const u8 fields[4] = {
		ESPM_ECN_NOT_ECT, ESPM_ECN_ECT_0, ESPM_ECN_ECT_1, ESPM_ECN_CE,
	};
	static const u8 figure[4][4] = {
		{ ESPM_ECN_NOT_ECT, ESPM_ECN_NOT_ECT, ESPM_ECN_NOT_ECT, ESPM_ECN_INVALID },
		{ ESPM_ECN_ECT_0, ESPM_ECN_ECT_0, ESPM_ECN_ECT_1, ESPM_ECN_CE },
		{ ESPM_ECN_ECT_1, ESPM_ECN_ECT_1, ESPM_ECN_ECT_1, ESPM_ECN_CE },
		{ ESPM_ECN_CE, ESPM_ECN_CE, ESPM_ECN_CE, ESPM_ECN_CE },
	};
	u32 inner, outer, dscp, got;

	/* RFC 3168 section 5: the values on the wire */
	KUNIT_EXPECT_EQ(test, ESPM_ECN_NOT_ECT, 0);
	KUNIT_EXPECT_EQ(test, ESPM_ECN_ECT_1, 1);
	KUNIT_EXPECT_EQ(test, ESPM_ECN_ECT_0, 2);
	KUNIT_EXPECT_EQ(test, ESPM_ECN_CE, 3);

	/* Whatever DSCP says makes no difference. */
	for (inner = 0; inner < 4; inner++)
		for (outer = 0; outer < 4; outer++)
			for (dscp = 0; dscp < 64; dscp++) {
				got = espm_hdr_ecn_open(fields[inner] | dscp << 2,
							fields[outer] | (63 - dscp) << 2);
				KUNIT_ASSERT_EQ_MSG(test, got, figure[inner][outer],
						    "inner %u, outer %u", fields[inner],
						    fields[outer]);
			}
}

struct inner_row {
	const char *what;
	u8 next;
	u8 first;	/* version and, for IPv4, header length */
	u16 stated;	/* total length (IPv4) or payload length (IPv6) */
	u32 avail;
	int result;
};

static const struct inner_row inner_rows[] = {
	{ "v4 exact", IPPROTO_IPIP, 0x45, 100, 100, 100 },
	{ "v4 with TFC padding", IPPROTO_IPIP, 0x45, 100, 200, 100 },
	{ "v4 header alone", IPPROTO_IPIP, 0x45, 20, 20, 20 },
	{ "v4 with options", IPPROTO_IPIP, 0x4f, 60, 60, 60 },
	{ "v4 total one too long", IPPROTO_IPIP, 0x45, 101, 100, -EINVAL },
	{ "v4 total of 65535", IPPROTO_IPIP, 0x45, 65535, 100, -EINVAL },
	{ "v4 total of 0", IPPROTO_IPIP, 0x45, 0, 100, -EINVAL },
	{ "v4 total below header", IPPROTO_IPIP, 0x45, 19, 100, -EINVAL },
	{ "v4 total below options", IPPROTO_IPIP, 0x46, 23, 100, -EINVAL },
	{ "v4 options beyond packet", IPPROTO_IPIP, 0x4f, 60, 59, -EINVAL },
	{ "v4 header length 4", IPPROTO_IPIP, 0x44, 100, 100, -EINVAL },
	{ "v4 header length 0", IPPROTO_IPIP, 0x40, 100, 100, -EINVAL },
	{ "v4 cut header", IPPROTO_IPIP, 0x45, 19, 19, -EINVAL },
	{ "v4 nothing", IPPROTO_IPIP, 0x45, 20, 0, -EINVAL },
	{ "v4 announced, v6 inside", IPPROTO_IPIP, 0x65, 60, 100, -EINVAL },
	{ "v4 announced, version 5", IPPROTO_IPIP, 0x55, 100, 100, -EINVAL },
	{ "v6 exact", IPPROTO_IPV6, 0x60, 60, 100, 100 },
	{ "v6 with TFC padding", IPPROTO_IPV6, 0x60, 60, 200, 100 },
	{ "v6 header alone", IPPROTO_IPV6, 0x60, 0, 40, 40 },
	{ "v6 class and label", IPPROTO_IPV6, 0x6f, 60, 100, 100 },
	{ "v6 payload one too long", IPPROTO_IPV6, 0x60, 61, 100, -EINVAL },
	{ "v6 payload of 65535", IPPROTO_IPV6, 0x60, 65535, 100, -EINVAL },
	{ "v6 cut header", IPPROTO_IPV6, 0x60, 0, 39, -EINVAL },
	{ "v6 nothing", IPPROTO_IPV6, 0x60, 0, 0, -EINVAL },
	{ "v6 announced, v4 inside", IPPROTO_IPV6, 0x45, 60, 100, -EINVAL },
	{ "v6 announced, version 7", IPPROTO_IPV6, 0x70, 60, 100, -EINVAL },
};

static void describe_inner(const struct inner_row *row, char *desc)
{
	strscpy(desc, row->what, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(inner, inner_rows, describe_inner);

/* Nothing is read behind @avail: the packet's memory ends there. */
static void inner_len(struct kunit *test)
{
	const struct inner_row *row = test->param_value;
	u32 at = row->next == IPPROTO_IPIP ? 2 : 4;
	u8 head[40] = { row->first };
	u8 *packet;

	head[at] = row->stated >> 8;
	head[at + 1] = row->stated & 0xff;
	packet = kunit_kzalloc(test, row->avail, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, packet);
	memcpy(packet, head, min_t(u32, row->avail, sizeof(head)));
	if (row->result > 0 && row->next == IPPROTO_IPIP) {
		struct iphdr *ip = (struct iphdr *)packet;

		KUNIT_EXPECT_EQ(test, espm_hdr_inner_len(packet, row->avail, row->next), -EINVAL);
		ip->check = ip_fast_csum(ip, ip->ihl);
	}
	KUNIT_EXPECT_EQ(test, espm_hdr_inner_len(packet, row->avail, row->next), row->result);
}

static void tos_and_df(struct kunit *test)
{
	u8 v4[20] = { 0x45 };
	u8 v6[40] = { 0x60 };
	u32 tos, flags;

	for (tos = 0; tos < 256; tos++) {
		v4[1] = tos;
		KUNIT_EXPECT_EQ(test, espm_hdr_tos(v4), tos);
		/* Half in the first byte, half in the second, beside the flow label */
		v6[0] = 0x60 | tos >> 4;
		v6[1] = (tos & 0xf) << 4 | 0xf;
		KUNIT_EXPECT_EQ(test, espm_hdr_tos(v6), tos);
		KUNIT_EXPECT_TRUE(test, espm_hdr_df(v6));
	}

	/* Reserved, DF, MF, and the first bits of the offset */
	for (flags = 0; flags < 256; flags++) {
		v4[6] = flags;
		v4[7] = ~flags;
		KUNIT_EXPECT_EQ(test, espm_hdr_df(v4), (flags & 0x40) != 0);
	}
}

static void outer_v4_byte_by_byte(struct kunit *test)
{
	static const u8 want[20] = {
		0x45, 0xb9, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x3f, 0x32,
		0x00, 0x00, 0xc0, 0x00, 0x02, 0x01, 0xc6, 0x33, 0x64, 0x02,
	};
	union espm_addr src = { .v4 = cpu_to_be32(0xc0000201) };
	union espm_addr dst = { .v4 = cpu_to_be32(0xc6336402) };
	struct espm_hdr_outer outer = {
		.src = &src, .dst = &dst, .label = cpu_to_be32(0x12345),
		.tos = 0xb9, .ttl = 63, .protocol = IPPROTO_ESP, .df = true,
	};
	u8 got[sizeof(want) + 1] __aligned(4);

	memset(got, 0xff, sizeof(got));
	espm_hdr_build4((struct iphdr *)got, &outer);
	KUNIT_EXPECT_EQ(test, memcmp(got, want, sizeof(want)), 0);
	KUNIT_EXPECT_EQ(test, got[sizeof(want)], 0xff);

	outer.df = false;
	outer.protocol = IPPROTO_UDP;
	espm_hdr_build4((struct iphdr *)got, &outer);
	KUNIT_EXPECT_EQ(test, got[6], 0);
	KUNIT_EXPECT_EQ(test, got[9], 17);
}

static void outer_v6_byte_by_byte(struct kunit *test)
{
	static const u8 want[40] = {
		0x6b, 0x91, 0x23, 0x45, 0x00, 0x00, 0x32, 0x3f,
		0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01,
		0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x02,
	};
	union espm_addr src, dst;
	struct espm_hdr_outer outer = {
		.src = &src, .dst = &dst, .label = cpu_to_be32(0x12345),
		.tos = 0xb9, .ttl = 63, .protocol = IPPROTO_ESP, .df = true,
	};
	u8 got[sizeof(want) + 1] __aligned(4);

	memcpy(&src, want + 8, 16);
	memcpy(&dst, want + 24, 16);
	memset(got, 0xff, sizeof(got));
	espm_hdr_build6((struct ipv6hdr *)got, &outer);
	KUNIT_EXPECT_EQ(test, memcmp(got, want, sizeof(want)), 0);
	KUNIT_EXPECT_EQ(test, got[sizeof(want)], 0xff);

	/* The highest values stay within their fields. */
	outer.tos = 0xff;
	outer.label = cpu_to_be32(0xfffff);
	espm_hdr_build6((struct ipv6hdr *)got, &outer);
	KUNIT_EXPECT_EQ(test, get_unaligned_be32(got), 0x6fffffff);
	outer.tos = 0;
	outer.label = 0;
	espm_hdr_build6((struct ipv6hdr *)got, &outer);
	KUNIT_EXPECT_EQ(test, get_unaligned_be32(got), 0x60000000);
}

struct mss_row {
	const char *what;
	u8 options[12];
	u8 doff;	/* words of TCP header */
	bool v6;
	bool syn;
	u16 fragment;	/* offset field of IPv4 */
	u32 mtu;
	u16 cut;	/* bytes missing at the end */
	u16 result;	/* MSS afterwards, 0 if nothing may change */
	u8 at;		/* where it stands in @options */
};

static const struct mss_row mss_rows[] = {
	{ "first option", { 2, 4, 5, 180, 1 }, 8, .syn = true, .mtu = 1438, .result = 1398 },
	{ "first option, IPv6", { 2, 4, 5, 180 }, 8, true, true, .mtu = 1438, .result = 1378 },
	{ "at an odd place", { 1, 2, 4, 5, 180 }, 8, .syn = true, .mtu = 1438, .result = 1398,
	  .at = 1 },
	{ "behind another", { 3, 3, 7, 1, 2, 4, 5, 180 }, 8, .syn = true, .mtu = 600, .result = 560,
	  .at = 4 },
	{ "at the very end", { 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 5, 180 }, 8, .syn = true, .mtu = 1000,
	  .result = 960, .at = 8 },
	{ "not a SYN", { 2, 4, 5, 180 }, 8, .mtu = 1438 },
	{ "fits already", { 2, 4, 5, 180 }, 8, .syn = true, .mtu = 1500 },
	{ "none announced", { 1, 3, 3, 7 }, 8, .syn = true, .mtu = 1438 },
	{ "behind the end of options", { 0, 2, 4, 5, 180 }, 8, .syn = true, .mtu = 1438 },
	{ "behind the header", { 1, 1, 1, 1, 2, 4, 5, 180 }, 6, .syn = true, .mtu = 1438 },
	{ "cut by the header's end", { 1, 1, 2, 4, 5, 180 }, 6, .syn = true, .mtu = 1438 },
	{ "another length", { 2, 3, 5, 180 }, 8, .syn = true, .mtu = 1438 },
	{ "option without length", { 3, 0, 2, 4, 5, 180 }, 8, .syn = true, .mtu = 1438 },
	{ "option longer than all", { 3, 255, 2, 4, 5, 180 }, 8, .syn = true, .mtu = 1438 },
	{ "a later fragment", { 2, 4, 5, 180 }, 8, .syn = true, .fragment = 1, .mtu = 1438 },
	{ "packet cut", { 2, 4, 5, 180 }, 8, .syn = true, .mtu = 1438, .cut = 1 },
	{ "packet without a TCP header", { 2, 4, 5, 180 }, 8, .syn = true, .mtu = 1438, .cut = 20 },
	{ "header shorter than TCP's", { 2, 4, 5, 180 }, 4, .syn = true, .mtu = 1438 },
	{ "no room at all", { 2, 4, 5, 180 }, 8, .syn = true, .mtu = 40 },
};

static void describe_mss(const struct mss_row *row, char *desc)
{
	strscpy(desc, row->what, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(mss, mss_rows, describe_mss);

static __sum16 sum_tcp(const u8 *tcp, u32 len)
{
	/* The pseudo header is the same before and after. */
	return csum_fold(csum_partial(tcp, len, 0));
}

static void mss_is_clamped(struct kunit *test)
{
	const struct mss_row *row = test->param_value;
	u32 at = row->v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	u32 len = at + sizeof(struct tcphdr) + sizeof(row->options);
	u8 packet[72], before[72], *options;
	struct tcphdr *tcp;
	bool changed;

	memset(packet, 0, sizeof(packet));
	if (row->v6) {
		packet[0] = 0x60;
		packet[6] = IPPROTO_TCP;
	} else {
		packet[0] = 0x45;
		packet[9] = IPPROTO_TCP;
		put_unaligned_be16(row->fragment, packet + 6);
	}
	tcp = (struct tcphdr *)(packet + at);
	tcp->doff = row->doff;
	tcp->syn = row->syn;
	options = packet + at + sizeof(*tcp);
	memcpy(options, row->options, sizeof(row->options));
	tcp->check = sum_tcp(packet + at, len - at);
	memcpy(before, packet, sizeof(packet));

	changed = espm_hdr_clamp_mss(packet, len - row->cut, row->mtu);
	KUNIT_EXPECT_EQ(test, changed, row->result != 0);
	if (!row->result) {
		KUNIT_EXPECT_EQ(test, memcmp(packet, before, sizeof(packet)), 0);
		return;
	}
	KUNIT_EXPECT_EQ(test, get_unaligned_be16(options + row->at + 2), row->result);
	KUNIT_EXPECT_EQ(test, sum_tcp(packet + at, len - at), 0);
	/* Nothing else has changed. */
	memcpy(options, row->options, sizeof(row->options));
	tcp->check = ((struct tcphdr *)(before + at))->check;
	KUNIT_EXPECT_EQ(test, memcmp(packet, before, sizeof(packet)), 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(ecn_is_figure_4),
	KUNIT_CASE_PARAM(inner_len, inner_gen_params),
	KUNIT_CASE(tos_and_df),
	KUNIT_CASE(outer_v4_byte_by_byte),
	KUNIT_CASE(outer_v6_byte_by_byte),
	KUNIT_CASE_PARAM(mss_is_clamped, mss_gen_params),
	{}
};

static struct kunit_suite suite = {
	.name = "esp_mod_hdr",
	.test_cases = cases,
};

kunit_test_suites(&suite);
