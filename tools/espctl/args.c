// SPDX-License-Identifier: GPL-2.0
/* The one parser, and the table that drives it. See args.h. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include "args.h"
#include "command.h"
#include "key.h"
#include "say.h"
#include "util.h"

enum kind {
	KIND_FLAG,		/* the word alone */
	KIND_TEXT,
	KIND_KEY_FILE,
	KIND_U32,
	KIND_U64,
	KIND_DSCP,
	KIND_U8,
	KIND_U16,
	KIND_NAME,		/* one of names[], its number is its place */
	KIND_FAMILY,
	KIND_ADDR,
	KIND_END,		/* an address, or any one of its family */
	KIND_RANGE,
	KIND_PROTO,
	KIND_PORTS,
	KIND_SPIS,
	KIND_PORT_PAIR,
	KIND_ICMP,
};

struct word_desc {
	const char *name;
	const char *value;	/* as in the grammar */
	const char *help;
	enum kind kind;
	const char *const *names;
	unsigned int count;
};

const char *const direction_names[2] = { "in", "out" };
const char *const mode_names[2] = { "transport", "tunnel" };
const char *const action_names[3] = { "bypass", "discard", "protect" };
const char *const df_names[3] = { "copy", "clear", "set" };
const char *const life_names[4] = { "bytes", "packets", "seconds", "use-seconds" };
static const char *const switch_names[] = { "off", "on" };

#define NAMES(list)	.kind = KIND_NAME, .names = list, .count = ARRAY_SIZE(list)

static const struct word_desc words_known[W_COUNT] = {
	[W_ID] = { "id", "N", "number that the kernel gave", .kind = KIND_U32 },
	[W_SPI] = { "spi", "SPI", "security parameters index, 256 or more, decimal or 0x hex",
		    .kind = KIND_U32 },
	[W_DIR] = { "dir", "in|out", "whether packets arrive or leave", NAMES(direction_names) },
	[W_MODE] = { "mode", "tunnel|transport",
		     "whether the whole packet goes inside ESP, or its payload",
		     NAMES(mode_names) },
	[W_SRC] = { "src", "ADDR|any", "source of the ESP packets; any: the one of the route",
		    .kind = KIND_END },
	[W_DST] = { "dst", "ADDR|any", "destination of the ESP packets; inbound, any of this host",
		    .kind = KIND_END },
	[W_NEW_DST] = { "new-dst", "ADDR|any", "destination from now on", .kind = KIND_END },
	[W_SUITE] = { "suite", "SUITE", "algorithms, see 'espctl suites'", .kind = KIND_TEXT },
	[W_KEY_FILE] = { "key-file", "FILE|fd:N|-",
			 "where the key is read from, as hex: a file, a descriptor, standard input",
			 .kind = KIND_KEY_FILE },
	[W_REQID] = { "reqid", "N", "number that ties policies to SAs, 1 or more",
		      .kind = KIND_U32 },
	[W_ESN] = { "esn", "on|off", "extended sequence numbers, as the peer has them (on)",
		    NAMES(switch_names) },
	[W_WINDOW] = { "window", "N", "replay window in packets, inbound (1024); 0: no check",
		       .kind = KIND_U32 },
	[W_ENCAP] = { "encap", "SPORT DPORT", "ESP in UDP between these ports (RFC 3948); 0 0: without",
		      .kind = KIND_PORT_PAIR },
	[W_KEEPALIVE] = { "keepalive", "SECONDS",
			  "with encap, outbound: keep a NAT's mapping while nothing is sent (0: off)",
			  .kind = KIND_U16 },
	[W_DUMMY] = { "dummy", "SECONDS",
		      "outbound: send a dummy packet when nothing was sent for so long (0: off)",
		      .kind = KIND_U16 },
	[W_ROAM] = { "roam", "on|off",
		     "inbound: send to where the peer's newest packet came from (off)",
		     NAMES(switch_names) },
	[W_SEQ] = { "seq", "N", "last number that was sent, or highest received, of an SA restored (0)",
		    .kind = KIND_U64 },
	[W_PIN] = { "pin", "on|off", "outbound: send by this SA, also where its reqid has newer ones (off)",
		    NAMES(switch_names) },
	[W_MSS_CLAMP] = { "mss-clamp", "on|off", "have TCP connections send what fits (on)",
			  NAMES(switch_names) },
	[W_DSCP] = { "dscp", "copy|N", "DSCP of the outer header, 0 to 63 (copy)",
		     .kind = KIND_DSCP },
	[W_ECN] = { "ecn", "on|off", "show congestion marks outside, by RFC 6040 (on)",
		    NAMES(switch_names) },
	[W_DF] = { "df", "copy|clear|set",
		   "\"don't fragment\" of the outer header; clear: too long goes in fragments (copy)",
		   NAMES(df_names) },
	[W_TTL] = { "ttl", "N", "hop limit of the outer header, 1 to 255 (the host's)",
		    .kind = KIND_U8 },
	[W_TFC] = { "tfc", "N", "hide lengths: pad packets to N bytes, as far as the MTU allows (0)",
		    .kind = KIND_U16 },
	[W_SOFT_BYTES] = { "soft-bytes", "N", "tell when so many bytes were encrypted (0: never)",
			   .kind = KIND_U64 },
	[W_HARD_BYTES] = { "hard-bytes", "N", "encrypt no more bytes than this with the SA's key",
			   .kind = KIND_U64 },
	[W_SOFT_PACKETS] = { "soft-packets", "N", "tell with packet N", .kind = KIND_U64 },
	[W_HARD_PACKETS] = { "hard-packets", "N", "packet N is the SA's last one",
			     .kind = KIND_U64 },
	[W_SOFT_SECONDS] = { "soft-seconds", "N", "tell N seconds after the SA was added",
			     .kind = KIND_U32 },
	[W_HARD_SECONDS] = { "hard-seconds", "N", "the SA expires N seconds after it was added",
			     .kind = KIND_U32 },
	[W_SOFT_USE_SECONDS] = { "soft-use-seconds", "N", "tell N seconds after the first packet",
				 .kind = KIND_U32 },
	[W_HARD_USE_SECONDS] = { "hard-use-seconds", "N",
				 "the SA expires N seconds after its first packet",
				 .kind = KIND_U32 },
	[W_SEL] = { "sel", NULL, "what follows is the traffic that an inbound SA accepts (any)",
		    .kind = KIND_FLAG },
	[W_ACTION] = { "action", "protect|bypass|discard",
		       "ESP with an SA of the reqid, pass in clear, or drop", NAMES(action_names) },
	[W_PRIORITY] = { "priority", "N", "the smallest matching one decides (1000)",
			 .kind = KIND_U32 },
	[W_FAMILY] = { "family", "4|6", "where no address says it", .kind = KIND_FAMILY },
	[W_ON_DEMAND] = { "on-demand", NULL,
			  "outbound: ask key daemons for SAs, and let a few packets wait",
			  .kind = KIND_FLAG },
	[W_SPIS] = { "spi", "A[-B]", "SPI, or from which to draw one (0xc0000000-0xcfffffff)",
		     .kind = KIND_SPIS },
	[W_SECONDS] = { "seconds", "N", "how long the SPI is kept without an SA (30)",
			.kind = KIND_U32 },
	[W_ALL] = { "all", NULL, "the zero ones too", .kind = KIND_FLAG },
	[W_REASON] = { "reason", "NAME", "of this counter, such as in_icv", .kind = KIND_TEXT },
	[W_OF_SA] = { "sa", "ID", "of this SA", .kind = KIND_U32 },
	[W_OF_POLICY] = { "policy", "ID", "of this policy", .kind = KIND_U32 },
	[W_EVERY] = { "every", "SECONDS", "time from one to the next (2)", .kind = KIND_U32 },
	[W_ROUNDS] = { "count", "N", "end after N times", .kind = KIND_U32 },
	[W_EVENTS] = { "count", "N", "end after N events", .kind = KIND_U32 },
	[W_TIMEOUT] = { "timeout", "SECONDS",
			"end after that time; with fewer than 'count' events, with status 1",
			.kind = KIND_U32 },
	[W_KEY_DIR] = { "key-dir", "DIR", "where the key files are, FINGERPRINT.key (/etc/espctl.keys)",
			.kind = KIND_TEXT },
	[W_MARGIN] = { "margin", "N", "sequence numbers that are passed over, outbound (1048576)",
		       .kind = KIND_U32 },
	[W_SAS] = { "sas", "N", "how many SAs there may be, without reservations",
		    .kind = KIND_U32 },
	[W_POLICIES] = { "policies", "N", "how many policies there may be", .kind = KIND_U32 },
	[W_RESERVATIONS] = { "reservations", "N", "how many SPIs may be reserved at a time",
			     .kind = KIND_U32 },
	[W_SAS_PER_REQID] = { "sas-per-reqid", "N", "how many SAs one reqid may have",
			      .kind = KIND_U32 },
	[W_SAS_PER_SPI] = { "sas-per-spi", "N", "how many SAs one SPI may have", .kind = KIND_U32 },
	[W_SEL_SRC] = { "src", "PREFIX|RANGE|any", "source of the traffic: A, A/LENGTH or A-B",
			.kind = KIND_RANGE },
	[W_SEL_DST] = { "dst", "PREFIX|RANGE|any", "destination of the traffic",
			.kind = KIND_RANGE },
	[W_PROTO] = { "proto", "NAME|N", "next layer protocol, such as tcp", .kind = KIND_PROTO },
	[W_SPORT] = { "sport", "A[-B]", "source port or ports", .kind = KIND_PORTS },
	[W_DPORT] = { "dport", "A[-B]", "destination port or ports", .kind = KIND_PORTS },
	[W_ICMP] = { "icmp", "TYPE[/CODE]", "ICMP or ICMPv6 type, and code", .kind = KIND_ICMP },
};

/* Not getprotobyname(): /etc/protocols is missing on small systems. */
static const struct {
	const char *name;
	unsigned int number;
} protos[] = {
	{ "icmp", IPPROTO_ICMP }, { "igmp", IPPROTO_IGMP }, { "ipip", IPPROTO_IPIP },
	{ "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "dccp", IPPROTO_DCCP },
	{ "ipv6", IPPROTO_IPV6 }, { "gre", IPPROTO_GRE }, { "esp", IPPROTO_ESP },
	{ "ah", IPPROTO_AH }, { "icmpv6", IPPROTO_ICMPV6 }, { "ospf", 89 },
	{ "pim", IPPROTO_PIM }, { "vrrp", 112 }, { "l2tp", 115 }, { "sctp", IPPROTO_SCTP },
	{ "mh", IPPROTO_MH }, { "udplite", IPPROTO_UDPLITE },
};

const char *word_name(enum word id)
{
	return words_known[id].name;
}

const char *word_value(enum word id)
{
	return words_known[id].value;
}

const char *word_help(enum word id)
{
	return words_known[id].help;
}

/* The name of a protocol, else its number written to text. */
const char *proto_name(unsigned int number, char *text, size_t size)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(protos); i++)
		if (protos[i].number == number)
			return protos[i].name;
	snprintf(text, size, "%u", number);
	return text;
}

bool proto_is_icmp(unsigned int number)
{
	return number == IPPROTO_ICMP || number == IPPROTO_ICMPV6;
}

/* Decimal, or hex behind 0x; a leading 0 does not mean octal. */
static bool number_parse(const char *word, unsigned long max, unsigned long *number,
			 const char **end)
{
	bool hex = word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
	char *stop;

	if (hex ? !isxdigit((unsigned char)word[2]) : !isdigit((unsigned char)word[0]))
		return false;
	errno = 0;
	*number = strtoul(word, &stop, hex ? 16 : 10);
	*end = stop;
	return !errno && *number <= max;
}

static int bad_value(const struct value *value, const char *why)
{
	return misuse("%s %s: %s", value->said.name, value->said.value, why);
}

static int u32_parse(struct value *value, const char *word)
{
	unsigned long number;
	const char *end;

	if (!number_parse(word, ~(__u32)0, &number, &end) || *end)
		return bad_value(value, "not a number from 0 to 4294967295");
	value->number = number;
	return 0;
}

static int u64_parse(struct value *value, const char *word)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(word, &end, 10);
	if (!isdigit((unsigned char)word[0]) || *end || errno)
		return bad_value(value, "not a number from 0 to 18446744073709551615");
	value->wide = number;
	return 0;
}

static int below_parse(struct value *value, const char *word, unsigned long max)
{
	unsigned long number;
	const char *end;

	if (!number_parse(word, max, &number, &end) || *end)
		return misuse("%s %s: not a number from 0 to %lu", value->said.name, word, max);
	value->number = number;
	return 0;
}

/* What copies is what says nothing. */
static int dscp_parse(struct value *value, const char *word)
{
	if (strcmp(word, "copy"))
		return below_parse(value, word, 63);
	value->given = false;
	return 0;
}

static int name_parse(struct value *value, const struct word_desc *desc, const char *word)
{
	const char *meant;
	unsigned int i;

	for (i = 0; i < desc->count; i++) {
		if (!strcmp(word, desc->names[i])) {
			value->number = i;
			return 0;
		}
	}
	meant = nearest(word, desc->names, desc->count);
	if (meant)
		return misuse("%s %s: did you mean '%s'?", desc->name, word, meant);
	return misuse("%s %s: must be %s", desc->name, word, desc->value);
}

static int family_parse(struct value *value, const char *word)
{
	if (strcmp(word, "4") && strcmp(word, "6"))
		return bad_value(value, "must be 4 or 6");
	value->number = word[0] - '0';
	return 0;
}

static int addr_value_parse(struct value *value, const char *word, enum kind kind)
{
	if (addr_parse(&value->addr, word))
		return 0;
	value->addr.len = 0;
	if (kind == KIND_END && !strcmp(word, "any"))
		return 0;
	if (strpbrk(word, "/-"))
		return bad_value(value, "an end point is one address, not a prefix or a range");
	return bad_value(value, "not an IPv4 or IPv6 address");
}

static int range_value_parse(struct value *value, const char *word)
{
	const char *why = range_parse(&value->range, word);

	return why ? bad_value(value, why) : 0;
}

static int proto_parse(struct value *value, const char *word)
{
	const char *names[ARRAY_SIZE(protos)], *end, *meant;
	unsigned long number;
	size_t i;

	if (number_parse(word, 255, &number, &end) && !*end) {
		value->number = number;
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(protos); i++) {
		if (!strcmp(word, protos[i].name)) {
			value->number = protos[i].number;
			return 0;
		}
		names[i] = protos[i].name;
	}
	if (!strcmp(word, "ipv6-icmp") || !strcmp(word, "icmp6")) {
		value->number = IPPROTO_ICMPV6;
		return 0;
	}
	meant = nearest(word, names, ARRAY_SIZE(names));
	if (meant)
		return misuse("proto %s: did you mean '%s'?", word, meant);
	return bad_value(value, "not a protocol known by name, nor a number from 0 to 255");
}

static int port_parse(const struct said *said, __u16 *port)
{
	unsigned long number;
	const char *end;

	if (!number_parse(said->value, 65535, &number, &end) || *end)
		return misuse("%s %s: a port is a number from 0 to 65535", said->name,
			      said->value);
	*port = number;
	return 0;
}

static int ports_parse(struct value *value, const char *word)
{
	unsigned long first, last;
	const char *end;

	if (!number_parse(word, 65535, &first, &end))
		return bad_value(value, "a port is a number from 0 to 65535");
	last = first;
	if ((*end == '-' && !number_parse(end + 1, 65535, &last, &end)) || *end)
		return bad_value(value, "ports are A or A-B, from 0 to 65535");
	if (last < first)
		return bad_value(value, "the range ends before it begins");
	value->ports.first = first;
	value->ports.last = last;
	return 0;
}

static int spis_parse(struct value *value, const char *word)
{
	unsigned long first, last;
	const char *end;

	if (!number_parse(word, ~(__u32)0, &first, &end))
		return bad_value(value, "not an SPI from 256 to 4294967295");
	last = first;
	if ((*end == '-' && !number_parse(end + 1, ~(__u32)0, &last, &end)) || *end)
		return bad_value(value, "SPIs are A or A-B, from 256 to 4294967295");
	if (last < first)
		return bad_value(value, "the range ends before it begins");
	value->spis[0] = first;
	value->spis[1] = last;
	return 0;
}

/* TYPE[/CODE], as the range of type * 256 + code that it covers. */
static bool icmp_parse_one(const char *word, struct ports *ports, const char **end)
{
	unsigned long type, code;

	if (!number_parse(word, 255, &type, end))
		return false;
	ports->first = type << 8;
	ports->last = type << 8 | 255;
	if (**end != '/')
		return true;
	if (!number_parse(*end + 1, 255, &code, end))
		return false;
	ports->first |= code;
	ports->last = ports->first;
	return true;
}

static int icmp_parse(struct value *value, const char *word)
{
	struct ports last;
	const char *end;

	if (!icmp_parse_one(word, &value->ports, &end))
		return bad_value(value, "must be TYPE or TYPE/CODE, each from 0 to 255");
	if (*end == '-') {
		if (!icmp_parse_one(end + 1, &last, &end))
			return bad_value(value, "no TYPE or TYPE/CODE behind the '-'");
		if (last.last < value->ports.first)
			return bad_value(value, "the range ends before it begins");
		value->ports.last = last.last;
	}
	if (*end)
		return bad_value(value, "must be TYPE or TYPE/CODE, each from 0 to 255");
	return 0;
}

static int values_wanted(enum kind kind)
{
	switch (kind) {
	case KIND_FLAG:
		return 0;
	case KIND_PORT_PAIR:
		return 2;
	default:
		return 1;
	}
}

static int value_parse(struct value *value, const struct word_desc *desc, char **words)
{
	value->said.value = values_wanted(desc->kind) ? words[0] : "";
	switch (desc->kind) {
	case KIND_FLAG:
	case KIND_TEXT:
		return 0;
	case KIND_KEY_FILE:
		return key_word_is_key(words[0]) ? key_misuse() : 0;
	case KIND_U32:
		return u32_parse(value, words[0]);
	case KIND_U64:
		return u64_parse(value, words[0]);
	case KIND_DSCP:
		return dscp_parse(value, words[0]);
	case KIND_U8:
		return below_parse(value, words[0], 255);
	case KIND_U16:
		return below_parse(value, words[0], 65535);
	case KIND_NAME:
		return name_parse(value, desc, words[0]);
	case KIND_FAMILY:
		return family_parse(value, words[0]);
	case KIND_ADDR:
	case KIND_END:
		return addr_value_parse(value, words[0], desc->kind);
	case KIND_RANGE:
		return range_value_parse(value, words[0]);
	case KIND_PROTO:
		return proto_parse(value, words[0]);
	case KIND_PORTS:
		return ports_parse(value, words[0]);
	case KIND_SPIS:
		return spis_parse(value, words[0]);
	case KIND_PORT_PAIR:
		value->second.name = desc->name;
		value->second.value = words[1];
		return port_parse(&value->said, &value->pair[0]) ?:
		       port_parse(&value->second, &value->pair[1]);
	case KIND_ICMP:
		return icmp_parse(value, words[0]);
	}
	return 0;
}

static bool is_selector_word(unsigned int id)
{
	return WORDS_SELECTOR & 1ULL << id;
}

/*
 * The word that a name means here. "src" and "dst" are the SA's before "sel"
 * and the selector's behind it; nothing else has two meanings.
 */
static unsigned int word_find(const struct args *args, const char *name)
{
	unsigned long long takes = args->command->takes;
	unsigned int found = W_COUNT, id;

	for (id = 0; id < W_COUNT; id++) {
		if (!(takes & 1ULL << id) || strcmp(name, words_known[id].name))
			continue;
		if (found == W_COUNT || args->value[W_SEL].given)
			found = id;
	}
	return found;
}

static int unknown_word(const struct args *args, const char *word)
{
	const char *what = args->command->name, *names[W_COUNT], *meant;
	size_t count = 0;
	unsigned int id;

	if (!strcmp(word, "key") || key_word_is_key(word))
		return key_misuse();
	for (id = 0; id < W_COUNT; id++)
		if (args->command->takes & 1ULL << id)
			names[count++] = words_known[id].name;
	if (!count)
		return misuse("%s: nothing may follow, but '%s' does", what, word);
	meant = nearest(word, names, count);
	if (meant)
		return misuse("%s: unknown word '%s': did you mean '%s'?", what, word, meant);
	return misuse("%s: unknown word '%s': see 'espctl %s --help'", what, word, what);
}

static int missing_words(const struct args *args)
{
	char list[512] = "";
	size_t used = 0;
	unsigned int id;

	for (id = 0; id < W_COUNT; id++) {
		if (!(args->command->needs & 1ULL << id) || args->value[id].given)
			continue;
		used += snprintf(list + used, sizeof(list) - used, "%s%s %s", used ? ", " : "",
				 words_known[id].name, words_known[id].value);
	}
	return used ? misuse("%s: missing: %s", args->command->name, list) : 0;
}

/* The values that stand alone behind the command's name. */
static int bare_parse(struct args *args, char **words, int count)
{
	const struct command *command = args->command;
	int bares = command->bares ?: 1, at, err;

	for (at = 0; at < bares; at++) {
		const struct word_desc *desc = &words_known[command->bare + at];
		struct value *value = &args->value[command->bare + at];

		if (at >= count)
			return misuse("%s: missing: %s", command->name,
				      bares > 1 ? command->usage : desc->value);
		value->given = true;
		value->said.name = desc->name;
		err = value_parse(value, desc, words + at);
		if (err)
			return err;
	}
	return 0;
}

/* Read words into args, whose command says which are known and which needed. */
int args_parse(struct args *args, char **words, int count)
{
	const struct command *command = args->command;
	int at = 0, err;

	if (command->bare != W_COUNT) {
		err = bare_parse(args, words, count);
		if (err)
			return err;
		at = command->bares ?: 1;
	}
	while (at < count) {
		unsigned int id = word_find(args, words[at]);
		const struct word_desc *desc;
		struct value *value;

		if (id == W_COUNT)
			return unknown_word(args, words[at]);
		desc = &words_known[id];
		value = &args->value[id];
		if (is_selector_word(id) && (command->takes & WORD(SEL)) &&
		    !args->value[W_SEL].given)
			return misuse("%s: '%s' describes the traffic inside: write 'sel' first",
				      command->name, desc->name);
		if (value->given)
			return misuse("%s: '%s' is given twice", command->name, desc->name);
		at++;
		if (count - at < values_wanted(desc->kind))
			return misuse("%s: '%s' is without its value: %s",
				      command->name, desc->name, desc->value);
		value->given = true;
		value->said.name = desc->name;
		err = value_parse(value, desc, words + at);
		if (err)
			return err;
		at += values_wanted(desc->kind);
	}
	return missing_words(args);
}

/* The i-th value that a word can have, NULL behind the last; of most words there is no list. */
const char *word_choice(enum word id, unsigned int i)
{
	static const char *const families[] = { "4", "6" };
	const struct word_desc *desc = &words_known[id];

	switch (desc->kind) {
	case KIND_NAME:
		return i < desc->count ? desc->names[i] : NULL;
	case KIND_FAMILY:
		return i < ARRAY_SIZE(families) ? families[i] : NULL;
	case KIND_PROTO:
		return i < ARRAY_SIZE(protos) ? protos[i].name : NULL;
	case KIND_END:
	case KIND_RANGE:
		return i ? NULL : "any";
	case KIND_DSCP:
		return i ? NULL : "copy";
	default:
		return NULL;
	}
}

/* Words that were typed are believed to be right: what is wrong is said when they are run. */
struct args_next args_next(const struct command *command, char **words, int count)
{
	int bares = command->bare == W_COUNT ? 0 : command->bares ?: 1, at;
	struct args args = { .command = command };
	struct args_next next = { .value = W_COUNT };
	unsigned int id;

	if (count < bares) {
		next.value = command->bare + count;
		return next;
	}
	for (at = bares; at < count; at++) {
		id = word_find(&args, words[at]);
		if (id == W_COUNT)
			continue;
		args.value[id].given = true;
		at += values_wanted(words_known[id].kind);
		if (at >= count) {
			next.value = id;
			return next;
		}
	}
	for (id = 0; id < W_COUNT; id++) {
		if (!(command->takes & 1ULL << id) || args.value[id].given)
			continue;
		/* The selector's words stand behind "sel", where src and dst are its own. */
		if (command->takes & WORD(SEL) &&
		    (args.value[W_SEL].given ? id == W_SRC || id == W_DST : is_selector_word(id)))
			continue;
		next.words |= 1ULL << id;
	}
	return next;
}
