// SPDX-License-Identifier: GPL-2.0
/* The end of an SA's life. See expire.h. */
#include <linux/hrtimer.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include "atom.h"
#include "compat.h"
#include "event.h"
#include "expire.h"
#include "sa.h"

static const struct espm_lifetime endless;

static const struct espm_lifetime *life_of(const struct espm_sa *sa)
{
	const struct espm_limits *limits = rcu_dereference(sa->limits);

	return limits ? &limits->life : &endless;
}

/* The soft limit that is reached first makes an SA dying, and is told. */
static void soften(struct espm_sa *sa, enum espm_life by)
{
	if (READ_ONCE(sa->soft_limit) != ESPM_LIVES ||
	    espm_cmpxchg(&sa->soft_limit, ESPM_LIVES, by) != ESPM_LIVES)
		return;
	espm_cmpxchg(&sa->state, ESPM_SA_VALID, ESPM_SA_DYING);
	espm_event_raise(sa, ESPM_EVENT_SOFT);
}

static void harden(struct espm_sa *sa, enum espm_life by)
{
	if (!espm_sa_end(sa))
		return;
	WRITE_ONCE(sa->hard_limit, by);
	espm_event_raise(sa, ESPM_EVENT_HARD);
}

static bool may_expire(const struct espm_sa *sa)
{
	return espm_sa_usable(sa) || READ_ONCE(sa->state) == ESPM_SA_LARVAL;
}

/* Look at the clock, and have it looked at again when the next limit in seconds comes. */
static void look_at_clock(struct espm_sa *sa)
{
	const struct espm_lifetime *life = life_of(sa);
	u64 now = ktime_get_boottime_ns(), next = U64_MAX, since, left;
	enum espm_life by;

	lockdep_assert_held(&sa->expire_lock);
	for (by = ESPM_LIFE_SECONDS; by <= ESPM_LIFE_USE_SECONDS; by++) {
		since = by == ESPM_LIFE_SECONDS ? sa->added : sa->used;
		if (!since)
			continue;
		switch (espm_lifetime_age(life, by, now - since)) {
		case ESPM_AGE_YOUNG:
			break;
		case ESPM_AGE_SOFT:
			soften(sa, by);
			break;
		default:
			harden(sa, by);
			break;
		}
		left = espm_lifetime_next(life, by, now - since);
		if (left != U64_MAX)
			next = min(next, since + left);
	}
	/* It doesn't start again for an SA that is being freed. */
	if (next != U64_MAX && may_expire(sa))
		hrtimer_start(&sa->expiry, ns_to_ktime(next), HRTIMER_MODE_ABS_SOFT);
}

static enum hrtimer_restart at_limit(struct hrtimer *timer)
{
	struct espm_sa *sa = container_of(timer, struct espm_sa, expiry);

	rcu_read_lock();
	spin_lock(&sa->expire_lock);
	look_at_clock(sa);
	spin_unlock(&sa->expire_lock);
	rcu_read_unlock();
	return HRTIMER_NORESTART;
}

/**
 * espm_expire_init() - no limits yet
 * @sa: a larval SA
 */
void espm_expire_init(struct espm_sa *sa)
{
	spin_lock_init(&sa->expire_lock);
	espm_compat_hrtimer_setup(&sa->expiry, at_limit, CLOCK_BOOTTIME, HRTIMER_MODE_ABS_SOFT);
	sa->soft_limit = ESPM_LIVES;
	sa->hard_limit = ESPM_LIVES;
}

/**
 * espm_expire_exit() - the SA is being freed
 * @sa: the SA, not usable, which nobody sees any more
 *
 * Context: process, sleeps.
 */
void espm_expire_exit(struct espm_sa *sa)
{
	hrtimer_cancel(&sa->expiry);
	kfree(rcu_dereference_raw(sa->limits));
}

/**
 * espm_expire_limits() - limits for an SA
 * @life: what they are, copied
 *
 * Context: process, sleeps.
 * Return: the limits, the caller's until espm_expire_limit(); NULL without memory.
 */
struct espm_limits *espm_expire_limits(const struct espm_lifetime *life)
{
	struct espm_limits *limits = kmalloc(sizeof(*limits), GFP_KERNEL_ACCOUNT);

	if (limits)
		limits->life = *life;
	return limits;
}

/**
 * espm_expire_limit() - give an SA limits, or others
 * @sa: the SA, larval or of a locked namespace
 * @new: the limits, the SA's from now on; NULL for none
 *
 * Context: process, sleeps.
 */
void espm_expire_limit(struct espm_sa *sa, struct espm_limits *new)
{
	struct espm_limits *old;

	rcu_read_lock();
	spin_lock_bh(&sa->expire_lock);
	old = rcu_replace_pointer(sa->limits, new, lockdep_is_held(&sa->expire_lock));
	/* The next packet finds out how far the new ones are; they are told anew. */
	WRITE_ONCE(sa->mark, 0);
	WRITE_ONCE(sa->soft_limit, ESPM_LIVES);
	if (espm_sa_usable(sa))
		look_at_clock(sa);
	spin_unlock_bh(&sa->expire_lock);
	rcu_read_unlock();
	if (old)
		kfree_rcu(old, rcu);
}

/**
 * espm_expire_born() - an SA is about to be published: its clock begins
 * @sa: the SA
 */
void espm_expire_born(struct espm_sa *sa)
{
	sa->added = ktime_get_boottime_ns();
}

/**
 * espm_expire_begin() - an SA was published
 * @sa: the SA, valid
 *
 * Context: process.
 */
void espm_expire_begin(struct espm_sa *sa)
{
	rcu_read_lock();
	spin_lock_bh(&sa->expire_lock);
	look_at_clock(sa);
	spin_unlock_bh(&sa->expire_lock);
	rcu_read_unlock();
}

static void note_first_use(struct espm_sa *sa)
{
	spin_lock_bh(&sa->expire_lock);
	if (!sa->used) {
		/* Whoever sees half of it, on 32 bits, or none, comes here and sees all. */
		WRITE_ONCE(sa->used, ktime_get_boottime_ns());
		look_at_clock(sa);
	}
	spin_unlock_bh(&sa->expire_lock);
}

/* Fifteen sixteenths of the sequence numbers: time for a new SA. */
static u64 near_end(const struct espm_sa *sa)
{
	u64 last = espm_sa_last_seq(sa);

	return last - last / 16;
}

static void look_at_numbers(struct espm_sa *sa, u64 nth)
{
	if (sa->dir != ESPM_DIR_OUT || nth < near_end(sa) || READ_ONCE(sa->near_told) ||
	    espm_xchg(&sa->near_told, 1))
		return;
	espm_cmpxchg(&sa->state, ESPM_SA_VALID, ESPM_SA_DYING);
	espm_event_raise(sa, ESPM_EVENT_SEQ_NEAR);
}

/*
 * The number behind which the next packet is to be looked at. Never as high as
 * a hard limit: a packet that overtakes another one must not wave it through.
 */
static void move_mark(struct espm_sa *sa, u64 nth)
{
	const struct espm_lifetime *life;
	u64 next = U64_MAX, hard;

	spin_lock_bh(&sa->expire_lock);
	/* Again, since they may just have changed. */
	life = life_of(sa);
	if (espm_lifetime_has(life, ESPM_LIFE_BYTES))
		goto unlock;
	if (sa->dir == ESPM_DIR_OUT) {
		next = espm_sa_last_seq(sa) - ESPM_SEQ_MARGIN;
		if (nth < near_end(sa))
			next = near_end(sa);
	}
	next = min(next, espm_lifetime_next(life, ESPM_LIFE_PACKETS, nth));
	hard = life->bound[ESPM_LIFE_PACKETS].hard;
	if (hard)
		next = min(next, hard);
	WRITE_ONCE(sa->mark, min_t(u64, next - 1, ULONG_MAX));
unlock:
	spin_unlock_bh(&sa->expire_lock);
}

/**
 * espm_expire_count() - hold a packet against the limits of its SA
 * @sa: the SA
 * @nth: the packet's number on it, higher than @sa->mark
 * @bytes: its bytes under the cipher
 *
 * With the packet that reaches a hard limit the SA ends: that packet still
 * passes, one that would exceed it does not.
 *
 * Context: softirqs off, under rcu_read_lock().
 * Return: whether the packet may pass.
 */
bool espm_expire_count(struct espm_sa *sa, u64 nth, u32 bytes)
{
	const struct espm_lifetime *life = life_of(sa);
	enum espm_life by = ESPM_LIFE_PACKETS;
	enum espm_age age, other;

	if (!READ_ONCE(sa->used))
		note_first_use(sa);

	age = espm_lifetime_age(life, by, nth);
	if (espm_lifetime_has(life, ESPM_LIFE_BYTES)) {
		other = espm_lifetime_age(life, ESPM_LIFE_BYTES,
					  atomic64_add_return(bytes, &sa->text));
		if (other > age) {
			age = other;
			by = ESPM_LIFE_BYTES;
		}
	}
	switch (age) {
	case ESPM_AGE_OVER:
		harden(sa, by);
		return false;
	case ESPM_AGE_LAST:
		harden(sa, by);
		return true;
	case ESPM_AGE_SOFT:
		soften(sa, by);
		break;
	case ESPM_AGE_YOUNG:
		break;
	}
	look_at_numbers(sa, nth);
	if (!espm_lifetime_has(life, ESPM_LIFE_BYTES))
		move_mark(sa, nth);
	return true;
}

/**
 * espm_expire_used() - how much of its life an SA has used up
 * @sa: the SA
 * @by: the measure
 *
 * Context: process.
 * Return: bytes, packets, or nanoseconds; 0 for nanoseconds since the first
 * packet if there was none.
 */
u64 espm_expire_used(struct espm_sa *sa, enum espm_life by)
{
	u64 now = ktime_get_boottime_ns(), used;

	switch (by) {
	case ESPM_LIFE_BYTES:
		return atomic64_read(&sa->text);
	case ESPM_LIFE_PACKETS:
		if (sa->dir == ESPM_DIR_OUT)
			return atomic64_read(&sa->seq);
		spin_lock_bh(&sa->rx_lock);
		used = sa->taken;
		spin_unlock_bh(&sa->rx_lock);
		return used;
	case ESPM_LIFE_SECONDS:
		return now - sa->added;
	default:
		spin_lock_bh(&sa->expire_lock);
		used = sa->used;
		spin_unlock_bh(&sa->expire_lock);
		return used ? now - used : 0;
	}
}
