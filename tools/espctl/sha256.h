/* SPDX-License-Identifier: GPL-2.0 */
/* SHA-256 of short inputs (FIPS 180-4), for fingerprints. */
#ifndef _ESPCTL_SHA256_H
#define _ESPCTL_SHA256_H

#include <stddef.h>
#include <linux/types.h>

enum { SHA256_LEN = 32 };

void sha256(const void *data, size_t len, __u8 digest[SHA256_LEN]);

#endif /* _ESPCTL_SHA256_H */
