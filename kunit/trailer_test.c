// SPDX-License-Identifier: GPL-2.0
/* The trailer: every size, every pad length, every wrong byte. */
#include <kunit/test.h>
#include <linux/string.h>
#include "../esp_mod/trailer.h"

enum {
	PAYLOAD_MAX	= 300,
	GUARD		= 0xa5,
	NEXT		= 0x29,
	TEXT_MAX	= PAYLOAD_MAX + ESPM_PAD_MAX + ESPM_TAIL_LEN,
};

static const u32 blocks[] = { 4, 8, 16 };

static u8 text[TEXT_MAX + 1];

static void len_is_least(struct kunit *test)
{
	u32 b, payload, len, least;

	for (b = 0; b < ARRAY_SIZE(blocks); b++) {
		for (payload = 0; payload <= PAYLOAD_MAX; payload++) {
			least = ESPM_TAIL_LEN;
			while ((payload + least) % blocks[b])
				least++;
			len = espm_trailer_len(payload, blocks[b]);
			KUNIT_ASSERT_EQ_MSG(test, len, least, "payload %u, block %u", payload,
					    blocks[b]);
		}
	}
	KUNIT_EXPECT_EQ(test, espm_trailer_len(65535, 16), 17);
}

static void written_is_read(struct kunit *test)
{
	struct espm_trailer t;
	u32 b, payload, len, i;

	for (b = 0; b < ARRAY_SIZE(blocks); b++) {
		for (payload = 0; payload <= PAYLOAD_MAX; payload++) {
			len = espm_trailer_len(payload, blocks[b]);
			memset(text, GUARD, sizeof(text));
			espm_trailer_write(text + payload, len, NEXT);

			for (i = 0; i < len - 2; i++)
				KUNIT_ASSERT_EQ(test, text[payload + i], i + 1);
			KUNIT_ASSERT_EQ(test, text[payload + len - 2], len - 2);
			KUNIT_ASSERT_EQ(test, text[payload + len - 1], NEXT);
			KUNIT_ASSERT_EQ(test, text[payload + len], GUARD);
			for (i = 0; i < payload; i++)
				KUNIT_ASSERT_EQ(test, text[i], GUARD);

			memset(&t, 0, sizeof(t));
			KUNIT_ASSERT_EQ(test, espm_trailer_read(text, payload + len, &t),
					ESPM_TRAILER_OK);
			KUNIT_ASSERT_EQ(test, t.payload, payload);
			KUNIT_ASSERT_EQ(test, t.next, NEXT);
		}
	}
}

/* A sender may pad more than alignment asks for. Written without the room's help. */
static u32 write_by_hand(u32 payload, u32 pad)
{
	u32 i;

	memset(text, GUARD, sizeof(text));
	for (i = 0; i < pad; i++)
		text[payload + i] = i + 1;
	text[payload + pad] = pad;
	text[payload + pad + 1] = NEXT;
	return payload + pad + ESPM_TAIL_LEN;
}

static void every_pad_length_is_accepted(struct kunit *test)
{
	static const u32 payloads[] = { 0, 1, 20, PAYLOAD_MAX };
	struct espm_trailer t;
	u32 i, pad, len;

	for (i = 0; i < ARRAY_SIZE(payloads); i++) {
		for (pad = 0; pad <= ESPM_PAD_MAX; pad++) {
			len = write_by_hand(payloads[i], pad);
			memset(&t, 0, sizeof(t));
			KUNIT_ASSERT_EQ_MSG(test, espm_trailer_read(text, len, &t), ESPM_TRAILER_OK,
					    "payload %u, pad %u", payloads[i], pad);
			KUNIT_ASSERT_EQ(test, t.payload, payloads[i]);
			KUNIT_ASSERT_EQ(test, t.next, NEXT);
		}
	}
}

static void every_wrong_pad_byte_is_refused(struct kunit *test)
{
	static const u8 flips[] = { 0x01, 0x80, 0xff };
	struct espm_trailer t;
	u32 pad, at, len, f;

	for (pad = 1; pad <= ESPM_PAD_MAX; pad++) {
		len = write_by_hand(20, pad);
		for (at = 0; at < pad; at++) {
			for (f = 0; f < ARRAY_SIZE(flips); f++) {
				text[20 + at] ^= flips[f];
				KUNIT_ASSERT_EQ_MSG(test, espm_trailer_read(text, len, &t),
						    ESPM_TRAILER_PADDING, "pad %u, byte %u", pad,
						    at);
				text[20 + at] ^= flips[f];
			}
		}
	}
}

static void more_padding_than_packet_is_refused(struct kunit *test)
{
	struct espm_trailer t;
	u32 pad, len;

	for (pad = 0; pad <= ESPM_PAD_MAX; pad++) {
		write_by_hand(0, pad);
		/* The packet begins too late for its padding, by 1 to all bytes. */
		for (len = ESPM_TAIL_LEN; len < pad + ESPM_TAIL_LEN; len++)
			KUNIT_ASSERT_EQ_MSG(test, espm_trailer_read(text + pad + 2 - len, len, &t),
					    ESPM_TRAILER_SHORT, "pad %u, length %u", pad, len);
	}
	KUNIT_EXPECT_EQ(test, espm_trailer_read(text, 0, &t), ESPM_TRAILER_SHORT);
	KUNIT_EXPECT_EQ(test, espm_trailer_read(text, 1, &t), ESPM_TRAILER_SHORT);
}

static void fit_is_the_inverse_of_len(struct kunit *test)
{
	u32 b, room, payload, most;

	for (b = 0; b < ARRAY_SIZE(blocks); b++) {
		for (room = 0; room <= PAYLOAD_MAX; room++) {
			most = 0;
			for (payload = 0; payload <= room; payload++)
				if (payload + espm_trailer_len(payload, blocks[b]) <= room)
					most = payload;
			KUNIT_ASSERT_EQ_MSG(test, espm_trailer_fit(room, blocks[b]), most,
					    "room %u, block %u", room, blocks[b]);
		}
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(len_is_least),
	KUNIT_CASE(written_is_read),
	KUNIT_CASE(every_pad_length_is_accepted),
	KUNIT_CASE(every_wrong_pad_byte_is_refused),
	KUNIT_CASE(more_padding_than_packet_is_refused),
	KUNIT_CASE(fit_is_the_inverse_of_len),
	{}
};

static struct kunit_suite suite = {
	.name = "esp_mod_trailer",
	.test_cases = cases,
};

kunit_test_suites(&suite);
