/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ESP trailer (RFC 4303 sections 2.4 to 2.6): padding 1, 2, 3 ..., pad
 * length, next header; and the arithmetic of sizes that follows from it.
 */
#ifndef _ESPM_TRAILER_H
#define _ESPM_TRAILER_H

#include <linux/types.h>
#include "proto.h"

enum espm_trailer_verdict {
	ESPM_TRAILER_OK,
	ESPM_TRAILER_SHORT,	/* more padding than packet */
	ESPM_TRAILER_PADDING,	/* padding is not 1, 2, 3 ... */
};

/**
 * struct espm_trailer - what the end of an opened packet says
 * @payload: bytes in front of the padding
 * @next: next header
 */
struct espm_trailer {
	u32 payload;
	u8 next;
};

u32 espm_trailer_len(u32 payload, u32 block);
void espm_trailer_write(u8 *at, u32 len, u8 next);
enum espm_trailer_verdict espm_trailer_read(const u8 *text, u32 len, struct espm_trailer *t);
u32 espm_trailer_fit(u32 room, u32 block);

#endif /* _ESPM_TRAILER_H */
