// SPDX-License-Identifier: GPL-2.0
/* Selectors. See selector.h. */
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <json-c/json.h>
#include <esp_mod.h>
#include "command.h"
#include "say.h"
#include "selector.h"

enum { SELECTOR_WORDS = WORDS_SELECTOR };

/* 4 or 6 as the addresses or the word family say, 0 if nothing does. */
static unsigned int family_meant(const struct args *args)
{
	const struct value *src = &args->value[W_SEL_SRC], *dst = &args->value[W_SEL_DST];
	unsigned int len = 0;

	if (args->value[W_FAMILY].given)
		return args->value[W_FAMILY].number;
	if (src->given)
		len = src->range.first.len;
	if (!len && dst->given)
		len = dst->range.first.len;
	if (!len)
		return 0;
	return len == ADDR_V6 ? 6 : 4;
}

/*
 * Whether the words of a selector go together. *icmp_proto becomes the
 * protocol that the word icmp stands for, or 0.
 */
int selector_check(struct args *args, __u8 *icmp_proto)
{
	const struct value *icmp = &args->value[W_ICMP], *proto = &args->value[W_PROTO];
	const char *what = args->command->name;

	*icmp_proto = 0;
	if (!icmp->given) {
		if (proto->given && proto_is_icmp(proto->number) &&
		    (args->value[W_SPORT].given || args->value[W_DPORT].given))
			return misuse("%s: proto %s has no ports: say icmp TYPE[/CODE]", what,
				      proto->said.value);
		return 0;
	}
	if (args->value[W_SPORT].given || args->value[W_DPORT].given)
		return misuse("%s: icmp stands in place of sport and dport, not with them", what);
	if (proto->given) {
		if (!proto_is_icmp(proto->number))
			return misuse("%s: icmp goes with proto icmp or icmpv6, not with proto %s",
				      what, proto->said.value);
		*icmp_proto = proto->number;
		return 0;
	}
	switch (family_meant(args)) {
	case 4:
		*icmp_proto = IPPROTO_ICMP;
		return 0;
	case 6:
		*icmp_proto = IPPROTO_ICMPV6;
		return 0;
	default:
		return misuse("%s: icmp of which family? add proto icmp or proto icmpv6", what);
	}
}

static void put_range(struct nl_request *req, __u16 first, __u16 last, const struct value *value)
{
	const struct range *range = &value->range;

	if (!value->given || !range->first.len)
		return;
	nl_put(req, first, range->first.bytes, range->first.len, &value->said);
	nl_put(req, last, range->last.bytes, range->last.len, &value->said);
}

static void put_ports(struct nl_request *req, __u16 first, __u16 last, const struct value *value)
{
	if (!value->given)
		return;
	nl_put_u16(req, first, value->ports.first, &value->said);
	nl_put_u16(req, last, value->ports.last, &value->said);
}

/* Absent if the user said nothing of it: any traffic. */
void selector_put(struct nl_request *req, __u16 type, const struct args *args, __u8 icmp_proto)
{
	const struct value *value = args->value;
	struct nlattr *nest;
	unsigned int id;

	for (id = 0; id < W_COUNT; id++)
		if (SELECTOR_WORDS & 1ULL << id && value[id].given)
			break;
	if (id == W_COUNT)
		return;
	nest = nl_nest(req, type, value[W_SEL].given ? &value[W_SEL].said : NULL);
	put_range(req, ESPM_A_SEL_SRC_FIRST, ESPM_A_SEL_SRC_LAST, &value[W_SEL_SRC]);
	put_range(req, ESPM_A_SEL_DST_FIRST, ESPM_A_SEL_DST_LAST, &value[W_SEL_DST]);
	if (icmp_proto)
		nl_put_u8(req, ESPM_A_SEL_PROTOCOL, icmp_proto, &value[W_ICMP].said);
	else if (value[W_PROTO].given)
		nl_put_u8(req, ESPM_A_SEL_PROTOCOL, value[W_PROTO].number, &value[W_PROTO].said);
	put_ports(req, ESPM_A_SEL_SPORT_FIRST, ESPM_A_SEL_SPORT_LAST,
		  value[W_ICMP].given ? &value[W_ICMP] : &value[W_SPORT]);
	put_ports(req, ESPM_A_SEL_DPORT_FIRST, ESPM_A_SEL_DPORT_LAST, &value[W_DPORT]);
	nl_nest_end(req, nest);
}

static bool get_ports(struct ports *ports, const struct nlattr *first, const struct nlattr *last)
{
	ports->first = first ? nl_number(first) : 0;
	ports->last = last ? nl_number(last) : 65535;
	return ports->first == 0 && ports->last == 65535;
}

/* A selector from its attribute; NULL is any traffic. */
void selector_get(struct selector *sel, const struct nlattr *nest)
{
	const struct nlattr *attr[ESPM_A_SEL_MAX + 1] = { };

	if (nest)
		nl_nested(nest, attr, ESPM_A_SEL_MAX);
	nl_addr(&sel->src.first, attr[ESPM_A_SEL_SRC_FIRST]);
	nl_addr(&sel->src.last, attr[ESPM_A_SEL_SRC_LAST]);
	nl_addr(&sel->dst.first, attr[ESPM_A_SEL_DST_FIRST]);
	nl_addr(&sel->dst.last, attr[ESPM_A_SEL_DST_LAST]);
	sel->any_proto = !attr[ESPM_A_SEL_PROTOCOL];
	sel->proto = nl_number(attr[ESPM_A_SEL_PROTOCOL]);
	sel->any_sport = get_ports(&sel->sport, attr[ESPM_A_SEL_SPORT_FIRST],
				   attr[ESPM_A_SEL_SPORT_LAST]);
	sel->any_dport = get_ports(&sel->dport, attr[ESPM_A_SEL_DPORT_FIRST],
				   attr[ESPM_A_SEL_DPORT_LAST]);
}

bool selector_is_any(const struct selector *sel)
{
	return !sel->src.first.len && !sel->dst.first.len && sel->any_proto &&
	       sel->any_sport && sel->any_dport;
}

static size_t icmp_one(unsigned int value, unsigned int whole, char *text, size_t size)
{
	if ((value & 255) == whole)
		return snprintf(text, size, "%u", value >> 8);
	return snprintf(text, size, "%u/%u", value >> 8, value & 255);
}

/* TYPE, TYPE/CODE, or a range of either. */
static void icmp_text(const struct ports *ports, char *text, size_t size)
{
	bool whole = !(ports->first & 255) && (ports->last & 255) == 255;
	size_t used;

	used = icmp_one(ports->first, whole ? 0 : 256, text, size);
	if (ports->first == ports->last || (whole && ports->first >> 8 == ports->last >> 8))
		return;
	text[used++] = '-';
	icmp_one(ports->last, whole ? 255 : 256, text + used, size - used);
}

/* As the words sport, dport or icmp take it. */
void ports_text(const struct ports *ports, bool any, bool icmp, char *text, size_t size)
{
	if (any)
		snprintf(text, size, "any");
	else if (icmp)
		icmp_text(ports, text, size);
	else if (ports->first == ports->last)
		snprintf(text, size, "%u", ports->first);
	else
		snprintf(text, size, "%u-%u", ports->first, ports->last);
}

/* As it would be typed. */
void selector_text(const struct selector *sel, char *text, size_t size)
{
	char src[RANGE_TEXT], dst[RANGE_TEXT], ports[PORTS_TEXT], number[8];
	bool icmp = !sel->any_proto && proto_is_icmp(sel->proto);
	size_t used;

	range_text(&sel->src, src, sizeof(src));
	range_text(&sel->dst, dst, sizeof(dst));
	used = snprintf(text, size, "src %s dst %s", src, dst);
	if (!sel->any_proto)
		used += snprintf(text + used, size - used, " proto %s",
				 proto_name(sel->proto, number, sizeof(number)));
	if (!sel->any_sport) {
		ports_text(&sel->sport, false, icmp, ports, sizeof(ports));
		used += snprintf(text + used, size - used, " %s %s", icmp ? "icmp" : "sport",
				 ports);
	}
	if (!sel->any_dport) {
		ports_text(&sel->dport, false, false, ports, sizeof(ports));
		snprintf(text + used, size - used, " dport %s", ports);
	}
}

static void add_range(struct json_object *o, const char *first, const char *last,
		      const struct range *range)
{
	char text[INET6_ADDRSTRLEN];

	if (!range->first.len)
		return;
	addr_text(&range->first, text, sizeof(text));
	json_object_object_add(o, first, json_object_new_string(text));
	addr_text(&range->last, text, sizeof(text));
	json_object_object_add(o, last, json_object_new_string(text));
}

struct json_object *selector_json(const struct selector *sel)
{
	struct json_object *o = json_object_new_object();

	add_range(o, "src_first", "src_last", &sel->src);
	add_range(o, "dst_first", "dst_last", &sel->dst);
	if (!sel->any_proto)
		json_object_object_add(o, "protocol", json_object_new_int(sel->proto));
	if (!sel->any_sport) {
		json_object_object_add(o, "sport_first", json_object_new_int(sel->sport.first));
		json_object_object_add(o, "sport_last", json_object_new_int(sel->sport.last));
	}
	if (!sel->any_dport) {
		json_object_object_add(o, "dport_first", json_object_new_int(sel->dport.first));
		json_object_object_add(o, "dport_last", json_object_new_int(sel->dport.last));
	}
	return o;
}
