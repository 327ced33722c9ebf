// SPDX-License-Identifier: GPL-2.0
/* What an SA sends when it has nothing to send. See idle.h. */
#include "compat.h"
#include "encap.h"
#include "idle.h"
#include "output.h"

static void look(struct timer_list *timer)
{
	struct espm_sa *sa = from_timer(sa, timer, idle);
	unsigned long limit = READ_ONCE(sa->idle_limit) * HZ;
	unsigned long next = READ_ONCE(sa->last_sent) + limit;

	rcu_read_lock();
	if (espm_sa_usable(sa) && limit) {
		if (time_after_eq(jiffies, next)) {
			if (READ_ONCE(sa->idle_kind) == ESPM_IDLE_DUMMY)
				espm_output_dummy(sa);
			else
				espm_encap_send_keepalive(sa);
			/* Also where there was no route. */
			next = jiffies + limit;
		}
		mod_timer(&sa->idle, next);
	}
	rcu_read_unlock();
}

/**
 * espm_idle_set() - say what an SA sends when it has nothing to send
 * @sa: the SA, larval or of a locked namespace; an inbound one sends nothing
 * @kind: what
 * @seconds: how long nothing has been sent before, 0 for never
 *
 * It ends with the SA.
 *
 * Context: process.
 */
void espm_idle_set(struct espm_sa *sa, enum espm_idle kind, u16 seconds)
{
	if (sa->dir != ESPM_DIR_OUT)
		return;
	if (!sa->idle.function)
		timer_setup(&sa->idle, look, 0);
	WRITE_ONCE(sa->last_sent, jiffies);
	WRITE_ONCE(sa->idle_kind, kind);
	WRITE_ONCE(sa->idle_limit, seconds);
}

/**
 * espm_idle_begin() - begin to look at the clock
 * @sa: an SA of a locked namespace's SAD
 *
 * Context: process.
 */
void espm_idle_begin(struct espm_sa *sa)
{
	if (sa->idle_limit)
		mod_timer(&sa->idle, jiffies + sa->idle_limit * HZ);
}
