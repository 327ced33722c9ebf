/* SPDX-License-Identifier: GPL-2.0 */
/* Addresses, and ranges of them: read from words, written as words. */
#ifndef _ESPCTL_ADDR_H
#define _ESPCTL_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

enum {
	ADDR_V4 = 4,
	ADDR_V6 = 16,
	RANGE_TEXT = 96,	/* two IPv6 addresses and what joins them */
};

/* An address; len is ADDR_V4, ADDR_V6, or 0 where there is none. */
struct addr {
	__u8 len;
	__u8 bytes[ADDR_V6];
};

/* A range, both ends included; first.len is 0 for any address. */
struct range {
	struct addr first;
	struct addr last;
};

bool addr_parse(struct addr *addr, const char *word);
const char *range_parse(struct range *range, const char *word);
bool range_has(const struct range *range, const struct addr *addr);
void addr_set(struct addr *addr, const void *bytes, size_t len);
void addr_text(const struct addr *addr, char *text, size_t size);
void range_text(const struct range *range, char *text, size_t size);

#endif /* _ESPCTL_ADDR_H */
