// SPDX-License-Identifier: GPL-2.0
/* espctl save: a file that restores the state. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <linux/genetlink.h>
#include <json-c/json.h>
#include <esp_mod.h>
#include "command.h"
#include "nl.h"
#include "out.h"
#include "say.h"
#include "selector.h"
#include "show.h"

enum { MARGIN = 1 << 20 };

static const char key_dir[] = "/etc/espctl.keys";

/* One line, put together bit by bit. */
struct line {
	char text[1024];
	size_t used;
};

static void add(struct line *line, const char *fmt, ...) __printf(2, 3);

/* Longer than all that a command can say, so that nothing is cut. */
static void add(struct line *line, const char *fmt, ...)
{
	size_t left = sizeof(line->text) - line->used;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line->text + line->used, left, fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= left)
		exit(refuse("save: a line is too long: shorten key-dir"));
	line->used += len;
}

static void add_number(struct line *line, const char *name, const struct nlattr *attr)
{
	if (attr)
		add(line, " %s %llu", name, (unsigned long long)nl_number(attr));
}

static void add_end(struct line *line, const char *name, const struct nlattr *attr)
{
	char text[INET6_ADDRSTRLEN];
	struct addr addr;

	nl_addr(&addr, attr);
	addr_text(&addr, text, sizeof(text));
	add(line, " %s %s", name, text);
}

/* What is left of a limit; a soft one that was reached has been told. */
static void add_rest(struct line *line, const char *name, const struct nlattr *limit,
		     const struct nlattr *used, bool hard)
{
	__u64 over = used ? nl_number(used) : 0;

	if (!limit)
		return;
	if (nl_number(limit) > over)
		add(line, " %s %llu", name, (unsigned long long)(nl_number(limit) - over));
	else if (hard)
		add(line, " %s 1", name);
}

/* Outbound, packets are counted by their sequence numbers, which go on behind the margin. */
static void add_packets(struct line *line, const char *name, const struct nlattr *limit,
			__u32 margin)
{
	__u64 number;

	if (!limit)
		return;
	number = nl_number(limit);
	add(line, " %s %llu", name,
	    (unsigned long long)(number > ~0ULL - margin ? number : number + margin));
}

static void add_life(struct line *line, const struct nlattr **attr, __u32 margin)
{
	const struct nlattr *life[ESPM_A_LIFE_MAX + 1], *usage[ESPM_A_USAGE_MAX + 1];
	bool out = nl_number(attr[ESPM_A_SA_DIRECTION]) == ESPM_DIR_OUT;

	if (!attr[ESPM_A_SA_LIFETIME] || !attr[ESPM_A_SA_USAGE])
		return;
	nl_nested(attr[ESPM_A_SA_LIFETIME], life, ESPM_A_LIFE_MAX);
	nl_nested(attr[ESPM_A_SA_USAGE], usage, ESPM_A_USAGE_MAX);
	add_rest(line, "soft-bytes", life[ESPM_A_LIFE_SOFT_BYTES], usage[ESPM_A_USAGE_BYTES],
		 false);
	add_rest(line, "hard-bytes", life[ESPM_A_LIFE_HARD_BYTES], usage[ESPM_A_USAGE_BYTES],
		 true);
	if (out) {
		add_packets(line, "soft-packets", life[ESPM_A_LIFE_SOFT_PACKETS], margin);
		add_packets(line, "hard-packets", life[ESPM_A_LIFE_HARD_PACKETS], margin);
	} else {
		add_rest(line, "soft-packets", life[ESPM_A_LIFE_SOFT_PACKETS],
			 usage[ESPM_A_USAGE_PACKETS], false);
		add_rest(line, "hard-packets", life[ESPM_A_LIFE_HARD_PACKETS],
			 usage[ESPM_A_USAGE_PACKETS], true);
	}
	add_rest(line, "soft-seconds", life[ESPM_A_LIFE_SOFT_SECONDS],
		 usage[ESPM_A_USAGE_SECONDS], false);
	add_rest(line, "hard-seconds", life[ESPM_A_LIFE_HARD_SECONDS],
		 usage[ESPM_A_USAGE_SECONDS], true);
	add_rest(line, "soft-use-seconds", life[ESPM_A_LIFE_SOFT_USE_SECONDS],
		 usage[ESPM_A_USAGE_USE_SECONDS], false);
	add_rest(line, "hard-use-seconds", life[ESPM_A_LIFE_HARD_USE_SECONDS],
		 usage[ESPM_A_USAGE_USE_SECONDS], true);
}

static void add_selector(struct line *line, const struct nlattr *nest, const char *before)
{
	char text[2 * RANGE_TEXT + 96];
	struct selector sel;

	selector_get(&sel, nest);
	if (selector_is_any(&sel))
		return;
	selector_text(&sel, text, sizeof(text));
	add(line, " %s%s", before, text);
}

/* What is only outbound, where it is not the default. */
static void add_outer(struct line *line, const struct nlattr **attr)
{
	__u32 df = nl_number(attr[ESPM_A_SA_DF]);

	add_number(line, "keepalive", attr[ESPM_A_SA_KEEPALIVE]);
	add_number(line, "dummy", attr[ESPM_A_SA_DUMMY]);
	if (attr[ESPM_A_SA_PIN])
		add(line, " pin on");
	add_number(line, "dscp", attr[ESPM_A_SA_DSCP]);
	if (attr[ESPM_A_SA_ECN] && !nl_number(attr[ESPM_A_SA_ECN]))
		add(line, " ecn off");
	if (df)
		add(line, " df %s", NAME_OF(df_names, df));
	add_number(line, "ttl", attr[ESPM_A_SA_TTL]);
	add_number(line, "tfc", attr[ESPM_A_SA_TFC]);
}

/* The number that the SA goes on behind, 0 for none, or false if too few are left. */
static bool next_seq(const struct nlattr **attr, __u32 margin, __u64 *seq)
{
	__u64 last = nl_number(attr[ESPM_A_SA_ESN]) ? ~0ULL - 1 : ~(__u32)0;

	*seq = nl_number(attr[ESPM_A_SA_SEQ]);
	if (nl_number(attr[ESPM_A_SA_DIRECTION]) == ESPM_DIR_IN)
		return *seq < last;
	if (*seq >= last || last - *seq <= margin)
		return false;
	*seq += margin;
	return true;
}

static void make_sa(struct line *line, const struct nlattr **attr, const struct args *args)
{
	const struct value *value = args->value;
	const char *dir = value[W_KEY_DIR].given ? value[W_KEY_DIR].said.value : key_dir;
	__u32 margin = value[W_MARGIN].given ? value[W_MARGIN].number : MARGIN;
	__u32 state = nl_number(attr[ESPM_A_SA_STATE]);
	/* save() has refused what has both. */
	const char *quote = strchr(dir, '"') ? "'" : strpbrk(dir, " \t#'") ? "\"" : "";
	char fingerprint[40];
	bool living;
	__u64 seq;

	living = next_seq(attr, margin, &seq);
	if (!living || (state != ESPM_SA_VALID && state != ESPM_SA_DYING)) {
		add(line, "# SPI 0x%08x id %u: %s", (__u32)nl_number(attr[ESPM_A_SA_SPI]),
		    (__u32)nl_number(attr[ESPM_A_SA_ID]),
		    living ? NAME_OF(state_names, state) :
			     "too few sequence numbers are left: it needs a new key");
		return;
	}
	add(line, "sa add spi 0x%08x dir %s mode %s", (__u32)nl_number(attr[ESPM_A_SA_SPI]),
	    NAME_OF(direction_names, nl_number(attr[ESPM_A_SA_DIRECTION])),
	    NAME_OF(mode_names, nl_number(attr[ESPM_A_SA_MODE])));
	add_end(line, "src", attr[ESPM_A_SA_SRC]);
	add_end(line, "dst", attr[ESPM_A_SA_DST]);
	hex_text(attr[ESPM_A_SA_FINGERPRINT], fingerprint, sizeof(fingerprint));
	add(line, " suite %s key-file %s%s/%s.key%s", nl_string(attr[ESPM_A_SA_SUITE]),
	    quote, dir, fingerprint, quote);
	add_number(line, "reqid", attr[ESPM_A_SA_REQID]);
	add(line, " esn %s", nl_number(attr[ESPM_A_SA_ESN]) ? "on" : "off");
	add_number(line, "window", attr[ESPM_A_SA_REPLAY_WINDOW]);
	if (attr[ESPM_A_SA_ENCAP_SPORT])
		add(line, " encap %u %u", (__u16)nl_number(attr[ESPM_A_SA_ENCAP_SPORT]),
		    (__u16)nl_number(attr[ESPM_A_SA_ENCAP_DPORT]));
	if (nl_number(attr[ESPM_A_SA_ROAM]))
		add(line, " roam on");
	/* It also says, where the SA lives on, that these are the rest of its limits. */
	add(line, " seq %llu", (unsigned long long)seq);
	if (!nl_number(attr[ESPM_A_SA_MSS_CLAMP]))
		add(line, " mss-clamp off");
	add_outer(line, attr);
	add_life(line, attr, margin);
	add_selector(line, attr[ESPM_A_SA_SELECTOR], "sel ");
}

static void make_policy(struct line *line, const struct nlattr **attr)
{
	struct selector sel;

	add(line, "policy add dir %s",
	    NAME_OF(direction_names, nl_number(attr[ESPM_A_POLICY_DIRECTION])));
	add_selector(line, attr[ESPM_A_POLICY_SELECTOR], "");
	selector_get(&sel, attr[ESPM_A_POLICY_SELECTOR]);
	if (!sel.src.first.len && !sel.dst.first.len)
		add_number(line, "family", attr[ESPM_A_POLICY_FAMILY]);
	add_number(line, "priority", attr[ESPM_A_POLICY_PRIORITY]);
	add(line, " action %s", NAME_OF(action_names, nl_number(attr[ESPM_A_POLICY_ACTION])));
	add_number(line, "reqid", attr[ESPM_A_POLICY_REQID]);
	if (attr[ESPM_A_POLICY_ON_DEMAND])
		add(line, " on-demand");
}

static void print(struct json_list *list, const char *text)
{
	struct json_object *o;

	if (!list) {
		puts(text);
		return;
	}
	if (*text == '#')
		return;
	o = json_object_new_object();
	json_object_object_add(o, "command", json_object_new_string(text));
	json_list_add(list, o);
}

static void print_sas(const struct nl_reply *reply, const struct args *args,
		      struct json_list *list)
{
	const struct nlattr *attr[ESPM_A_SA_MAX + 1];
	const struct nlmsghdr *nlh;

	for (nlh = nl_next(reply, NULL); nlh; nlh = nl_next(reply, nlh)) {
		struct line line = { };

		nl_attrs(nlh, attr, ESPM_A_SA_MAX);
		/* A reservation is not more than an answer to somebody who has gone. */
		if (nl_number(attr[ESPM_A_SA_STATE]) == ESPM_SA_LARVAL)
			continue;
		make_sa(&line, attr, args);
		print(list, line.text);
	}
}

static void print_policies(const struct nl_reply *reply, struct json_list *list)
{
	const struct nlattr *attr[ESPM_A_POLICY_MAX + 1];
	const struct nlmsghdr *nlh;

	for (nlh = nl_next(reply, NULL); nlh; nlh = nl_next(reply, nlh)) {
		struct line line = { };

		nl_attrs(nlh, attr, ESPM_A_POLICY_MAX);
		make_policy(&line, attr);
		print(list, line.text);
	}
}

static int dump(int command, struct nl_reply *reply)
{
	struct nl_request req;

	nl_free(reply);
	nl_begin(&req, command, "save");
	return nl_dump(&req, reply);
}

static bool are_same(const struct nl_reply *before, const struct nl_reply *after)
{
	const struct nlattr *old[ESPM_A_SA_MAX + 1], *new[ESPM_A_SA_MAX + 1];
	const struct nlmsghdr *a = nl_next(before, NULL), *b = nl_next(after, NULL);

	for (; a && b; a = nl_next(before, a), b = nl_next(after, b)) {
		nl_attrs(a, old, ESPM_A_SA_MAX);
		nl_attrs(b, new, ESPM_A_SA_MAX);
		if (nl_number(old[ESPM_A_SA_ID]) != nl_number(new[ESPM_A_SA_ID]) ||
		    nl_number(old[ESPM_A_SA_REQID]) != nl_number(new[ESPM_A_SA_REQID]))
			return false;
	}
	return !a && !b;
}

/*
 * SAs and policies of one moment: where a change came between the two, once more.
 * The SAs are read last, for of them only the numbers grow meanwhile.
 */
static int read_all(struct nl_reply *sas, struct nl_reply *policies)
{
	struct nl_reply before = { };
	int err, tries = 10;

	do {
		err = dump(ESPM_CMD_SA_GET, &before);
		if (!err)
			err = dump(ESPM_CMD_POLICY_GET, policies);
		if (!err)
			err = dump(ESPM_CMD_SA_GET, sas);
	} while (!err && !are_same(&before, sas) && --tries);
	nl_free(&before);
	if (!err && !tries)
		err = misuse("save: SAs and policies change all the time");
	return err;
}

/* Nothing is printed unless all could be read. */
int save(struct args *args)
{
	const struct value *dir = &args->value[W_KEY_DIR];
	struct nl_reply sas = { }, policies = { };
	struct json_list list, *to = args->json ? &list : NULL;
	int err;

	if (dir->given && strchr(dir->said.value, '"') && strchr(dir->said.value, '\''))
		return misuse("%s: key-dir: a word can't have both kinds of quotes",
			      args->command->name);
	err = read_all(&sas, &policies);
	if (!err) {
		if (to)
			json_list_begin(to);
		print(to, "# espctl -f: all of this, or nothing");
		print(to, "policy flush");
		print(to, "sa flush");
		print_sas(&sas, args, to);
		print_policies(&policies, to);
		err = to ? json_list_end(to) : out_done();
	}
	nl_free(&sas);
	nl_free(&policies);
	return err;
}
