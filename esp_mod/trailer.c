// SPDX-License-Identifier: GPL-2.0
/* The ESP trailer. See trailer.h. */
#include <linux/align.h>
#include <linux/kernel.h>
#include "trailer.h"

/**
 * espm_trailer_len() - bytes that follow the payload, without the ICV
 * @payload: bytes of payload
 * @block: the cipher's block size, a power of two, 4 at least
 *
 * Return: padding, pad length and next header: the least that aligns.
 */
u32 espm_trailer_len(u32 payload, u32 block)
{
	return ALIGN(payload + ESPM_TAIL_LEN, block) - payload;
}

/**
 * espm_trailer_write() - write a trailer
 * @at: where the payload ends
 * @len: the trailer's length, from espm_trailer_len()
 * @next: next header
 */
void espm_trailer_write(u8 *at, u32 len, u8 next)
{
	u32 pad = len - ESPM_TAIL_LEN;
	u32 i;

	for (i = 0; i < pad; i++)
		at[i] = i + 1;
	at[pad] = pad;
	at[pad + 1] = next;
}

/**
 * espm_trailer_read() - read and inspect the trailer of an opened packet
 * @text: the plain text, trailer included
 * @len: its length
 * @t: result, valid only with %ESPM_TRAILER_OK
 *
 * RFC 4303 section 2.4: a receiver should inspect the padding.
 *
 * Return: the verdict.
 */
enum espm_trailer_verdict espm_trailer_read(const u8 *text, u32 len, struct espm_trailer *t)
{
	u32 pad, i;

	if (len < ESPM_TAIL_LEN)
		return ESPM_TRAILER_SHORT;
	pad = text[len - 2];
	if (pad > len - ESPM_TAIL_LEN)
		return ESPM_TRAILER_SHORT;

	t->payload = len - ESPM_TAIL_LEN - pad;
	t->next = text[len - 1];
	for (i = 0; i < pad; i++)
		if (text[t->payload + i] != i + 1)
			return ESPM_TRAILER_PADDING;
	return ESPM_TRAILER_OK;
}

/**
 * espm_trailer_fit() - longest payload for so much room
 * @room: bytes for payload and trailer
 * @block: the cipher's block size, a power of two, 4 at least
 *
 * Return: bytes of payload, 0 if not even a trailer fits.
 */
u32 espm_trailer_fit(u32 room, u32 block)
{
	room = ALIGN_DOWN(room, block);
	return room > ESPM_TAIL_LEN ? room - ESPM_TAIL_LEN : 0;
}
