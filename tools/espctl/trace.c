// SPDX-License-Identifier: GPL-2.0
/*
 * espctl trace: drops, as they happen. They come by the tracepoint esp_mod:drop,
 * in an instance of tracefs of our own, so that nobody else's tracing is
 * disturbed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <linux/genetlink.h>
#include <json-c/json.h>
#include <esp_mod.h>
#include "command.h"
#include "counter.h"
#include "nl.h"
#include "out.h"
#include "say.h"
#include "wait.h"

#define TRACEFS "/sys/kernel/tracing"
#define WHAT	"trace"

enum { LINE_SIZE = 1024 };

/* What a line tells of one packet. */
struct dropped {
	char reason[32];
	unsigned int sa, spi, policy, reqid, len, proto, sport, dport;
	struct addr src, dst;
};

struct tracing {
	char dir[64];
	int pipe;
	char line[LINE_SIZE];
	size_t used;
	struct nl_reply counters;
};

static int write_file(const char *dir, const char *name, const char *text)
{
	ssize_t len = strlen(text);
	char path[160];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (write(fd, text, len) != len)
		err = errno;
	close(fd);
	return err;
}

static void __printf(3, 4) add(char *text, size_t size, const char *fmt, ...)
{
	size_t used = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + used, size - used, fmt, ap);
	va_end(ap);
}

static void add_ports(char *text, size_t size, const char *name, const struct value *value)
{
	if (value->given)
		add(text, size, " && %s >= %u && %s <= %u", name, value->ports.first, name,
		    value->ports.last);
}

/* What the kernel can sort out; addresses are left to us. */
static int make_filter(const struct args *args, char *text, size_t size)
{
	static const struct {
		enum word word;
		const char *name;
	} numbers[] = {
		{ W_OF_SA, "sa" }, { W_OF_POLICY, "policy" }, { W_SPI, "spi" },
		{ W_REQID, "reqid" }, { W_PROTO, "proto" },
	};
	struct stat netns;
	unsigned int i;

	if (stat("/proc/self/ns/net", &netns))
		return refuse(WHAT ": /proc/self/ns/net: %s", strerror(errno));
	snprintf(text, size, "netns == %u", (unsigned int)netns.st_ino);
	if (args->value[W_REASON].given)
		add(text, size, " && reason == \"%s\"", args->value[W_REASON].said.value);
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (args->value[numbers[i].word].given)
			add(text, size, " && %s == %u", numbers[i].name,
			    args->value[numbers[i].word].number);
	add_ports(text, size, "sport", &args->value[W_SPORT]);
	add_ports(text, size, "dport", &args->value[W_DPORT]);
	return 0;
}

/* The counter of that name; false if there is none. */
static bool find_counter(const struct nl_reply *reply, const char *name, struct counter *counter)
{
	const struct nlmsghdr *nlh = nl_next(reply, NULL);
	const struct nlattr *attr;

	if (!nlh)
		return false;
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) != ESPM_A_STATS_COUNTERS)
			continue;
		counter_get(counter, attr);
		if (!strcmp(counter->name, name))
			return true;
	}
	return false;
}

static int unknown_reason(const struct nl_reply *reply, const char *word)
{
	const char *names[128], *meant;
	const struct nlattr *attr;
	struct counter counter;
	size_t count = 0;

	mnl_attr_for_each(attr, nl_next(reply, NULL), sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) != ESPM_A_STATS_COUNTERS || count == ARRAY_SIZE(names))
			continue;
		counter_get(&counter, attr);
		if (counter.drop)
			names[count++] = counter.name;
	}
	meant = nearest(word, names, count);
	if (meant)
		return misuse("reason %s: did you mean '%s'?", word, meant);
	return misuse("reason %s: no such counter of drops: see 'espctl stats all'", word);
}

static int begin(const struct args *args, struct tracing *tracing)
{
	const struct value *reason = &args->value[W_REASON];
	struct nl_request req;
	struct counter counter;
	char filter[512], path[96];
	int err;

	nl_begin(&req, ESPM_CMD_STATS_GET, WHAT);
	err = nl_do(&req, &tracing->counters);
	if (err)
		return err;
	if (reason->given && (!find_counter(&tracing->counters, reason->said.value, &counter) ||
			      !counter.drop))
		return unknown_reason(&tracing->counters, reason->said.value);
	err = make_filter(args, filter, sizeof(filter));
	if (err)
		return err;
	if (access(TRACEFS "/events/esp_mod/drop", F_OK)) {
		if (access(TRACEFS "/trace", F_OK) && errno == ENOENT)
			return refuse(WHAT ": tracefs is missing: 'mount -t tracefs none " TRACEFS "'");
		return refuse(WHAT ": " TRACEFS "/events/esp_mod/drop: %s", strerror(errno));
	}
	snprintf(tracing->dir, sizeof(tracing->dir), TRACEFS "/instances/espctl-%d", getpid());
	if (mkdir(tracing->dir, 0700)) {
		err = refuse(WHAT ": %s: %s", tracing->dir, strerror(errno));
		tracing->dir[0] = 0;
		return err;
	}
	err = write_file(tracing->dir, "events/esp_mod/drop/filter", filter);
	if (!err)
		err = write_file(tracing->dir, "events/esp_mod/drop/enable", "1");
	if (err)
		return refuse(WHAT ": the kernel refuses '%s': %s", filter, strerror(err));
	snprintf(path, sizeof(path), "%s/trace_pipe", tracing->dir);
	tracing->pipe = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (tracing->pipe < 0)
		return refuse(WHAT ": %s: %s", path, strerror(errno));
	return 0;
}

static void end(struct tracing *tracing)
{
	if (tracing->pipe >= 0)
		close(tracing->pipe);
	if (tracing->dir[0]) {
		write_file(tracing->dir, "events/esp_mod/drop/enable", "0");
		rmdir(tracing->dir);
	}
	nl_free(&tracing->counters);
}

/* The value of "name=" in a line, as text. */
static bool take(const char *line, const char *name, char *text, size_t size)
{
	char key[16];
	const char *at;
	size_t len;

	snprintf(key, sizeof(key), " %s=", name);
	at = strstr(line, key);
	if (!at)
		return false;
	at += strlen(key);
	len = strcspn(at, " ");
	snprintf(text, size, "%.*s", (int)len, at);
	return true;
}

static bool take_number(const char *line, const char *name, unsigned int *number)
{
	char text[32];

	if (!take(line, name, text, sizeof(text)))
		return false;
	*number = strtoul(text, NULL, 0);
	return true;
}

static bool take_addr(const char *line, const char *name, struct addr *addr)
{
	char text[INET6_ADDRSTRLEN];
	const char *from = text;

	if (!take(line, name, text, sizeof(text)))
		return false;
	if (!strncmp(text, "::ffff:", 7) && strchr(text, '.'))
		from += 7;
	return addr_parse(addr, from);
}

static bool read_line(const char *line, struct dropped *dropped)
{
	line = strstr(line, " drop: ");
	if (!line)
		return false;
	line += strlen(" drop:");
	return take(line, "reason", dropped->reason, sizeof(dropped->reason)) &&
	       take_number(line, "sa", &dropped->sa) && take_number(line, "spi", &dropped->spi) &&
	       take_number(line, "policy", &dropped->policy) &&
	       take_number(line, "reqid", &dropped->reqid) &&
	       take_number(line, "len", &dropped->len) &&
	       take_number(line, "proto", &dropped->proto) &&
	       take_number(line, "sport", &dropped->sport) &&
	       take_number(line, "dport", &dropped->dport) &&
	       take_addr(line, "src", &dropped->src) && take_addr(line, "dst", &dropped->dst);
}

static bool is_wanted(const struct value *value, const struct addr *addr)
{
	return !value->given || range_has(&value->range, addr);
}

static int print_json(const struct dropped *dropped, const char *sentence)
{
	struct json_object *o = json_object_new_object();
	char text[INET6_ADDRSTRLEN];

	json_add_string(o, "reason", dropped->reason);
	json_add_string(o, "description", sentence);
	if (dropped->len) {
		addr_text(&dropped->src, text, sizeof(text));
		json_add_string(o, "src", text);
		addr_text(&dropped->dst, text, sizeof(text));
		json_add_string(o, "dst", text);
		json_object_object_add(o, "protocol", json_object_new_int(dropped->proto));
		json_object_object_add(o, "len", json_object_new_int(dropped->len));
	}
	if (dropped->sport || dropped->dport) {
		json_object_object_add(o, "sport", json_object_new_int(dropped->sport));
		json_object_object_add(o, "dport", json_object_new_int(dropped->dport));
	}
	if (dropped->sa) {
		snprintf(text, sizeof(text), "0x%08x", dropped->spi);
		json_object_object_add(o, "sa", json_object_new_int64(dropped->sa));
		json_add_string(o, "spi", text);
	}
	if (dropped->policy)
		json_object_object_add(o, "policy", json_object_new_int64(dropped->policy));
	if (dropped->reqid)
		json_object_object_add(o, "reqid", json_object_new_int64(dropped->reqid));
	return json_print(o);
}

static int print_text(const struct dropped *dropped, const char *sentence)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], number[8], now[16];

	wait_clock_text(now, sizeof(now));
	printf("%s %s", now, dropped->reason);
	if (dropped->len) {
		addr_text(&dropped->src, src, sizeof(src));
		addr_text(&dropped->dst, dst, sizeof(dst));
		printf(" src %s dst %s proto %s len %u", src, dst,
		       proto_name(dropped->proto, number, sizeof(number)), dropped->len);
	}
	if (dropped->sport || dropped->dport)
		printf(" sport %u dport %u", dropped->sport, dropped->dport);
	if (dropped->sa)
		printf(" sa %u spi 0x%08x", dropped->sa, dropped->spi);
	if (dropped->policy)
		printf(" policy %u", dropped->policy);
	if (dropped->reqid)
		printf(" reqid %u", dropped->reqid);
	printf(": %s\n", sentence);
	return out_done();
}

/* All lines that are complete; err: of the output. */
static int print_lines(const struct args *args, struct tracing *tracing, __u64 *wanted)
{
	struct dropped dropped;
	struct counter counter;
	char *at = tracing->line, *next;
	int err = 0;

	while (!err && *wanted && (next = memchr(at, '\n', tracing->line + tracing->used - at))) {
		*next = 0;
		if (read_line(at, &dropped) &&
		    is_wanted(&args->value[W_SEL_SRC], &dropped.src) &&
		    is_wanted(&args->value[W_SEL_DST], &dropped.dst)) {
			const char *sentence = find_counter(&tracing->counters, dropped.reason,
							    &counter) ? counter.description : "";

			err = args->json ? print_json(&dropped, sentence) :
					   print_text(&dropped, sentence);
			--*wanted;
		}
		at = next + 1;
	}
	tracing->used -= at - tracing->line;
	memmove(tracing->line, at, tracing->used);
	return err;
}

/* Wait, and read what there is. Negative: an error that was said. */
static int hear(struct tracing *tracing, const struct timespec *limit)
{
	struct pollfd wait = { .fd = tracing->pipe, .events = POLLIN };
	sigset_t none;
	ssize_t got;

	sigemptyset(&none);
	if (ppoll(&wait, 1, limit, &none) <= 0)
		return 0;
	/* A line longer than that is none of ours. */
	if (tracing->used == sizeof(tracing->line))
		tracing->used = 0;
	got = read(tracing->pipe, tracing->line + tracing->used,
		   sizeof(tracing->line) - tracing->used);
	if (got < 0 && errno != EAGAIN && errno != EINTR) {
		refuse(WHAT ": trace_pipe: %s", strerror(errno));
		return -1;
	}
	tracing->used += got > 0 ? got : 0;
	return 0;
}

int trace(struct args *args)
{
	const struct value *count = &args->value[W_EVENTS], *timeout = &args->value[W_TIMEOUT];
	__u64 wanted = count->given ? count->number : ~0ULL;
	struct timespec last = wait_end(timeout->given ? timeout->number : 0);
	struct tracing tracing = { .pipe = -1 };
	struct timespec left, *limit = NULL;
	bool over = false;
	int err;

	wait_expect_signals();
	err = begin(args, &tracing);
	while (!err && wanted && !wait_is_over() && !over) {
		if (timeout->given) {
			left = wait_left(&last);
			limit = &left;
			over = !left.tv_sec && !left.tv_nsec;
		}
		err = hear(&tracing, limit) ? STATUS_REFUSED :
		      print_lines(args, &tracing, &wanted);
	}
	end(&tracing);
	if (!err && over && count->given)
		return refuse("%s: in %u s only %u of %u drops", WHAT, timeout->number,
			      (__u32)(count->number - wanted), count->number);
	return err;
}
