/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long an SA may live (RFC 4301 section 4.4.2.1). Pure: who calls has
 * counted, or looked at a clock.
 */
#ifndef _ESPM_LIFETIME_H
#define _ESPM_LIFETIME_H

#include <linux/types.h>
#include "proto.h"

enum { ESPM_LIVES = ESPM_LIFE_MAX + 1 };

/* How old an SA is by one measure; what comes later outweighs what comes before. */
enum espm_age {
	ESPM_AGE_YOUNG,
	ESPM_AGE_SOFT,		/* at the soft limit, or past it */
	ESPM_AGE_LAST,		/* exactly at the hard limit */
	ESPM_AGE_OVER,		/* past the hard limit */
};

/**
 * struct espm_bound - the limits of one measure: bytes, packets, or nanoseconds
 * @soft: at which a new SA should be made, 0 for none
 * @hard: at which the SA ends, 0 for none
 */
struct espm_bound {
	u64 soft;
	u64 hard;
};

/**
 * struct espm_lifetime - the limits of an SA
 * @bound: by enum espm_life; those in seconds are kept as nanoseconds
 */
struct espm_lifetime {
	struct espm_bound bound[ESPM_LIVES];
};

bool espm_lifetime_has(const struct espm_lifetime *life, enum espm_life by);
bool espm_lifetime_is_endless(const struct espm_lifetime *life);
bool espm_lifetime_is_ordered(const struct espm_lifetime *life);
enum espm_age espm_lifetime_age(const struct espm_lifetime *life, enum espm_life by, u64 used);
u64 espm_lifetime_next(const struct espm_lifetime *life, enum espm_life by, u64 used);

#endif /* _ESPM_LIFETIME_H */
