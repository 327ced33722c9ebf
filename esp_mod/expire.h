/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The end of an SA's life: what its limits in bytes, packets and seconds are
 * held against, and what happens at each.
 *
 * A packet has a number on its SA: the sequence number outbound, a count of
 * those authenticated inbound. espm_sa.mark says up to which number nothing is to
 * be looked at, so an SA without limits costs one comparison, and limits in
 * packets cost no more until they come near. With a limit in bytes the mark stays
 * at zero, and each packet adds to one counter that all CPUs share.
 *
 * Seconds are those of CLOCK_BOOTTIME: no settimeofday() moves it, and a key
 * ages while the machine sleeps, as it does at the other end.
 */
#ifndef _ESPM_EXPIRE_H
#define _ESPM_EXPIRE_H

#include "lifetime.h"

struct espm_sa;

/**
 * struct espm_limits - limits of an SA, replaced whole
 * @life: the limits
 * @rcu: their end
 */
struct espm_limits {
	struct espm_lifetime life;
	struct rcu_head rcu;
};

void espm_expire_init(struct espm_sa *sa);
void espm_expire_exit(struct espm_sa *sa);
struct espm_limits *espm_expire_limits(const struct espm_lifetime *life);
void espm_expire_limit(struct espm_sa *sa, struct espm_limits *new);
void espm_expire_born(struct espm_sa *sa);
void espm_expire_begin(struct espm_sa *sa);
bool espm_expire_count(struct espm_sa *sa, u64 nth, u32 bytes);
u64 espm_expire_used(struct espm_sa *sa, enum espm_life by);

#endif /* _ESPM_EXPIRE_H */
