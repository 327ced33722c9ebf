// SPDX-License-Identifier: GPL-2.0
/* The table of suites. See suite.h. */
#include <linux/kernel.h>
#include <linux/string.h>
#include "suite.h"

#define COMBINED(_name, _alg, _enc, _salt, _icv) {			\
	.name = _name, .alg = _alg, .alg_esn = _alg,			\
	.enc_len = _enc, .salt_len = _salt, .iv_len = 8,		\
	.icv_len = _icv, .block = 4, .iv = ESPM_IV_COUNTER }

#define GCM(bits, icv)							\
	COMBINED("aes" #bits "gcm" #icv, "rfc4106(gcm(aes))", (bits) / 8, 4, icv)
#define CCM(bits, icv)							\
	COMBINED("aes" #bits "ccm" #icv, "rfc4309(ccm(aes))", (bits) / 8, 3, icv)
#define GMAC(bits)							\
	COMBINED("aes" #bits "gmac", "rfc4543(gcm(aes))", (bits) / 8, 4, 16)

#define SEPARATE(_name, _hash, _cipher, _enc, _salt, _auth, _iv_len, _icv, _block, _iv,	\
		 _old) {								\
	.name = _name, .alg = "authenc(hmac(" _hash ")," _cipher ")",				\
	.alg_esn = "authencesn(hmac(" _hash ")," _cipher ")",					\
	.enc_len = _enc, .salt_len = _salt, .auth_len = _auth, .iv_len = _iv_len,		\
	.icv_len = _icv, .block = _block, .iv = _iv, .legacy = _old }

#define CBC(bits, tag, hash, auth, icv, old)						\
	SEPARATE("aes" #bits "-" tag, hash, "cbc(aes)", (bits) / 8, 0, auth, 16, icv,	\
		 16, ESPM_IV_RANDOM, old)
#define CTR(bits, tag, hash, auth, icv)							\
	SEPARATE("aes" #bits "ctr-" tag, hash, "rfc3686(ctr(aes))", (bits) / 8, 4, auth,	\
		 8, icv, 4, ESPM_IV_COUNTER, false)
#define NUL(tag, hash, auth, icv)							\
	SEPARATE("null-" tag, hash, "ecb(cipher_null)", 0, 0, auth, 0, icv, 4,		\
		 ESPM_IV_NONE, false)

#define EACH_SIZE(what, ...)							\
	what(128, ##__VA_ARGS__), what(192, ##__VA_ARGS__), what(256, ##__VA_ARGS__)

static const struct espm_suite suites[] = {
	EACH_SIZE(GCM, 8), EACH_SIZE(GCM, 12), EACH_SIZE(GCM, 16),
	EACH_SIZE(CCM, 8), EACH_SIZE(CCM, 12), EACH_SIZE(CCM, 16),
	EACH_SIZE(GMAC),
	COMBINED("chacha20poly1305", "rfc7539esp(chacha20,poly1305)", 32, 4, 16),
	EACH_SIZE(CBC, "sha256", "sha256", 32, 16, false),
	EACH_SIZE(CBC, "sha384", "sha384", 48, 24, false),
	EACH_SIZE(CBC, "sha512", "sha512", 64, 32, false),
	EACH_SIZE(CBC, "sha1", "sha1", 20, 12, true),
	EACH_SIZE(CTR, "sha256", "sha256", 32, 16),
	EACH_SIZE(CTR, "sha384", "sha384", 48, 24),
	EACH_SIZE(CTR, "sha512", "sha512", 64, 32),
	NUL("sha256", "sha256", 32, 16),
	NUL("sha384", "sha384", 48, 24),
	NUL("sha512", "sha512", 64, 32),
};

/**
 * espm_suite_find() - a suite by its name
 * @name: as strongSwan spells it
 *
 * Return: the suite, which lives for ever, or NULL.
 */
const struct espm_suite *espm_suite_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(suites); i++)
		if (!strcmp(name, suites[i].name))
			return &suites[i];
	return NULL;
}

/**
 * espm_suite_at() - a suite by its place in the table
 * @i: from 0
 *
 * Return: the suite, or NULL behind the last one.
 */
const struct espm_suite *espm_suite_at(unsigned int i)
{
	return i < ARRAY_SIZE(suites) ? &suites[i] : NULL;
}

/**
 * espm_suite_key_len() - bytes of key material
 * @suite: the suite
 *
 * Return: cipher key, salt and integrity key together.
 */
u32 espm_suite_key_len(const struct espm_suite *suite)
{
	return suite->enc_len + suite->salt_len + suite->auth_len;
}

static bool has(const char *name, const char *part)
{
	return strstr(name, part);
}

/**
 * espm_suite_refusal() - why there is no suite of this name
 * @name: a name that espm_suite_find() does not know
 *
 * Return: one sentence, which lives for ever.
 */
const char *espm_suite_refusal(const char *name)
{
	if (has(name, "md5"))
		return "MD5 is broken: use an AEAD such as aes128gcm16";
	if (has(name, "3des"))
		return "3DES is not offered (RFC 8221): use aes128gcm16";
	if (has(name, "des"))
		return "DES is broken (RFC 8221): use aes128gcm16";
	if (has(name, "blowfish") || has(name, "cast") || has(name, "idea"))
		return "64-bit block ciphers are not offered (RFC 8221): use aes128gcm16";
	if (strstarts(name, "ah"))
		return "AH is not offered: null-sha256 gives integrity alone";
	if (!strcmp(name, "null"))
		return "null without integrity protects nothing: use null-sha256";
	if (!strcmp(name, "null-null") || has(name, "-none"))
		return "integrity must not be left out: null-sha256 is integrity alone";
	if (!has(name, "-") && strstarts(name, "aes") && !has(name, "gcm") &&
	    !has(name, "ccm") && !has(name, "gmac"))
		return "a cipher without integrity is refused: use aes128gcm16 or aes128-sha256";
	return "unknown suite: 'espctl suites' lists those that exist";
}
