// SPDX-License-Identifier: GPL-2.0
/* espctl sa: security associations. */
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <linux/genetlink.h>
#include <json-c/json.h>
#include <esp_mod.h>
#include "command.h"
#include "counter.h"
#include "key.h"
#include "nl.h"
#include "out.h"
#include "say.h"
#include "selector.h"
#include "show.h"
#include "suite.h"

const char *const state_names[5] = { "larval", "valid", "dying", "expired", "dead" };

static void put_u16(struct nl_request *req, __u16 attr, const struct value *value)
{
	if (value->given)
		nl_put_u16(req, attr, value->number, &value->said);
}

static void put_wide(struct nl_request *req, __u16 attr, const struct value *value)
{
	if (value->given)
		nl_put_u64(req, attr, value->wide, &value->said);
}

static void put_encap(struct nl_request *req, const struct value *value)
{
	if (!value->given)
		return;
	nl_put_u16(req, ESPM_A_SA_ENCAP_SPORT, value->pair[0], &value->said);
	nl_put_u16(req, ESPM_A_SA_ENCAP_DPORT, value->pair[1], &value->second);
}

/* What to add to the kernel's refusal of the suite or of the key's length. */
static void add_hints(struct args *args, size_t key_len, char *text, size_t size)
{
	struct said *name = &args->value[W_SUITE].said;
	const struct suite *suite = suite_find(name->value);
	char parts[64];

	if (!suite && suite_nearest(name->value)) {
		snprintf(text, size, "did you mean %s?", suite_nearest(name->value));
		name->hint = text;
	} else if (suite && key_len != suite_key_len(suite)) {
		suite_key_text(suite, parts, sizeof(parts));
		snprintf(text, size, "%s takes %zu bytes: %s; this key has %zu", suite->name,
			 suite_key_len(suite), parts, key_len);
		args->value[W_KEY_FILE].said.hint = text;
	}
}

static void put_lifetime(struct nl_request *req, const struct args *args)
{
	const struct value *value = args->value;
	const struct said *first = NULL;
	struct nlattr *nest;
	unsigned int id;

	for (id = W_SOFT_BYTES; id <= W_HARD_USE_SECONDS && !first; id++)
		if (value[id].given)
			first = &value[id].said;
	if (!first)
		return;
	nest = nl_nest(req, ESPM_A_SA_LIFETIME, first);
	put_wide(req, ESPM_A_LIFE_SOFT_BYTES, &value[W_SOFT_BYTES]);
	put_wide(req, ESPM_A_LIFE_HARD_BYTES, &value[W_HARD_BYTES]);
	put_wide(req, ESPM_A_LIFE_SOFT_PACKETS, &value[W_SOFT_PACKETS]);
	put_wide(req, ESPM_A_LIFE_HARD_PACKETS, &value[W_HARD_PACKETS]);
	nl_put_number(req, ESPM_A_LIFE_SOFT_SECONDS, &value[W_SOFT_SECONDS]);
	nl_put_number(req, ESPM_A_LIFE_HARD_SECONDS, &value[W_HARD_SECONDS]);
	nl_put_number(req, ESPM_A_LIFE_SOFT_USE_SECONDS, &value[W_SOFT_USE_SECONDS]);
	nl_put_number(req, ESPM_A_LIFE_HARD_USE_SECONDS, &value[W_HARD_USE_SECONDS]);
	nl_nest_end(req, nest);
}

static void put_sa(struct nl_request *req, const struct args *args, const struct key *key,
		   __u8 icmp_proto)
{
	const struct value *value = args->value, *suite = &value[W_SUITE];

	nl_put_number(req, ESPM_A_SA_SPI, &value[W_SPI]);
	nl_put_small(req, ESPM_A_SA_DIRECTION, &value[W_DIR]);
	nl_put_small(req, ESPM_A_SA_MODE, &value[W_MODE]);
	nl_put_addr(req, ESPM_A_SA_SRC, &value[W_SRC]);
	nl_put_addr(req, ESPM_A_SA_DST, &value[W_DST]);
	nl_put(req, ESPM_A_SA_SUITE, suite->said.value, strlen(suite->said.value) + 1,
	       &suite->said);
	nl_put(req, ESPM_A_SA_KEY, key->bytes, key->len, &value[W_KEY_FILE].said);
	nl_put_number(req, ESPM_A_SA_REQID, &value[W_REQID]);
	nl_put_small(req, ESPM_A_SA_ESN, &value[W_ESN]);
	nl_put_number(req, ESPM_A_SA_REPLAY_WINDOW, &value[W_WINDOW]);
	put_encap(req, &value[W_ENCAP]);
	put_u16(req, ESPM_A_SA_KEEPALIVE, &value[W_KEEPALIVE]);
	put_u16(req, ESPM_A_SA_DUMMY, &value[W_DUMMY]);
	nl_put_small(req, ESPM_A_SA_ROAM, &value[W_ROAM]);
	put_wide(req, ESPM_A_SA_SEQ, &value[W_SEQ]);
	nl_put_small(req, ESPM_A_SA_PIN, &value[W_PIN]);
	nl_put_small(req, ESPM_A_SA_MSS_CLAMP, &value[W_MSS_CLAMP]);
	nl_put_small(req, ESPM_A_SA_DSCP, &value[W_DSCP]);
	nl_put_small(req, ESPM_A_SA_ECN, &value[W_ECN]);
	nl_put_small(req, ESPM_A_SA_DF, &value[W_DF]);
	nl_put_small(req, ESPM_A_SA_TTL, &value[W_TTL]);
	put_u16(req, ESPM_A_SA_TFC, &value[W_TFC]);
	put_lifetime(req, args);
	selector_put(req, ESPM_A_SA_SELECTOR, args, icmp_proto);
}

/* Give "any" the family that another address says. */
static int settle_any(struct args *args)
{
	static const enum word ends[] = { W_NEW_DST, W_DST, W_SRC };
	size_t len = 0, i;

	for (i = 0; i < ARRAY_SIZE(ends) && !len; i++)
		if (args->value[ends[i]].given)
			len = args->value[ends[i]].addr.len;
	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		struct value *value = &args->value[ends[i]];

		if (!value->given || value->addr.len)
			continue;
		if (!len)
			return misuse("%s any: of which family? Say 0.0.0.0 or ::",
				      value->said.name);
		memset(&value->addr, 0, sizeof(value->addr));
		value->addr.len = len;
	}
	return 0;
}

/* What a filter for all devices would drop without a word. */
static void warn_of_filter(void)
{
	static bool told;
	FILE *file;
	int value = 0;

	if (told)
		return;
	told = true;
	file = fopen("/proc/sys/net/ipv4/conf/all/rp_filter", "r");
	if (!file)
		return;
	if (fscanf(file, "%d", &value) == 1 && value)
		warn("sa add: net.ipv4.conf.all.rp_filter is %d, which drops what comes out of tunnels: set it to 0, and filter on each device",
		     value);
	fclose(file);
}

int sa_add(struct args *args)
{
	struct nl_reply reply = { };
	struct nl_request req;
	__u8 icmp_proto;
	char hint[160];
	struct key key;
	int err;

	err = selector_check(args, &icmp_proto) ?: settle_any(args);
	if (err)
		return err;
	if (strlen(args->value[W_SUITE].said.value) > ESP_MOD_SUITE_NAME_MAX)
		return misuse("suite: no suite has a name as long as this: see 'espctl suites'");

	key_guard();
	nl_begin(&req, ESPM_CMD_SA_ADD, "sa add");
	err = key_read(&key, args->value[W_KEY_FILE].said.value);
	if (!err) {
		add_hints(args, key.len, hint, sizeof(hint));
		put_sa(&req, args, &key, icmp_proto);
		err = nl_do(&req, &reply);
	}
	key_wipe(&key, sizeof(key));
	key_wipe(&req, sizeof(req));
	if (!err)
		err = show_id(args, &reply, ESPM_A_SA_ID);
	if (!err && args->value[W_DIR].number == ESPM_DIR_IN &&
	    args->value[W_MODE].number == ESPM_MODE_TUNNEL)
		warn_of_filter();
	nl_free(&reply);
	return err;
}

int sa_reserve(struct args *args)
{
	const struct nlattr *attr[ESPM_A_SA_MAX + 1];
	const struct value *value = args->value;
	struct nl_reply reply = { };
	struct json_object *o;
	struct nl_request req;
	struct nlattr *nest;
	char text[16];
	int err;

	err = settle_any(args);
	if (err)
		return err;
	nl_begin(&req, ESPM_CMD_SA_RESERVE, "sa reserve");
	nl_put_addr(&req, ESPM_A_SA_DST, &value[W_DST]);
	if (value[W_SPIS].given) {
		nl_put_u32(&req, ESPM_A_SA_SPI, value[W_SPIS].spis[0], &value[W_SPIS].said);
		nl_put_u32(&req, ESPM_A_SA_SPI_LAST, value[W_SPIS].spis[1], &value[W_SPIS].said);
	}
	if (value[W_SECONDS].given) {
		nest = nl_nest(&req, ESPM_A_SA_LIFETIME, &value[W_SECONDS].said);
		nl_put_number(&req, ESPM_A_LIFE_HARD_SECONDS, &value[W_SECONDS]);
		nl_nest_end(&req, nest);
	}
	err = nl_do(&req, &reply);
	if (!err) {
		nl_attrs(nl_next(&reply, NULL), attr, ESPM_A_SA_MAX);
		snprintf(text, sizeof(text), "0x%08x", (__u32)nl_number(attr[ESPM_A_SA_SPI]));
		if (args->json) {
			o = json_object_new_object();
			json_add_number(o, "id", attr[ESPM_A_SA_ID]);
			json_add_string(o, "spi", text);
			err = json_print(o);
		} else {
			puts(text);
			err = out_done();
		}
	}
	nl_free(&reply);
	return err;
}

/* Whether the words name one SA, and in one way. */
static int check_name(struct args *args, bool *named)
{
	const struct value *value = args->value;
	unsigned int parts = value[W_SPI].given + value[W_DST].given + value[W_DIR].given;

	*named = value[W_ID].given || parts;
	if (!*named)
		return 0;
	if (value[W_ID].given ? parts != 0 : parts != 3)
		return misuse("%s: name the SA by 'id N' or by 'spi SPI dst ADDR dir in|out'",
			      args->command->name);
	return settle_any(args);
}

/* The same for a command that must name one. */
static int need_name(struct args *args)
{
	bool named;
	int err = check_name(args, &named);

	if (err || named)
		return err;
	return misuse("%s: name the SA by 'id N' or by 'spi SPI dst ADDR dir in|out'",
		      args->command->name);
}

static void put_name(struct nl_request *req, const struct args *args)
{
	nl_put_number(req, ESPM_A_SA_ID, &args->value[W_ID]);
	nl_put_number(req, ESPM_A_SA_SPI, &args->value[W_SPI]);
	nl_put_small(req, ESPM_A_SA_DIRECTION, &args->value[W_DIR]);
	nl_put_addr(req, ESPM_A_SA_DST, &args->value[W_DST]);
}

int sa_del(struct args *args)
{
	int err = need_name(args);
	struct nl_request req;

	if (err)
		return err;
	nl_begin(&req, ESPM_CMD_SA_DEL, "sa del");
	put_name(&req, args);
	return nl_do(&req, NULL);
}

static bool changes_something(const struct args *args)
{
	unsigned int id;

	for (id = 0; id < W_COUNT; id++)
		if (args->value[id].given && WORDS_CHANGES & 1ULL << id)
			return true;
	return false;
}

int sa_update(struct args *args)
{
	const struct value *value = args->value;
	int err = need_name(args);
	struct nl_request req;

	if (err)
		return err;
	if (!changes_something(args))
		return misuse("sa update: say what to change: see 'espctl sa update --help'");
	nl_begin(&req, ESPM_CMD_SA_UPDATE, "sa update");
	put_name(&req, args);
	nl_put_addr(&req, ESPM_A_SA_SRC, &value[W_SRC]);
	nl_put_addr(&req, ESPM_A_SA_NEW_DST, &value[W_NEW_DST]);
	put_encap(&req, &value[W_ENCAP]);
	nl_put_number(&req, ESPM_A_SA_REQID, &value[W_REQID]);
	put_u16(&req, ESPM_A_SA_KEEPALIVE, &value[W_KEEPALIVE]);
	put_u16(&req, ESPM_A_SA_DUMMY, &value[W_DUMMY]);
	nl_put_small(&req, ESPM_A_SA_PIN, &value[W_PIN]);
	put_lifetime(&req, args);
	return nl_do(&req, NULL);
}

int sa_flush(struct args *args)
{
	struct nl_request req;

	nl_begin(&req, ESPM_CMD_SA_FLUSH, args->command->name);
	return nl_do(&req, NULL);
}

void hex_text(const struct nlattr *attr, char *text, size_t size)
{
	const __u8 *bytes = attr ? mnl_attr_get_payload(attr) : NULL;
	size_t len = attr ? mnl_attr_get_payload_len(attr) : 0, i;

	text[0] = '\0';
	for (i = 0; i < len && 2 * i + 2 < size; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* What an outbound tunnel makes its outer header of; absent values are copied or the host's. */
static void add_outer(struct json_object *o, const struct nlattr **attr)
{
	if (!attr[ESPM_A_SA_DF])
		return;
	json_add_number(o, "dscp", attr[ESPM_A_SA_DSCP]);
	json_object_object_add(o, "ecn",
			       json_object_new_boolean(nl_number(attr[ESPM_A_SA_ECN])));
	json_add_string(o, "df", NAME_OF(df_names, nl_number(attr[ESPM_A_SA_DF])));
	json_add_number(o, "ttl", attr[ESPM_A_SA_TTL]);
	json_add_number(o, "tfc", attr[ESPM_A_SA_TFC]);
}

/* Names of JSON, by attribute */
static const char *const bound_keys[ESPM_A_LIFE_MAX + 1] = {
	[ESPM_A_LIFE_SOFT_BYTES] = "soft_bytes",
	[ESPM_A_LIFE_HARD_BYTES] = "hard_bytes",
	[ESPM_A_LIFE_SOFT_PACKETS] = "soft_packets",
	[ESPM_A_LIFE_HARD_PACKETS] = "hard_packets",
	[ESPM_A_LIFE_SOFT_SECONDS] = "soft_seconds",
	[ESPM_A_LIFE_HARD_SECONDS] = "hard_seconds",
	[ESPM_A_LIFE_SOFT_USE_SECONDS] = "soft_use_seconds",
	[ESPM_A_LIFE_HARD_USE_SECONDS] = "hard_use_seconds",
};

static const char *const usage_keys[ESPM_A_USAGE_MAX + 1] = {
	[ESPM_A_USAGE_BYTES] = "bytes",
	[ESPM_A_USAGE_PACKETS] = "packets",
	[ESPM_A_USAGE_SECONDS] = "seconds",
	[ESPM_A_USAGE_USE_SECONDS] = "use_seconds",
};

static void add_numbers(struct json_object *o, const char *key, const struct nlattr *nest,
			const char *const *keys, unsigned int max)
{
	struct json_object *numbers;
	const struct nlattr *attr;

	if (!nest)
		return;
	numbers = json_object_new_object();
	mnl_attr_for_each_nested(attr, nest)
		if (mnl_attr_get_type(attr) <= max && keys[mnl_attr_get_type(attr)])
			json_add_number(numbers, keys[mnl_attr_get_type(attr)], attr);
	json_object_object_add(o, key, numbers);
}

static void add_life(struct json_object *o, const struct nlattr **attr)
{
	add_numbers(o, "lifetime", attr[ESPM_A_SA_LIFETIME], bound_keys, ESPM_A_LIFE_MAX);
	add_numbers(o, "usage", attr[ESPM_A_SA_USAGE], usage_keys, ESPM_A_USAGE_MAX);
	if (attr[ESPM_A_SA_SOFT_LIMIT])
		json_add_string(o, "soft_limit",
				NAME_OF(life_names, nl_number(attr[ESPM_A_SA_SOFT_LIMIT])));
	if (attr[ESPM_A_SA_HARD_LIMIT])
		json_add_string(o, "hard_limit",
				NAME_OF(life_names, nl_number(attr[ESPM_A_SA_HARD_LIMIT])));
}

static void add_given(struct json_object *o, const char *key, const struct nlattr *attr)
{
	if (attr)
		json_add_string(o, key, nl_string(attr));
}

struct json_object *sa_json(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr[ESPM_A_SA_MAX + 1];
	struct json_object *o = json_object_new_object();
	struct selector sel;
	char text[40];

	nl_attrs(nlh, attr, ESPM_A_SA_MAX);
	json_add_number(o, "id", attr[ESPM_A_SA_ID]);
	snprintf(text, sizeof(text), "0x%08x", (__u32)nl_number(attr[ESPM_A_SA_SPI]));
	json_add_string(o, "spi", text);
	json_add_string(o, "direction",
			NAME_OF(direction_names, nl_number(attr[ESPM_A_SA_DIRECTION])));
	json_add_string(o, "mode", NAME_OF(mode_names, nl_number(attr[ESPM_A_SA_MODE])));
	json_add_addr(o, "src", attr[ESPM_A_SA_SRC]);
	json_add_addr(o, "dst", attr[ESPM_A_SA_DST]);
	add_given(o, "suite", attr[ESPM_A_SA_SUITE]);
	json_add_number(o, "reqid", attr[ESPM_A_SA_REQID]);
	json_object_object_add(o, "esn",
			       json_object_new_boolean(nl_number(attr[ESPM_A_SA_ESN])));
	json_add_number(o, "replay_window", attr[ESPM_A_SA_REPLAY_WINDOW]);
	json_add_number(o, "encap_sport", attr[ESPM_A_SA_ENCAP_SPORT]);
	json_add_number(o, "encap_dport", attr[ESPM_A_SA_ENCAP_DPORT]);
	selector_get(&sel, attr[ESPM_A_SA_SELECTOR]);
	json_object_object_add(o, "selector", selector_json(&sel));
	json_add_string(o, "state", NAME_OF(state_names, nl_number(attr[ESPM_A_SA_STATE])));
	json_add_number(o, "seq", attr[ESPM_A_SA_SEQ]);
	json_add_number(o, "packets", attr[ESPM_A_SA_PACKETS]);
	json_add_number(o, "bytes", attr[ESPM_A_SA_BYTES]);
	hex_text(attr[ESPM_A_SA_FINGERPRINT], text, sizeof(text));
	if (*text)
		json_add_string(o, "fingerprint", text);
	add_given(o, "driver", attr[ESPM_A_SA_DRIVER]);
	json_add_number(o, "overhead", attr[ESPM_A_SA_OVERHEAD]);
	json_add_number(o, "mtu", attr[ESPM_A_SA_MTU]);
	json_object_object_add(o, "mss_clamp",
			       json_object_new_boolean(nl_number(attr[ESPM_A_SA_MSS_CLAMP])));
	json_add_number(o, "keepalive", attr[ESPM_A_SA_KEEPALIVE]);
	json_add_number(o, "dummy", attr[ESPM_A_SA_DUMMY]);
	if (attr[ESPM_A_SA_ROAM])
		json_object_object_add(o, "roam",
				       json_object_new_boolean(nl_number(attr[ESPM_A_SA_ROAM])));
	if (attr[ESPM_A_SA_PIN])
		json_object_object_add(o, "pin", json_object_new_boolean(1));
	json_add_number(o, "lost", attr[ESPM_A_SA_LOST]);
	json_add_number(o, "reorder", attr[ESPM_A_SA_REORDER]);
	add_outer(o, attr);
	add_life(o, attr);
	json_object_object_add(o, "drops", counters_json(nlh, ESPM_A_SA_DROPS));
	return o;
}

static void note_ends(struct table *table, const struct nlattr **attr)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], encap[32] = "";
	struct addr addr;

	nl_addr(&addr, attr[ESPM_A_SA_SRC]);
	addr_text(&addr, src, sizeof(src));
	nl_addr(&addr, attr[ESPM_A_SA_DST]);
	addr_text(&addr, dst, sizeof(dst));
	if (attr[ESPM_A_SA_ENCAP_SPORT])
		snprintf(encap, sizeof(encap), " encap %u %u",
			 (__u16)nl_number(attr[ESPM_A_SA_ENCAP_SPORT]),
			 (__u16)nl_number(attr[ESPM_A_SA_ENCAP_DPORT]));
	table_note(table, "src %s dst %s%s", src, dst, encap);
}

static void note_rest(struct table *table, const struct nlattr **attr)
{
	char fingerprint[40], window[32] = "";

	if (attr[ESPM_A_SA_REPLAY_WINDOW])
		snprintf(window, sizeof(window), " window %u",
			 (__u32)nl_number(attr[ESPM_A_SA_REPLAY_WINDOW]));
	hex_text(attr[ESPM_A_SA_FINGERPRINT], fingerprint, sizeof(fingerprint));
	table_note(table, "esn %s%s, overhead %u, fingerprint %s",
		   nl_number(attr[ESPM_A_SA_ESN]) ? "on" : "off", window,
		   (__u32)nl_number(attr[ESPM_A_SA_OVERHEAD]), fingerprint);
	if (*nl_string(attr[ESPM_A_SA_DRIVER]))
		table_note(table, "driver %s", nl_string(attr[ESPM_A_SA_DRIVER]));
}

static void add_word(char *text, size_t size, const char *name, const struct nlattr *attr)
{
	size_t used = strlen(text);

	if (attr)
		snprintf(text + used, size - used, "%s%s %u", used ? ", " : "", name,
			 (__u32)nl_number(attr));
}

static void add_choice(char *text, size_t size, const char *choice, bool chosen)
{
	size_t used = strlen(text);

	if (chosen)
		snprintf(text + used, size - used, "%s%s", used ? ", " : "", choice);
}

static const struct nlattr *not_zero(const struct nlattr *attr)
{
	return attr && nl_number(attr) ? attr : NULL;
}

/* The MTU, and what differs from the defaults. */
static void note_outer(struct table *table, const struct nlattr **attr)
{
	__u32 df = nl_number(attr[ESPM_A_SA_DF]);
	char text[160] = "";

	add_word(text, sizeof(text), "mtu", attr[ESPM_A_SA_MTU]);
	add_word(text, sizeof(text), "keepalive", attr[ESPM_A_SA_KEEPALIVE]);
	add_word(text, sizeof(text), "dummy", attr[ESPM_A_SA_DUMMY]);
	add_choice(text, sizeof(text), "roam", nl_number(attr[ESPM_A_SA_ROAM]));
	add_choice(text, sizeof(text), "pinned", attr[ESPM_A_SA_PIN]);
	add_word(text, sizeof(text), "lost", not_zero(attr[ESPM_A_SA_LOST]));
	add_word(text, sizeof(text), "reordered by up to", not_zero(attr[ESPM_A_SA_REORDER]));
	add_choice(text, sizeof(text), "mss-clamp off", !nl_number(attr[ESPM_A_SA_MSS_CLAMP]));
	add_word(text, sizeof(text), "dscp", attr[ESPM_A_SA_DSCP]);
	add_choice(text, sizeof(text), "ecn off",
		   attr[ESPM_A_SA_ECN] && !nl_number(attr[ESPM_A_SA_ECN]));
	add_choice(text, sizeof(text), df == ESPM_DF_SET ? "df set" : "df clear",
		   df != ESPM_DF_COPY);
	add_word(text, sizeof(text), "ttl", attr[ESPM_A_SA_TTL]);
	add_word(text, sizeof(text), "tfc", attr[ESPM_A_SA_TFC]);
	if (*text)
		table_note(table, "%s", text);
}

/* One measure of an SA's life: how much is over, and its limits. */
static void note_measure(struct table *table, const char *name, const struct nlattr *used,
			 const struct nlattr *soft, const struct nlattr *hard)
{
	char text[96] = "";
	size_t len = 0;

	if (!soft && !hard)
		return;
	if (soft)
		len = snprintf(text, sizeof(text), ", soft %llu",
			       (unsigned long long)nl_number(soft));
	if (hard)
		snprintf(text + len, sizeof(text) - len, ", hard %llu",
			 (unsigned long long)nl_number(hard));
	table_note(table, "life in %s: %llu%s", name, (unsigned long long)nl_number(used), text);
}

static void note_life(struct table *table, const struct nlattr **attr)
{
	const struct nlattr *life[ESPM_A_LIFE_MAX + 1], *usage[ESPM_A_USAGE_MAX + 1];

	if (attr[ESPM_A_SA_HARD_LIMIT])
		table_note(table, "expired: hard limit in %s",
			   NAME_OF(life_names, nl_number(attr[ESPM_A_SA_HARD_LIMIT])));
	if (!attr[ESPM_A_SA_LIFETIME] || !attr[ESPM_A_SA_USAGE])
		return;
	nl_nested(attr[ESPM_A_SA_LIFETIME], life, ESPM_A_LIFE_MAX);
	nl_nested(attr[ESPM_A_SA_USAGE], usage, ESPM_A_USAGE_MAX);
	note_measure(table, "bytes", usage[ESPM_A_USAGE_BYTES], life[ESPM_A_LIFE_SOFT_BYTES],
		     life[ESPM_A_LIFE_HARD_BYTES]);
	note_measure(table, "packets", usage[ESPM_A_USAGE_PACKETS], life[ESPM_A_LIFE_SOFT_PACKETS],
		     life[ESPM_A_LIFE_HARD_PACKETS]);
	note_measure(table, "seconds", usage[ESPM_A_USAGE_SECONDS], life[ESPM_A_LIFE_SOFT_SECONDS],
		     life[ESPM_A_LIFE_HARD_SECONDS]);
	note_measure(table, "seconds of use", usage[ESPM_A_USAGE_USE_SECONDS],
		     life[ESPM_A_LIFE_SOFT_USE_SECONDS], life[ESPM_A_LIFE_HARD_USE_SECONDS]);
}

/* What an event says of an SA, behind its name. */
void sa_line(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr[ESPM_A_SA_MAX + 1];
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	struct addr addr;

	nl_attrs(nlh, attr, ESPM_A_SA_MAX);
	nl_addr(&addr, attr[ESPM_A_SA_SRC]);
	addr_text(&addr, src, sizeof(src));
	nl_addr(&addr, attr[ESPM_A_SA_DST]);
	addr_text(&addr, dst, sizeof(dst));
	printf(" id %u spi 0x%08x dir %s src %s dst %s", (__u32)nl_number(attr[ESPM_A_SA_ID]),
	       (__u32)nl_number(attr[ESPM_A_SA_SPI]),
	       NAME_OF(direction_names, nl_number(attr[ESPM_A_SA_DIRECTION])), src, dst);
	if (attr[ESPM_A_SA_ENCAP_SPORT])
		printf(" encap %u %u", (__u16)nl_number(attr[ESPM_A_SA_ENCAP_SPORT]),
		       (__u16)nl_number(attr[ESPM_A_SA_ENCAP_DPORT]));
	printf(" reqid %u state %s seq %llu", (__u32)nl_number(attr[ESPM_A_SA_REQID]),
	       NAME_OF(state_names, nl_number(attr[ESPM_A_SA_STATE])),
	       (unsigned long long)nl_number(attr[ESPM_A_SA_SEQ]));
	if (attr[ESPM_A_SA_SOFT_LIMIT])
		printf(" soft-limit %s",
		       NAME_OF(life_names, nl_number(attr[ESPM_A_SA_SOFT_LIMIT])));
	if (attr[ESPM_A_SA_HARD_LIMIT])
		printf(" hard-limit %s",
		       NAME_OF(life_names, nl_number(attr[ESPM_A_SA_HARD_LIMIT])));
}

static enum colour state_colour(__u32 state)
{
	switch (state) {
	case ESPM_SA_DYING:
		return WARN;
	case ESPM_SA_EXPIRED:
	case ESPM_SA_DEAD:
		return BAD;
	default:
		return PLAIN;
	}
}

static void sa_row(struct table *table, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr[ESPM_A_SA_MAX + 1];
	char text[2 * RANGE_TEXT + 96];
	struct selector sel;

	nl_attrs(nlh, attr, ESPM_A_SA_MAX);
	table_cell(table, "%u", (__u32)nl_number(attr[ESPM_A_SA_ID]));
	table_cell(table, "0x%08x", (__u32)nl_number(attr[ESPM_A_SA_SPI]));
	table_cell(table, "%s", NAME_OF(direction_names, nl_number(attr[ESPM_A_SA_DIRECTION])));
	table_cell(table, "%s", NAME_OF(mode_names, nl_number(attr[ESPM_A_SA_MODE])));
	table_cell(table, "%s", nl_string(attr[ESPM_A_SA_SUITE]));
	table_cell(table, "%u", (__u32)nl_number(attr[ESPM_A_SA_REQID]));
	table_cell(table, "%s", NAME_OF(state_names, nl_number(attr[ESPM_A_SA_STATE])));
	table_paint(table, state_colour(nl_number(attr[ESPM_A_SA_STATE])));
	table_cell(table, "%llu", (unsigned long long)nl_number(attr[ESPM_A_SA_SEQ]));
	table_cell(table, "%llu", (unsigned long long)nl_number(attr[ESPM_A_SA_PACKETS]));
	table_cell(table, "%llu", (unsigned long long)nl_number(attr[ESPM_A_SA_BYTES]));

	note_ends(table, attr);
	note_rest(table, attr);
	note_outer(table, attr);
	note_life(table, attr);
	selector_get(&sel, attr[ESPM_A_SA_SELECTOR]);
	if (!selector_is_any(&sel)) {
		selector_text(&sel, text, sizeof(text));
		table_note(table, "sel %s", text);
	}
	counter_notes(table, nlh, ESPM_A_SA_DROPS);
}

static int print_json(const struct nl_reply *reply)
{
	const struct nlmsghdr *nlh;
	struct json_list list;

	json_list_begin(&list);
	for (nlh = nl_next(reply, NULL); nlh; nlh = nl_next(reply, nlh))
		json_list_add(&list, sa_json(nlh));
	return json_list_end(&list);
}

/* The addresses stand below the row, not in it: IPv6 would make it too wide. */
static int print_table(const struct nl_reply *reply)
{
	static const struct column columns[] = {
		RIGHT("ID"), LEFT("SPI"), LEFT("DIR"), LEFT("MODE"), LEFT("SUITE"),
		RIGHT("REQID"), LEFT("STATE"), RIGHT("SEQ"), RIGHT("PACKETS"),
		RIGHT("BYTES"), COLUMNS_END
	};
	const struct nlmsghdr *nlh;
	struct table table;

	table_begin(&table, columns);
	for (nlh = nl_next(reply, NULL); nlh; nlh = nl_next(reply, nlh))
		sa_row(&table, nlh);
	return table_end(&table);
}

int sa_show(struct args *args)
{
	struct nl_reply reply = { };
	struct nl_request req;
	int err, shown = 0;
	bool named;

	err = check_name(args, &named);
	if (err)
		return err;
	nl_begin(&req, ESPM_CMD_SA_GET, "sa show");
	put_name(&req, args);
	err = named ? nl_do(&req, &reply) : nl_dump(&req, &reply);
	/* An interrupted dump is shown, as far as it goes. */
	if (!err || reply.len)
		shown = args->json ? print_json(&reply) : print_table(&reply);
	nl_free(&reply);
	return err ?: shown;
}
