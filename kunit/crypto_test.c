// SPDX-License-Identifier: GPL-2.0
/* Packets of the RFCs byte for byte, and every suite there and back again. */
#include <crypto/hash.h>
#include <kunit/test.h>
#include <linux/skbuff.h>
#include <linux/string.h>
#include "../esp_mod/crypto.h"
#include "../esp_mod/sa.h"
#include "../esp_mod/trailer.h"
#include "fixture.h"
#include "vectors/vectors.h"

enum {
	GUARD		= 0xa5,
	GUARD_LEN	= 64,
	ESP_AT		= 20,	/* an IPv4 header in front, which is not ours to touch */
	NEXT		= 17,
};

static struct espm_sa *make_sa(struct kunit *test, const struct espm_suite *suite, bool esn,
			       const u8 *key)
{
	struct espm_sa *sa;
	int err;

	KUNIT_ASSERT_NOT_NULL(test, suite);
	sa = espm_sa_alloc(test->priv, ESPM_DIR_OUT, cpu_to_be32(300), 0);
	KUNIT_ASSERT_NOT_NULL(test, sa);
	sa->suite = suite;
	sa->esn = esn;
	err = espm_crypto_set_key(sa, key, NULL);
	if (err)
		espm_sa_free(sa);
	KUNIT_ASSERT_EQ_MSG(test, err, 0, "%s", suite->name);
	return sa;
}

/**
 * struct bench - one packet under crypto, with guards around all that is written to
 * @sa: the SA
 * @memory: what @op lies in
 * @op: the work
 * @before: @op's members in front of what is written, as they were
 * @packet_len: from ESP header to ICV
 */
struct bench {
	struct espm_sa *sa;
	u8 *memory;
	struct espm_op *op;
	u8 before[offsetof(struct espm_op, covered)];
	u32 packet_len;
};

static u32 op_len(const struct espm_sa *sa)
{
	return sizeof(struct espm_op) + sa->room;
}

static void bench_begin(struct kunit *test, struct bench *b, struct espm_sa *sa, u32 packet_len,
			u64 seq)
{
	struct sk_buff *skb;

	b->sa = sa;
	b->packet_len = packet_len;
	b->memory = kmalloc(op_len(sa) + 2 * GUARD_LEN, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, b->memory);
	memset(b->memory, GUARD, op_len(sa) + 2 * GUARD_LEN);

	skb = alloc_skb(GUARD_LEN + ESP_AT + packet_len + GUARD_LEN, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	memset(skb->head, GUARD, skb_end_offset(skb));
	skb_reserve(skb, GUARD_LEN);
	skb_put(skb, ESP_AT + packet_len);

	b->op = (struct espm_op *)(b->memory + GUARD_LEN);
	b->op->skb = skb;
	b->op->sa = sa;
	b->op->dev = NULL;
	b->op->seq = seq;
	b->op->esp = ESP_AT;
	b->op->len = packet_len;
	memcpy(b->before, b->op, sizeof(b->before));
}

static u8 *packet_of(struct bench *b)
{
	return b->op->skb->data + ESP_AT;
}

static bool guards_hold(struct bench *b)
{
	const struct sk_buff *skb = b->op->skb;
	const struct espm_suite *suite = b->sa->suite;
	const u8 *behind = b->memory + GUARD_LEN + op_len(b->sa);
	u32 iv_len = suite->iv_len + (b->sa->bare ? ESPM_GCM_SALT_LEN : 0);

	return !memchr_inv(skb->head, GUARD, GUARD_LEN + ESP_AT) &&
	       !memchr_inv(skb_tail_pointer(skb), GUARD, skb_tailroom(skb)) &&
	       !memchr_inv(b->memory, GUARD, GUARD_LEN) &&
	       !memchr_inv(behind, GUARD, GUARD_LEN) &&
	       !memchr_inv(b->op->iv + iv_len, GUARD, ESPM_IV_MAX - iv_len) &&
	       !memcmp(b->before, b->op, sizeof(b->before));
}

static void bench_end(struct kunit *test, struct bench *b)
{
	KUNIT_EXPECT_TRUE_MSG(test, guards_hold(b), "%s, packet of %u", b->sa->suite->name,
			      b->packet_len);
	kfree_skb(b->op->skb);
	kfree(b->memory);
}

/*
 * In process context even a driver that can be asynchronous answers at once.
 * Else the packet is the driver's now, and there is nothing left to test with.
 */
static int seal(struct kunit *test, struct bench *b)
{
	int err;

	local_bh_disable();
	err = espm_crypto_seal(b->op);
	local_bh_enable();
	KUNIT_ASSERT_NE(test, err, -EINPROGRESS);
	KUNIT_ASSERT_NE(test, err, -EBUSY);
	return err;
}

static int open(struct kunit *test, struct bench *b)
{
	int err;

	local_bh_disable();
	err = espm_crypto_open(b->op);
	local_bh_enable();
	KUNIT_ASSERT_NE(test, err, -EINPROGRESS);
	KUNIT_ASSERT_NE(test, err, -EBUSY);
	return err;
}

static void describe_vector(const struct vector *v, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s %s%s", v->name, v->suite, v->esn ? " ESN" : "");
}

KUNIT_ARRAY_PARAM(vector, vectors, describe_vector);

static struct espm_sa *make_vector_sa(struct kunit *test, const struct vector *v)
{
	const struct espm_suite *suite = espm_suite_find(v->suite);

	KUNIT_ASSERT_NOT_NULL(test, suite);
	KUNIT_ASSERT_EQ(test, espm_suite_key_len(suite), v->key_len);
	KUNIT_ASSERT_EQ(test, suite->iv_len, v->iv_len);
	KUNIT_ASSERT_EQ(test, v->packet_len,
			ESPM_HDR_LEN + v->iv_len + v->text_len + suite->icv_len);
	return make_sa(test, suite, v->esn, v->key);
}

static void vector_is_sealed(struct kunit *test)
{
	const struct vector *v = test->param_value;
	struct espm_sa *sa = make_vector_sa(test, v);
	bool is_gcm = strstr(v->suite, "gcm");
	u32 text_at = ESPM_HDR_LEN + v->iv_len;
	u32 trailer_len;
	struct bench b;
	u8 *packet;

	KUNIT_EXPECT_EQ(test, sa->bare, is_gcm);
	bench_begin(test, &b, sa, v->packet_len, v->seq);
	packet = packet_of(&b);
	memcpy(packet, v->packet, ESPM_HDR_LEN);
	memcpy(packet + text_at, v->text, v->payload_len);
	/* The trailers of all these packets are those that we write. */
	trailer_len = espm_trailer_len(v->payload_len, sa->suite->block);
	KUNIT_EXPECT_EQ(test, v->payload_len + trailer_len, v->text_len);
	espm_trailer_write(packet + text_at + v->payload_len, trailer_len, v->next);
	KUNIT_EXPECT_EQ(test, memcmp(packet + text_at, v->text, v->text_len), 0);
	memcpy(b.op->iv, v->iv, v->iv_len);

	KUNIT_EXPECT_EQ(test, seal(test, &b), 0);
	KUNIT_EXPECT_EQ_MSG(test, memcmp(packet, v->packet, v->packet_len), 0,
			    "is %*phN", v->packet_len, packet);
	bench_end(test, &b);
	espm_sa_free(sa);
}

static void vector_is_opened(struct kunit *test)
{
	const struct vector *v = test->param_value;
	struct espm_sa *sa = make_vector_sa(test, v);
	u8 *packet, *text;
	struct espm_trailer t;
	struct bench b;

	bench_begin(test, &b, sa, v->packet_len, v->seq);
	packet = packet_of(&b);
	text = packet + ESPM_HDR_LEN + v->iv_len;
	memcpy(packet, v->packet, v->packet_len);

	KUNIT_EXPECT_EQ(test, open(test, &b), 0);
	KUNIT_EXPECT_EQ(test, memcmp(text, v->text, v->text_len), 0);
	KUNIT_EXPECT_EQ(test, memcmp(packet, v->packet, ESPM_HDR_LEN + v->iv_len), 0);
	KUNIT_EXPECT_EQ(test, espm_trailer_read(text, v->text_len, &t), ESPM_TRAILER_OK);
	KUNIT_EXPECT_EQ(test, t.payload, v->payload_len);
	KUNIT_EXPECT_EQ(test, t.next, v->next);
	bench_end(test, &b);
	espm_sa_free(sa);
}

static void vector_with_a_flipped_bit_is_refused(struct kunit *test)
{
	const struct vector *v = test->param_value;
	struct espm_sa *sa = make_vector_sa(test, v);
	struct bench b;
	u8 *packet;
	u32 i;

	bench_begin(test, &b, sa, v->packet_len, v->seq);
	packet = packet_of(&b);
	for (i = 0; i < 8u * v->packet_len; i++) {
		memcpy(packet, v->packet, v->packet_len);
		packet[i / 8] ^= 1 << i % 8;
		KUNIT_EXPECT_EQ_MSG(test, open(test, &b), -EBADMSG, "bit %u of byte %u", i % 8,
				    i / 8);
	}

	/* The high half of an extended number is not sent, yet authenticated. */
	for (i = 32; i < 64 && v->esn; i++) {
		memcpy(packet, v->packet, v->packet_len);
		b.op->seq = v->seq ^ BIT_ULL(i);
		KUNIT_EXPECT_EQ_MSG(test, open(test, &b), -EBADMSG, "bit %u of the number", i);
	}
	b.op->seq = v->seq;
	memcpy(packet, v->packet, v->packet_len);
	KUNIT_EXPECT_EQ(test, open(test, &b), 0);
	bench_end(test, &b);
	espm_sa_free(sa);
}

/**
 * struct combo - a suite, with or without ESN
 * @suite: the suite
 * @esn: extended sequence numbers
 */
struct combo {
	const struct espm_suite *suite;
	bool esn;
};

static struct combo combo;

static const void *next_combo(const void *prev, char *desc, bool separate)
{
	static u32 i;

	for (i = prev ? i + 1 : 0; (combo.suite = espm_suite_at(i / 2)); i++) {
		if (separate && !combo.suite->auth_len)
			continue;
		combo.esn = i % 2;
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s%s", combo.suite->name,
			 combo.esn ? " ESN" : "");
		return &combo;
	}
	return NULL;
}

/* Every suite of the table, twice */
static const void *combo_gen_params(const void *prev, char *desc)
{
	return next_combo(prev, desc, false);
}

/* Those with an integrity algorithm of their own; of others the vectors show the ICV. */
static const void *separate_gen_params(const void *prev, char *desc)
{
	return next_combo(prev, desc, true);
}

static struct espm_sa *make_combo_sa(struct kunit *test, u8 *key)
{
	const struct combo *c = test->param_value;
	struct rnd_state rnd;

	fixture_seed(&rnd);
	prandom_bytes_state(&rnd, key, espm_suite_key_len(c->suite));
	return make_sa(test, c->suite, c->esn, key);
}

/* A packet in clear, of random bytes; returns the length of what is encrypted */
static u32 fill_clear(struct bench *b, u32 payload, u8 *iv, struct rnd_state *rnd)
{
	u32 iv_len = b->sa->suite->iv_len;
	u32 trailer_len = espm_trailer_len(payload, b->sa->suite->block);
	u8 *packet = packet_of(b);

	prandom_bytes_state(rnd, packet, b->packet_len);
	*(__be32 *)(packet + 4) = cpu_to_be32((u32)b->op->seq);
	espm_trailer_write(packet + ESPM_HDR_LEN + iv_len + payload, trailer_len, NEXT);
	prandom_bytes_state(rnd, iv, iv_len);
	memcpy(b->op->iv, iv, iv_len);
	return payload + trailer_len;
}

static u32 sealed_len(const struct espm_suite *suite, u32 payload)
{
	return ESPM_HDR_LEN + suite->iv_len + payload + espm_trailer_len(payload, suite->block) +
	       suite->icv_len;
}

static bool hides_text(const struct espm_suite *suite)
{
	return suite->enc_len && !strstr(suite->name, "gmac");
}

static void there_and_back(struct kunit *test, struct espm_sa *sa, u32 payload,
			   struct rnd_state *rnd)
{
	const struct espm_suite *suite = sa->suite;
	u32 text_at = ESPM_HDR_LEN + suite->iv_len;
	u8 iv[ESPM_IV_MAX], *packet, *clear;
	struct bench b;
	u32 text_len;

	bench_begin(test, &b, sa, sealed_len(suite, payload), fixture_pick64(rnd));
	packet = packet_of(&b);
	text_len = fill_clear(&b, payload, iv, rnd);
	clear = kmemdup(packet, b.packet_len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, clear);

	KUNIT_EXPECT_EQ(test, seal(test, &b), 0);
	KUNIT_EXPECT_TRUE(test, guards_hold(&b));
	KUNIT_EXPECT_EQ(test, memcmp(packet, clear, ESPM_HDR_LEN), 0);
	KUNIT_EXPECT_EQ(test, memcmp(packet + ESPM_HDR_LEN, iv, suite->iv_len), 0);
	/* Of four bytes or more, that they come out the same is no chance any more. */
	KUNIT_EXPECT_EQ(test, memcmp(packet + text_at, clear + text_at, text_len) != 0,
			hides_text(suite));

	memset(b.op->iv, GUARD, sizeof(b.op->iv));
	KUNIT_EXPECT_EQ(test, open(test, &b), 0);
	KUNIT_EXPECT_EQ_MSG(test, memcmp(packet + text_at, clear + text_at, text_len), 0,
			    "payload of %u", payload);
	KUNIT_EXPECT_EQ(test, memcmp(packet, clear, ESPM_HDR_LEN), 0);
	KUNIT_EXPECT_EQ(test, memcmp(packet + ESPM_HDR_LEN, iv, suite->iv_len), 0);
	kfree(clear);
	bench_end(test, &b);
}

static void what_is_sealed_opens(struct kunit *test)
{
	static const u32 larger[] = { 127, 255, 256, 1000, 1400, 1472, 4000, 9000 };
	u8 key[ESP_MOD_KEY_LEN_MAX * 2];
	struct espm_sa *sa = make_combo_sa(test, key);
	struct rnd_state rnd;
	u32 i;

	fixture_seed(&rnd);
	for (i = 0; i <= 80; i++)
		there_and_back(test, sa, i, &rnd);
	for (i = 0; i < ARRAY_SIZE(larger); i++)
		there_and_back(test, sa, larger[i], &rnd);
	espm_sa_free(sa);
}

static void what_is_tampered_with_is_refused(struct kunit *test)
{
	static const u32 payloads[] = { 0, 14, 33 };
	u8 key[ESP_MOD_KEY_LEN_MAX * 2], iv[ESPM_IV_MAX];
	struct espm_sa *sa = make_combo_sa(test, key);
	u8 *packet, *sealed;
	struct rnd_state rnd;
	struct bench b;
	u32 i, at;
	u64 seq;

	fixture_seed(&rnd);
	for (i = 0; i < ARRAY_SIZE(payloads); i++) {
		seq = fixture_pick64(&rnd);
		bench_begin(test, &b, sa, sealed_len(sa->suite, payloads[i]), seq);
		packet = packet_of(&b);
		fill_clear(&b, payloads[i], iv, &rnd);
		KUNIT_EXPECT_EQ(test, seal(test, &b), 0);
		sealed = kmemdup(packet, b.packet_len, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, sealed);

		for (at = 0; at < b.packet_len; at++) {
			memcpy(packet, sealed, b.packet_len);
			packet[at] ^= 1 << fixture_pick(&rnd, 8);
			KUNIT_EXPECT_EQ_MSG(test, open(test, &b), -EBADMSG, "byte %u of %u", at,
					    b.packet_len);
		}
		/* Only an SA with ESN knows of a high half. */
		memcpy(packet, sealed, b.packet_len);
		b.op->seq = seq ^ BIT_ULL(32 + fixture_pick(&rnd, 32));
		KUNIT_EXPECT_EQ(test, open(test, &b), sa->esn ? -EBADMSG : 0);
		b.op->seq = seq;
		memcpy(packet, sealed, b.packet_len);
		KUNIT_EXPECT_EQ(test, open(test, &b), 0);
		kfree(sealed);
		bench_end(test, &b);
	}
	espm_sa_free(sa);
}

/*
 * RFC 4303 sections 2.2.1 and 3.3.2.1: where integrity is separate, the ICV is
 * the MAC over SPI, low half of the number, IV, ciphertext, and then the high
 * half. Computed here with the hash alone.
 */
static void icv_is_the_mac_of_the_rfc(struct kunit *test)
{
	const struct combo *c = test->param_value;
	u8 key[ESP_MOD_KEY_LEN_MAX * 2], iv[ESPM_IV_MAX], mac[64], want[64];
	char name[32];
	const struct espm_suite *suite = c->suite;
	u32 len, icv_at;
	struct crypto_shash *hash;
	struct rnd_state rnd;
	struct espm_sa *sa;
	struct bench b;
	__be32 *behind;
	int err;

	sa = make_combo_sa(test, key);
	snprintf(name, sizeof(name), "hmac(%s)", strchr(suite->name, '-') + 1);
	hash = crypto_alloc_shash(name, 0, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(hash));
	err = crypto_shash_setkey(hash, key + suite->enc_len + suite->salt_len, suite->auth_len);
	KUNIT_EXPECT_EQ(test, err, 0);

	fixture_seed(&rnd);
	bench_begin(test, &b, sa, sealed_len(suite, 51), fixture_pick64(&rnd));
	fill_clear(&b, 51, iv, &rnd);
	KUNIT_EXPECT_EQ(test, seal(test, &b), 0);

	icv_at = b.packet_len - suite->icv_len;
	len = icv_at;
	memcpy(mac, packet_of(&b) + icv_at, suite->icv_len);
	if (c->esn) {
		behind = (__be32 *)(packet_of(&b) + icv_at);
		*behind = cpu_to_be32(b.op->seq >> 32);
		len += sizeof(*behind);
	}
	err = crypto_shash_tfm_digest(hash, packet_of(&b), len, want);
	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_EXPECT_EQ(test, memcmp(mac, want, suite->icv_len), 0);
	crypto_free_shash(hash);
	bench_end(test, &b);
	espm_sa_free(sa);
}

/* What the kernel's template makes of a packet in clear, in place; data lies where it wants it. */
static void seal_by_template(struct kunit *test, struct crypto_aead *tfm, u8 *data, u32 data_len,
			     u32 text_len, const u8 *iv)
{
	struct aead_request *req = aead_request_alloc(tfm, GFP_KERNEL);
	u8 copy[8];
	struct scatterlist sg;

	KUNIT_ASSERT_NOT_NULL(test, req);
	memcpy(copy, iv, sizeof(copy));
	sg_init_one(&sg, data, data_len + text_len + 16);
	aead_request_set_callback(req, 0, NULL, NULL);
	aead_request_set_crypt(req, &sg, &sg, text_len, copy);
	aead_request_set_ad(req, data_len);
	KUNIT_EXPECT_EQ(test, crypto_aead_encrypt(req), 0);
	aead_request_free(req);
}

/*
 * The kernel joins ChaCha20 and Poly1305 as well: it and we make the same of packets
 * of each length up to some blocks, and of larger ones.
 */
static void chacha_is_the_templates(struct kunit *test)
{
	static const u32 larger[] = { 575, 1400, 4096, 9000 };
	const struct espm_suite *suite = espm_suite_find("chacha20poly1305");
	u32 i, payload, text_len, data_len, packet_len;
	u8 key[36], iv[ESPM_IV_MAX], *want;
	struct crypto_aead *tfm;
	struct rnd_state rnd;
	struct espm_sa *sa;
	struct bench b;

	fixture_seed(&rnd);
	prandom_bytes_state(&rnd, key, sizeof(key));
	tfm = crypto_alloc_aead("rfc7539esp(chacha20,poly1305)", 0, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(tfm));
	KUNIT_ASSERT_EQ(test, crypto_aead_setkey(tfm, key, sizeof(key)), 0);
	KUNIT_ASSERT_EQ(test, crypto_aead_setauthsize(tfm, 16), 0);

	for (i = 0; i < 2 * (320 + ARRAY_SIZE(larger)); i++) {
		payload = i / 2 < 320 ? i / 2 : larger[i / 2 - 320];
		sa = make_sa(test, suite, i % 2, key);
		KUNIT_ASSERT_TRUE(test, sa->apart);
		packet_len = sealed_len(suite, payload);
		bench_begin(test, &b, sa, packet_len, fixture_pick64(&rnd));
		text_len = fill_clear(&b, payload, iv, &rnd);

		/* SPI, all of the sequence number, IV, text, ICV */
		want = kmalloc(packet_len + ESPM_ESN_LEN, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, want);
		data_len = ESPM_HDR_LEN + (sa->esn ? ESPM_ESN_LEN : 0);
		memcpy(want, packet_of(&b), ESPM_HDR_LEN);
		if (sa->esn)
			*(__be64 *)(want + 4) = cpu_to_be64(b.op->seq);
		memcpy(want + data_len, iv, suite->iv_len);
		memcpy(want + data_len + suite->iv_len,
		       packet_of(&b) + ESPM_HDR_LEN + suite->iv_len, text_len);
		seal_by_template(test, tfm, want, data_len + suite->iv_len, text_len, iv);

		KUNIT_EXPECT_EQ(test, seal(test, &b), 0);
		KUNIT_EXPECT_EQ_MSG(test, memcmp(packet_of(&b) + ESPM_HDR_LEN, want + data_len,
						 packet_len - ESPM_HDR_LEN), 0,
				    "payload of %u, ESN %u", payload, sa->esn);
		kfree(want);
		bench_end(test, &b);
		espm_sa_free(sa);
	}
	crypto_free_aead(tfm);
}

static void fingerprint_tells_keys_and_suites_apart(struct kunit *test)
{
	/* The first bytes of SHA-256 over "aes128gcm16", a zero, and 0 to 19 */
	static const u8 want[ESPM_FINGERPRINT_LEN] = {
		0x6f, 0x64, 0x62, 0x91, 0x74, 0x70, 0xdc, 0xe9,
	};
	const struct espm_suite *suite = espm_suite_find("aes128gcm16");
	u8 key[20], first[ESPM_FINGERPRINT_LEN], other[ESPM_FINGERPRINT_LEN];
	u32 i;

	for (i = 0; i < sizeof(key); i++)
		key[i] = i;
	espm_crypto_fingerprint(first, suite, key);
	KUNIT_EXPECT_EQ_MSG(test, memcmp(first, want, sizeof(want)), 0, "is %*phN",
			    (int)sizeof(first), first);

	for (i = 0; i < 8 * sizeof(key); i++) {
		key[i / 8] ^= 1 << i % 8;
		espm_crypto_fingerprint(other, suite, key);
		KUNIT_EXPECT_NE(test, memcmp(first, other, sizeof(first)), 0);
		key[i / 8] ^= 1 << i % 8;
	}
	espm_crypto_fingerprint(other, espm_suite_find("aes128gcm12"), key);
	KUNIT_EXPECT_NE(test, memcmp(first, other, sizeof(first)), 0);
}

/* Nonces belong to cipher key and salt, whatever is done with them. */
static void key_name_is_of_cipher_key_and_salt(struct kunit *test)
{
	static const char *const same[] = { "aes128gcm12", "aes128gcm8", "aes128gmac" };
	u8 first[ESPM_FINGERPRINT_LEN], other[ESPM_FINGERPRINT_LEN];
	const struct espm_suite *suite = espm_suite_find("aes128gcm16");
	u8 key[64] = {};
	u32 i;

	espm_crypto_key_name(first, suite, key);
	for (i = 0; i < ARRAY_SIZE(same); i++) {
		espm_crypto_key_name(other, espm_suite_find(same[i]), key);
		KUNIT_EXPECT_EQ_MSG(test, memcmp(first, other, sizeof(first)), 0, "%s", same[i]);
	}
	for (i = 0; i < 8 * 20; i++) {
		key[i / 8] ^= 1 << i % 8;
		espm_crypto_key_name(other, suite, key);
		KUNIT_EXPECT_NE(test, memcmp(first, other, sizeof(first)), 0);
		key[i / 8] ^= 1 << i % 8;
	}

	/* The integrity key makes no difference, unless there is nothing else. */
	suite = espm_suite_find("aes128-sha256");
	espm_crypto_key_name(first, suite, key);
	key[16] ^= 1;
	espm_crypto_key_name(other, suite, key);
	KUNIT_EXPECT_EQ(test, memcmp(first, other, sizeof(first)), 0);
	suite = espm_suite_find("null-sha256");
	espm_crypto_key_name(first, suite, key);
	key[16] ^= 1;
	espm_crypto_key_name(other, suite, key);
	KUNIT_EXPECT_NE(test, memcmp(first, other, sizeof(first)), 0);
}

/* The op owns one reference to its SA, and its packet until that is taken out. */
static void op_gives_back_what_it_holds(struct kunit *test)
{
	static const u8 key[20];
	struct espm_sa *sa = make_sa(test, espm_suite_find("aes128gcm16"), false, key);
	struct sk_buff *skb = alloc_skb(100, GFP_KERNEL);
	struct espm_op *op;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	local_bh_disable();
	percpu_ref_get(&sa->ref);
	op = espm_op_alloc(sa, skb_get(skb));
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_EXPECT_PTR_EQ(test, op->skb, skb);
	KUNIT_EXPECT_PTR_EQ(test, op->sa, sa);
	KUNIT_EXPECT_NULL(test, op->dev);
	espm_op_free(op);
	KUNIT_EXPECT_EQ(test, refcount_read(&skb->users), 1);

	percpu_ref_get(&sa->ref);
	op = espm_op_alloc(sa, skb);
	KUNIT_ASSERT_NOT_NULL(test, op);
	op->skb = NULL;
	espm_op_free(op);
	KUNIT_EXPECT_EQ(test, refcount_read(&skb->users), 1);
	kfree_skb(skb);
	local_bh_enable();

	/* The way of all SAs: were one reference too many left, it would stay. */
	espm_sa_kill(sa);
	KUNIT_EXPECT_TRUE(test, fixture_sas_fall_to(test->priv, 0));
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(vector_is_sealed, vector_gen_params),
	KUNIT_CASE_PARAM(vector_is_opened, vector_gen_params),
	KUNIT_CASE_PARAM(vector_with_a_flipped_bit_is_refused, vector_gen_params),
	KUNIT_CASE_PARAM(what_is_sealed_opens, combo_gen_params),
	KUNIT_CASE_PARAM(what_is_tampered_with_is_refused, combo_gen_params),
	KUNIT_CASE_PARAM(icv_is_the_mac_of_the_rfc, separate_gen_params),
	KUNIT_CASE(chacha_is_the_templates),
	KUNIT_CASE(fingerprint_tells_keys_and_suites_apart),
	KUNIT_CASE(key_name_is_of_cipher_key_and_salt),
	KUNIT_CASE(op_gives_back_what_it_holds),
	{}
};

static struct kunit_suite suite = {
	.name = "esp_mod_crypto",
	.suite_init = fixture_suite_init,
	.suite_exit = fixture_suite_exit,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = cases,
};

kunit_test_suites(&suite);
