// SPDX-License-Identifier: GPL-2.0
/* The table of suites, written out by hand, and the sentences for what is not in it. */
#include <kunit/test.h>
#include <linux/string.h>
#include "../esp_mod/proto.h"
#include "../esp_mod/suite.h"

struct row {
	const char *name;
	const char *alg;
	const char *alg_esn;
	u32 enc;
	u32 salt;
	u32 auth;
	u32 iv;
	u32 icv;
	u32 block;
	enum espm_iv kind;
	bool legacy;
};

#define AEAD(name, alg, enc, salt, icv) \
	{ name, alg, alg, enc, salt, 0, 8, icv, 4, ESPM_IV_COUNTER, false }
#define CBC(name, hash, enc, auth, icv, legacy)						\
	{ name, "authenc(hmac(" hash "),cbc(aes))", "authencesn(hmac(" hash "),cbc(aes))", \
	  enc, 0, auth, 16, icv, 16, ESPM_IV_RANDOM, legacy }
#define CTR(name, hash, enc, auth, icv)							\
	{ name, "authenc(hmac(" hash "),rfc3686(ctr(aes)))",				\
	  "authencesn(hmac(" hash "),rfc3686(ctr(aes)))",				\
	  enc, 4, auth, 8, icv, 4, ESPM_IV_COUNTER, false }
#define NUL(name, hash, auth, icv)							\
	{ name, "authenc(hmac(" hash "),ecb(cipher_null))",				\
	  "authencesn(hmac(" hash "),ecb(cipher_null))",				\
	  0, 0, auth, 0, icv, 4, ESPM_IV_NONE, false }

static const struct row rows[] = {
	AEAD("aes128gcm8", "rfc4106(gcm(aes))", 16, 4, 8),
	AEAD("aes192gcm8", "rfc4106(gcm(aes))", 24, 4, 8),
	AEAD("aes256gcm8", "rfc4106(gcm(aes))", 32, 4, 8),
	AEAD("aes128gcm12", "rfc4106(gcm(aes))", 16, 4, 12),
	AEAD("aes192gcm12", "rfc4106(gcm(aes))", 24, 4, 12),
	AEAD("aes256gcm12", "rfc4106(gcm(aes))", 32, 4, 12),
	AEAD("aes128gcm16", "rfc4106(gcm(aes))", 16, 4, 16),
	AEAD("aes192gcm16", "rfc4106(gcm(aes))", 24, 4, 16),
	AEAD("aes256gcm16", "rfc4106(gcm(aes))", 32, 4, 16),
	AEAD("aes128ccm8", "rfc4309(ccm(aes))", 16, 3, 8),
	AEAD("aes192ccm8", "rfc4309(ccm(aes))", 24, 3, 8),
	AEAD("aes256ccm8", "rfc4309(ccm(aes))", 32, 3, 8),
	AEAD("aes128ccm12", "rfc4309(ccm(aes))", 16, 3, 12),
	AEAD("aes192ccm12", "rfc4309(ccm(aes))", 24, 3, 12),
	AEAD("aes256ccm12", "rfc4309(ccm(aes))", 32, 3, 12),
	AEAD("aes128ccm16", "rfc4309(ccm(aes))", 16, 3, 16),
	AEAD("aes192ccm16", "rfc4309(ccm(aes))", 24, 3, 16),
	AEAD("aes256ccm16", "rfc4309(ccm(aes))", 32, 3, 16),
	AEAD("aes128gmac", "rfc4543(gcm(aes))", 16, 4, 16),
	AEAD("aes192gmac", "rfc4543(gcm(aes))", 24, 4, 16),
	AEAD("aes256gmac", "rfc4543(gcm(aes))", 32, 4, 16),
	AEAD("chacha20poly1305", "rfc7539esp(chacha20,poly1305)", 32, 4, 16),
	CBC("aes128-sha256", "sha256", 16, 32, 16, false),
	CBC("aes192-sha256", "sha256", 24, 32, 16, false),
	CBC("aes256-sha256", "sha256", 32, 32, 16, false),
	CBC("aes128-sha384", "sha384", 16, 48, 24, false),
	CBC("aes192-sha384", "sha384", 24, 48, 24, false),
	CBC("aes256-sha384", "sha384", 32, 48, 24, false),
	CBC("aes128-sha512", "sha512", 16, 64, 32, false),
	CBC("aes192-sha512", "sha512", 24, 64, 32, false),
	CBC("aes256-sha512", "sha512", 32, 64, 32, false),
	CBC("aes128-sha1", "sha1", 16, 20, 12, true),
	CBC("aes192-sha1", "sha1", 24, 20, 12, true),
	CBC("aes256-sha1", "sha1", 32, 20, 12, true),
	CTR("aes128ctr-sha256", "sha256", 16, 32, 16),
	CTR("aes192ctr-sha256", "sha256", 24, 32, 16),
	CTR("aes256ctr-sha256", "sha256", 32, 32, 16),
	CTR("aes128ctr-sha384", "sha384", 16, 48, 24),
	CTR("aes192ctr-sha384", "sha384", 24, 48, 24),
	CTR("aes256ctr-sha384", "sha384", 32, 48, 24),
	CTR("aes128ctr-sha512", "sha512", 16, 64, 32),
	CTR("aes192ctr-sha512", "sha512", 24, 64, 32),
	CTR("aes256ctr-sha512", "sha512", 32, 64, 32),
	NUL("null-sha256", "sha256", 32, 16),
	NUL("null-sha384", "sha384", 48, 24),
	NUL("null-sha512", "sha512", 64, 32),
};

static void describe_row(const struct row *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(row, rows, describe_row);

static void suite_is(struct kunit *test)
{
	const struct row *row = test->param_value;
	const struct espm_suite *s = espm_suite_find(row->name);

	KUNIT_ASSERT_NOT_NULL(test, s);
	KUNIT_EXPECT_STREQ(test, s->name, row->name);
	KUNIT_EXPECT_STREQ(test, s->alg, row->alg);
	KUNIT_EXPECT_STREQ(test, s->alg_esn, row->alg_esn);
	KUNIT_EXPECT_EQ(test, s->enc_len, row->enc);
	KUNIT_EXPECT_EQ(test, s->salt_len, row->salt);
	KUNIT_EXPECT_EQ(test, s->auth_len, row->auth);
	KUNIT_EXPECT_EQ(test, s->iv_len, row->iv);
	KUNIT_EXPECT_EQ(test, s->icv_len, row->icv);
	KUNIT_EXPECT_EQ(test, s->block, row->block);
	KUNIT_EXPECT_EQ(test, s->iv, row->kind);
	KUNIT_EXPECT_EQ(test, s->legacy, row->legacy);
	KUNIT_EXPECT_EQ(test, espm_suite_key_len(s), row->enc + row->salt + row->auth);
}

static void table_is_whole_and_within_limits(struct kunit *test)
{
	const struct espm_suite *s, *other;
	u32 i, j, known;

	for (i = 0; (s = espm_suite_at(i)); i++) {
		for (j = 0; (other = espm_suite_at(j)); j++)
			if (i != j)
				KUNIT_EXPECT_STRNEQ(test, s->name, other->name);
		for (known = 0; known < ARRAY_SIZE(rows); known++)
			if (!strcmp(rows[known].name, s->name))
				break;
		KUNIT_EXPECT_LT_MSG(test, known, ARRAY_SIZE(rows), "%s is new here", s->name);
		KUNIT_EXPECT_PTR_EQ(test, espm_suite_find(s->name), s);

		KUNIT_EXPECT_LE_MSG(test, espm_suite_key_len(s), ESP_MOD_KEY_LEN_MAX,
				    "no message can carry a key for %s", s->name);
		KUNIT_EXPECT_LE(test, strlen(s->name), ESP_MOD_SUITE_NAME_MAX);
		KUNIT_EXPECT_LE(test, s->iv_len, ESPM_IV_MAX);
		KUNIT_EXPECT_LE(test, s->icv_len, ESPM_ICV_MAX);
		KUNIT_EXPECT_GE(test, s->icv_len, 8);
		KUNIT_EXPECT_EQ(test, s->block & (s->block - 1), 0);
	}
	KUNIT_EXPECT_EQ(test, i, ARRAY_SIZE(rows));
	KUNIT_EXPECT_NULL(test, espm_suite_at(i + 1));
	KUNIT_EXPECT_NULL(test, espm_suite_at(UINT_MAX));
}

static const struct {
	const char *name;
	const char *why;	/* part of the sentence */
} refusals[] = {
	{ "aes128-md5", "MD5 is broken" },
	{ "null-md5", "MD5 is broken" },
	{ "des-md5", "MD5 is broken" },
	{ "des-sha256", "DES is broken" },
	{ "des", "DES is broken" },
	{ "3des-sha256", "3DES is not offered" },
	{ "3des", "3DES is not offered" },
	{ "3des-sha1", "3DES is not offered" },
	{ "blowfish-sha256", "64-bit block ciphers are not offered" },
	{ "blowfish128", "64-bit block ciphers are not offered" },
	{ "cast128-sha1", "64-bit block ciphers are not offered" },
	{ "idea-sha256", "64-bit block ciphers are not offered" },
	{ "ah", "AH is not offered" },
	{ "ah-sha256", "AH is not offered" },
	{ "null", "null without integrity" },
	{ "null-null", "integrity must not be left out" },
	{ "null-none", "integrity must not be left out" },
	{ "aes256-none", "integrity must not be left out" },
	{ "aes128", "cipher without integrity" },
	{ "aes192", "cipher without integrity" },
	{ "aes256", "cipher without integrity" },
	{ "aes128ctr", "cipher without integrity" },
	{ "", "unknown suite" },
	{ "aes128gcm", "unknown suite" },
	{ "aes128gcm17", "unknown suite" },
	{ "aes128gcm16 ", "unknown suite" },
	{ "AES128GCM16", "unknown suite" },
	{ "aes512gcm16", "unknown suite" },
	{ "aes128-sha", "unknown suite" },
	{ "null-sha1", "unknown suite" },
	{ "rfc4106(gcm(aes))", "unknown suite" },
	{ "xyzzy", "unknown suite" },
};

static void refusals_say_why(struct kunit *test)
{
	const char *sentence;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		KUNIT_EXPECT_NULL_MSG(test, espm_suite_find(refusals[i].name), "%s is there",
				      refusals[i].name);
		sentence = espm_suite_refusal(refusals[i].name);
		KUNIT_ASSERT_NOT_NULL(test, sentence);
		KUNIT_EXPECT_TRUE_MSG(test, strstr(sentence, refusals[i].why), "%s: %s",
				      refusals[i].name, sentence);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(suite_is, row_gen_params),
	KUNIT_CASE(table_is_whole_and_within_limits),
	KUNIT_CASE(refusals_say_why),
	{}
};

static struct kunit_suite suite = {
	.name = "esp_mod_suite",
	.test_cases = cases,
};

kunit_test_suites(&suite);
