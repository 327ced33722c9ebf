/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What happens to an SA while packets flow, and is to be told. An event is a
 * bit of its SA, which waits in a list of the namespace for a worker: nothing
 * is allocated, and the same event twice before the worker comes is one.
 */
#ifndef _ESPM_EVENT_H
#define _ESPM_EVENT_H

#include <linux/workqueue.h>

struct espm_net;
struct espm_sa;

/* In the order in which they are told. */
enum espm_event {
	ESPM_EVENT_SOFT,
	ESPM_EVENT_SEQ_NEAR,
	ESPM_EVENT_HARD,
	ESPM_EVENT_SEQ_END,
	ESPM_EVENT_ICV,
	ESPM_EVENT_MOVED,
	ESPM_EVENTS,
	/* Not an event: the SA is in the list. */
	ESPM_EVENT_WAITS = ESPM_EVENTS,
};

void espm_event_init(struct espm_net *en, work_func_t tell);
void espm_event_exit(struct espm_net *en);
void espm_event_raise(struct espm_sa *sa, enum espm_event event);
void espm_event_raise_icv(struct espm_sa *sa);
struct llist_node *espm_event_take_all(struct espm_net *en);
unsigned long espm_event_take(struct espm_sa *sa);

#endif /* _ESPM_EVENT_H */
