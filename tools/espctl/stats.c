// SPDX-License-Identifier: GPL-2.0
/* espctl stats: what was counted, and what it means. */
#include <linux/genetlink.h>
#include <json-c/json.h>
#include <esp_mod.h>
#include "command.h"
#include "counter.h"
#include "nl.h"
#include "out.h"
#include "say.h"

void counter_get(struct counter *counter, const struct nlattr *nest)
{
	const struct nlattr *attr[ESPM_A_COUNTER_MAX + 1];

	nl_nested(nest, attr, ESPM_A_COUNTER_MAX);
	counter->name = nl_string(attr[ESPM_A_COUNTER_NAME]);
	counter->description = nl_string(attr[ESPM_A_COUNTER_DESCRIPTION]);
	counter->value = nl_number(attr[ESPM_A_COUNTER_VALUE]);
	counter->drop = attr[ESPM_A_COUNTER_DROP];
}

struct json_object *counter_json(const struct counter *counter)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(counter->name));
	json_object_object_add(o, "value", json_object_new_uint64(counter->value));
	json_object_object_add(o, "drop", json_object_new_boolean(counter->drop));
	json_object_object_add(o, "description", json_object_new_string(counter->description));
	return o;
}

/* All counters of a message that stand under an attribute. */
struct json_object *counters_json(const struct nlmsghdr *nlh, __u16 type)
{
	struct json_object *list = json_object_new_array();
	const struct nlattr *attr;
	struct counter counter;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) != type)
			continue;
		counter_get(&counter, attr);
		json_object_array_add(list, counter_json(&counter));
	}
	return list;
}

/* The same, as lines below the row of a table. */
void counter_notes(struct table *table, const struct nlmsghdr *nlh, __u16 type)
{
	const struct nlattr *attr;
	struct counter counter;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) != type)
			continue;
		counter_get(&counter, attr);
		table_note(table, "dropped %llu %s: %s", (unsigned long long)counter.value,
			   counter.name, counter.description);
		table_paint(table, WARN);
	}
}

/* Whose counters are shown, and how they are asked for. */
struct scope {
	__u8 cmd;
	__u16 type;			/* of a counter in the answer */
	__u16 id_type;			/* of what names the SA or policy */
	const struct value *id;
	bool all;			/* the zero ones, too */
};

/*
 * The next counter to show behind attr, which is NULL for the first;
 * NULL behind the last.
 */
static const struct nlattr *next_counter(const struct nlmsghdr *nlh, const struct nlattr *attr,
					 const struct scope *scope, struct counter *counter)
{
	attr = attr ? mnl_attr_next(attr) :
		      mnl_nlmsg_get_payload_offset(nlh, sizeof(struct genlmsghdr));
	for (; mnl_attr_ok(attr, (char *)mnl_nlmsg_get_payload_tail(nlh) - (char *)attr);
	     attr = mnl_attr_next(attr)) {
		if (mnl_attr_get_type(attr) != scope->type)
			continue;
		counter_get(counter, attr);
		if (scope->all || counter->value)
			return attr;
	}
	return NULL;
}

static int print_json(const struct nlmsghdr *nlh, const struct scope *scope)
{
	const struct nlattr *attr = NULL;
	struct counter counter;
	struct json_list list;

	json_list_begin(&list);
	while ((attr = next_counter(nlh, attr, scope, &counter)))
		json_list_add(&list, counter_json(&counter));
	return json_list_end(&list);
}

static int print_table(const struct nlmsghdr *nlh, const struct scope *scope)
{
	static const struct column columns[] = {
		LEFT("COUNTER"), RIGHT("PACKETS"), LEFT("DESCRIPTION"), COLUMNS_END
	};
	const struct nlattr *attr = NULL;
	struct counter counter;
	struct table table;

	table_begin(&table, columns);
	while ((attr = next_counter(nlh, attr, scope, &counter))) {
		table_cell(&table, "%s", counter.name);
		table_cell(&table, "%llu", (unsigned long long)counter.value);
		if (counter.drop && counter.value)
			table_paint(&table, WARN);
		table_cell(&table, "%s", counter.description);
	}
	return table_end(&table);
}

int stats_show(struct args *args)
{
	const struct value *sa = &args->value[W_OF_SA], *policy = &args->value[W_OF_POLICY];
	struct scope scope = { .cmd = ESPM_CMD_STATS_GET, .type = ESPM_A_STATS_COUNTERS };
	struct nl_reply reply = { };
	const struct nlmsghdr *nlh;
	struct nl_request req;
	int err;

	scope.all = args->value[W_ALL].given;
	if (sa->given + policy->given + scope.all > 1)
		return misuse("stats: 'all', 'sa ID' or 'policy ID', not more than one of them");
	if (sa->given)
		scope = (struct scope){ .cmd = ESPM_CMD_SA_GET, .type = ESPM_A_SA_DROPS,
					.id_type = ESPM_A_SA_ID, .id = sa };
	else if (policy->given)
		scope = (struct scope){ .cmd = ESPM_CMD_POLICY_GET, .type = ESPM_A_POLICY_DROPS,
					.id_type = ESPM_A_POLICY_ID, .id = policy };
	nl_begin(&req, scope.cmd, "stats");
	if (scope.id)
		nl_put_number(&req, scope.id_type, scope.id);
	err = nl_do(&req, &reply);
	nlh = nl_next(&reply, NULL);
	if (!err && !nlh)
		err = refuse("stats: the kernel's answer is empty");
	if (!err)
		err = args->json ? print_json(nlh, &scope) : print_table(nlh, &scope);
	nl_free(&reply);
	return err;
}
