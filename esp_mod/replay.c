// SPDX-License-Identifier: GPL-2.0
/* Anti-replay: infer, check, commit. See replay.h. */
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "replay.h"

enum { WORD_BITS = 64 };

/* The spare word lets the ring advance a word at a time (RFC 6479). */
static u32 count_words(u32 window)
{
	return roundup_pow_of_two(DIV_ROUND_UP(window, WORD_BITS) + 1);
}

static u64 bit_of(u64 seq)
{
	return 1ULL << (seq % WORD_BITS);
}

static u64 word_of(const struct espm_replay *r, u64 seq)
{
	return (seq / WORD_BITS) & r->mask;
}

/**
 * espm_replay_size() - memory that a window takes
 * @window: width in packets, 0 to ESPM_WINDOW_MAX
 *
 * Return: bytes of a struct espm_replay with its ring.
 */
size_t espm_replay_size(u32 window)
{
	return sizeof(struct espm_replay) + count_words(window) * sizeof(u64);
}

/**
 * espm_replay_init() - an empty window
 * @r: memory of espm_replay_size(@window) bytes
 * @window: width in packets
 */
void espm_replay_init(struct espm_replay *r, u32 window)
{
	memset(r, 0, espm_replay_size(window));
	r->window = window;
	r->mask = count_words(window) - 1;
}

/**
 * espm_replay_resume() - go on where another window has ended
 * @r: an empty window
 * @top: highest number that may have been received; those below count as received
 */
void espm_replay_resume(struct espm_replay *r, u64 top)
{
	memset(r->ring, 0xff, ((size_t)r->mask + 1) * sizeof(u64));
	/* Of the numbers that follow, those in the next words are cleared as the window moves. */
	r->ring[word_of(r, top)] = bit_of(top) | (bit_of(top) - 1);
	r->top = top;
}

/**
 * espm_replay_infer() - the 64-bit number of an ESN packet (RFC 4303 app. A2)
 * @r: the window
 * @lo: the low 32 bits, from the wire
 *
 * The one number with these low bits in the 2^32 numbers that begin with the
 * left edge of the window. At the start of life that edge is number 0.
 *
 * Return: the number.
 */
u64 espm_replay_infer(const struct espm_replay *r, u32 lo)
{
	u64 base = r->top >= r->window ? r->top - r->window + 1 : 0;

	return base + (u32)(lo - (u32)base);
}

/**
 * espm_replay_check() - may this number still be accepted?
 * @r: the window
 * @seq: the number
 *
 * Commits to nothing.
 *
 * Return: the verdict; always new if the check is off.
 */
enum espm_replay_verdict espm_replay_check(const struct espm_replay *r, u64 seq)
{
	if (!r->window)
		return ESPM_REPLAY_NEW;
	if (!seq)
		return ESPM_REPLAY_OLD;
	if (seq > r->top)
		return ESPM_REPLAY_NEW;
	if (r->top - seq >= r->window)
		return ESPM_REPLAY_OLD;
	if (r->ring[word_of(r, seq)] & bit_of(seq))
		return ESPM_REPLAY_SEEN;
	return ESPM_REPLAY_NEW;
}

/**
 * espm_replay_commit() - take a number whose packet was authenticated
 * @r: the window
 * @seq: the number that was checked before
 *
 * Checks again, since another CPU may have opened a copy meanwhile.
 *
 * Return: the verdict; the window moved only if it is new.
 */
enum espm_replay_verdict espm_replay_commit(struct espm_replay *r, u64 seq)
{
	enum espm_replay_verdict verdict = espm_replay_check(r, seq);
	u64 from, steps;

	if (verdict != ESPM_REPLAY_NEW)
		return verdict;

	if (seq > r->top) {
		from = r->top / WORD_BITS;
		steps = min_t(u64, seq / WORD_BITS - from, (u64)r->mask + 1);
		while (steps--)
			r->ring[++from & r->mask] = 0;
		r->top = seq;
	}
	r->ring[word_of(r, seq)] |= bit_of(seq);
	return ESPM_REPLAY_NEW;
}
