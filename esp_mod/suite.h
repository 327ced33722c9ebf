/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Crypto suites by the names that strongSwan gives them, and what each is in
 * the kernel's crypto API. A user names a suite, never a template.
 */
#ifndef _ESPM_SUITE_H
#define _ESPM_SUITE_H

#include <linux/types.h>

enum espm_iv {
	ESPM_IV_NONE,
	ESPM_IV_COUNTER,	/* unique: the sequence number, mixed */
	ESPM_IV_RANDOM,		/* unpredictable, for CBC */
};

/**
 * struct espm_suite - one suite
 * @name: as strongSwan spells it
 * @alg: the kernel's template
 * @alg_esn: the template for ESN; the same for combined modes
 * @enc_len: bytes of cipher key
 * @salt_len: bytes of salt, or of nonce, that follow the cipher key
 * @auth_len: bytes of integrity key, 0 in combined modes
 * @iv_len: bytes of IV on the wire
 * @icv_len: bytes of ICV on the wire
 * @block: bytes that payload and trailer are aligned to, 4 at least
 * @iv: how IVs are made
 * @legacy: still secure here, no longer recommended (RFC 8221)
 */
struct espm_suite {
	const char *name;
	const char *alg;
	const char *alg_esn;
	u8 enc_len;
	u8 salt_len;
	u8 auth_len;
	u8 iv_len;
	u8 icv_len;
	u8 block;
	enum espm_iv iv;
	bool legacy;
};

const struct espm_suite *espm_suite_find(const char *name);
const struct espm_suite *espm_suite_at(unsigned int i);
const char *espm_suite_refusal(const char *name);
u32 espm_suite_key_len(const struct espm_suite *suite);

#endif /* _ESPM_SUITE_H */
