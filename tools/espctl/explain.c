// SPDX-License-Identifier: GPL-2.0
/* espctl explain: what would become of a packet, by the kernel's own lookup. */
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/icmp6.h>
#include <json-c/json.h>
#include <esp_mod.h>
#include "command.h"
#include "counter.h"
#include "nl.h"
#include "out.h"
#include "say.h"

enum { SPORT_DEFAULT = 49152 };

static const char *const answer_names[] = { "pass", "drop", "protect" };

/* A packet that is asked about, in full. */
struct question {
	__u8 proto;
	__u16 sport;
	__u16 dport;
};

static bool has_ports(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE ||
	       proto == IPPROTO_SCTP || proto == IPPROTO_DCCP;
}

/* One port of a packet; a range is for selectors. */
static int single_port(const struct value *value, __u16 *port)
{
	if (!value->given)
		return 0;
	if (value->ports.first != value->ports.last)
		return misuse("explain: %s %s: a packet has one port", value->said.name,
			      value->said.value);
	*port = value->ports.first;
	return 0;
}

/* What is left out becomes a ping, or a client's port. */
static int complete(const struct args *args, struct question *q)
{
	const struct value *value = args->value;
	bool v6 = value[W_SRC].addr.len == 16;
	__u8 icmp = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	__u16 echo = (v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO) << 8;
	bool ports = value[W_SPORT].given || value[W_DPORT].given;

	q->proto = value[W_PROTO].given ? value[W_PROTO].number : icmp;
	q->sport = q->proto == icmp ? echo : 0;
	q->dport = 0;
	if (!value[W_SRC].addr.len || !value[W_DST].addr.len)
		return misuse("explain: a packet has one source and one destination, not 'any'");
	if (value[W_SRC].addr.len != value[W_DST].addr.len)
		return misuse("explain: source and destination are of different families");
	if (value[W_ICMP].given) {
		if (q->proto != icmp || ports)
			return misuse("explain: icmp %s: the packet is no %s",
				      value[W_ICMP].said.value, v6 ? "ICMPv6" : "ICMP");
		/* TYPE alone covers all its codes: 0 is meant. */
		q->sport = value[W_ICMP].ports.first;
		return 0;
	}
	if (!has_ports(q->proto))
		return ports ? misuse("explain: ports need a protocol that has them") : 0;
	if (!value[W_DPORT].given)
		return misuse("explain: proto %s: which port? Say dport N",
			      value[W_PROTO].said.value);
	q->sport = SPORT_DEFAULT;
	return single_port(&value[W_SPORT], &q->sport) ?:
	       single_port(&value[W_DPORT], &q->dport);
}

static int ask(const struct args *args, const struct question *q, __u8 dir,
	       struct nl_reply *reply)
{
	const struct value *value = args->value;
	struct nl_request req;

	nl_begin(&req, ESPM_CMD_EXPLAIN, "explain");
	nl_put_u8(&req, ESPM_A_EXPLAIN_DIRECTION, dir, NULL);
	nl_put_addr(&req, ESPM_A_EXPLAIN_SRC, &value[W_SRC]);
	nl_put_addr(&req, ESPM_A_EXPLAIN_DST, &value[W_DST]);
	nl_put_u8(&req, ESPM_A_EXPLAIN_PROTOCOL, q->proto, &value[W_PROTO].said);
	nl_put_u16(&req, ESPM_A_EXPLAIN_SPORT, q->sport, &value[W_SPORT].said);
	nl_put_u16(&req, ESPM_A_EXPLAIN_DPORT, q->dport, &value[W_DPORT].said);
	return nl_do(&req, reply);
}

static struct json_object *told_json(const struct nl_reply *reply, __u8 dir)
{
	const struct nlattr *attr[ESPM_A_EXPLAIN_MAX + 1];
	struct json_object *o = json_object_new_object();
	struct counter counter;
	char text[16];

	nl_attrs(nl_next(reply, NULL), attr, ESPM_A_EXPLAIN_MAX);
	json_add_string(o, "direction", direction_names[dir]);
	json_add_string(o, "answer", NAME_OF(answer_names, nl_number(attr[ESPM_A_EXPLAIN_ANSWER])));
	json_add_number(o, "policy", attr[ESPM_A_EXPLAIN_POLICY]);
	json_add_number(o, "reqid", attr[ESPM_A_EXPLAIN_REQID]);
	json_add_number(o, "sa", attr[ESPM_A_EXPLAIN_SA]);
	if (attr[ESPM_A_EXPLAIN_SPI]) {
		snprintf(text, sizeof(text), "0x%08x", (__u32)nl_number(attr[ESPM_A_EXPLAIN_SPI]));
		json_add_string(o, "spi", text);
		json_add_string(o, "mode",
				NAME_OF(mode_names, nl_number(attr[ESPM_A_EXPLAIN_MODE])));
		json_add_addr(o, "outer_src", attr[ESPM_A_EXPLAIN_OUTER_SRC]);
		json_add_addr(o, "outer_dst", attr[ESPM_A_EXPLAIN_OUTER_DST]);
	}
	json_add_number(o, "mtu", attr[ESPM_A_EXPLAIN_MTU]);
	if (attr[ESPM_A_EXPLAIN_COUNTER]) {
		counter_get(&counter, attr[ESPM_A_EXPLAIN_COUNTER]);
		json_add_string(o, "counter", counter.name);
		json_add_string(o, "description", counter.description);
	}
	return o;
}

static void say_sa(const struct nlattr **attr)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	struct addr addr;

	nl_addr(&addr, attr[ESPM_A_EXPLAIN_OUTER_SRC]);
	addr_text(&addr, src, sizeof(src));
	nl_addr(&addr, attr[ESPM_A_EXPLAIN_OUTER_DST]);
	addr_text(&addr, dst, sizeof(dst));
	printf("     SA %u seals it: SPI 0x%08x, %s, %s to %s\n",
	       (__u32)nl_number(attr[ESPM_A_EXPLAIN_SA]),
	       (__u32)nl_number(attr[ESPM_A_EXPLAIN_SPI]),
	       NAME_OF(mode_names, nl_number(attr[ESPM_A_EXPLAIN_MODE])), src, dst);
	if (attr[ESPM_A_EXPLAIN_MTU])
		printf("     up to %u bytes travel whole\n",
		       (__u32)nl_number(attr[ESPM_A_EXPLAIN_MTU]));
	else
		puts("     there is no route to it");
}

/* A line for what happens, and lines below for why. */
static void say_told(const struct nl_reply *reply, __u8 dir)
{
	static const char *const happens[] = { "passes as it is", "is dropped", "is protected" };
	const struct nlattr *attr[ESPM_A_EXPLAIN_MAX + 1];
	struct counter counter;

	nl_attrs(nl_next(reply, NULL), attr, ESPM_A_EXPLAIN_MAX);
	printf("%-3s  %s, the packet %s\n", direction_names[dir],
	       dir == ESPM_DIR_OUT ? "Leaving" : "Arriving in clear",
	       NAME_OF(happens, nl_number(attr[ESPM_A_EXPLAIN_ANSWER])));
	if (!attr[ESPM_A_EXPLAIN_POLICY])
		puts("     no policy matches it");
	else if (attr[ESPM_A_EXPLAIN_REQID])
		printf("     policy %u wants ESP, by SAs of reqid %u\n",
		       (__u32)nl_number(attr[ESPM_A_EXPLAIN_POLICY]),
		       (__u32)nl_number(attr[ESPM_A_EXPLAIN_REQID]));
	else
		printf("     policy %u decides\n", (__u32)nl_number(attr[ESPM_A_EXPLAIN_POLICY]));
	if (attr[ESPM_A_EXPLAIN_SA])
		say_sa(attr);
	if (attr[ESPM_A_EXPLAIN_COUNTER]) {
		counter_get(&counter, attr[ESPM_A_EXPLAIN_COUNTER]);
		printf("     counted as %s: %s\n", counter.name, counter.description);
	}
}

int explain(struct args *args)
{
	static const __u8 directions[] = { ESPM_DIR_OUT, ESPM_DIR_IN };
	struct nl_reply reply[ARRAY_SIZE(directions)] = { };
	struct json_list list;
	struct question q;
	unsigned int i;
	int err;

	err = complete(args, &q);
	/* Both answers before a word is printed. */
	for (i = 0; i < ARRAY_SIZE(directions) && !err; i++)
		err = ask(args, &q, directions[i], &reply[i]);
	if (!err && args->json) {
		json_list_begin(&list);
		for (i = 0; i < ARRAY_SIZE(directions); i++)
			json_list_add(&list, told_json(&reply[i], directions[i]));
		err = json_list_end(&list);
	} else if (!err) {
		for (i = 0; i < ARRAY_SIZE(directions); i++)
			say_told(&reply[i], directions[i]);
		err = out_done();
	}
	for (i = 0; i < ARRAY_SIZE(directions); i++)
		nl_free(&reply[i]);
	return err;
}
