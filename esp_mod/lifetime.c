// SPDX-License-Identifier: GPL-2.0
/* How long an SA may live. See lifetime.h. */
#include <linux/limits.h>
#include "lifetime.h"

/**
 * espm_lifetime_has() - is there a limit of this kind?
 * @life: limits
 * @by: the kind
 *
 * Return: true for a soft or a hard one.
 */
bool espm_lifetime_has(const struct espm_lifetime *life, enum espm_life by)
{
	return life->bound[by].soft || life->bound[by].hard;
}

/**
 * espm_lifetime_is_endless() - is there no limit at all?
 * @life: limits
 *
 * Return: true without any.
 */
bool espm_lifetime_is_endless(const struct espm_lifetime *life)
{
	u32 by;

	for (by = 0; by < ESPM_LIVES; by++)
		if (espm_lifetime_has(life, by))
			return false;
	return true;
}

/**
 * espm_lifetime_is_ordered() - does each soft limit come before its hard one?
 * @life: limits
 *
 * Return: false where it could never be told in time.
 */
bool espm_lifetime_is_ordered(const struct espm_lifetime *life)
{
	u32 by;

	for (by = 0; by < ESPM_LIVES; by++)
		if (life->bound[by].hard && life->bound[by].soft >= life->bound[by].hard)
			return false;
	return true;
}

/**
 * espm_lifetime_age() - how old is an SA by one measure?
 * @life: limits
 * @by: the measure
 * @used: how much is used, with the packet that is asked about
 *
 * Return: the age.
 */
enum espm_age espm_lifetime_age(const struct espm_lifetime *life, enum espm_life by, u64 used)
{
	const struct espm_bound *bound = &life->bound[by];

	if (bound->hard && used >= bound->hard)
		return used > bound->hard ? ESPM_AGE_OVER : ESPM_AGE_LAST;
	return bound->soft && used >= bound->soft ? ESPM_AGE_SOFT : ESPM_AGE_YOUNG;
}

/**
 * espm_lifetime_next() - at which use does the age change next?
 * @life: limits
 * @by: the measure
 * @used: how much is used
 *
 * Return: the next limit above @used, U64_MAX behind the last.
 */
u64 espm_lifetime_next(const struct espm_lifetime *life, enum espm_life by, u64 used)
{
	const struct espm_bound *bound = &life->bound[by];

	if (bound->soft > used)
		return bound->soft;
	return bound->hard > used ? bound->hard : U64_MAX;
}
