/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Anti-replay (RFC 4303 section 3.4.3) on 64-bit sequence numbers, with the
 * ring of RFC 6479. Pure: the caller holds whatever lock the window needs.
 *
 * One number goes through all three steps: infer it from the wire, check it
 * before the crypto, commit the very same number after the ICV was verified.
 */
#ifndef _ESPM_REPLAY_H
#define _ESPM_REPLAY_H

#include <linux/types.h>

enum espm_replay_verdict {
	ESPM_REPLAY_NEW,
	ESPM_REPLAY_OLD,	/* left of the window, or number 0 */
	ESPM_REPLAY_SEEN,	/* inside of the window, a duplicate */
};

/**
 * struct espm_replay - what was received on one inbound SA
 * @top: highest sequence number that was authenticated, 0 at first
 * @window: width in packets, 0 if the check is off
 * @mask: words in @ring less one; their number is a power of two
 * @ring: one bit for each number of the window, and a spare word at least
 */
struct espm_replay {
	u64 top;
	u32 window;
	u32 mask;
	u64 ring[];
};

size_t espm_replay_size(u32 window);
void espm_replay_init(struct espm_replay *r, u32 window);
void espm_replay_resume(struct espm_replay *r, u64 top);
u64 espm_replay_infer(const struct espm_replay *r, u32 lo);
enum espm_replay_verdict espm_replay_check(const struct espm_replay *r, u64 seq);
enum espm_replay_verdict espm_replay_commit(struct espm_replay *r, u64 seq);

#endif /* _ESPM_REPLAY_H */
