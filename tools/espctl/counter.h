/* SPDX-License-Identifier: GPL-2.0 */
/* One named counter, of the namespace, of an SA or of a policy. */
#ifndef _ESPCTL_COUNTER_H
#define _ESPCTL_COUNTER_H

#include <stdbool.h>
#include <linux/types.h>
#include "nl.h"

struct json_object;
struct table;

/* The strings live as long as the reply. */
struct counter {
	const char *name;
	const char *description;
	__u64 value;
	bool drop;
};

void counter_get(struct counter *counter, const struct nlattr *nest);
struct json_object *counter_json(const struct counter *counter);
struct json_object *counters_json(const struct nlmsghdr *nlh, __u16 type);
void counter_notes(struct table *table, const struct nlmsghdr *nlh, __u16 type);

#endif /* _ESPCTL_COUNTER_H */
