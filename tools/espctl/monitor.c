// SPDX-License-Identifier: GPL-2.0
/* espctl monitor: events, as they happen. */
#include <stdio.h>
#include <time.h>
#include <netinet/in.h>
#include <linux/genetlink.h>
#include <json-c/json.h>
#include <esp_mod.h>
#include "command.h"
#include "nl.h"
#include "out.h"
#include "say.h"
#include "show.h"
#include "wait.h"

enum about { ABOUT_SA, ABOUT_POLICY, ABOUT_WISH, ABOUT_ALL };

static const struct {
	const char *name;
	enum about about;
} events[ESPM_CMD_MAX + 1] = {
	[ESPM_CMD_SA_ADD_NTF] = { "sa-add", ABOUT_SA },
	[ESPM_CMD_SA_DEL_NTF] = { "sa-del", ABOUT_SA },
	[ESPM_CMD_SA_FLUSH_NTF] = { "sa-flush", ABOUT_ALL },
	[ESPM_CMD_SA_SOFT_NTF] = { "sa-soft", ABOUT_SA },
	[ESPM_CMD_SA_HARD_NTF] = { "sa-hard", ABOUT_SA },
	[ESPM_CMD_SA_SEQ_NEAR_NTF] = { "sa-seq-near", ABOUT_SA },
	[ESPM_CMD_SA_SEQ_END_NTF] = { "sa-seq-end", ABOUT_SA },
	[ESPM_CMD_SA_ICV_NTF] = { "sa-icv", ABOUT_SA },
	[ESPM_CMD_ACQUIRE_NTF] = { "acquire", ABOUT_WISH },
	[ESPM_CMD_SA_UPDATE_NTF] = { "sa-update", ABOUT_SA },
	[ESPM_CMD_SA_MAPPING_NTF] = { "sa-mapping", ABOUT_SA },
	[ESPM_CMD_POLICY_ADD_NTF] = { "policy-add", ABOUT_POLICY },
	[ESPM_CMD_POLICY_DEL_NTF] = { "policy-del", ABOUT_POLICY },
	[ESPM_CMD_POLICY_FLUSH_NTF] = { "policy-flush", ABOUT_ALL },
};

static struct json_object *wish_json(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr[ESPM_A_ACQUIRE_MAX + 1];
	struct json_object *o = json_object_new_object();

	nl_attrs(nlh, attr, ESPM_A_ACQUIRE_MAX);
	json_add_number(o, "seq", attr[ESPM_A_ACQUIRE_SEQ]);
	json_add_number(o, "policy", attr[ESPM_A_ACQUIRE_POLICY]);
	json_add_number(o, "reqid", attr[ESPM_A_ACQUIRE_REQID]);
	json_add_addr(o, "src", attr[ESPM_A_ACQUIRE_SRC]);
	json_add_addr(o, "dst", attr[ESPM_A_ACQUIRE_DST]);
	json_add_number(o, "protocol", attr[ESPM_A_ACQUIRE_PROTOCOL]);
	json_add_number(o, "sport", attr[ESPM_A_ACQUIRE_SPORT]);
	json_add_number(o, "dport", attr[ESPM_A_ACQUIRE_DPORT]);
	return o;
}

static void wish_line(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr[ESPM_A_ACQUIRE_MAX + 1];
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], number[8];
	struct addr addr;

	nl_attrs(nlh, attr, ESPM_A_ACQUIRE_MAX);
	nl_addr(&addr, attr[ESPM_A_ACQUIRE_SRC]);
	addr_text(&addr, src, sizeof(src));
	nl_addr(&addr, attr[ESPM_A_ACQUIRE_DST]);
	addr_text(&addr, dst, sizeof(dst));
	printf(" seq %u policy %u reqid %u src %s dst %s proto %s",
	       (__u32)nl_number(attr[ESPM_A_ACQUIRE_SEQ]),
	       (__u32)nl_number(attr[ESPM_A_ACQUIRE_POLICY]),
	       (__u32)nl_number(attr[ESPM_A_ACQUIRE_REQID]), src, dst,
	       proto_name(nl_number(attr[ESPM_A_ACQUIRE_PROTOCOL]), number, sizeof(number)));
	if (attr[ESPM_A_ACQUIRE_SPORT])
		printf(" sport %u", (__u16)nl_number(attr[ESPM_A_ACQUIRE_SPORT]));
	if (attr[ESPM_A_ACQUIRE_DPORT])
		printf(" dport %u", (__u16)nl_number(attr[ESPM_A_ACQUIRE_DPORT]));
}

static struct json_object *event_json(const char *name, const struct timespec *now)
{
	struct json_object *o = json_object_new_object();

	json_add_string(o, "event", name);
	json_object_object_add(o, "time",
			       json_object_new_double(now->tv_sec + now->tv_nsec / 1e9));
	return o;
}

/* nlh is NULL for what is told without an SA or a policy. */
static int print_event(const char *name, enum about about, const struct nlmsghdr *nlh, bool json)
{
	struct json_object *o;
	struct timespec now;
	char text[16];

	clock_gettime(CLOCK_REALTIME, &now);
	if (json) {
		o = event_json(name, &now);
		if (about == ABOUT_SA)
			json_object_object_add(o, "sa", sa_json(nlh));
		else if (about == ABOUT_POLICY)
			json_object_object_add(o, "policy", policy_json(nlh));
		else if (about == ABOUT_WISH)
			json_object_object_add(o, "acquire", wish_json(nlh));
		return json_print(o);
	}
	wait_clock_text(text, sizeof(text));
	printf("%s %s", text, name);
	if (about == ABOUT_SA)
		sa_line(nlh);
	else if (about == ABOUT_POLICY)
		policy_line(nlh);
	else if (about == ABOUT_WISH)
		wish_line(nlh);
	putchar('\n');
	return out_done();
}

/* Those of a reply, up to as many as are wanted. */
static int print_events(const struct nl_reply *reply, bool json, __u64 *wanted)
{
	const struct nlmsghdr *nlh;
	__u8 cmd;
	int err = 0;

	for (nlh = nl_next(reply, NULL); nlh && *wanted && !err; nlh = nl_next(reply, nlh)) {
		cmd = ((const struct genlmsghdr *)mnl_nlmsg_get_payload(nlh))->cmd;
		/* Those that are newer than espctl are passed over. */
		if (cmd > ESPM_CMD_MAX || !events[cmd].name)
			continue;
		err = print_event(events[cmd].name, events[cmd].about, nlh, json);
		--*wanted;
	}
	return err;
}

int monitor(struct args *args)
{
	const struct value *count = &args->value[W_EVENTS], *timeout = &args->value[W_TIMEOUT];
	__u64 wanted = count->given ? count->number : ~0ULL;
	struct timespec end, left, *limit = NULL;
	const char *what = args->command->name;
	struct nl_reply reply = { };
	bool over = false;
	int err;

	err = nl_listen(what);
	if (err)
		return err;
	wait_expect_signals();
	end = wait_end(timeout->given ? timeout->number : 0);
	while (!err && wanted && !wait_is_over() && !over) {
		if (timeout->given) {
			left = wait_left(&end);
			limit = &left;
			over = !left.tv_sec && !left.tv_nsec;
		}
		switch (nl_hear(&reply, limit, what)) {
		case NL_HEARD:
			err = print_events(&reply, args->json, &wanted);
			break;
		case NL_LOST:
			err = print_event("lost", ABOUT_ALL, NULL, args->json);
			break;
		case NL_SILENCE:
			over = !wait_is_over();
			break;
		case NL_BROKEN:
			err = STATUS_REFUSED;
			break;
		}
	}
	nl_free(&reply);
	if (!err && over && count->given)
		return refuse("%s: in %u s only %u of %u events", what, timeout->number,
			      (__u32)(count->number - wanted), count->number);
	return err;
}
