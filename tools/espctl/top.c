// SPDX-License-Identifier: GPL-2.0
/* espctl top: rates of each SA, the busiest first, redrawn. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <linux/genetlink.h>
#include <json-c/json.h>
#include <esp_mod.h>
#include "command.h"
#include "counter.h"
#include "nl.h"
#include "out.h"
#include "say.h"
#include "wait.h"

#define WHAT	"top"

/* What is compared of an SA, and how much it was in the last interval. */
struct load {
	__u32 id, spi, reqid;
	__u8 dir;
	struct addr src, dst;
	__u64 packets, bytes, drops, lost;
	double packet_rate, bit_rate, drop_rate;
};

struct loads {
	struct load *load;
	size_t count;
	size_t room;
};

static void read_load(const struct nlmsghdr *nlh, struct load *load)
{
	const struct nlattr *attr[ESPM_A_SA_MAX + 1], *drop;
	struct counter counter;

	memset(load, 0, sizeof(*load));
	nl_attrs(nlh, attr, ESPM_A_SA_MAX);
	load->id = nl_number(attr[ESPM_A_SA_ID]);
	load->spi = nl_number(attr[ESPM_A_SA_SPI]);
	load->reqid = nl_number(attr[ESPM_A_SA_REQID]);
	load->dir = nl_number(attr[ESPM_A_SA_DIRECTION]);
	nl_addr(&load->src, attr[ESPM_A_SA_SRC]);
	nl_addr(&load->dst, attr[ESPM_A_SA_DST]);
	load->packets = nl_number(attr[ESPM_A_SA_PACKETS]);
	load->bytes = nl_number(attr[ESPM_A_SA_BYTES]);
	load->lost = nl_number(attr[ESPM_A_SA_LOST]);
	mnl_attr_for_each(drop, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(drop) != ESPM_A_SA_DROPS)
			continue;
		counter_get(&counter, drop);
		load->drops += counter.drop ? counter.value : 0;
	}
}

static int read_loads(struct loads *loads)
{
	struct nl_reply reply = { };
	const struct nlmsghdr *nlh;
	struct nl_request req;
	int err;

	loads->count = 0;
	nl_begin(&req, ESPM_CMD_SA_GET, WHAT);
	err = nl_dump(&req, &reply);
	for (nlh = err ? NULL : nl_next(&reply, NULL); nlh; nlh = nl_next(&reply, nlh)) {
		loads->load = more_room(loads->load, &loads->room, loads->count + 1,
					sizeof(*loads->load));
		read_load(nlh, &loads->load[loads->count++]);
	}
	nl_free(&reply);
	return err;
}

/* Both are in the order of their numbers, as dumps are. An SA that is new has no rate yet. */
static void compare(struct loads *now, const struct loads *before, double seconds)
{
	size_t i, k = 0;

	for (i = 0; i < now->count; i++) {
		struct load *load = &now->load[i];
		const struct load *old;

		while (k < before->count && before->load[k].id < load->id)
			k++;
		if (k == before->count || before->load[k].id != load->id)
			continue;
		old = &before->load[k];
		load->packet_rate = (load->packets - old->packets) / seconds;
		load->bit_rate = (load->bytes - old->bytes) * 8 / seconds;
		load->drop_rate = (load->drops - old->drops) / seconds;
	}
}

static int by_rate(const void *left, const void *right)
{
	const struct load *a = left, *b = right;

	if (a->bit_rate != b->bit_rate)
		return a->bit_rate < b->bit_rate ? 1 : -1;
	return a->id < b->id ? -1 : 1;
}

static int by_id(const void *left, const void *right)
{
	const struct load *a = left, *b = right;

	return a->id < b->id ? -1 : 1;
}

static void rate_text(double rate, char *text, size_t size)
{
	static const char units[] = " kMGT";
	unsigned int unit = 0;

	while (rate >= 1000 && unit + 1 < sizeof(units) - 1) {
		rate /= 1000;
		unit++;
	}
	snprintf(text, size, unit ? "%.1f%c" : "%.0f", rate, units[unit]);
}

static int print_table(const struct loads *loads, size_t lines)
{
	static const struct column columns[] = {
		RIGHT("ID"), LEFT("SPI"), LEFT("DIR"), RIGHT("REQID"), LEFT("SRC"), LEFT("DST"),
		RIGHT("PACKETS/S"), RIGHT("BITS/S"), RIGHT("DROPS/S"), RIGHT("LOST"), COLUMNS_END
	};
	char text[INET6_ADDRSTRLEN];
	struct table table;
	size_t i;

	table_begin(&table, columns);
	for (i = 0; i < loads->count && i < lines; i++) {
		const struct load *load = &loads->load[i];

		table_cell(&table, "%u", load->id);
		table_cell(&table, "0x%08x", load->spi);
		table_cell(&table, "%s", NAME_OF(direction_names, load->dir));
		table_cell(&table, "%u", load->reqid);
		addr_text(&load->src, text, sizeof(text));
		table_cell(&table, "%s", text);
		addr_text(&load->dst, text, sizeof(text));
		table_cell(&table, "%s", text);
		rate_text(load->packet_rate, text, sizeof(text));
		table_cell(&table, "%s", text);
		rate_text(load->bit_rate, text, sizeof(text));
		table_cell(&table, "%s", text);
		rate_text(load->drop_rate, text, sizeof(text));
		table_cell(&table, "%s", text);
		if (load->drop_rate > 0)
			table_paint(&table, WARN);
		table_cell(&table, "%llu", (unsigned long long)load->lost);
	}
	return table_end(&table);
}

static int print_json(const struct loads *loads)
{
	struct json_object *list = json_object_new_array();
	char text[INET6_ADDRSTRLEN];
	size_t i;

	for (i = 0; i < loads->count; i++) {
		const struct load *load = &loads->load[i];
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "id", json_object_new_int64(load->id));
		snprintf(text, sizeof(text), "0x%08x", load->spi);
		json_add_string(o, "spi", text);
		json_add_string(o, "direction", NAME_OF(direction_names, load->dir));
		json_object_object_add(o, "reqid", json_object_new_int64(load->reqid));
		json_object_object_add(o, "packets_per_second",
				       json_object_new_double(load->packet_rate));
		json_object_object_add(o, "bits_per_second",
				       json_object_new_double(load->bit_rate));
		json_object_object_add(o, "drops_per_second",
				       json_object_new_double(load->drop_rate));
		json_object_object_add(o, "lost", json_object_new_int64(load->lost));
		json_object_array_add(list, o);
	}
	return json_print(list);
}

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
	return to->tv_sec - from->tv_sec + (to->tv_nsec - from->tv_nsec) / 1e9;
}

int top(struct args *args)
{
	const struct value *count = &args->value[W_ROUNDS], *every = &args->value[W_EVERY];
	unsigned int seconds = every->given ? every->number : 2;
	__u64 wanted = count->given ? count->number : ~0ULL;
	bool redraw = !args->json && isatty(STDOUT_FILENO);
	struct loads now = { }, before = { }, spare;
	struct timespec at, was, left = { .tv_sec = seconds };
	sigset_t none;
	int err;

	if (!seconds)
		return misuse(WHAT ": every 0: must be a second or more");
	wait_expect_signals();
	sigemptyset(&none);
	err = read_loads(&before);
	clock_gettime(CLOCK_MONOTONIC, &was);
	while (!err && wanted-- && !wait_is_over()) {
		ppoll(NULL, 0, &left, &none);
		err = read_loads(&now);
		clock_gettime(CLOCK_MONOTONIC, &at);
		if (err)
			break;
		compare(&now, &before, seconds_between(&was, &at));
		qsort(now.load, now.count, sizeof(*now.load), by_rate);
		if (redraw)
			fputs("\033[H\033[J", stdout);
		err = args->json ? print_json(&now) : print_table(&now, redraw ? 40 : ~0UL);
		fflush(stdout);
		qsort(now.load, now.count, sizeof(*now.load), by_id);
		spare = before;
		before = now;
		now = spare;
		was = at;
	}
	free(now.load);
	free(before.load);
	return err;
}
