// SPDX-License-Identifier: GPL-2.0
/* espctl policy: policies of the SPD. */
#include <stdio.h>
#include <string.h>
#include <json-c/json.h>
#include <esp_mod.h>
#include "command.h"
#include "counter.h"
#include "nl.h"
#include "out.h"
#include "say.h"
#include "selector.h"
#include "show.h"

int policy_add(struct args *args)
{
	const struct value *value = args->value;
	struct nl_reply reply = { };
	struct nl_request req;
	__u8 icmp_proto;
	int err;

	if (value[W_ACTION].number == ESPM_ACTION_PROTECT && !value[W_REQID].given)
		return misuse("policy add: 'action protect' needs reqid N, which names its SAs");
	err = selector_check(args, &icmp_proto);
	if (err)
		return err;
	nl_begin(&req, ESPM_CMD_POLICY_ADD, "policy add");
	nl_put_small(&req, ESPM_A_POLICY_DIRECTION, &value[W_DIR]);
	nl_put_number(&req, ESPM_A_POLICY_PRIORITY, &value[W_PRIORITY]);
	nl_put_small(&req, ESPM_A_POLICY_ACTION, &value[W_ACTION]);
	nl_put_number(&req, ESPM_A_POLICY_REQID, &value[W_REQID]);
	if (value[W_ON_DEMAND].given)
		nl_put_u8(&req, ESPM_A_POLICY_ON_DEMAND, 1, &value[W_ON_DEMAND].said);
	selector_put(&req, ESPM_A_POLICY_SELECTOR, args, icmp_proto);
	nl_put_small(&req, ESPM_A_POLICY_FAMILY, &value[W_FAMILY]);
	err = nl_do(&req, &reply);
	if (!err)
		err = show_id(args, &reply, ESPM_A_POLICY_ID);
	nl_free(&reply);
	return err;
}

int policy_del(struct args *args)
{
	struct nl_request req;

	nl_begin(&req, ESPM_CMD_POLICY_DEL, "policy del");
	nl_put_number(&req, ESPM_A_POLICY_ID, &args->value[W_ID]);
	return nl_do(&req, NULL);
}

int policy_flush(struct args *args)
{
	struct nl_request req;

	nl_begin(&req, ESPM_CMD_POLICY_FLUSH, args->command->name);
	return nl_do(&req, NULL);
}

/* 4, 6, or 0 for a policy of both. */
static unsigned int policy_family(const struct nlattr **attr, const struct selector *sel)
{
	unsigned int len = sel->src.first.len ?: sel->dst.first.len;

	if (attr[ESPM_A_POLICY_FAMILY])
		return nl_number(attr[ESPM_A_POLICY_FAMILY]);
	if (!len)
		return 0;
	return len == ADDR_V6 ? 6 : 4;
}

struct json_object *policy_json(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr[ESPM_A_POLICY_MAX + 1];
	struct json_object *o = json_object_new_object();
	struct selector sel;
	unsigned int family;

	nl_attrs(nlh, attr, ESPM_A_POLICY_MAX);
	selector_get(&sel, attr[ESPM_A_POLICY_SELECTOR]);
	family = policy_family(attr, &sel);
	json_add_number(o, "id", attr[ESPM_A_POLICY_ID]);
	json_add_string(o, "direction",
			NAME_OF(direction_names, nl_number(attr[ESPM_A_POLICY_DIRECTION])));
	json_add_number(o, "priority", attr[ESPM_A_POLICY_PRIORITY]);
	json_add_string(o, "action", NAME_OF(action_names, nl_number(attr[ESPM_A_POLICY_ACTION])));
	json_add_number(o, "reqid", attr[ESPM_A_POLICY_REQID]);
	json_object_object_add(o, "selector", selector_json(&sel));
	if (family)
		json_object_object_add(o, "family", json_object_new_int(family));
	if (attr[ESPM_A_POLICY_ON_DEMAND])
		json_object_object_add(o, "on_demand", json_object_new_boolean(1));
	json_add_number(o, "packets", attr[ESPM_A_POLICY_PACKETS]);
	json_object_object_add(o, "drops", counters_json(nlh, ESPM_A_POLICY_DROPS));
	return o;
}

/* What an event says of a policy, behind its name. */
void policy_line(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr[ESPM_A_POLICY_MAX + 1];
	char text[2 * RANGE_TEXT + 96];
	struct selector sel;

	nl_attrs(nlh, attr, ESPM_A_POLICY_MAX);
	printf(" id %u dir %s", (__u32)nl_number(attr[ESPM_A_POLICY_ID]),
	       NAME_OF(direction_names, nl_number(attr[ESPM_A_POLICY_DIRECTION])));
	selector_get(&sel, attr[ESPM_A_POLICY_SELECTOR]);
	selector_text(&sel, text, sizeof(text));
	if (!selector_is_any(&sel))
		printf(" %s", text);
	printf(" priority %u action %s", (__u32)nl_number(attr[ESPM_A_POLICY_PRIORITY]),
	       NAME_OF(action_names, nl_number(attr[ESPM_A_POLICY_ACTION])));
	if (attr[ESPM_A_POLICY_REQID])
		printf(" reqid %u", (__u32)nl_number(attr[ESPM_A_POLICY_REQID]));
	if (attr[ESPM_A_POLICY_ON_DEMAND])
		printf(" on-demand");
}

static void policy_row(struct table *table, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr[ESPM_A_POLICY_MAX + 1];
	char text[RANGE_TEXT], number[8];
	struct selector sel;
	unsigned int family;
	bool icmp;

	nl_attrs(nlh, attr, ESPM_A_POLICY_MAX);
	selector_get(&sel, attr[ESPM_A_POLICY_SELECTOR]);
	family = policy_family(attr, &sel);
	icmp = !sel.any_proto && proto_is_icmp(sel.proto);
	table_cell(table, "%u", (__u32)nl_number(attr[ESPM_A_POLICY_ID]));
	table_cell(table, "%s", NAME_OF(direction_names, nl_number(attr[ESPM_A_POLICY_DIRECTION])));
	table_cell(table, "%u", (__u32)nl_number(attr[ESPM_A_POLICY_PRIORITY]));
	table_cell(table, "%s", NAME_OF(action_names, nl_number(attr[ESPM_A_POLICY_ACTION])));
	if (attr[ESPM_A_POLICY_REQID])
		table_cell(table, "%u", (__u32)nl_number(attr[ESPM_A_POLICY_REQID]));
	else
		table_cell(table, "-");
	table_cell(table, "%s", family == 6 ? "6" : family ? "4" : "any");
	range_text(&sel.src, text, sizeof(text));
	table_cell(table, "%s", text);
	range_text(&sel.dst, text, sizeof(text));
	table_cell(table, "%s", text);
	table_cell(table, "%s", sel.any_proto ? "any" :
		   proto_name(sel.proto, number, sizeof(number)));
	ports_text(&sel.sport, sel.any_sport, icmp, text, sizeof(text));
	table_cell(table, "%s%s", icmp && !sel.any_sport ? "type " : "", text);
	ports_text(&sel.dport, sel.any_dport, false, text, sizeof(text));
	table_cell(table, "%s", text);
	table_cell(table, "%llu", (unsigned long long)nl_number(attr[ESPM_A_POLICY_PACKETS]));
	if (attr[ESPM_A_POLICY_ON_DEMAND])
		table_note(table, "on-demand");
	counter_notes(table, nlh, ESPM_A_POLICY_DROPS);
}

static int print_json(const struct nl_reply *reply)
{
	const struct nlmsghdr *nlh;
	struct json_list list;

	json_list_begin(&list);
	for (nlh = nl_next(reply, NULL); nlh; nlh = nl_next(reply, nlh))
		json_list_add(&list, policy_json(nlh));
	return json_list_end(&list);
}

static int print_table(const struct nl_reply *reply)
{
	static const struct column columns[] = {
		RIGHT("ID"), LEFT("DIR"), RIGHT("PRIORITY"), LEFT("ACTION"), RIGHT("REQID"),
		LEFT("FAMILY"), LEFT("SRC"), LEFT("DST"), LEFT("PROTO"), LEFT("SPORT"),
		LEFT("DPORT"), RIGHT("PACKETS"), COLUMNS_END
	};
	const struct nlmsghdr *nlh;
	struct table table;

	table_begin(&table, columns);
	for (nlh = nl_next(reply, NULL); nlh; nlh = nl_next(reply, nlh))
		policy_row(&table, nlh);
	return table_end(&table);
}

int policy_show(struct args *args)
{
	struct nl_reply reply = { };
	struct nl_request req;
	int err, shown = 0;

	nl_begin(&req, ESPM_CMD_POLICY_GET, "policy show");
	nl_put_number(&req, ESPM_A_POLICY_ID, &args->value[W_ID]);
	err = args->value[W_ID].given ? nl_do(&req, &reply) : nl_dump(&req, &reply);
	/* An interrupted dump is shown, as far as it goes. */
	if (!err || reply.len)
		shown = args->json ? print_json(&reply) : print_table(&reply);
	nl_free(&reply);
	return err ?: shown;
}
