// SPDX-License-Identifier: GPL-2.0
/*
 * espctl complete WORD...: what may stand in place of the last word, a line each,
 * from the tables that the parser has, and from the kernel. The shell's completion
 * asks it; it is no part of the grammar. A line FILES or DIRS stands for names of
 * those, which the shell knows better.
 */
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <linux/genetlink.h>
#include <esp_mod.h>
#include "command.h"
#include "counter.h"
#include "main.h"
#include "nl.h"
#include "out.h"
#include "say.h"
#include "suite.h"

#define WHAT	"complete"
#define FILES	"FILES"
#define DIRS	"DIRS"

/* If it begins with what was typed of it. */
static void offer(const char *typed, const char *word)
{
	if (!strncmp(typed, word, strlen(typed)))
		puts(word);
}

static void offer_options(const char *typed)
{
	unsigned int i;

	for (i = 0; option_name(i) && *typed == '-'; i++)
		offer(typed, option_name(i));
}

/* Nouns, each once, or the verbs of one. */
static void offer_commands(const char *typed, const char *noun)
{
	unsigned int i;

	for (i = 0; i < commands_count; i++) {
		const char *name = commands[i].name;
		int len = strcspn(name, " ");
		char text[16];

		if (noun) {
			if (command_has_noun(&commands[i], noun) && command_verb(&commands[i]))
				offer(typed, command_verb(&commands[i]));
			continue;
		}
		snprintf(text, sizeof(text), "%.*s", len, name);
		if (!i || !command_has_noun(&commands[i - 1], text))
			offer(typed, text);
	}
}

/* One value of each SA or policy, as it would be typed. */
static void offer_attrs(const char *typed, __u8 cmd, __u16 type)
{
	const struct nlattr *attr[ESPM_A_SA_MAX + 1];
	struct nl_reply reply = { };
	const struct nlmsghdr *nlh;
	char text[INET6_ADDRSTRLEN];
	struct nl_request req;
	struct addr addr;

	nl_begin(&req, cmd, WHAT);
	nl_dump(&req, &reply);
	for (nlh = nl_next(&reply, NULL); nlh; nlh = nl_next(&reply, nlh)) {
		nl_attrs(nlh, attr, ESPM_A_SA_MAX);
		if (!attr[type])
			continue;
		nl_addr(&addr, attr[type]);
		if (cmd == ESPM_CMD_SA_GET && type == ESPM_A_SA_DST)
			addr_text(&addr, text, sizeof(text));
		else
			snprintf(text, sizeof(text),
				 cmd == ESPM_CMD_SA_GET && type == ESPM_A_SA_SPI ? "0x%08x" : "%u",
				 (__u32)nl_number(attr[type]));
		offer(typed, text);
	}
	nl_free(&reply);
}

static void offer_reasons(const char *typed)
{
	struct nl_reply reply = { };
	const struct nlmsghdr *nlh;
	const struct nlattr *attr;
	struct counter counter;
	struct nl_request req;

	nl_begin(&req, ESPM_CMD_STATS_GET, WHAT);
	nl_do(&req, &reply);
	nlh = nl_next(&reply, NULL);
	if (nlh) {
		mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
			if (mnl_attr_get_type(attr) != ESPM_A_STATS_COUNTERS)
				continue;
			counter_get(&counter, attr);
			if (counter.drop)
				offer(typed, counter.name);
		}
	}
	nl_free(&reply);
}

static void offer_suites(const char *typed)
{
	size_t i;

	for (i = 0; suite_name(i); i++)
		offer(typed, suite_name(i));
}

/* What names an SA that is there; not what names one to come. */
static bool names_sa(const struct command *command)
{
	return command->takes & WORD(ID) && command->takes & WORD(SPI);
}

static void offer_values(const char *typed, const struct command *command, enum word word)
{
	unsigned int i;

	/* A value that stands alone is of one packet: it has no choice of "any". */
	for (i = 0; word_choice(word, i) && command->takes & 1ULL << word; i++)
		offer(typed, word_choice(word, i));
	switch (word) {
	case W_ID:
		if (names_sa(command))
			offer_attrs(typed, ESPM_CMD_SA_GET, ESPM_A_SA_ID);
		else
			offer_attrs(typed, ESPM_CMD_POLICY_GET, ESPM_A_POLICY_ID);
		break;
	case W_SPI:
		if (names_sa(command) || command->takes & WORD(OF_SA))
			offer_attrs(typed, ESPM_CMD_SA_GET, ESPM_A_SA_SPI);
		break;
	case W_DST:
		if (names_sa(command))
			offer_attrs(typed, ESPM_CMD_SA_GET, ESPM_A_SA_DST);
		break;
	case W_REQID:
		offer_attrs(typed, ESPM_CMD_SA_GET, ESPM_A_SA_REQID);
		break;
	case W_OF_SA:
		offer_attrs(typed, ESPM_CMD_SA_GET, ESPM_A_SA_ID);
		break;
	case W_OF_POLICY:
		offer_attrs(typed, ESPM_CMD_POLICY_GET, ESPM_A_POLICY_ID);
		break;
	case W_REASON:
		offer_reasons(typed);
		break;
	case W_SUITE:
		offer_suites(typed);
		break;
	case W_KEY_FILE:
		puts(FILES);
		break;
	case W_KEY_DIR:
		puts(DIRS);
		break;
	default:
		break;
	}
}

static void offer_next(const char *typed, const struct command *command, char **words, int count)
{
	struct args_next next = args_next(command, words, count);
	unsigned int id;

	if (next.value != W_COUNT) {
		offer_values(typed, command, next.value);
		return;
	}
	offer_options(typed);
	for (id = 0; id < W_COUNT; id++)
		if (next.words & 1ULL << id)
			offer(typed, word_name(id));
}

static void offer_behind(const char *typed, char **words, int count)
{
	const char *verb;
	unsigned int i;

	for (i = 0; i < commands_count; i++) {
		if (!command_has_noun(&commands[i], words[0]))
			continue;
		verb = command_verb(&commands[i]);
		if (!verb) {
			offer_next(typed, &commands[i], words + 1, count - 1);
		} else if (count == 1) {
			offer_options(typed);
			offer_commands(typed, words[0]);
			return;
		} else if (!strcmp(verb, words[1])) {
			offer_next(typed, &commands[i], words + 2, count - 2);
		}
	}
}

/* Never an error: nothing to offer is an answer. */
int complete_words(char **words, int count)
{
	const char *typed = count ? words[count - 1] : "";

	say_nothing();
	if (count < 2) {
		offer_options(typed);
		offer_commands(typed, NULL);
	} else if (option_takes_file(words[count - 2])) {
		puts(FILES);
	} else {
		offer_behind(typed, words, count - 1);
	}
	return out_done();
}
