// SPDX-License-Identifier: GPL-2.0
/* espctl limits: how much a namespace may have. */
#include <linux/genetlink.h>
#include <json-c/json.h>
#include <esp_mod.h>
#include "command.h"
#include "nl.h"
#include "out.h"
#include "say.h"

static const struct {
	const char *name;
	const char *about;
	__u16 type;
	enum word word;
} limits[] = {
	{ "sas", "SAs, without reservations", ESPM_A_LIMITS_SAS, W_SAS },
	{ "policies", "policies", ESPM_A_LIMITS_POLICIES, W_POLICIES },
	{ "reservations", "SPIs that are reserved at a time", ESPM_A_LIMITS_RESERVATIONS,
	  W_RESERVATIONS },
	{ "sas-per-reqid", "SAs of one reqid, of both directions",
	  ESPM_A_LIMITS_SAS_PER_REQID, W_SAS_PER_REQID },
	{ "sas-per-spi", "SAs of one SPI", ESPM_A_LIMITS_SAS_PER_SPI, W_SAS_PER_SPI },
};

static int print_json(const struct nlattr **attr)
{
	struct json_object *o = json_object_new_object();
	struct json_list list;

	json_add_number(o, "sas", attr[ESPM_A_LIMITS_SAS]);
	json_add_number(o, "policies", attr[ESPM_A_LIMITS_POLICIES]);
	json_add_number(o, "reservations", attr[ESPM_A_LIMITS_RESERVATIONS]);
	json_add_number(o, "sas_per_reqid", attr[ESPM_A_LIMITS_SAS_PER_REQID]);
	json_add_number(o, "sas_per_spi", attr[ESPM_A_LIMITS_SAS_PER_SPI]);
	json_list_begin(&list);
	json_list_add(&list, o);
	return json_list_end(&list);
}

static int print_table(const struct nlattr **attr)
{
	static const struct column columns[] = {
		LEFT("LIMIT"), RIGHT("MOST"), LEFT("OF"), COLUMNS_END
	};
	struct table table;
	unsigned int i;

	table_begin(&table, columns);
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		table_cell(&table, "%s", limits[i].name);
		table_cell(&table, "%u", (__u32)nl_number(attr[limits[i].type]));
		table_cell(&table, "%s", limits[i].about);
	}
	return table_end(&table);
}

int limits_show(struct args *args)
{
	const struct nlattr *attr[ESPM_A_LIMITS_MAX + 1];
	struct nl_reply reply = { };
	const struct nlmsghdr *nlh;
	struct nl_request req;
	int err;

	nl_begin(&req, ESPM_CMD_LIMITS_GET, args->command->name);
	err = nl_do(&req, &reply);
	nlh = nl_next(&reply, NULL);
	if (!err && !nlh)
		err = refuse("limits show: the kernel's answer is empty");
	if (!err) {
		nl_attrs(nlh, attr, ESPM_A_LIMITS_MAX);
		err = args->json ? print_json(attr) : print_table(attr);
	}
	nl_free(&reply);
	return err;
}

int limits_set(struct args *args)
{
	struct nl_request req;
	bool any = false;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(limits); i++)
		any |= args->value[limits[i].word].given;
	if (!any)
		return misuse("limits set: say which limit: sas, policies, reservations, sas-per-reqid or sas-per-spi");
	nl_begin(&req, ESPM_CMD_LIMITS_SET, args->command->name);
	for (i = 0; i < ARRAY_SIZE(limits); i++)
		nl_put_number(&req, limits[i].type, &args->value[limits[i].word]);
	return nl_do(&req, NULL);
}
