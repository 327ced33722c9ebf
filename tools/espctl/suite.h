/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The suites, for help, for genkey and for sentences about lengths. Whether
 * a suite can be used is for the kernel to say.
 */
#ifndef _ESPCTL_SUITE_H
#define _ESPCTL_SUITE_H

#include <stdbool.h>
#include <stddef.h>

struct suite {
	const char *name;
	unsigned char enc_len;	/* cipher key */
	unsigned char salt_len;	/* salt or nonce, behind it */
	unsigned char auth_len;	/* integrity key, last */
	unsigned char iv_len;
	unsigned char icv_len;
	bool legacy;
};

const struct suite *suite_find(const char *name);
const char *suite_nearest(const char *name);
const char *suite_name(size_t i);
size_t suite_key_len(const struct suite *suite);
void suite_key_text(const struct suite *suite, char *text, size_t size);

#endif /* _ESPCTL_SUITE_H */
