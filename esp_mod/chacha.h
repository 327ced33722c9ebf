/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ChaCha20-Poly1305 (RFC 8439) as ESP wants it (RFC 7634), from the kernel's
 * ChaCha20 and its Poly1305.
 *
 * The kernel's template joins the same two for packets in many pieces, by a request
 * and a scatterlist for each part of what is hashed. Ours are in one piece, and
 * there that is a fifth of the cipher (5,000 of 24,000 instructions for 1,400
 * bytes, sealed and opened).
 *
 *	key of the MAC <- block 0 of the stream
 *	text           <- xor with blocks 1, 2, ...
 *	ICV            <- MAC of data, text and their lengths, each padded to 16
 */
#ifndef _ESPM_CHACHA_H
#define _ESPM_CHACHA_H

#include <linux/types.h>

/* Bytes of a block of the stream, which a packet to be sealed has in front of its text */
enum { ESPM_CHACHA_BLOCK = 64 };

struct espm_chacha;

struct espm_chacha *espm_chacha_alloc(const u8 *key);
void espm_chacha_free(struct espm_chacha *chacha);
const char *espm_chacha_driver(const struct espm_chacha *chacha);
u32 espm_chacha_room(const struct espm_chacha *chacha);
int espm_chacha_seal(const struct espm_chacha *chacha, void *room, const u8 *iv,
		     const u8 *data, u32 data_len, u8 *text, u32 len);
int espm_chacha_open(const struct espm_chacha *chacha, void *room, const u8 *iv,
		     const u8 *data, u32 data_len, u8 *text, u32 len);

#endif /* _ESPM_CHACHA_H */
